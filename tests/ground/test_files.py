"""A power cut at every step of what writes, renames or destroys a file: what a function promised is
there afterwards, and before that the file is the old one or the new one.

The disk here is the worst that POSIX allows: a name that was made, changed or taken away is lost
unless its folder was synced afterwards, and bytes are lost unless their file was.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.devices.keys import approve_key, create_key, destroy_keys, key_file
from gateway.files import destroy, publish, rename, write_private, write_public


class WorstDisk:
    """Follows os.fsync, rename, link and unlink in one folder, and knows after each what a power
    cut would leave: `states`, each {name: bytes}.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._bytes = {entry.stat().st_ino: entry.read_bytes() for entry in self._files()}
        self._names = {entry.name: entry.stat().st_ino for entry in self._files()}
        self.states = [self.after_cut()]
        for name in ("rename", "replace", "link", "unlink", "fsync"):
            monkeypatch.setattr(os, name, self._followed(getattr(os, name), name == "fsync"))

    def after_cut(self) -> dict[str, bytes]:
        """What is in the folder when the power goes now; a file that was never synced is empty."""
        return {name: self._bytes.get(inode, b"") for name, inode in self._names.items()}

    def _files(self) -> list[Path]:
        return [entry for entry in self.folder.iterdir() if entry.is_file()]

    def _followed(self, call: Callable[..., None], is_sync: bool) -> Callable[..., None]:
        def follow(*arguments, **named):
            call(*arguments, **named)
            if is_sync:
                self._synced(arguments[0])
            self.states.append(self.after_cut())

        return follow

    def _synced(self, descriptor: int) -> None:
        status = os.fstat(descriptor)
        if status.st_ino == self.folder.stat().st_ino:
            self._names = {entry.name: entry.stat().st_ino for entry in self._files()}
        else:
            self._bytes[status.st_ino] = Path(f"/proc/self/fd/{descriptor}").read_bytes()


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], WorstDisk]:
    return lambda: WorstDisk(tmp_path, monkeypatch)


@pytest.mark.parametrize("write", [write_private, write_public])
def test_a_file_is_the_old_or_the_new_one_and_the_new_one_in_the_end(write, tmp_path, disk):
    path = tmp_path / "w1.key"
    write(path, b"old")
    worst = disk()
    write(path, b"new")

    assert {state["w1.key"] for state in worst.states} == {b"old", b"new"}
    assert worst.after_cut() == {"w1.key": b"new"}


def test_a_renamed_file_has_its_new_name_after_a_power_cut(tmp_path, disk):
    write_private(tmp_path / "pending", b"key")
    worst = disk()
    rename(tmp_path / "pending", tmp_path / "approved")

    assert worst.after_cut() == {"approved": b"key"}


def test_an_approved_key_stays_approved(tmp_path, disk):
    key = create_key(tmp_path, "w1", pending=True)
    worst = disk()
    approve_key(tmp_path, "w1")

    assert worst.after_cut()["w1.key"] == f"1 {key.secret.hex()}\n".encode()
    assert "w1.key.pending" not in worst.after_cut()


def test_a_destroyed_key_does_not_come_back(tmp_path, disk):
    create_key(tmp_path, "w1")
    secret = key_file(tmp_path, "w1").read_bytes()
    worst = disk()
    destroy_keys(tmp_path, "w1")

    assert secret not in worst.after_cut().values()
    assert [name for name in worst.after_cut() if name.startswith("w1")] == []


def test_a_published_file_is_whole_under_its_name_or_not_there(tmp_path, disk):
    (tmp_path / "fresh").write_bytes(b"a whole ledger")
    worst = disk()
    publish(tmp_path / "fresh", tmp_path / "ledger.db")

    assert {state.get("ledger.db") for state in worst.states} == {None, b"a whole ledger"}
    assert worst.after_cut()["ledger.db"] == b"a whole ledger"


def test_destroying_what_is_not_there_is_no_error(tmp_path):
    destroy(tmp_path / "w1.key")

    assert list(tmp_path.iterdir()) == []


def test_the_worst_disk_loses_a_name_whose_folder_was_not_synced(tmp_path, disk):
    """The model can fail: a rename alone is what a power cut takes back."""
    write_private(tmp_path / "pending", b"key")
    worst = disk()
    (tmp_path / "pending").rename(tmp_path / "approved")

    assert worst.after_cut() == {"pending": b"key"}
