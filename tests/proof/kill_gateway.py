"""The gateway of `./run proof kill`: a warm process that forks one Service after the other, and
each of them is killed.

    kill_gateway.py FOLDER PORT [URL]    with the ledger on a PostgreSQL server
    standard input:   start, start hasty, kill
    standard output:  started PID, killed, up

A fork saves the half second of imports. The gateway runs in it, with its own ledger file, socket
and threads, until SIGKILL ends it. `up` is printed whenever the broker has confirmed its
subscription.
"""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from gateway.broker.process import HOST
from gateway.clock import Clock
from gateway.config import LedgerServer
from gateway.delivery import ingest, link, service
from gateway.delivery.outcomes import Accepted, Recorded, Rejected
from gateway.delivery.recording import Known, Recording
from gateway.devices.keys import KeyStore
from gateway.errors import Unavailable
from gateway.facts.chain import GENESIS
from gateway.store import entries
from gateway.store.engine import Pending
from gateway.store.ledger import Ledger

SITE = "city"
RECONNECT_S = (0.05, 0.2)  # the shipped 1 to 30 s would fill most of the time between kills


def record_hastily(
    ledger: Ledger, batch: Sequence[Accepted | Rejected], now_ms: int, *_: object
) -> Recorded:
    """The control: answers when a batch is written, and is killed before it commits."""
    db = ledger.db
    if not db.in_transaction:
        db.begin(entries.NEWEST)
    db.pending = Pending(*(db.execute(entries.NEWEST).fetchone() or (0, GENESIS)))
    recording = Recording(db, now_ms, Known())
    recording.run(batch)
    entries.close_entry(db)
    db.pending = None
    return recording.recorded()


class _Told(threading.Event):
    """`Service.connected`, said aloud."""

    def set(self) -> None:
        super().set()
        _say("up")


def main() -> None:
    folder, port, *url = Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]
    place = LedgerServer(url[0], SITE) if url else folder / "ledger.db"
    ours, theirs = os.pipe()  # closes when this process is gone, however it ended
    child = 0
    for line in sys.stdin:
        if line.startswith("start"):
            child = os.fork()
            if not child:
                os.close(theirs)
                threading.Thread(
                    target=lambda: (os.read(ours, 1), os._exit(0)), daemon=True
                ).start()
                _serve(place, folder / "keys", port, "hasty" in line)
            _say(f"started {child}")
        elif child:
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            child = 0
            _say("killed" if os.WIFSIGNALED(status) else "ended by itself")
    if child:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _serve(place: Path | LedgerServer, keys: Path, port: int, hasty: bool) -> None:
    logging.disable()
    link.RECONNECT_S = RECONNECT_S  # type: ignore[assignment]
    if hasty:
        ingest.record = record_hastily
    ledger = _opened(place)
    gate = ingest.Ingest(ledger, KeyStore(keys), Clock(), SITE)
    gateway = service.Service(service.ServiceSettings(SITE, HOST, port), gate)
    gateway.connected = _Told()
    gateway.run(threading.Event())


def _opened(place: Path | LedgerServer) -> Ledger:
    """The ledger. While its server starts, who looks after services starts the gateway again."""
    while True:
        try:
            return Ledger.open(place)
        except Unavailable:
            time.sleep(RECONNECT_S[0])


def _say(line: str) -> None:
    os.write(1, line.encode() + b"\n")


if __name__ == "__main__":
    main()
