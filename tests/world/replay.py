"""Plays a recorded history's calls into a device's core and compares every answer. For MicroPython:
replay.py SCRIPT

SCRIPT has one call on each line, as JSON: [name, arguments, answer]; bytes are {"b": hex}, in
answers the long ones {"sha256": hex} (a heap of 190 KB holds the core, its flash and one call).
Prints "same N calls" or what differs.
"""

import binascii
import hashlib
import json
import sys

from tests.world.core import Core, Cut

ANSWER_BYTES = 64


def plain(value, bytes_max=1 << 20):
    """A value as JSON gives it back; for longer bytes their hash."""
    if isinstance(value, (bytes, bytearray)):
        if len(value) > bytes_max:
            return {"sha256": binascii.hexlify(hashlib.sha256(value).digest()).decode()}
        return {"b": binascii.hexlify(value).decode()}
    if isinstance(value, (list, tuple)):
        return [plain(item, bytes_max) for item in value]
    return value


def real(value):
    """The value from which `plain` made this."""
    if isinstance(value, dict):
        return (
            binascii.unhexlify(value["b"])
            if list(value) == ["b"]
            else {key: real(item) for key, item in value.items()}
        )
    if isinstance(value, list):
        return [real(item) for item in value]
    return value


def main(path):
    core = None
    calls = 0
    with open(path) as script:
        for line in script:
            name, arguments, answer = json.loads(line)
            arguments = real(arguments)
            calls += 1
            if name == "new":
                core = Core(*arguments)
                continue
            try:
                found = plain(getattr(core, name)(*arguments), ANSWER_BYTES)
            except Cut:
                found = "cut"
            if found != answer:
                print("call %d %s: %r, here %r" % (calls, name, answer, found))
                return 1
    print("same %d calls" % calls)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
