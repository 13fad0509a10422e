"""The ID-003 driver: frames of the published examples, one credit for one STACK, and what cannot be
known said so.
"""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.drivers.id003 import Id003
from firmware.drivers.id003_frames import Reader, crc16, frame

SETTINGS = {
    "poll_ms": 150,
    "denominations": [],
    "unit_minor": 100,
    "country": 0,
    "evidence": "specification",
}
ASSIGNMENT = b"".join(
    bytes((0x61 + at, 1, value, 0)) for at, value in enumerate((1, 2, 5, 10, 20, 50, 100))
)
STATUS, STACK, RETURN, ACK, RESET = 0x11, 0x41, 0x43, 0x50, 0x40
IDLE, ESCROW_5, STACKING, VEND, STACKED = b"\x11", b"\x13\x63", b"\x14", b"\x15", b"\x16"


class Desk:
    """The driver, and answers given one by one; commands are answered as a machine does that
    obeys.
    """

    def __init__(self, resume: str = "", **settings) -> None:
        self.driver = Id003("notes", {**SETTINGS, **settings}, "USD")
        self.driver.resume(resume)
        self.now_ms = 0
        self.events: list[dict] = []
        self.commands: list[int] = []

    def hear(self, data: bytes) -> list[dict]:
        events = self.driver.feed(data, self.now_ms)
        self.events += events
        return events

    def run(self, *statuses: bytes) -> list[dict]:
        """Answer so many status requests; events of all."""
        waiting = list(statuses)
        before = len(self.events)
        for _ in range(2000):
            self.now_ms += 10
            self.events += self.driver.poll(self.now_ms)
            out = self.driver.pop_output()
            if not out:
                continue
            command, data = out[2], out[3:-2]
            assert frame(command, data) == out
            if command == STATUS:
                if not waiting:
                    break
                self.hear(frame(waiting[0][0], waiting.pop(0)[1:]))
            else:
                self.commands.append(command)
                if command == 0x8A:
                    self.hear(frame(0x8A, ASSIGNMENT))
                elif command >= 0xC0:
                    self.hear(frame(command, data))
                elif command != ACK:
                    self.hear(frame(ACK))
        return self.events[before:]


def tallies(events: list[dict]) -> list[tuple]:
    """Rows of the tallies; bookmarks, which have none, left out."""
    return [tuple(event["rows"]) for event in events if event["kind"] == "tally" and event["rows"]]


def conditions(events: list[dict]) -> list[str]:
    return [event["condition"] for event in events if event["kind"] == "instrument"]


def ready(resume: str = "", **settings) -> Desk:
    desk = Desk(resume, **settings)
    desk.run(IDLE, IDLE, IDLE, IDLE)
    desk.events.clear()
    return desk


def test_status_request_is_the_published_one():
    assert "fc05112756" == frame(STATUS).hex()


def test_ccnet_poll_has_the_same_crc():
    """02 03 06 33 DA 81, the published poll of a protocol with the same check."""
    assert 0x81DA == crc16(bytes.fromhex("02030633"))


def test_a_note_is_stacked_counted_once_and_acknowledged():
    desk = ready()

    events = desk.run(b"\x12", ESCROW_5, STACKING, VEND, VEND, STACKED, IDLE)

    assert [((500, 1),)] == tallies(events)
    assert [] == conditions(events)
    assert [STACK, ACK, ACK] == desk.commands[-3:]


def test_the_acknowledgement_goes_out_after_the_tally():
    desk = ready()
    desk.run(ESCROW_5, STACKING)
    desk.now_ms += 10
    desk.driver.poll(desk.now_ms)

    events = desk.hear(frame(0x15))

    assert [((500, 1),)] == tallies(events)
    assert frame(ACK) == desk.driver.pop_output()


def test_two_equal_notes_are_two_credits():
    desk = ready()

    events = desk.run(*(ESCROW_5, STACKING, VEND, STACKED, IDLE) * 2)

    assert [((500, 1),)] * 2 == tallies(events)
    assert 2 == len(
        {event["batch_id"] for event in events if event["kind"] == "tally" and event["rows"]}
    )


def test_vend_valid_after_our_restart_is_the_last_tally_again():
    assert [] == Desk("12-63").run(VEND, VEND, STACKED, IDLE)


def test_vend_valid_after_our_restart_is_the_note_that_flash_has_marked():
    events = Desk("12?99", denominations=[100, 0, 500, 1000, 2000, 0, 0, 0]).run(
        VEND, VEND, STACKED, IDLE
    )

    assert [((500, 1),)] == tallies(events)
    assert ["13-63"] == [event["batch_id"] for event in events]


def test_a_marked_note_of_which_nothing_is_heard_is_a_discrepancy_of_one_piece():
    events = Desk("12?99").run(IDLE, IDLE)

    assert [("discrepancy", 1)] == [
        (each["condition"], each["pieces"]) for each in events if each["kind"] == "instrument"
    ]
    assert ["12?0"] == [event["batch_id"] for event in events if event["kind"] == "tally"]


