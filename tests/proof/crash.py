"""./run proof crash: the power fails while the ledger is written, and no acknowledged row is
missing afterwards.

    --images N   how many power cuts (default 2000)     --seed S     --json   machine-readable

The gateway's own transaction (`Recording.run`) writes through a VFS that knows which bytes have
been synced. The seed decides when the power fails. Then each sector of 512 bytes that was not
synced is there or not, in any order. The image is opened as a gateway opens it: its WAL is
recovered, its chain verified. The control runs with synchronous = NORMAL, and must lose rows.
"""

import argparse
import json
import random
import sqlite3
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import apsw

from gateway.delivery.outcomes import Accepted
from gateway.delivery.recording import Known, Recording
from gateway.store.engine import Pending
from gateway.store.entries import chain_break, transaction
from tests.delivery.bench import Office
from tests.world.log import Log, LogBroken

SECTOR_BYTES = 512
COMMITS = 60  # of one run; then a new ledger begins
BATCH_MAX = 4  # messages of one commit
CHECKPOINT_PAGES = 12  # small, so that the power also fails in the middle of WAL checkpoints
CUT_ONE_IN = 2  # of the moments at which it can
VFS = "recording"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="./run proof crash", description=__doc__.partition("\n\n")[0]
    )
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    results = [prove(options.images, options.seed, mode) for mode in ("FULL", "NORMAL")]
    for result in results:
        if not options.json:
            print(
                "synchronous = {mode}: {images} images, {lost} lost acknowledged rows, {broken} not"
                " sound, {seconds} s".format(**result)
            )
    if options.json:
        print(json.dumps(results, indent=1))
    full, normal = results
    return int(bool(full["lost"] or full["broken"] or not normal["lost"]))


def prove(images: int, seed: int, mode: str) -> dict[str, Any]:
    """{mode, images, lost, broken, seconds}: `lost` images lack rows of an acknowledged
    transaction.
    """
    rng = random.Random(f"{mode} {seed}")
    started = time.perf_counter()
    counts = {"images": 0, "lost": 0, "broken": 0}
    with tempfile.TemporaryDirectory(
        dir="/dev/shm" if Path("/dev/shm").is_dir() else None
    ) as folder:
        run = 0
        while counts["images"] < images:
            run += 1
            (place := Path(folder) / str(run)).mkdir()
            _one_ledger(place, mode, rng, counts, images)
    return {"mode": mode, **counts, "seconds": round(time.perf_counter() - started, 1)}


class _Db(apsw.Connection):
    """A connection as the gateway's: with what the open transaction appends."""

    pending: Pending | None = None

    def begin(self, question: str) -> Any:
        self.execute("BEGIN IMMEDIATE")
        return self.execute(question).fetchone()

    def commit(self) -> None:
        self.execute("COMMIT")

    def rollback(self) -> None:
        self.execute("ROLLBACK")


class Disk(apsw.VFS):
    """What is surely on the disk, and what is only on its way. `moment()` is called after every
    write and sync.
    """

    def __init__(self, moment: Any) -> None:
        super().__init__(VFS, "")
        self.durable: dict[str, bytes] = {}
        self.pending: dict[str, list[tuple[int, bytes]]] = {}
        self.moment = moment

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        with suppress(FileNotFoundError):
            self.durable.setdefault(path, Path(path).read_bytes())
        self.durable.setdefault(path, b"")
        self.pending.setdefault(path, [])
        return _File(self, path, flags)

    def image(self, rng: random.Random) -> dict[str, bytes]:
        """The files as a power cut leaves them now."""
        left = {}
        for path, durable in self.durable.items():
            content = bytearray(durable)
            waiting = self.pending[path]
            for at, data in rng.sample(waiting, rng.randrange(len(waiting) + 1)):
                if len(content) < at + len(data):
                    content.extend(bytes(at + len(data) - len(content)))
                content[at : at + len(data)] = data
            left[path] = bytes(content)
        return left


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, path: str, flags: list[int]) -> None:
        super().__init__("", path, flags)
        self._disk = disk
        self._path = path

    def xWrite(self, data: bytes, offset: int) -> None:
        super().xWrite(data, offset)
        pending = self._disk.pending[self._path]
        for at in range(0, len(data), SECTOR_BYTES):
            pending.append((offset + at, bytes(data[at : at + SECTOR_BYTES])))
        self._disk.moment()

    def xTruncate(self, size: int) -> None:
        super().xTruncate(size)
        self._disk.durable[self._path] = self._disk.durable[self._path][:size]

    def xSync(self, flags: int) -> None:
        super().xSync(flags)
        content = bytearray(self._disk.durable[self._path])
        for at, data in self._disk.pending[self._path]:
            if len(content) < at + len(data):
                content.extend(bytes(at + len(data) - len(content)))
            content[at : at + len(data)] = data
        self._disk.durable[self._path] = bytes(content)
        self._disk.pending[self._path].clear()
        self._disk.moment()


def _one_ledger(
    folder: Path, mode: str, rng: random.Random, counts: dict[str, int], images: int
) -> None:
    """One ledger from its first message on, cut again and again."""
    office = Office(folder)
    device = office.device()
    office.ledger.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    office.ledger.close()
    path = str(folder / "ledger.db")
    acknowledged = 0

    def moment() -> None:
        if counts["images"] < images and not rng.randrange(CUT_ONE_IN):
            counts["images"] += 1
            _judge(disk.image(rng), folder, acknowledged, counts)

    disk = Disk(moment)
    db = _Db(path, vfs=VFS)
    known = Known()
    for pragma in (
        "journal_mode = WAL",
        f"synchronous = {mode}",
        f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
    ):
        db.execute(f"PRAGMA {pragma}")
    for _ in range(COMMITS):
        batch = []
        for _ in range(rng.randrange(1, BATCH_MAX + 1)):
            first = len(device.said) + 1
            device.say(rng.randrange(1, 6))
            batch.append(office.ingest.accept(*device.ev(first, len(device.said))))
        assert all(isinstance(item, Accepted) for item in batch), batch
        with transaction(db):  # type: ignore[arg-type]  # its connection is like sqlite3's
            Recording(db, office.clock.now_ms, known).run(batch)  # type: ignore[arg-type]
        acknowledged = len(device.said)
        moment()
    db.close()
    disk.unregister()


def _judge(
    image: dict[str, bytes], folder: Path, acknowledged: int, counts: dict[str, int]
) -> None:
    """Open what the power cut left, as a gateway does when it starts."""
    place = folder / "image"
    place.mkdir(exist_ok=True)
    for path in place.iterdir():
        path.unlink()
    for name, content in image.items():
        (place / Path(name).name).write_bytes(content)
    db = sqlite3.connect(place / "ledger.db", isolation_level=None)
    try:
        whole = db.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok" and chain_break(db) == 0
        log = Log()
        log.catch_up(db)
        [(count, last)] = log.streams.values() or [(0, 0)]
        cursor = db.execute("SELECT high_water, records FROM cursor").fetchone() or (0, 0)
        counts["broken"] += not whole or count != last or cursor != (last, count)
        counts["lost"] += last < acknowledged
    except (sqlite3.DatabaseError, LogBroken):
        counts["broken"] += 1
    finally:
        db.close()
