"""The key of each device: one file a device, `<data>/keys/<device>.key`, mode 0600, never in a log or an error text.

A line of the file is `<key number> <64 hex digits>`. Every line opens messages (so that a key can be rotated); the last is the
one a new staging of the device gets. Removing the file shuts the device out with its next message.
"""

import contextlib
import logging
import os
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path

from gateway.errors import ConfigError, DataError, GatewayError, PermissionDenied
from protocol import topics
from protocol.compat import ProtocolError
from protocol.seal import KEY_BYTES

log = logging.getLogger("till.keys")


@dataclass(frozen=True)
class DeviceKey:
    """One key of one device; `secret` is left out of repr so that it cannot reach a log."""

    device: str
    number: int
    secret: bytes = field(repr=False)

    @property
    def kid(self) -> bytes:
        """The key identifier that messages under this key carry."""
        return bytes(topics.kid(self.device, self.number))


def create_key(folder: Path, device: str, number: int = 1) -> DeviceKey:
    """A new random key for `device`, in its own new file.

    Raises ConfigError when the device has a file already (a key in use is never overwritten) or the name is not one.
    """
    key = DeviceKey(_name(device), number, secrets.token_bytes(KEY_BYTES))
    path = folder / f"{device}.key"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise ConfigError(f"key {path}: exists; rotate the key or remove the device first") from error
    except PermissionError as error:
        raise PermissionDenied(f"key {path}: {error.strerror}; run as the owner of {folder}") from error
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{number} {key.secret.hex()}\n")
        file.flush()
        os.fsync(file.fileno())
    return key


def write_private(path: Path, data: bytes, new: bool = False) -> None:
    """A whole file, mode 0600 from its first byte, in place of what is there. `new`: raises ConfigError when something is."""
    _write(path, data, 0o600, new)


def write_public(path: Path, data: bytes) -> None:
    """A whole file that anybody who reaches its folder may read, in place of what is there."""
    _write(path, data, 0o644, new=False)


def _write(path: Path, data: bytes, mode: int, new: bool) -> None:
    """Whoever reads sees the old file or the new one; what is renamed is on disk."""
    if new and path.exists():
        raise ConfigError(f"{path}: exists; it is never overwritten")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)  # whatever the umask says
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        part.replace(path)
    except PermissionError as error:
        raise PermissionDenied(f"{path}: {error.strerror}; run as the owner of {path.parent}") from error
    finally:
        part.unlink(missing_ok=True)


class KeyStore:
    """The keys folder, read again whenever a file changes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._cache: dict[str, tuple[tuple[int, int, int, int], dict[int, DeviceKey]]] = {}
        self._complained: set[str] = set()
        # kid: (file, its stamp, key). Only known kids, so its size is bounded; every message comes through here.
        self._quick: dict[bytes, tuple[str, tuple[int, int, int, int], bytes]] = {}

    def devices(self) -> list[str]:
        """Names of all devices that have a key."""
        return sorted(path.stem for path in self._folder.glob("*.key") if "." not in path.stem)  # <device>.tls.key is for TLS

    def current(self, device: str) -> DeviceKey:
        """The newest key of a device, for staging it.

        Raises ConfigError when it has none, DataError or PermissionDenied when its file is not fit for use.
        """
        keys = self._load(_name(device))
        if not keys:
            raise ConfigError(f"device {device}: no key in {self._folder}; make one: till device key {device}")
        return list(keys.values())[-1]

    def key_of(self, kid: bytes) -> bytes | None:
        """The 32-byte key of a kid, None for one nobody knows. Never raises: the kid comes from the line."""
        quick = self._quick.get(kid)
        if quick is not None and quick[1] == _stamp(quick[0]):
            return quick[2]
        device, _, number = kid.decode("ascii", "replace").rpartition(".")
        try:
            topics.check_name(device)
            keys = self._load(device)
        except ProtocolError:
            return None
        except GatewayError as error:
            if device not in self._complained:
                self._complained.add(device)
                log.error('key_unusable device=%s error="%s"', device, error)
            return None
        key = keys.get(int(number)) if number.isascii() and number.isdigit() and len(number) <= 9 else None
        if key is None or key.kid != kid:
            return None
        path = str(self._folder / f"{device}.key")
        self._quick[kid] = (path, self._cache[device][0], key.secret)
        return key.secret

    def _load(self, device: str) -> dict[int, DeviceKey]:
        path = self._folder / f"{device}.key"
        stamp = _stamp(str(path))
        if stamp is None:
            self._cache.pop(device, None)
            return {}
        cached = self._cache.get(device)
        if cached is not None and cached[0] == stamp:
            return cached[1]
        if stat.S_IMODE(stamp[3]) & 0o077:
            raise PermissionDenied(f"key {path}: readable by others; chmod 600 it")
        keys = _parse(path, device)
        self._cache[device] = (stamp, keys)
        self._complained.discard(device)
        return keys


def _stamp(path: str) -> tuple[int, int, int, int] | None:
    """What changes when a file does, its mode included; None when there is no file."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino, status.st_mode


def _parse(path: Path, device: str) -> dict[int, DeviceKey]:
    try:
        lines = path.read_text("ascii").split("\n")
    except PermissionError as error:
        raise PermissionDenied(f"key {path}: {error.strerror}; run as its owner") from error
    except (OSError, UnicodeError) as error:
        raise DataError(f"key {path}: not readable ({type(error).__name__}); restore it from the backup") from error
    keys = {}
    for line_no, line in enumerate(lines, 1):
        if not line.strip():
            continue
        number, _, digits = line.strip().partition(" ")
        secret = b""
        with contextlib.suppress(ValueError):
            secret = bytes.fromhex(digits)
        if not number.isdigit() or len(secret) != KEY_BYTES:  # the text of the line stays out of the error: it is a key
            raise DataError(f"key {path} line {line_no}: not '<key number> <64 hex digits>'; restore it from the backup")
        keys[int(number)] = DeviceKey(device, int(number), secret)
    return keys


def _name(device: str) -> str:
    try:
        return str(topics.check_name(device))
    except ProtocolError as error:
        raise ConfigError(f"device: {error}") from error
