"""seal: the same tag from both implementations of HMAC, and every single flipped bit refused."""

import binascii

from protocol import seal, topics
from seeded import Seeded, digest


def main():
    out = []
    for seed in range(60):
        source = Seeded(seed)
        key = bytes(source.below(256) for _ in range(seal.KEY_BYTES))
        topic = topics.topic("hall", "w%d" % seed, source.one_of(topics.LEAVES))
        kid = topics.kid("w%d" % seed, source.below(1000))
        payload = source.data(source.one_of((0, 30, 120, 500)))
        sealed = seal.seal(key, kid, topic, payload)
        assert seal.open_seal(sealed, topic, {kid: key}.get) == (kid, payload)
        out.append(sealed)
    print(digest(out))
    # RFC 4231 test case 2 has a key of 4 bytes: the shorter key is padded.
    print(binascii.hexlify(seal.hmac_sha256(b"Jefe", b"what do ya want for nothing?")).decode())
    flips(seal.seal(b"k" * 32, b"w1.1", "till/1/hall/w1/ev", b"payload"))


def flips(sealed: bytes):
    for bit in range(8 * len(sealed)):
        broken = bytearray(sealed)
        broken[bit // 8] ^= 1 << bit % 8
        try:
            seal.open_seal(bytes(broken), "till/1/hall/w1/ev", {b"w1.1": b"k" * 32}.get)
            print("bit %d: accepted" % bit)
        except seal.SealError as error:
            if bit % 8 == 0:
                print("byte %d: %s" % (bit // 8, error))


main()
