"""Files that survive a power cut: written whole or not at all, and the folder is synced too, or a
name would be lost that a function has already promised.
"""

import os
from contextlib import suppress
from pathlib import Path

from gateway.errors import ConfigError, PermissionDenied, Unavailable


def write_private(path: Path, data: bytes, new: bool = False) -> None:
    """A whole file, mode 0600 from its first byte, in place of what is there. `new`: raises
    ConfigError when something is. Raises PermissionDenied when the folder is not ours.
    """
    _write(path, data, 0o600, new)


def write_public(path: Path, data: bytes) -> None:
    """A whole file that anybody who reaches its folder may read, in place of what is there."""
    _write(path, data, 0o644, new=False)


def rename(source: Path, target: Path) -> None:
    """Give a file another name in its folder. Raises FileNotFoundError when it is not there."""
    source.rename(target)
    sync_folder(target.parent)


def publish(fresh: Path, target: Path) -> None:
    """Sync a file that was written under another name in the same folder and give it its real name.

    Raises FileExistsError when that name is taken: nothing is written over.
    """
    sync_file(fresh)
    os.link(fresh, target)
    sync_folder(target.parent)


def destroy(path: Path) -> None:
    """Overwrite a file and take it away, so that it does not come back. One that is not there is no
    error: what was cut short may be repeated.

    A journalling or flash file system may keep the old bytes all the same.
    """
    gone = path.with_name(f".{path.name}.gone")
    with suppress(FileNotFoundError):
        rename(path, gone)  # first out of the way: a reader must not find zeros where a key was
    with suppress(FileNotFoundError):
        with gone.open("r+b") as file:
            file.write(bytes(gone.stat().st_size))
            file.flush()
            os.fsync(file.fileno())
        gone.unlink()
        sync_folder(gone.parent)


def sync_file(path: Path) -> None:
    """What was written to a file is on disk."""
    _sync(path)


def sync_folder(folder: Path) -> None:
    """Names that were made, changed or taken away in `folder` are so after a power cut too."""
    _sync(folder)


def _sync(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise Unavailable(f"{path}: {error.strerror}; check the disk") from error
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(path: Path, data: bytes, mode: int, new: bool) -> None:
    """Whoever reads sees the old file or the new one; what is there afterwards is on disk."""
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
        raise PermissionDenied(
            f"{path}: {error.strerror}; run as the owner of {path.parent}"
        ) from error
    finally:
        part.unlink(missing_ok=True)
    sync_folder(path.parent)
