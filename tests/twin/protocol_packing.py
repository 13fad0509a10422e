"""packing: both interpreters pack the same message to the same bytes, and get the payload of
version 1 back.
"""

from packed import a_message
from protocol import messages, packing, unpacking
from seeded import Seeded, digest

EV = "till/1/city/w1/ev"


def main():
    longer = 0
    for seed in range(150):
        said = a_message(Seeded(seed))
        payload = messages.encode_events(*said)
        packed = packing.pack(*said)
        assert unpacking.unpack(packed) == payload, seed
        assert unpacking.unpack(payload) == payload
        longer += len(packed) > len(payload)
        sealed = packing.seal_packed(bytes(32), 1 + seed * 7, EV, packed)
        kid = b"w1.%d" % (1 + seed * 7)
        assert unpacking.open_message(sealed, EV, {kid: bytes(32)}.get) == (kid, payload)
        print(digest([sealed]))
    print(longer, "longer than before")


main()
