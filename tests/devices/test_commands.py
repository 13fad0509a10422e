"""What the back office asks: sent after a heartbeat until it was taken, once, to the right life of
the right device.
"""

import sqlite3
from pathlib import Path

import pytest

from firmware import commands as on_device
from gateway.devices import commands
from gateway.devices.keys import DeviceKey
from gateway.errors import ConfigError, UsageError
from protocol import messages, seal, topics
from tests.delivery.bench import NOW_MS, SITE, Device, Office
from tests.devices.board import Board, Flash, ask, commands_in


def test_a_command_is_done_once_and_its_answer_is_in_the_ledger(
    office: Office, board: Board
) -> None:
    counter = ask(office)
    for _ in range(3):
        board.round()

    assert ["identify"] == board.done
    assert {
        "counter": counter,
        "verb": "identify",
        "outcome": "done",
        "lines": ["a line"],
    }.items() <= (commands.answer(office.ledger, "w1", counter) or {}).items()


@pytest.mark.must("CMD-20", "CMD-21")
def test_a_command_that_the_line_lost_is_sent_again_and_a_taken_one_is_not(
    office: Office, board: Board
) -> None:
    ask(office)

    assert 1 == len(commands_in(board.heartbeat()))
    again = board.heartbeat()
    assert 1 == len(commands_in(again))
    board.hear(again)
    board.obey()
    assert [] == commands_in(board.heartbeat())


@pytest.mark.must("CMD-7", "CMD-8")
def test_a_repeated_command_is_not_done_twice_even_after_a_power_cut(
    office: Office, board: Board
) -> None:
    ask(office)
    answers = board.heartbeat()
    board.hear(answers)
    board.obey()
    board.start()
    board.hear(answers)

    assert board.obey() is None
    assert ["identify"] == board.done


def test_a_power_cut_between_taking_and_doing_does_nothing_twice(
    office: Office, board: Board
) -> None:
    """The counter is on flash first: the worst is a command that was not done, and it can be asked
    again.
    """
    counter = ask(office)
    board.hear(board.heartbeat())
    assert board.uplink.command is not None
    board.journal.note_command(counter)
    board.start()
    board.round()

    assert [] == board.done
    assert commands.answer(office.ledger, "w1", counter) is None
    assert counter + 1 == ask(office)
    board.round()
    assert ["identify"] == board.done


@pytest.mark.must("CMD-22")
def test_commands_are_done_in_the_order_of_asking(office: Office, board: Board) -> None:
    first, second = ask(office), ask(office)
    for _ in range(3):
        board.round()

    assert (1, 2) == (first, second)
    records = [
        each.fields["counter"]
        for each in office.ledger.records(device="w1")
        if each.kind == "command"
    ]
    assert [1, 2] == records


@pytest.mark.must("CMD-6")
def test_a_wiped_board_does_not_obey_what_its_last_life_was_asked(
    office: Office, board: Board
) -> None:
    ask(office)
    held = board.heartbeat()
    board.flash = Flash()
    board.start()
    board.hear(held)

    assert board.obey() is None
    assert [] == commands_in(board.heartbeat())


@pytest.mark.must("CMD-23")
def test_a_ledger_that_forgot_its_commands_still_counts_above_what_the_device_took(
    office: Office, board: Board
) -> None:
    for _ in range(3):
        ask(office)
    for _ in range(4):
        board.round()
    office.ledger.close()
    for left in office.folder.glob("ledger.db*"):
        left.unlink()
    again = Office(office.folder)
    board.office = again
    board.round()

    assert 4 == ask(again)


@pytest.mark.parametrize(
    "attack",
    ["another key", "another topic", "another device", "an old one", "another epoch", "broken"],
)
def test_a_forged_command_is_not_done(
    office: Office, board: Board, attack: str, tmp_path: Path
) -> None:
    key, kid, topic = board.identity["key"], topics.kid("w1", 1), topics.topic(SITE, "w1", "cmd")
    command = {
        "epoch": board.journal.epoch,
        "counter": 1,
        "nonce": bytes(16),
        "verb": "identify",
        "argument": "",
    }
    sealed_for = topic
    if attack == "another key":
        key = b"x" * 32
    elif attack == "another topic":
        sealed_for = topics.topic(SITE, "w1", "ack")
    elif attack == "another device":
        sealed_for = topics.topic(SITE, "w2", "cmd")
    elif attack == "an old one":
        board.journal.note_command(1)
    elif attack == "another epoch":
        command["epoch"] = board.journal.epoch ^ 1 or 2
    sealed = seal.seal(key, kid, sealed_for, messages.encode_command(command))
    if attack == "broken":
        sealed = sealed[:-1] + bytes([sealed[-1] ^ 1])
    refused = board.uplink.refused

    board.hear([(topic, sealed)])

    assert board.obey() is None
    assert refused + 1 == board.uplink.refused


