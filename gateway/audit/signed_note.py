"""Signed notes and the tree heads in them, as https://c2sp.org/signed-note and
https://c2sp.org/tlog-checkpoint write them.

A note is text, an empty line, and a line for each signature; any tool that knows the format can
check ours. Ed25519 alone (signature type 1) is made and trusted here; other signature lines are
left to others. Nothing here reads a clock or a ledger.
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_ED25519 = b"\x01"  # signature type identifier
_DASH = "\N{EM DASH}"
_SECRET_PREFIX = "PRIVATE+KEY+"  # the form that Go's sumdb/note gives a signer's key
SIGNATURES_MAX = 16  # the specification wants at least so many read
NOTE_CHARS_MAX = 100_000
SIZE_MAX = 2**63 - 1  # what SQLite numbers; keeps int() off a megabyte of digits
_NAME = re.compile(r"[^\s+]{1,100}")
_SIGNATURE = re.compile(rf"{_DASH} ([^\s+]+) ([A-Za-z0-9+/]+=*)")
_ORIGIN = r"[^\s\x00-\x1f]+"
_FOUND = re.compile(
    rf"^{_ORIGIN}\n\d{{1,19}}\n[A-Za-z0-9+/]{{43}}=\n\n(?:{_DASH} [^\s+]+ [A-Za-z0-9+/]+=*\n)+",
    re.MULTILINE,
)


class NoteError(Exception):
    """A note or a key that is not what it should be; the text says what."""


class UnknownSigner(NoteError):
    """No signature under the key that was asked for."""


@dataclass(frozen=True)
class VerifierKey:
    """The public half: `name+key id+base64(type || 32 bytes)` as text."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """Four bytes: SHA-256(name || newline || type || public key), shortened."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:4]

    def __str__(self) -> str:
        return (
            f"{self.name}+{self.key_id.hex()}+{base64.b64encode(_ED25519 + self.public).decode()}"
        )

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """Raises NoteError for a text that is no verifier key of type Ed25519, or whose key id is
        not that of its key.
        """
        name, stated, public = _key_parts(text.strip(), "verifier key")
        key = cls(name, public)
        if key.key_id.hex() != stated:
            raise NoteError(
                f"verifier key {name}: its id is {key.key_id.hex()}, the text says {stated}"
            )
        return key


@dataclass(frozen=True)
class SignerKey:
    """The secret half; left out of repr so that it cannot reach a log."""

    name: str
    secret: bytes = field(repr=False)

    @classmethod
    def new(cls, name: str) -> "SignerKey":
        """A random key."""
        if not _NAME.fullmatch(name):
            raise NoteError(f"key name {name!r}: 1 to 100 characters without spaces and '+'")
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return cls(name, Ed25519PrivateKey.generate().private_bytes_raw())

    @classmethod
    def parse(cls, text: str) -> "SignerKey":
        """From the text of `secret_text`. Raises NoteError, never with a part of the key in it."""
        if not text.startswith(_SECRET_PREFIX):
            raise NoteError("signing key: not PRIVATE+KEY+name+id+base64")
        name, stated, secret = _key_parts(text[len(_SECRET_PREFIX) :].strip(), "signing key")
        key = cls(name, secret)
        if key.verifier.key_id.hex() != stated:
            raise NoteError(f"signing key {name}: its id does not fit")
        return key

    @property
    def verifier(self) -> VerifierKey:
        """What goes to whoever checks."""
        return VerifierKey(self.name, self._key().public_key().public_bytes_raw())

    def secret_text(self) -> str:
        """For the key file alone."""
        secret = base64.b64encode(_ED25519 + self.secret).decode()
        return f"{_SECRET_PREFIX}{self.name}+{self.verifier.key_id.hex()}+{secret}"

    def sign(self, text: str) -> str:
        """The note: `text`, which ends with a newline, and this key's signature line."""
        assert text.endswith("\n"), "the text of a note ends with a newline"
        signature = self._key().sign(text.encode())
        line = base64.b64encode(self.verifier.key_id + signature).decode()
        return f"{text}\n{_DASH} {self.name} {line}\n"

    def _key(self) -> "Ed25519PrivateKey":
        # only now: the gateway imports this module and signs once a day
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(self.secret)


