"""The EBDS driver: published questions, answers in any split, credit once, and what a restart of
ours may and may not do.
"""

import random

import pytest

from firmware.drivers.ebds import Ebds
from firmware.drivers.ebds_frames import frame_of, parity_of

SETTINGS = {
    "parity": "none", "poll_ms": 150, "stack_ms": 1500, "mode": 27, "extended": True,
    "evidence": "specification", "denominations": [100, 200, 500, 1000, 2000, 5000, 10000],
}  # fmt: skip
IDLE, ESCROW, STACKING, STACKED = 0x01, 0x04, 0x08, 0x11


class Bench:
    """Driver and fake clock; `answer` replies to the question that was asked last."""

    def __init__(self, batch_id: str = "", **settings: object) -> None:
        self.driver = Ebds("notes", {**SETTINGS, **settings}, "USD")
        self.driver.resume(batch_id)
        self.driver._is_met = not batch_id  # they have talked before, unless the test restarts it
        self.now_ms = 0
        self.silent: list[str] = []
        self.question = b""

    def ask(self, limit_ms: int = 3000) -> bytes:
        """Time passes until the driver asks; its question without parity."""
        self.events: list[dict] = []
        for _ in range(limit_ms // 10):
            self.now_ms += 10
            self.events += self.driver.poll(self.now_ms)
            out = self.driver.pop_output()
            if out:
                self.question = bytes(byte & 0x7F for byte in out)
                return self.question
        raise AssertionError("it asked nothing")

    def answer(
        self, d0: int, d1: int = 0x10, d2: int = 0, note: bytes = b"", toggle: int | None = None
    ) -> list[dict]:
        """What it tells of; the tallies without rows, which only flash wants, are kept apart."""
        events = self.driver.feed(self.reply(d0, d1, d2, note, toggle), self.now_ms)
        self.silent += [event["batch_id"] for event in events if event.get("rows") == []]
        return [event for event in events if event.get("rows") != []]

    def reply(
        self, d0: int, d1: int = 0x10, d2: int = 0, note: bytes = b"", toggle: int | None = None
    ) -> bytes:
        ack = self.question[2] & 1 if toggle is None else toggle
        head = bytes((0x70 | ack, 2)) if note else bytes((0x20 | ack,))
        return frame_of(head + bytes((d0, d1, d2, 0, 0x54, 1)) + note, self.driver._is_soft)

    def told_to_stack(self, d2: int = 0x18, note: bytes = b"") -> None:
        """A five in escrow, until the driver says stack."""
        self.ask()
        for _ in range(3):
            self.answer(ESCROW, d2=d2, note=note)
            if self.ask()[4] & 0x20:
                self.answer(STACKING)
                self.ask()
                return
        raise AssertionError("never told to stack")


def note_of(
    currency: str = "USD", base: int = 5, exponent: str = "+00", series: str = "B"
) -> bytes:
    return (
        b"\0" + f"{currency}{base:03d}{exponent}".encode() + b"\0A" + series.encode() + b"AA\0\0\0"
    )


@pytest.mark.parametrize(
    ("settings", "wire"),
    [({}, "0208107f1b10036c"), ({"mode": 0, "extended": False}, "0208107f00000367")],
)
def test_question_is_the_published_one(settings, wire):
    """Sources: frame body in lamassu-machine's driver; sample host of
    PyramidTechnologies/Python-RS-232.
    """
    assert wire == Bench(**settings).ask().hex()


def test_every_byte_has_even_parity():
    assert [parity_of(byte) for byte in range(128)] == [
        byte | (byte.bit_count() & 1) << 7 for byte in range(128)
    ]


@pytest.mark.parametrize("soft", ["software", "none", "hardware"])
def test_five_is_credited_once_however_often_it_is_said(soft):
    bench = Bench(parity=soft)
    bench.told_to_stack()
    first = bench.answer(STACKED, d2=0x18)
    again = bench.answer(STACKED, d2=0x18)

    assert [event["rows"] for event in first] == [[(500, 1)]]
    assert again == []


def test_flash_knows_of_a_note_before_it_is_told_to_stack():
    bench = Bench("t1-41")
    bench.ask()
    bench.answer(IDLE)
    bench.ask()
    bench.answer(ESCROW, d2=0x18)

    assert bench.silent == ["t0-42?500"]
    assert bench.ask()[2:5] == bytes((0x10, 0x7F, 27 | 0x20)), (
        "told under the toggle that flash knows"
    )
    bench.answer(STACKING)
    bench.ask()
    assert [event["batch_id"] for event in bench.answer(STACKED, d2=0x18)] == ["t1-42"]


def test_note_that_came_back_is_settled_on_flash():
    bench = Bench("t0-41")
    bench.driver._is_met = True
    bench.told_to_stack()
    bench.answer(0x41)

    assert bench.silent[-1] == "t%d-42?0" % (bench.question[2] & 1)


def test_numbers_begin_at_the_time_where_flash_remembers_none():
    bench = Bench()
    bench.now_ms = 48210
    bench.ask()
    bench.answer(ESCROW, d2=0x18)

    assert bench.silent == ["t1-48221?500"]


@pytest.mark.parametrize("seed", range(6))
def test_any_split_and_noise_in_front_change_nothing(seed):
    rng = random.Random(seed)
    bench = Bench(parity="software")
    bench.told_to_stack()
    data = b"\x00\xff\x81" + bench.reply(STACKED, d2=0x18)
    events = []
    while data:
        size = 1 if seed == 0 else rng.randrange(1, 7)
        events += bench.driver.feed(data[:size], bench.now_ms)
        data = data[size:]

    assert [event["total_minor"] for event in events] == [500]


@pytest.mark.parametrize("at", range(11))
@pytest.mark.parametrize("bit", range(8))
def test_one_flipped_bit_is_no_answer(at, bit):
    bench = Bench(parity="software")
    bench.told_to_stack()
    data = bytearray(bench.reply(STACKED, d2=0x18))
    data[at] ^= 1 << bit
    events = bench.driver.feed(bytes(data), bench.now_ms)
    bench.ask()

    assert events == []
    assert [event["total_minor"] for event in bench.answer(STACKED, d2=0x18)] == [500], (
        "asked again with the same toggle"
    )


def test_cut_answer_leaves_the_next_one_readable():
    bench = Bench()
    bench.told_to_stack()
    bench.driver.feed(bench.reply(STACKED, d2=0x18)[:6], bench.now_ms)
    bench.ask()

    assert [event["total_minor"] for event in bench.answer(STACKED, d2=0x18)] == [500]


def test_extended_note_says_currency_value_and_series():
    bench = Bench()
    bench.told_to_stack(note=note_of(base=2, exponent="+01"))
    events = bench.answer(STACKED, note=note_of(base=2, exponent="+01"))

    assert [event["rows"] for event in events] == [[(2000, 1)]]
    assert bench.driver.snapshot()["series"] == "B"


def test_foreign_note_goes_back_and_is_never_counted():
    bench = Bench()
    bench.ask()
    bench.answer(ESCROW, note=note_of("EUR"))

    assert bench.ask()[4] & 0x60 == 0x40
    assert bench.driver.faults()["foreign"] == 1
    bench.answer(STACKED, note=note_of("EUR"))
    bench.ask()
    assert [event["kind"] for event in bench.answer(STACKED, note=note_of("EUR"))] == ["quarantine"]


def test_other_value_than_escrow_said_is_for_a_person():
    bench = Bench()
    bench.told_to_stack()
    assert bench.answer(STACKED, d2=0x20) == [], "asked again first"
    bench.ask()

    assert ["escrow said 5.00, stacked 10.00: not counted; look in the box"] == [
        event["reason"] for event in bench.answer(STACKED, d2=0x20)
    ]


def test_stacked_full_of_nuls_is_no_credit():
    bench = Bench()
    bench.ask()

    assert bench.answer(STACKED, note=bytes(18)) == []
    assert bench.driver.faults() == {"null_notes": 1}


def test_inhibited_driver_enables_nothing_and_gives_the_note_back():
    bench = Bench()
    bench.driver.allow(False)
    assert bench.ask()[3] == 0
    bench.answer(ESCROW, d2=0x18)

    assert bench.ask()[3:5] == bytes((0, 27 | 0x40))


def test_after_our_restart_a_stated_note_is_not_repeated_and_an_unstated_one_is():
    stated = Bench("t0-7")
    unstated = Bench("t1-7")

    assert stated.ask()[2] & 1 == 1, (
        "the other toggle: the machine never repeats what it said under 0"
    )
    assert unstated.ask()[2] & 1 == 0
    assert unstated.answer(STACKED, d2=0x18) == [], "nobody knows of that note: asked once more"
    unstated.ask()
    assert [event["batch_id"] for event in unstated.answer(STACKED, d2=0x18)] == ["t0-8"]


def test_after_our_restart_the_note_that_flash_knows_of_is_credited_at_once():
    bench = Bench("t0-7?500")

    assert bench.ask()[2] & 1 == 1
    assert [(event["batch_id"], event["rows"]) for event in bench.answer(STACKED, d2=0x18)] == [
        ("t1-7", [(500, 1)])
    ]


@pytest.mark.parametrize("d0", [IDLE, ESCROW, 0x02, 0x40])
def test_after_our_restart_a_note_without_an_outcome_is_a_discrepancy_of_one(d0):
    bench = Bench("t0-7?500")
    bench.ask()
    events = bench.answer(d0, d2=0x18)

    assert [(event["condition"], event["pieces"]) for event in events] == [("discrepancy", 1)]
    assert bench.silent == ["t1-7?0"], "told once, whatever restarts"


@pytest.mark.parametrize("batch_id", ["", "t0-7", "t1-7?0", "no name of ours"])
@pytest.mark.parametrize("d2", [0, 1])
def test_after_our_restart_nothing_is_missing_when_no_note_was_on_its_way(batch_id, d2):
    bench = Bench(batch_id)
    bench.driver._is_met = False
    bench.ask()

    assert bench.answer(IDLE, d2=d2) == []


def test_note_told_to_stack_at_a_machine_that_falls_silent_is_a_discrepancy_of_one():
    bench = Bench()
    bench.told_to_stack()
    told = []
    for _ in range(40):
        bench.ask()
        told += [(event.get("condition"), event.get("pieces")) for event in bench.events]

    assert told == [("offline", None), ("discrepancy", 1), (None, None)]


def test_power_lost_between_escrow_and_stacked_is_a_discrepancy_of_one():
    bench = Bench()
    bench.told_to_stack()

    assert [(event["condition"], event.get("pieces")) for event in bench.answer(IDLE, d2=1)] == [
        ("reset", None), ("discrepancy", 1),
    ]  # fmt: skip


def test_note_that_vanishes_is_a_discrepancy():
    bench = Bench()
    bench.told_to_stack()
    assert bench.answer(IDLE) == []
    bench.ask()

    assert [event["condition"] for event in bench.answer(IDLE)] == ["discrepancy"]


@pytest.mark.parametrize(
    ("d1", "d2", "condition"),
    [
        (0x14, 0, "jam"),
        (0x18, 0, "full"),
        (0, 0, "stopped"),
        (0x30, 0, "stopped"),
        (0x50, 0, "stopped"),
        (0x10, 4, "fault"),
    ],
)
def test_trouble_is_told_once_and_back_once(d1, d2, condition):
    bench = Bench()
    told = []
    for status in ((0x10, 0), (d1, d2), (d1, d2), (0x10, 0), (0x10, 0)):
        bench.ask()
        told += [event["condition"] for event in bench.answer(IDLE, *status)]

    assert told == [condition, "back"]


def test_silence_is_offline_once_and_an_answer_is_back():
    bench = Bench()
    told = []
    for _ in range(40):
        bench.ask()
        told += [event["condition"] for event in bench.events]
    told += [event["condition"] for event in bench.answer(IDLE)]

    assert told == ["offline", "back"]


def test_listener_sends_nothing_and_credits_only_under_a_new_toggle():
    bench = Bench()
    totals = []
    for toggle in (0, 0, 1):
        bench.driver.overhear(frame_of(bytes((0x10 | toggle, 0x7F, 0x1B, 0x10)), False), 0)
        totals += [event["total_minor"] for event in bench.answer(STACKED, d2=0x18, toggle=toggle)]
        bench.driver.poll(0)

    assert totals == [500, 500]
    assert bench.driver.pop_output() == b""
