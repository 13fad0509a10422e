"""COSE_Mac0 with HMAC 256/256 (RFC 9052 sections 6.2 and 6.3, algorithm 5 of RFC 9053), untagged.

The topic is the external_aad: a message that was copied to another topic, and so to another device
or another meaning, does not verify. `kid` is "<device>.<key number>".
"""

import hashlib

from protocol import cbor
from protocol.compat import ProtocolError, const

MESSAGE_BYTES_MAX = const(1024)  # a longer message is refused
PAYLOAD_BYTES_MAX = const(920)  # leaves room for headers, a kid of 48 bytes and the tag
KEY_BYTES = const(32)
TAG_BYTES = const(32)
SHORT_TAG_BYTES = const(8)  # of `ev` in version 2
_PROTECTED = const(b"\xa1\x01\x05")  # {1: 5}: alg = HMAC 256/256
_PROTECTED_SHORT = const(b"\xa1\x01\x04")  # {1: 4}: alg = HMAC 256/64
_BLOCK_BYTES = const(64)


class SealError(ProtocolError):
    """A message whose seal cannot be trusted: shape, size, kid or tag."""


try:  # CPython has it in C
    from hmac import compare_digest as same  # pyright: ignore[reportMissingImports]
    from hmac import digest as _digest  # pyright: ignore[reportMissingImports]

    def hmac_sha256(key: bytes, message: bytes) -> bytes:
        """The 32-byte tag of RFC 2104 over SHA-256."""
        return _digest(key, message, "sha256")
except ImportError:  # MicroPython has hashlib and no hmac

    def hmac_sha256(key: bytes, message: bytes) -> bytes:
        """The 32-byte tag of RFC 2104 over SHA-256; the key is at most one block long."""
        inner = hashlib.sha256(bytes(k ^ 0x36 for k in key) + b"\x36" * (_BLOCK_BYTES - len(key)))
        inner.update(message)
        outer = hashlib.sha256(bytes(k ^ 0x5C for k in key) + b"\x5c" * (_BLOCK_BYTES - len(key)))
        outer.update(inner.digest())
        return outer.digest()

    def same(left: bytes, right: bytes) -> bool:
        """Whether two tags of one length are equal, in a time that does not depend on where
        they differ.
        """
        difference = 0
        for a, b in zip(left, right):
            difference |= a ^ b
        return difference == 0


def seal(key: bytes, kid: bytes, topic: str, payload: bytes) -> bytes:
    """The sealed message: [protected, {4: kid}, payload, tag].

    Raises SealError when the key is not 32 bytes or the payload is over PAYLOAD_BYTES_MAX.
    """
    if len(key) != KEY_BYTES:
        raise SealError("seal: key of %d bytes, want %d" % (len(key), KEY_BYTES))
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise SealError("seal: payload of %d bytes, limit %d" % (len(payload), PAYLOAD_BYTES_MAX))
    tag = hmac_sha256(key, _mac_structure(_PROTECTED, topic, payload))
    head = (
        b"\x84\x43"
        + _PROTECTED
        + b"\xa1\x04"
        + cbor.head(2, len(kid))
        + kid
        + cbor.head(2, len(payload))
    )
    # one copy of the payload, not one for each plus sign
    return b"".join((head, payload, b"\x58\x20", tag))


def next_key(key: bytes, kid: bytes, nonce: bytes) -> bytes:
    """The 32-byte key that follows `key` when it is rotated; `kid` names the new one. Nothing
    secret crosses the network.

    Whoever holds the old key and saw the nonce knows the new one too. So a stolen key is replaced
    over USB instead.
    """
    return hmac_sha256(key, b"till rotate" + kid + nonce)


def open_seal(sealed: bytes, topic: str, key_of) -> tuple:
    """(kid, payload) of a message whose tag is right for this topic.

    `key_of(kid: bytes)` gives the 32-byte key, or None for a kid that nobody knows. The payload is
    returned only after the tag was verified. Raises SealError with a reason for everything else.
    """
    if len(sealed) > MESSAGE_BYTES_MAX:
        raise SealError("seal: message of %d bytes, limit %d" % (len(sealed), MESSAGE_BYTES_MAX))
    parts = reason = None
    try:
        parts = cbor.decode(sealed)
    except cbor.CborError as error:
        reason = error
    if reason is not None:
        raise SealError("seal: not a COSE_Mac0 message: %s" % reason)
    if not isinstance(parts, list) or len(parts) != 4:
        raise SealError("seal: not an array of four")
    protected, unprotected, payload, tag = parts
    if protected != _PROTECTED:
        raise SealError("seal: protected header is not HMAC 256/256")
    if (
        not isinstance(unprotected, dict)
        or len(unprotected) != 1
        or not isinstance(unprotected.get(4), bytes)
    ):
        raise SealError("seal: unprotected header is not {4: kid}")
    if not isinstance(payload, bytes) or not isinstance(tag, bytes) or len(tag) != TAG_BYTES:
        raise SealError("seal: payload or tag is not a byte string of the right size")
    kid = unprotected[4]
    key = key_of(kid)
    if key is None:
        raise SealError("seal: unknown kid %r" % kid)
    if not same(tag, hmac_sha256(key, _mac_structure(_PROTECTED, topic, payload))):
        raise SealError("seal: wrong tag for kid %r on %s" % (kid, topic))
    return kid, payload


def short_tag(key: bytes, topic: str, payload: bytes) -> bytes:
    """The 8-byte tag of HMAC 256/64 (algorithm 4 of RFC 9053). The algorithm is under the MAC, so
    it is not the beginning of the long tag of the same payload.
    """
    return hmac_sha256(key, _mac_structure(_PROTECTED_SHORT, topic, payload))[:SHORT_TAG_BYTES]


def _mac_structure(protected: bytes, topic: str, payload: bytes) -> bytes:
    """The bytes under the MAC: ["MAC0", protected, external_aad, payload]."""
    aad = topic.encode()
    head = (
        b"\x84\x64MAC0\x43" + protected + cbor.head(2, len(aad)) + aad + cbor.head(2, len(payload))
    )
    return b"".join((head, payload))
