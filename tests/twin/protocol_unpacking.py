"""unpacking: what is cut short or changed is refused with the same words on both interpreters, or
is a whole payload of version 1.
"""

from packed import a_message
from protocol import messages, packing, unpacking
from protocol.compat import ProtocolError
from seeded import Seeded, digest


def outcome(packed: bytes) -> str:
    """The payload in digest, or why there is none."""
    try:
        payload = unpacking.unpack(packed)
        messages.decode_events(payload)
        return digest([payload])
    except ProtocolError as error:
        return str(error)


def main():
    for seed in range(12):
        source = Seeded(seed)
        packed = packing.pack(*a_message(source))
        for size in range(1, len(packed), 7):
            print(outcome(packed[:size]))
        for _ in range(40):
            broken = bytearray(packed)
            broken[1 + source.below(len(packed) - 1)] = source.below(256)
            print(outcome(bytes(broken)))


main()