@dataclass(frozen=True)
class TreeHead:
    """The text of a tree head: a log's name, how many leaves it has, and their Merkle tree
    hash.
    """

    origin: str
    size: int
    root: bytes

    def __str__(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> "TreeHead":
        """Raises NoteError for a text that is no tree head. Extension lines are allowed and left
        out.
        """
        lines = text.split("\n")
        if len(lines) < 4 or lines[-1] != "" or any(not line for line in lines[:-1]):
            raise NoteError("tree head: not an origin, a size and a root, each on its line")
        origin, digits, encoded = lines[:3]
        if (
            not digits.isascii()
            or not digits.isdigit()
            or len(digits) > 19
            or str(int(digits)) != digits
        ):
            raise NoteError(f"tree head: size {digits[:24]!r} is no plain decimal number")
        if int(digits) > SIZE_MAX:
            raise NoteError(f"tree head: size {digits} is more than {SIZE_MAX}")
        root = _decoded(encoded)
        if root is None or len(root) != 32:
            raise NoteError("tree head: the root is not the base64 of 32 bytes")
        return cls(origin, int(digits), root)


def open_note(note: str, key: VerifierKey) -> str:
    """The text of a note, once the signature under `key` is found good.

    Raises UnknownSigner when that key signed nothing here, NoteError when its signature is wrong or
    it is no note at all.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    text, signatures = split_note(note)
    ours = [
        signature
        for name, key_id, signature in signatures
        if (name, key_id) == (key.name, key.key_id)
    ]
    if not ours:
        others = ", ".join(f"{name} ({key_id.hex()})" for name, key_id, _ in signatures)
        raise UnknownSigner(f"signed by {others}, not by {key.name} ({key.key_id.hex()})")
    for signature in ours:
        try:
            Ed25519PublicKey.from_public_bytes(key.public).verify(signature, text.encode())
        except InvalidSignature:
            raise NoteError(
                f"the signature of {key.name} ({key.key_id.hex()}) does not fit the text"
            ) from None
    return text


def split_note(note: str) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    """(text, [(key name, key id, signature)]), nothing verified. Raises NoteError for what is no
    note.
    """
    if len(note) > NOTE_CHARS_MAX or any(char < " " and char != "\n" for char in note):
        raise NoteError("note: too long, or control characters in it")
    text, blank, tail = note.rpartition("\n\n")
    lines = tail.split("\n")
    if not blank or lines[-1] != "" or not 1 <= len(lines) - 1 <= SIGNATURES_MAX:
        raise NoteError("note: no signature lines after an empty line")
    signatures = []
    for line in lines[:-1]:
        match = _SIGNATURE.fullmatch(line)
        raw = _decoded(match.group(2)) if match else None
        if match is None or raw is None or len(raw) <= 4:
            raise NoteError("note: a signature line is not '\N{EM DASH} name base64'")
        signatures.append((match.group(1), raw[:4], raw[4:]))
    return text + "\n", signatures


def find_notes(text: str) -> list[str]:
    """Every tree head note inside a longer text, such as a printed report."""
    return _FOUND.findall(text.replace("\r\n", "\n").rstrip("\n") + "\n")


def _key_parts(text: str, what: str) -> tuple[str, str, bytes]:
    """(name, key id in hex, 32 bytes)"""
    name, _, rest = text.partition("+")
    stated, _, encoded = rest.partition("+")
    raw = _decoded(encoded)
    if not _NAME.fullmatch(name) or raw is None or len(raw) != 33 or raw[:1] != _ED25519:
        raise NoteError(f"{what}: not name+id+base64 of an Ed25519 key")
    return name, stated, raw[1:]


def _decoded(encoded: str) -> bytes | None:
    """Strict base64: one text for one value, so that no bit of a printed line is free."""
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if base64.b64encode(raw).decode() == encoded else None
