"""What docs/protocol.md asks of a gateway that asks a device, and of a device that takes a new key,
statement by statement.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from firmware import commands as on_device
from gateway.devices import commands
from gateway.devices.keys import KeyStore
from protocol import messages, seal, topics
from tests.delivery.bench import NOW_MS, Office
from tests.devices.board import Board, ask, board, commands_in, office  # noqa: F401  (fixtures)
from tests.firmware.apps import app_with

# ruff: noqa: F811


def opened(board: Board, sealed: bytes) -> dict[str, Any]:
    key = board.identity["key"]
    kid, payload = seal.open_seal(sealed, topics.topic("city", "w1", "cmd"), lambda _: key)
    assert kid == topics.kid("w1", board.identity["key_number"])
    return dict(messages.decode_command(payload))


@pytest.mark.must("CMD-18")
def test_a_command_is_sealed_for_its_device_under_the_key_it_uses(
    office: Office, board: Board
) -> None:
    counter = ask(office)
    commands.rotate(office.ledger, office.keys, "w1", "kim", NOW_MS)
    first = [opened(board, sealed) for sealed in commands_in(board.heartbeat())]
    for _ in range(4):
        board.round()
    ask(office)
    last = [opened(board, sealed) for sealed in commands_in(board.heartbeat())]

    assert [(counter, board.journal.epoch)] == [
        (command["counter"], command["epoch"]) for command in first
    ]
    assert (2, ["identify"]) == (
        board.identity["key_number"],
        [command["verb"] for command in last],
    )


@pytest.mark.must("CMD-19")
def test_a_command_waits_for_a_live_heartbeat(office: Office, board: Board) -> None:
    ask(office)
    will = (board.uplink.state_topic, board.uplink.will(1), False)
    board.journal.append(b"\xa0")
    board.uplink.connected(0)
    arrived = [board.uplink.poll(0, 0) for _ in range(2)]
    state, events = [(topic, sealed, False) for topic, sealed, _ in arrived]

    assert [] == commands_in(office.take(will))
    assert [] == commands_in(office.take((*state[:2], True)))
    assert [] == commands_in(office.take(events))
    assert 1 == len(commands_in(office.take(state)))


@pytest.mark.must("CMD-24")
def test_no_two_commands_share_a_nonce(office: Office, board: Board) -> None:
    for _ in range(50):
        ask(office)

    nonces = {row[0] for row in office.ledger.db.execute("SELECT nonce FROM command")}
    assert 50 == len(nonces)
    assert 50 == len({nonce[:8] for nonce in nonces}) == len({nonce[8:] for nonce in nonces})


@pytest.mark.must("ROT-8")
def test_both_keys_are_good_while_a_rotation_is_under_way(office: Office, board: Board) -> None:
    commands.rotate(office.ledger, office.keys, "w1", "kim", NOW_MS)
    board.hear(board.heartbeat())
    under_old = board.heartbeat()
    board.obey()
    under_new = board.heartbeat()

    assert [1, 1] == [
        len([topic for topic, _ in each if topic.endswith("/ack")])
        for each in (under_old, under_new)
    ]
    assert [2] == [key.number for key in office.keys.all("w1")]


@pytest.mark.must("ROT-10")
def test_no_command_is_on_record_whose_key_is_not_on_disk(
    office: Office, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: KeyStore, device: str, keys: Any) -> None:
        raise OSError(28, "no space")

    with monkeypatch.context() as patched:
        patched.setattr(KeyStore, "write", full)
        with pytest.raises(OSError, match="no space"):
            commands.rotate(office.ledger, office.keys, "w1", "kim", NOW_MS)

    assert [] == office.ledger.db.execute("SELECT * FROM command WHERE verb = 'rotate'").fetchall()


@pytest.mark.must("ROT-2", "ROT-3")
@pytest.mark.parametrize("argument", ["1", "3", "0", "", "two", "-2", "2.0", "+2"])
def test_a_device_rotates_to_the_next_number_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argument: str
) -> None:
    monkeypatch.setattr(on_device, "KEY_FILE", str(tmp_path / "key.json"))
    made, _ = app_with(tmp_path / "flash.img", monkeypatch)
    refused = made._rotate({"argument": argument, "nonce": bytes(16)})
    kept = made._site["key"], made._uplink.key_number
    done = made._rotate({"argument": "2", "nonce": bytes(16)})

    assert ("refused", (b"k" * 32, 1)) == (refused[0], kept)
    assert ("done", 2) == (done[0], made._uplink.key_number)
    assert made._site["key"] == seal.next_key(b"k" * 32, b"w1.2", bytes(16))


@pytest.mark.must("ROT-5")
@pytest.mark.parametrize("step", ["open", "rename"])
def test_a_key_that_is_not_on_flash_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Whatever step the flash refuses: what is used, and what a start finds, is the old key."""
    identity = {"device": "w1", "key": b"k" * 32, "key_number": 1}
    monkeypatch.setattr(on_device, "KEY_FILE", str(tmp_path / "key.json"))
    used_when_renamed: list[int] = []

    def no_rename(old: str, new: str) -> None:
        used_when_renamed.append(identity["key_number"])
        json.loads(Path(old).read_text())  # whole before it gets the name that a start looks for
        raise OSError(28)

    with monkeypatch.context() as patched:
        if step == "open":
            patched.setattr(on_device, "KEY_FILE", str(tmp_path / "missing" / "key.json"))
        else:
            patched.setattr(os, "rename", no_rename)
        with pytest.raises(OSError):
            on_device.rotated_key(identity, 2, bytes(16))
    found = dict(identity)
    on_device.stored_key(found)

    assert (1, b"k" * 32) == (identity["key_number"], identity["key"])
    assert identity == found
    assert set(used_when_renamed) <= {1}


@pytest.mark.must("ROT-7")
@pytest.mark.parametrize(("staged", "expected"), [(1, 3), (2, 3), (3, 3), (4, 4)])
def test_the_newer_of_staged_and_stored_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, staged: int, expected: int
) -> None:
    monkeypatch.setattr(on_device, "KEY_FILE", str(tmp_path / "key.json"))
    Path(on_device.KEY_FILE).write_text(json.dumps({"key_number": 3, "key_hex": "ab" * 32}))
    identity = {"key": b"s" * 32, "key_number": staged}
    on_device.stored_key(identity)

    assert expected == identity["key_number"]
    assert (b"s" * 32 if staged >= 3 else b"\xab" * 32) == identity["key"]
