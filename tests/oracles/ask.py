"""What independent implementations say about the golden vectors, as JSON in the file that is named.

Runs in an environment of its own (requirements.lock beside this file): pycose cannot decode with
cbor2 6 and cwt wants cbor2 below 6. tests/protocol/test_oracles.py makes that environment and
compares the answers.
"""

import json
import sys
from pathlib import Path

from cwt import COSE, COSEKey
from pycose.algorithms import HMAC256, HMAC25664
from pycose.headers import KID, Algorithm
from pycose.keys import SymmetricKey
from pycose.messages import Mac0Message
from zcbor import DataTranslator

PROTOCOL = Path(__file__).parent.parent.parent / "protocol"
RULES = {
    "record": "record",
    "ev": "events-message",
    "state": "state-message",
    "ack": "ack-message",
    "cmd": "command-message",
    "seal": "sealed",
}


def main() -> None:
    answers = {"pycose": {}, "pycose short": {}, "cwt": {}, "cddl": {}}
    for row in vectors("seals"):
        answers["pycose"][row["name"]] = pycose_seal(row)
        answers["cwt"][row["name"]] = cwt_seal(row)
    for row in vectors("packed"):
        answers["pycose short"][row["name"]] = pycose_tag(row)
    rules = DataTranslator.from_cddl((PROTOCOL / "till.cddl").read_text(), 3).my_types
    for name, rule, data in cddl_questions():
        answers["cddl"][name] = obeys(rules[rule], data)
    Path(sys.argv[1]).write_text(json.dumps(answers))  # zcbor prints what it tried


def vectors(name: str) -> list:
    return json.loads((PROTOCOL / "vectors" / f"{name}.json").read_text())


def pycose_seal(row: dict) -> str:
    """The sealed bytes in hex, after pycose also verified its own and ours."""
    message = Mac0Message(
        phdr={Algorithm: HMAC256},
        uhdr={KID: row["kid"].encode()},
        payload=bytes.fromhex(row["payload"]),
    )
    message.external_aad = row["topic"].encode()
    message.key = SymmetricKey(k=bytes.fromhex(row["key"]))
    made = message.encode(tag=True)
    theirs = Mac0Message.decode(b"\xd1" + bytes.fromhex(row["sealed"]))
    theirs.external_aad = message.external_aad
    theirs.key = message.key
    return made[1:].hex() if theirs.verify_tag() else "pycose: wrong tag"


def pycose_tag(row: dict) -> str:
    """The tag of HMAC 256/64 that the COSE_Mac0 has for which a packed message stands."""
    message = Mac0Message(
        phdr={Algorithm: HMAC25664},
        uhdr={KID: row["kid"].encode()},
        payload=bytes.fromhex(row["packed"]),
    )
    message.external_aad = row["topic"].encode()
    message.key = SymmetricKey(k=bytes.fromhex(row["key"]))
    message.encode(tag=True)
    return message.compute_tag().hex()


def cwt_seal(row: dict) -> str:
    key = COSEKey.from_symmetric_key(
        bytes.fromhex(row["key"]), alg="HS256", kid=row["kid"].encode()
    )
    aad = row["topic"].encode()
    made = COSE.new().encode_and_mac(
        bytes.fromhex(row["payload"]),
        key,
        protected={1: 5},
        unprotected={4: row["kid"].encode()},
        external_aad=aad,
    )
    payload = COSE.new().decode(b"\xd1" + bytes.fromhex(row["sealed"]), key, external_aad=aad)
    return made[1:].hex() if payload.hex() == row["payload"] else "cwt: another payload"


def cddl_questions():
    for row in vectors("records"):
        yield row["name"], RULES["record"], row["hex"]
    for row in vectors("messages"):
        yield row["name"], RULES[row["leaf"]], row["hex"]
    for row in vectors("seals"):
        yield row["name"], RULES["seal"], row["sealed"]
    for row in vectors("hostile"):
        if row["what"] in RULES:
            yield row["name"], RULES[row["what"]], row["hex"]


def obeys(rule, data: str) -> bool:
    """Whether the value is one that the schema describes; whatever zcbor raises is a no."""
    try:
        rule.validate_str(bytes.fromhex(data))
    except Exception:  # its own, cbor2's and Python's: all of them say that the value does not fit
        return False
    return True


main()
