"""What a machine is told when flash refuses: an acknowledgement leaves only after its record, and
never without one.
"""

import gc
from pathlib import Path
from typing import Any

import pytest

from firmware.controller import Controller, beep_of, text_of
from firmware.journal import Journal, JournalError, JournalFull
from protocol.records import FLAG_REPRINT, decode_record
from simulators.instruments.registry import simulator_for
from tests.firmware.acceptor_bench import AcceptorBench, Clock, Kept, board_with, true_pieces
from tests.firmware.apps import SECTORS, Driver, app_with, tally, turn
from tests.firmware.bench import PATIENCE, FileFlash, Office, fill


@pytest.mark.must("SEQ-7")
@pytest.mark.parametrize("error", [JournalFull("full"), JournalError("flash keeps nothing")])
def test_no_credit_is_acknowledged_that_flash_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: JournalError
) -> None:
    made, machine = app_with(tmp_path / "flash.img", monkeypatch)
    task = made._listen(0)
    with monkeypatch.context() as patched:

        def refuse(body: bytes) -> int:
            raise error

        patched.setattr(made._journal, "append", refuse)
        patched.setattr(made._journal, "room", lambda: 0)
        turn(task, 20)
        refused = list(machine.written)
    turn(task, 3)
    task.close()
    held = [decode_record(made._journal.read(seq)) for seq in range(1, made._journal.last_seq + 1)]

    assert [] == refused
    assert ["n1"] == [record["batch_id"] for record in held if record["kind"] == "tally"]
    assert [b"ack"] == machine.written
    assert [
        ("drop", ""),
        ("drop", ""),
    ] == Driver.resumed  # at the start, and once after the refusals


@pytest.mark.must("SEQ-6")
def test_an_acknowledgement_goes_out_after_its_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, machine = app_with(tmp_path / "flash.img", monkeypatch)
    before = made._journal.last_seq
    task = made._listen(0)
    turn(task)
    task.close()

    assert [b"ack"] == machine.written
    assert [made._journal.last_seq] == machine.on_flash
    assert before < machine.on_flash[0]


def test_a_restart_after_the_record_states_it_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, machine = app_with(tmp_path / "flash.img", monkeypatch)
    made._take([tally([(500, 1)], batch_id="n1")])
    made._commit()
    made._serial[0] = made._serial[0][0], made._driver(made._serial[0][2]), made._serial[0][2]
    task = made._listen(0)
    turn(task, 3)
    task.close()

    assert ("drop", "n1") == Driver.resumed[-1]
    assert [] == machine.written


def test_every_instrument_of_a_line_resumes_after_its_own_tally(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _ = app_with(tmp_path / "flash.img", monkeypatch, {"also": [{"name": "second"}]})
    made._take(
        [
            {**tally([(500, 1)], batch_id="s7"), "instrument": "second"},
            tally([(100, 1)], batch_id="d3"),
        ]
    )
    made._commit()
    made._driver(made._serial[0][2])

    assert [("drop", "d3"), ("second", "s7")] == Driver.resumed[-2:]


def test_allow_is_a_truth_value_whatever_room_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A number of sectors would look like another wish each time one is used up."""
    made, _ = app_with(tmp_path / "flash.img", monkeypatch)
    monkeypatch.setattr(gc, "mem_free", lambda: 1, raising=False)
    task = made._keep()
    for room in (3, 2, 1, 0):
        monkeypatch.setattr(made._journal, "room", lambda room=room: room)
        turn(task)
    task.close()

    assert [True, True, True, False] == Driver.allowed
    assert {bool} == {type(each) for each in Driver.allowed}


def test_a_bookmark_is_silent_and_is_no_last_count(tmp_path: Path) -> None:
    made_journal: Any = Journal
    journal = made_journal(FileFlash(tmp_path / "flash.img", SECTORS))
    controller = Controller(journal, 8)
    bookmark = tally([], FLAG_REPRINT, "12-0-7-0102")
    controller.take([tally([(500, 2)])], 1, 0)
    counted = controller.commit()
    controller.take([bookmark], 1, 0)

    assert [("ok", "drop b1 10.00")] == counted
    assert ("", "") == (beep_of(bookmark), text_of(bookmark))
    assert [("", "")] == controller.commit()
    assert "last drop b1 10.00" == controller.last_count()
    assert "12-0-7-0102" == controller.last_batch("drop")


def test_a_full_journal_shuts_the_acceptor_until_the_gateway_has_records(tmp_path: Path) -> None:
    office = Office(tmp_path)
    held = fill(tmp_path / "flash.img", SECTORS)
    machine = simulator_for("ebds")()
    bench = AcceptorBench(
        tmp_path, office, "w1", board_with(tmp_path, {"drop": "ebds"}, SECTORS), {"drop": machine}
    )
    clock = Clock([bench])
    try:
        bench.power_on()
        clock.until(lambda: bench.answered["drop"] >= 40, "questions to the acceptor")
        shut = machine._enabled
        office.open()
        clock.until(lambda: machine._enabled, "notes are taken again")
        clock.until(lambda: machine._messages >= 4, "more answers")
        machine.do("insert 20.00", clock.now_ms)
        clock.until(
            lambda: any("20.00" in line for line in bench.said("print")),
            "the count on the display",
            PATIENCE,
        )
        clock.until(
            lambda: Kept(office.ledger_file, "w1").credited.get("drop"), "the tally in the ledger"
        )
    finally:
        clock.close()
        office.close()

    assert 0 == shut
    assert held > 0
    assert {2000: 1} == true_pieces(machine) == Kept(office.ledger_file, "w1").credited["drop"]
