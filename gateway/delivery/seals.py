"""Whether a sealed message is genuine: its topic, its seal and the key of that very device.

`protocol.topics` and `protocol.seal` are the only judges. Once they have opened a message of a
topic, the next ones under the same key are told by their shape: their first bytes must be the same,
and the rest a payload and a tag. Everything else goes to the judges, a wrong tag too.
"""

import hashlib
from contextlib import suppress
from hmac import compare_digest

from gateway.devices.keys import KeyStore
from gateway.errors import GatewayError
from protocol import cbor, packing, seal, topics, unpacking
from protocol.compat import ProtocolError

_LEAVES = ("ev", "state")
_TOPICS_MAX = 4096  # more than an office has; beyond it they are met anew
_BLOCK_BYTES = 64
_PACKED = bytes((packing.VERSION,))
_NO_HEAD = b"\xff"  # no message begins so
_BEFORE_KID = b"\x84\x43\xa1\x01\x05\xa1\x04"  # of a COSE_Mac0: [{alg: HMAC 256/256}, {4: kid
_UNDER_MAC = b"\x84\x64MAC0\x43\xa1\x01\x05"
_UNDER_SHORT_MAC = b"\x84\x64MAC0\x43\xa1\x01\x04"  # of HMAC 256/64
_BEFORE_TAG = b"\x58\x20"
_END_BYTES = len(_BEFORE_TAG) + seal.TAG_BYTES
_END_MAX = seal.MESSAGE_BYTES_MAX - _END_BYTES
_HEADS = [cbor.head(2, size) for size in range(seal.MESSAGE_BYTES_MAX + 1)]
# The head of a payload, by the bytes of both: the only one that such a string can have.
_PAYLOAD_HEADS = {
    len(head) + size: head
    for size, head in ((size, cbor.head(2, size)) for size in range(seal.MESSAGE_BYTES_MAX))
}


class Seals:
    """Opens the messages of one site's devices."""

    def __init__(self, keys: KeyStore, site: str) -> None:
        self._keys = keys
        self._site = site
        self._kept: dict[str, _Kept] = {}
        self._turn = 0

    def refresh(self) -> None:
        """Look at the key files again: at each device's own when its next message is opened. Call
        it once a batch; a key that was withdrawn meanwhile opens nothing from then on.
        """
        self._turn += 1

    def addressed(self, topic: str) -> tuple[str, str]:
        """(device, leaf) of a topic of this site. Raises ProtocolError for any other."""
        kept = self._kept.get(topic)
        if kept is not None:
            return kept.device, kept.leaf
        site, device, leaf = topics.parse_topic(topic)
        if site != self._site or leaf not in _LEAVES:
            raise ProtocolError(f"topic: {topic[:80]!r} is not ev or state of site {self._site}")
        return device, leaf

    def open(self, topic: str, sealed: bytes) -> tuple[str, str, bytes, bytes]:
        """(device, leaf, kid, payload) of a genuine message; of one of version 2 the payload is
        still packed.

        Raises ProtocolError for a topic that is not of this site, SealError for a seal that cannot
        be trusted, Retired when it names a key that the device had once.
        """
        kept = self._kept.get(topic)
        if kept is not None and (kept.turn == self._turn or self._is_valid(kept)):
            payload = kept.opened(sealed)
            if payload is not None:
                return kept.device, kept.leaf, kept.kid, payload
        device, leaf = self.addressed(topic)
        kid, payload = unpacking.open_only(sealed, topic, KeysOf(self._keys, device))
        self._keep(topic, device, leaf, kid)
        return device, leaf, kid, payload

    def _is_valid(self, kept: "_Kept") -> bool:
        """Whether its key is still the device's key, by the file."""
        if self._keys.key_of(kept.kid) != kept.key:
            return False
        kept.turn = self._turn
        return True

    def _keep(self, topic: str, device: str, leaf: str, kid: bytes) -> None:
        key = self._keys.key_of(kid)
        if key is None:  # withdrawn since the message was opened
            self._kept.pop(topic, None)
            return
        if len(self._kept) >= _TOPICS_MAX:
            self._kept.clear()
        self._kept[topic] = _Kept(topic, device, leaf, kid, key, self._turn)


