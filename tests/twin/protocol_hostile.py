"""Every row of the hostile table is refused with the same words on both interpreters."""

import binascii
import json

from protocol import cbor, messages, records, seal, topics, unpacking
from protocol.compat import ProtocolError

KEYS = {b"w1.1": bytes(range(32))}
TAKE = {
    "cbor": cbor.decode,
    "record": records.decode_record,
    "ev": messages.decode_events,
    "state": messages.decode_state,
    "ack": messages.decode_ack,
    "cmd": messages.decode_command,
    "seal": lambda raw: seal.open_seal(raw, "till/1/hall/w1/ev", KEYS.get),
    "packed": lambda raw: messages.decode_events(unpacking.unpack(raw)),
    "open": lambda raw: unpacking.open_message(raw, "till/1/hall/w1/ev", KEYS.get),
    "topic": lambda raw: topics.parse_topic(raw.decode()),
}


def main():
    folder = __file__[: __file__.rindex("/")] + "/../../protocol/vectors/"
    with open(folder + "hostile.json") as rows:
        for (
            line
        ) in rows:  # one row a line: the whole table would not fit beside the rest on a board
            if not line.startswith("{"):
                continue
            row = json.loads(line.rstrip().rstrip(","))
            try:
                TAKE[row["what"]](binascii.unhexlify(row["hex"]))
                print(row["name"], "ACCEPTED")
            except ProtocolError as error:
                print("%s: %s" % (row["name"], error))


main()