def test_a_full_journal_takes_no_command_and_the_gateway_asks_again(
    office: Office, board: Board
) -> None:
    from firmware.journal import JournalFull

    ask(office)
    with pytest.raises(JournalFull):
        while True:
            board.journal.append(bytes(700))
    board.hear(board.heartbeat()[-1:])
    taken = board.journal.command
    for _ in range(200):  # small entries fill what is left of the open sector
        if board.uplink.command is None:
            break
        if board.obey() is None:
            break

    assert board.journal.command in (taken, 1)
    assert board.done == ["identify"] * board.journal.command


@pytest.mark.must("CMD-27")
def test_verbs_that_nobody_knows_and_devices_that_never_spoke_are_refused(
    office: Office, board: Board
) -> None:
    office.device("w9")

    with pytest.raises(UsageError, match="not one of identify, restart, log"):
        ask(office, "explode")
    with pytest.raises(UsageError, match="till device rotate"):
        ask(office, "rotate")
    with pytest.raises(ConfigError, match="device w9: it never spoke"):
        commands.ask(office.ledger, "w9", "identify", "kim", NOW_MS)


@pytest.mark.must("CMD-26")
def test_what_was_asked_is_never_edited_or_deleted(office: Office, board: Board) -> None:
    ask(office)

    for change in ("UPDATE command SET verb = 'restart'", "DELETE FROM command"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            office.ledger.db.execute(change)


@pytest.mark.must("CMD-25")
def test_what_was_asked_yesterday_is_not_sent_today(office: Office, board: Board) -> None:
    ask(office)
    office.clock.now_ms += commands.KEPT_MS + 1

    assert [] == commands_in(board.heartbeat())


# ---- key rotation


@pytest.mark.must("ROT-9")
def test_a_rotated_key_is_used_and_the_old_one_opens_nothing_any_more(
    office: Office, board: Board
) -> None:
    old = office.keys.current("w1")
    commands.rotate(office.ledger, office.keys, "w1", "kim", NOW_MS)
    before = {key.number for key in office.keys.all("w1")}
    for _ in range(3):
        board.round()

    assert {1, 2} == before
    assert [2] == [key.number for key in office.keys.all("w1")]
    assert old.secret != office.keys.current("w1").secret == board.identity["key"]
    outcome = office.ingest.accept(*Device(old, board.journal.epoch).state())
    assert "unknown kid b'w1.1'" in getattr(outcome, "reason", "")
    events = office.ledger.db.execute(
        "SELECT device, event, key_number FROM device_event"
    ).fetchall()
    assert [("w1", "rotated", 2)] == events


@pytest.mark.must("ROT-16")
@pytest.mark.parametrize("is_sealed", [True, False], ids=["the board's own", "forged"])
@pytest.mark.parametrize("is_retained", [False, True])
def test_a_last_will_under_a_retired_key_is_a_note_under_its_name_and_nothing_else(
    office: Office, board: Board, is_sealed: bool, is_retained: bool
) -> None:
    """A board with older firmware leaves one; so can whoever had the old key, or never had one."""
    old = office.keys.current("w1")
    commands.rotate(office.ledger, office.keys, "w1", "kim", NOW_MS)
    for _ in range(3):
        board.round()
    heartbeats = office.ledger.heartbeats()
    sender = Device(old if is_sealed else DeviceKey("w1", 1, b"?" * 32), board.journal.epoch)
    will = sender.state(is_retained, status="lost", boot=9)
    answers = office.take(will, will)
    office.take(will)

    assert [] == answers
    assert heartbeats == office.ledger.heartbeats()
    [note] = office.ledger.incidents()
    assert ("lost_unproven", "w1") == (note["kind"], note["device"])
    assert "under key w1.1, which is retired, came on w1's state topic: not proven" in note["text"]
    assert {"w1": 3} == {item.device: item.rejected for item in office.ledger.stats()}


@pytest.mark.must("ROT-4")
def test_nothing_secret_crosses_the_line(office: Office, board: Board) -> None:
    commands.rotate(office.ledger, office.keys, "w1", "kim", NOW_MS)
    answers = board.heartbeat()
    secrets = [key.secret for key in office.keys.all("w1")]

    assert 1 == len(commands_in(answers))
    assert not any(secret in sealed for _, sealed in answers for secret in secrets)
    assert not any(secret in (office.folder / "ledger.db").read_bytes() for secret in secrets)


@pytest.mark.must("ROT-11", "ROT-14")
@pytest.mark.parametrize(
    "cut",
    ["before it is taken", "taken, key not on flash", "key on flash, no record", "record on flash"],
)
def test_power_cuts_during_a_rotation_end_with_one_key_on_both_sides(
    office: Office, board: Board, cut: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands.rotate(office.ledger, office.keys, "w1", "kim", NOW_MS)
    board.hear(board.heartbeat())
    if cut == "taken, key not on flash":
        board.journal.note_command(1)
    elif cut == "key on flash, no record":
        command = board.uplink.command
        assert command is not None
        board.journal.note_command(1)
        on_device.rotated_key(dict(board.identity), 2, command["nonce"])
    elif cut == "record on flash":
        board.obey()
    board.start()
    for _ in range(5):
        board.round()

    assert [2] == [key.number for key in office.keys.all("w1")]
    assert office.keys.current("w1").secret == board.identity["key"]
    assert (
        office.ledger.high_water("w1", board.journal.epoch)
        == board.journal.last_seq
        == board.journal.acked
    )


@pytest.mark.must("ROT-12")
def test_a_rotation_ends_even_when_the_ledger_forgot_that_it_was_asked(
    office: Office, board: Board
) -> None:
    commands.rotate(office.ledger, office.keys, "w1", "kim", NOW_MS)
    office.ledger.close()
    for left in office.folder.glob("ledger.db*"):
        left.unlink()
    board.office = Office(office.folder)
    for _ in range(4):
        board.round()

    assert [2] == [key.number for key in office.keys.all("w1")]
    assert 2 == board.identity["key_number"]


def test_a_device_whose_file_system_refuses_keeps_its_key_and_a_person_is_called(
    office: Office, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_device, "KEY_FILE", "/nowhere/at/all")
    commands.rotate(office.ledger, office.keys, "w1", "kim", NOW_MS)
    for _ in range(commands.ROTATE_TRIES_MAX + 3):
        board.round()

    assert 1 == board.identity["key_number"]
    assert [1, 2] == [key.number for key in office.keys.all("w1")]
    assert "rotation_failed" in office.incident_kinds()
    outcomes = [
        each.fields["outcome"]
        for each in office.ledger.records(device="w1")
        if each.kind == "command"
    ]
    assert ["failed"] * commands.ROTATE_TRIES_MAX == outcomes


@pytest.mark.must("ROT-13")
def test_a_device_that_was_shut_out_is_given_no_new_key(office: Office, board: Board) -> None:
    (office.folder / "keys" / "w1.key").unlink()

    with pytest.raises(ConfigError, match="has no approved key"):
        commands.rotate(office.ledger, office.keys, "w1", "kim", NOW_MS)


def test_a_second_rotation_waits_for_the_first(office: Office, board: Board) -> None:
    commands.rotate(office.ledger, office.keys, "w1", "kim", NOW_MS)

    with pytest.raises(ConfigError, match="rotation to key 2 is under way"):
        commands.rotate(office.ledger, office.keys, "w1", "kim", NOW_MS)
    for _ in range(3):
        board.round()
    commands.rotate(office.ledger, office.keys, "w1", "kim", NOW_MS)
    for _ in range(3):
        board.round()

    assert [3] == [key.number for key in office.keys.all("w1")]
    assert 3 == board.identity["key_number"]


@pytest.mark.must("ROT-6")
def test_a_key_file_that_was_cut_short_never_takes_the_place_of_a_key(board: Board) -> None:
    Path(on_device.KEY_FILE).write_text('{"key_number": 2, "key_h')
    board.start()

    assert 1 == board.identity["key_number"]