class _Kept:
    """What every message of one topic under one key begins with, and the states of HMAC (RFC 2104)
    after it.
    """

    def __init__(
        self, topic: str, device: str, leaf: str, kid: bytes, key: bytes, turn: int
    ) -> None:
        self.device = device
        self.leaf = leaf
        self.kid = kid
        self.key = key
        self.turn = turn  # in which the key file was looked at
        self._packed_head = _NO_HEAD  # what a message of version 2 begins with
        if leaf == "ev":
            number = int(kid.rpartition(b".")[2])
            made = packing.seal_packed(key, number, topic, _PACKED)
            self._packed_head = made[: -seal.SHORT_TAG_BYTES]
        self._head = _BEFORE_KID + cbor.head(2, len(kid)) + kid
        self._at = len(self._head)  # where the payload's own head stands, under the MAC too
        aad = topic.encode()
        padded = key.ljust(_BLOCK_BYTES, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded))
        self._packed_inner = self._inner.copy()
        self._inner.update(_UNDER_MAC + cbor.head(2, len(aad)) + aad)
        self._packed_inner.update(_UNDER_SHORT_MAC + cbor.head(2, len(aad)) + aad)
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in padded))

    def opened(self, sealed: bytes) -> bytes | None:
        """The payload under a right seal; None when the shape is another or the tag is wrong."""
        if sealed.startswith(self._packed_head):
            return self._packed(sealed)
        at, end = self._at, len(sealed) - _END_BYTES
        head = _PAYLOAD_HEADS.get(end - at)
        if head is None or end > _END_MAX or sealed[:at] != self._head:
            return None
        start = at + len(head)
        tag_at = end + len(_BEFORE_TAG)
        if sealed[at:start] != head or sealed[end:tag_at] != _BEFORE_TAG:
            return None
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(sealed[at:end])
        outer.update(inner.digest())
        return sealed[start:end] if compare_digest(outer.digest(), sealed[tag_at:]) else None

    def _packed(self, sealed: bytes) -> bytes | None:
        """The same of a message of version 2."""
        end = len(sealed) - seal.SHORT_TAG_BYTES
        at = len(self._packed_head)
        if end < at or len(sealed) > seal.MESSAGE_BYTES_MAX:
            return None
        packed = _PACKED + sealed[at:end]
        inner, outer = self._packed_inner.copy(), self._outer.copy()
        inner.update(_HEADS[end - at + 1])
        inner.update(packed)
        outer.update(inner.digest())
        tag = outer.digest()[: seal.SHORT_TAG_BYTES]
        return packed if compare_digest(tag, sealed[end:]) else None


class KeysOf:
    """The keys of one device: a kid of another device is refused by name before any key is
    tried.
    """

    def __init__(self, keys: KeyStore, device: str) -> None:
        self._keys = keys
        self._device = device

    def __call__(self, kid: bytes) -> bytes | None:
        if kid.rpartition(b".")[0] != self._device.encode():
            raise seal.SealError(f"seal: kid {kid[:48]!r} does not belong to device {self._device}")
        key = self._keys.key_of(kid)
        if key is None and self._keys.is_pending(self._device):
            raise seal.SealError(
                f"seal: {self._device} is enrolled and not approved yet; till device approve"
                f" {self._device}"
            )
        if key is None and self._is_retired(kid):
            raise Retired(f"seal: unknown kid {kid!r}: retired", kid.decode())
        return key

    def _is_retired(self, kid: bytes) -> bool:
        number = kid.rpartition(b".")[2]
        with suppress(
            GatewayError
        ):  # a key file that is not fit for use opens nothing, and was complained about
            return number.isdigit() and 0 < int(number) < max(
                (key.number for key in self._keys.all(self._device)), default=0
            )
        return False


class Retired(seal.SealError):
    """A message that names a key which this device had once."""

    def __init__(self, text: str, kid: str) -> None:
        super().__init__(text)
        self.kid = kid
