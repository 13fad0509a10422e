"""Plays a recorded history's calls into a device's core and compares every answer. For MicroPython: replay.py SCRIPT

SCRIPT has one call a line, as JSON: [name, arguments, answer]; bytes are {"b": hex}. Prints "same N calls" or what differs.
"""

import binascii
import json
import sys

from world.core import Core, Cut


def plain(value):
    """A value as JSON gives it back."""
    if isinstance(value, (bytes, bytearray)):
        return {"b": binascii.hexlify(value).decode()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def real(value):
    """What `plain` made, back again."""
    if isinstance(value, dict):
        return binascii.unhexlify(value["b"]) if list(value) == ["b"] else {key: real(item) for key, item in value.items()}
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
                found = plain(getattr(core, name)(*arguments))
            except Cut:
                found = "cut"
            if found != answer:
                print("call %d %s: %r, here %r" % (calls, name, answer, found))
                return 1
    print("same %d calls" % calls)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