def test_numbers_of_tallies_go_on_after_a_restart():
    desk = ready("12-63")

    events = desk.run(ESCROW_5, STACKING, VEND)

    assert ["12?99", "13-63"] == [event["batch_id"] for event in events]


def test_machine_that_restarts_while_stacking_is_a_discrepancy():
    desk = ready()

    events = desk.run(ESCROW_5, STACKING, b"\x40", b"\x1b", IDLE)

    assert ["reset", "discrepancy"] == conditions(events)
    assert RESET in desk.commands


def test_power_up_with_a_note_in_the_stacker_is_explicit():
    assert ["reset", "discrepancy"] == conditions(Desk().run(b"\x42", b"\x1b", IDLE))
    assert ["reset"] == conditions(Desk().run(b"\x40", b"\x1b", IDLE))


def test_note_that_comes_back_is_no_money_and_no_discrepancy():
    desk = ready()

    events = desk.run(ESCROW_5, b"\x18", IDLE, b"\x17\x73", b"\x17\x73", IDLE)

    assert ["0?99", "0?0"] == [event["batch_id"] for event in events]
    assert 1 == desk.driver.faults()["rejects"]


def test_stacked_without_vend_valid_is_a_discrepancy():
    assert ["discrepancy"] == conditions(ready().run(ESCROW_5, STACKING, STACKED, IDLE))


def test_full_journal_returns_the_note_and_inhibits():
    desk = ready()
    desk.driver.allow(False)

    desk.run(ESCROW_5, b"\x18", IDLE, IDLE)

    assert [RETURN, 0xC3] == desk.commands[-2:]


def test_unknown_denomination_goes_back():
    desk = ready()

    desk.run(b"\x13\x68", b"\x18", IDLE)

    assert RETURN == desk.commands[-1]


def test_settings_name_the_denominations():
    desk = ready(denominations=[100, 500, 1000, 2000, 0, 0, 0, 0])

    assert [((1000, 1),)] == tallies(desk.run(ESCROW_5, STACKING, VEND))


@pytest.mark.parametrize(
    ("status", "condition"),
    [
        (b"\x43", "full"),
        (b"\x44", "stopped"),
        (b"\x45", "jam"),
        (b"\x46", "jam"),
        (b"\x47", "stopped"),
        (b"\x49\xa2", "fault"),
    ],
)
def test_each_trouble_is_told_once_and_back_once(status, condition):
    assert [condition, "back"] == conditions(ready().run(status, status, status, IDLE, IDLE))


def test_cheated_is_told_once():
    assert ["fraud"] == conditions(ready().run(b"\x48", b"\x48", IDLE))


def test_silence_is_told_once_and_its_end_once():
    desk = ready()
    for _ in range(600):
        desk.now_ms += 10
        desk.events += desk.driver.poll(desk.now_ms)
        desk.driver.pop_output()

    desk.run(IDLE)

    assert ["offline", "back"] == conditions(desk.events)


def test_listening_to_another_host_counts_and_says_nothing():
    driver = Id003("notes", SETTINGS, "USD")
    events = []
    for command, answer in (
        (frame(0x8A), frame(0x8A, ASSIGNMENT)), (frame(STATUS), frame(0x13, b"\x63")),
        (frame(STACK), frame(ACK)), (frame(STATUS), frame(0x15)), (frame(ACK), b""),
        (frame(STATUS), frame(0x16)),
    ):  # fmt: skip
        driver.overhear(command, 0)
        events += driver.feed(answer, 5) + driver.poll(10)

    assert [((500, 1),)] == tallies(events)
    assert b"" == driver.pop_output()


def split(data: bytes, seed: int) -> list[bytes]:
    rng = random.Random(seed)
    cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.randrange(9)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


@given(st.binary(max_size=40), st.binary(max_size=8), st.integers(0, 1000))
def test_a_frame_is_read_in_any_pieces_after_noise(data, noise, seed):
    """Noise that looks like a frame's beginning costs at most the frames that fit into it."""
    reader = Reader()
    sent = noise + frame(0x15, data) * 30
    bodies = [body for part in split(sent, seed) for body in map(reader.push, part) if body]

    assert b"\x15" + data in bodies
    assert {b"\x15" + data} >= {
        body for body in bodies if body[:1] == b"\x15" and len(body) == len(data) + 1
    }


def test_the_frame_after_a_cut_or_wrong_one_is_read():
    reader = Reader()
    good = frame(0x15)
    sent = good[:3] + good + good[:-1] + b"\x00" + good

    assert [b"\x15"] * 2 == [body for body in map(reader.push, sent) if body]


@given(st.lists(st.binary(max_size=60), max_size=20))
def test_no_bytes_raise_or_make_money(chunks):
    desk = ready()
    for chunk in chunks:
        desk.now_ms += 10
        desk.hear(chunk)
        desk.events += desk.driver.poll(desk.now_ms)
        desk.driver.pop_output()

    assert [] == tallies(desk.events)
