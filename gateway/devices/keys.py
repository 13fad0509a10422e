"""The key of each device: one file a device, `<data>/keys/<device>.key`, mode 0600, never in a log
or an error text.

A line of the file is `<key number> <64 hex digits>`. Every line opens messages (so that a key can
be rotated); the last is the one a new staging of the device gets. Removing the file shuts the
device out with its next message. A device enrolled and not yet approved has `<device>.key.pending`
instead: it can be staged with it, and no message under it is taken.
"""

import contextlib
import fcntl
import logging
import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway.errors import ConfigError, DataError, GatewayError, PermissionDenied
from gateway.files import destroy, rename, write_private
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


def create_key(folder: Path, device: str, number: int = 1, pending: bool = False) -> DeviceKey:
    """A new random key for `device`, in its own new file; `pending`: no message under it is taken
    before `approve_key`.

    Raises ConfigError when the device has a file already (a key in use is never overwritten) or the
    name is not one.
    """
    key = DeviceKey(_name(device), number, secrets.token_bytes(KEY_BYTES))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _only_writer(folder):
        for path in (key_file(folder, device), pending_file(folder, device)):
            if path.exists():
                raise ConfigError(
                    f"key {path}: exists; rotate the key, or replace or revoke the device"
                )
        path = pending_file(folder, device) if pending else key_file(folder, device)
        write_private(path, _line(key))
    return key


def approve_key(folder: Path, device: str) -> None:
    """From now on messages under the pending key are taken. Raises ConfigError when there is
    none.
    """
    with _only_writer(folder):
        try:
            rename(pending_file(folder, device), key_file(folder, device))
        except FileNotFoundError as error:
            raise ConfigError(
                f"device {device}: nothing is pending; see till device list"
            ) from error


def destroy_keys(folder: Path, device: str) -> None:
    """Withdraw and destroy every key of a device, its TLS key too. No key is no error: what was
    begun may be repeated.
    """
    with _only_writer(folder):
        for path in (
            key_file(folder, device),
            pending_file(folder, device),
            folder / f"{device}.tls.key",
        ):
            destroy(path)


def key_file(folder: Path, device: str) -> Path:
    """Where the keys of a device are that open its messages."""
    return folder / f"{_name(device)}.key"


def pending_file(folder: Path, device: str) -> Path:
    """Where the key of a device is that nobody has approved yet."""
    return folder / f"{_name(device)}.key.pending"


@contextlib.contextmanager
def _only_writer(folder: Path) -> Iterator[None]:
    """One process at a time changes the folder: a rotation must not bring back what a revocation
    destroys.
    """
    try:
        descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    except FileNotFoundError as error:
        raise ConfigError(
            f"folder {folder} does not exist; restore it from the backup, or run till init"
        ) from error
    except PermissionError as error:
        raise PermissionDenied(
            f"keys {folder}: {error.strerror}; run as the owner of {folder}"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _line(key: DeviceKey) -> bytes:
    return f"{key.number} {key.secret.hex()}\n".encode()


class KeyStore:
    """The keys folder, read again whenever a file changes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._cache: dict[str, tuple[tuple[int, int, int, int], dict[int, DeviceKey]]] = {}
        self._complained: set[str] = set()
        # kid: (file, its stamp, key). Only known kids, so its size is bounded; every message comes
        # through here.
        self._quick: dict[bytes, tuple[str, tuple[int, int, int, int], bytes]] = {}

    def devices(self) -> list[str]:
        """Names of all devices that have a key."""
        return sorted(
            path.stem for path in self._folder.glob("*.key") if "." not in path.stem
        )  # <device>.tls.key is for TLS

    def current(self, device: str) -> DeviceKey:
        """The newest key of a device, for staging it; the pending one where nothing is approved
        yet.

        Raises ConfigError when it has none, DataError or PermissionDenied when its file is not fit
        for use.
        """
        keys = self._load(_name(device)) or self._load(device, ".key.pending")
        if not keys:
            raise ConfigError(
                f"device {device}: no key in {self._folder}; make one: till device enrol {device}"
            )
        return list(keys.values())[-1]

    def is_pending(self, device: str) -> bool:
        """True when the device is enrolled and waits for its approval."""
        return pending_file(self._folder, device).exists()

    def all(self, device: str) -> list[DeviceKey]:
        """The keys that open this device's messages, the oldest first; two while a rotation is
        under way, none for no device.

        Raises DataError or PermissionDenied when its file is not fit for use.
        """
        return [key for _, key in sorted(self._load(_name(device)).items())]

    def write(self, device: str, keys: Sequence[DeviceKey]) -> None:
        """Make these its keys, on disk when this returns. Whoever reads sees the old ones or the
        new ones.

        Raises ConfigError when the newest key on disk is none of them: somebody revoked or replaced
        the device meanwhile.
        """
        with _only_writer(self._folder):
            path = key_file(self._folder, device)
            newest = list(_parse(path, device).values())[-1:] if path.exists() else []
            if not newest or newest[0] not in keys:
                raise ConfigError(
                    f"device {device}: its key was withdrawn meanwhile; see till device list"
                )
            write_private(path, b"".join(_line(key) for key in keys))

    def key_of(self, kid: bytes) -> bytes | None:
        """The 32-byte key of a kid, None for one nobody knows. Never raises: the kid comes from the
        line.
        """
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
        key = (
            keys.get(int(number))
            if number.isascii() and number.isdigit() and len(number) <= 9
            else None
        )
        if key is None or key.kid != kid:
            return None
        path = str(self._folder / f"{device}.key")
        self._quick[kid] = (path, self._cache[f"{device}.key"][0], key.secret)
        return key.secret

    def _load(self, device: str, suffix: str = ".key") -> dict[int, DeviceKey]:
        path = self._folder / f"{device}{suffix}"
        stamp = _stamp(str(path))
        if stamp is None:
            self._cache.pop(path.name, None)
            return {}
        cached = self._cache.get(path.name)
        if cached is not None and cached[0] == stamp:
            return cached[1]
        if stat.S_IMODE(stamp[3]) & 0o077:
            raise PermissionDenied(f"key {path}: readable by others; chmod 600 it")
        if (
            stat.S_IMODE(os.stat(self._folder).st_mode) & 0o022
        ):  # whoever can write there can put his own key in its place
            raise PermissionDenied(f"keys {self._folder}: others can write there; chmod 700 it")
        keys = _parse(path, device)
        self._cache[path.name] = (stamp, keys)
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
        raise DataError(
            f"key {path}: not readable ({type(error).__name__}); restore it from the backup"
        ) from error
    keys = {}
    for line_no, line in enumerate(lines, 1):
        if not line.strip():
            continue
        number, _, digits = line.strip().partition(" ")
        secret = b""
        with contextlib.suppress(ValueError):
            secret = bytes.fromhex(digits)
        if (
            not number.isdigit() or len(secret) != KEY_BYTES
        ):  # the text of the line stays out of the error: it is a key
            raise DataError(
                f"key {path} line {line_no}: not '<key number> <64 hex digits>'; restore it from"
                " the backup"
            )
        keys[int(number)] = DeviceKey(device, int(number), secret)
    return keys


def _name(device: str) -> str:
    try:
        return str(topics.check_name(device))
    except ProtocolError as error:
        raise ConfigError(f"device: {error}") from error
