"""A device as the gateway's tests need it: keys, sealed messages, and a journal that is just a
list.
"""

from pathlib import Path
from typing import Any

from gateway.clock import Clock
from gateway.config import LedgerServer
from gateway.delivery.ingest import Ingest
from gateway.devices.keys import DeviceKey, KeyStore, create_key
from gateway.store.ledger import Ledger
from protocol import messages, records, seal, topics

SITE = "city"
Message = tuple[str, bytes, bool]  # (topic, sealed, retained)
NOW_MS = 1_700_000_000_000


class FixedClock(Clock):
    """A clock that a test sets."""

    def __init__(self, now_ms: int = NOW_MS) -> None:
        self.now_ms = now_ms

    def utc_ms(self) -> int:
        return self.now_ms


def a_tally(number: int, **more: Any) -> dict[str, Any]:
    """A tally of `number` one-cent pieces, so that each one differs."""
    fields: dict[str, Any] = {
        "kind": "tally", "boot": 1, "uptime_ms": number * 1000, "instrument": "coins",
        "batch_id": str(number), "currency": "USD", "rows": [(1, number)], "total_minor": number,
    }  # fmt: skip
    return {**fields, **more}


class Device:
    """One board with a key. `say` numbers and keeps records; `ev` and `state` are sealed
    messages.
    """

    def __init__(self, key: DeviceKey, epoch: int = 7, site: str = SITE) -> None:
        self.key = key
        self.site = site
        self.epoch = epoch
        self.boot = 1
        self.uptime_ms = 1_000_000
        self.said: list[bytes] = []

    def say(self, count: int) -> None:
        for _ in range(count):
            self.said.append(records.encode_record(a_tally(len(self.said) + 1)))

    def topic(self, leaf: str) -> str:
        return str(topics.topic(self.site, self.key.device, leaf))

    def ev(
        self, first: int, last: int, bodies: list[bytes] | None = None, before: bytes = bytes(8)
    ) -> tuple[str, bytes, bool]:
        """(topic, sealed, retained) of one message with records first to last."""
        bodies = bodies or self.said[first - 1 : last]
        payload = messages.encode_events(
            self.epoch, self.boot, self.uptime_ms, first, bodies, before
        )
        return self.topic("ev"), self.sealed("ev", payload), False

    def state(self, retained: bool = False, **more: Any) -> tuple[str, bytes, bool]:
        state = {
            "epoch": self.epoch, "boot": self.boot, "uptime_ms": self.uptime_ms, "status": "alive",
            "last_seq": len(self.said), "lowest_kept": 1 if self.said else 0, "acked": 0,
            "ledger_n": 0, "ledger_head": bytes(32), "heap_free": 1, "heap_low": 1, "command": 0,
        }  # fmt: skip
        return (
            self.topic("state"),
            self.sealed("state", messages.encode_state({**state, **more})),
            retained,
        )

    def sealed(self, leaf: str, payload: bytes) -> bytes:
        return bytes(seal.seal(self.key.secret, self.key.kid, self.topic(leaf), payload))

    def open_ack(self, topic: str, sealed: bytes) -> dict[str, Any]:
        """The acknowledgement, or an error when it is not for this device."""
        _, payload = seal.open_seal(sealed, self.topic("ack"), {self.key.kid: self.key.secret}.get)
        assert topic == self.topic("ack")
        return dict(messages.decode_ack(payload))


class Office:
    """Ledger, keys and ingest in one folder; the ledger elsewhere when its place is named."""

    def __init__(self, folder: Path, place: Path | LedgerServer | None = None) -> None:
        self.folder = folder
        self.clock = FixedClock()
        self.keys = KeyStore(folder / "keys")
        self.ledger = Ledger.open(place or folder / "ledger.db")
        self.ingest = Ingest(self.ledger, self.keys, self.clock, SITE)

    def device(self, name: str = "w1", epoch: int = 7) -> Device:
        return Device(create_key(self.folder / "keys", name), epoch)

    def take(self, *arrived: tuple[str, bytes, bool]) -> list[tuple[str, bytes]]:
        """Accept and commit messages in one batch."""
        return self.ingest.commit([self.ingest.accept(*message) for message in arrived])

    def seqs(self, device: str = "w1") -> list[int]:
        return [record.seq for record in self.ledger.records(device=device)]

    def incident_kinds(self) -> list[str]:
        return [row["kind"] for row in self.ledger.incidents()]


def ack_of(office: Office, device: Device, *arrived: Message) -> dict[str, int]:
    """The one answer to these messages."""
    [answer] = office.take(*arrived)
    return device.open_ack(*answer)
