"""What the back office may ask of a device. A command is accepted once: its counter is on flash
before the device acts.

The uplink has checked the seal, the epoch and the counter. The answer is a record like any other.
So the ledger holds the device's answer, and in the gateway's own table who asked. A power cut
between counter and answer leaves no answer: the gateway then shows the command as taken with an
unknown outcome, and nothing is done twice.
"""

import binascii
import json
import os

from firmware.journal import JournalError
from protocol import seal
from protocol.compat import const
from protocol.topics import kid

LOG_LINES_MAX = const(12)
_LINE_BYTES_MAX = const(48)
KEY_FILE = const("key.json")


def obey(command: dict, journal, hands: dict):
    """The record that answers `command`, or None when the journal has no room for it now (the
    gateway asks again).

    hands  {verb: function(command) -> (outcome, detail or "", lines or ())}; a verb without one is
    refused
    """
    try:
        journal.note_command(command["counter"])
    except JournalError:
        return None
    event = {"kind": "command", "counter": command["counter"], "verb": command["verb"]}
    lines = ()
    try:
        event["outcome"], detail, lines = hands[command["verb"]](command)
    except KeyError:
        event["outcome"], detail = "refused", "this device does not know how"
    except OSError as error:  # the file system: the key stays the old one
        event["outcome"], detail = "failed", "file system: %r" % error
    if detail:
        event["detail"] = detail[:_LINE_BYTES_MAX]
    if lines:
        event["lines"] = [line[:_LINE_BYTES_MAX] for line in lines][-LOG_LINES_MAX:]
    return event


def stored_key(identity: dict) -> None:
    """Put the key that a rotation stored into `identity` ("key", "key_number"), if it is newer
    than the staged one.
    """
    try:
        with open(KEY_FILE) as file:
            stored = json.load(file)
    except (
        OSError,
        ValueError,
    ):  # there was no rotation; a file that was cut short never got this name
        return
    if stored["key_number"] > identity["key_number"]:
        identity["key_number"] = stored["key_number"]
        identity["key"] = binascii.unhexlify(stored["key_hex"])


def rotated_key(identity: dict, number: int, nonce: bytes) -> None:
    """Derive key `number` from the one in `identity`. Write all of it to flash, and only then put
    it into `identity`. Raises OSError.
    """
    key = seal.next_key(identity["key"], kid(identity["device"], number), nonce)
    fresh = KEY_FILE + ".new"
    with open(fresh, "w") as file:
        json.dump({"key_number": number, "key_hex": binascii.hexlify(key).decode()}, file)
        file.flush()
    os.rename(fresh, KEY_FILE)  # atomic on littlefs: the old key or the new one, never neither
    if hasattr(os, "sync"):
        os.sync()
    identity["key"] = key
    identity["key_number"] = number
