"""The life of a note that SSP, ID-003 and EBDS share: its table, its drawing, and that the drivers
take every step of it.
"""

import random
import re
from collections.abc import Callable
from typing import Any

import pytest

from firmware.drivers import acceptor, ebds_frames, id003_frames, ssp_frames
from firmware.drivers.acceptor import Acceptor
from firmware.drivers.registry import driver_for
from gateway.instruments.profiles import load_profile

STATES = [
    "NONE", "ESCROW", "WRITTEN", "TOLD", "STACKING", "RESUMED", "CREDITED", "DOUBTFUL", "LATE",
]  # fmt: skip
EVENTS = [
    "RESUME", "READ", "WRITE", "LEAVE", "MOVE", "SEEN", "CREDIT", "RETURN", "LOSE", "BOXED", "END",
    "RESET",
]  # fmt: skip
STARTS = 30  # of each driver's controller with its machine that answers anything
ANSWERS = 400  # between two starts
Step = tuple[str, str, str]  # state, event, state after it


class Note(Acceptor):
    """A note in some state."""

    def __init__(self, state: str) -> None:
        super().__init__("notes", {"evidence": "specification"}, "USD")
        self._life = getattr(acceptor, state)
        self._note = 5

    def after(self, event: str) -> str | None:
        """The state that the event leads to; None when it is refused."""
        before = self._life
        if self._go(getattr(acceptor, event)):
            return STATES[self._life]
        assert self._life == before
        return None


def table() -> set[Step]:
    """Every step that the code takes."""
    steps = ((state, event, Note(state).after(event)) for state in STATES for event in EVENTS)
    return {(state, event, after) for state, event, after in steps if after}


def drawing() -> set[Step]:
    """Every step of the drawing in the module's docstring: chains of STATES --EVENT--> STATE."""
    steps = set()
    for line in (acceptor.__doc__ or "").splitlines():
        for chain in re.split(r"  +", line.strip()) if "-->" in line else ():
            before, *more = re.split(r" --([A-Z]+)--> ", chain)
            for event, after in zip(more[::2], more[1::2], strict=True):
                steps |= {(state, event, after) for state in before.split()}
                before = after
    return steps


def test_names_and_numbers_of_states_and_events_agree() -> None:
    assert list(range(9)) == [getattr(acceptor, name) for name in STATES]
    assert list(range(12)) == [getattr(acceptor, name) for name in EVENTS]


def test_the_drawing_is_the_table() -> None:
    assert table() == drawing()


def test_every_state_is_reached_from_none() -> None:
    reached = {"NONE"}
    for _ in STATES:
        reached |= {after for state, _, after in table() if state in reached}

    assert set(STATES) == reached


@pytest.mark.parametrize(
    ("state", "event"),
    [
        ("NONE", "MOVE"),  # it stacks what it never showed
        ("NONE", "LOSE"),  # where nothing is, nothing is lost
        ("ESCROW", "CREDIT"),  # nothing is credited that flash does not know
        ("ESCROW", "LOSE"),
        ("CREDITED", "RETURN"),  # what is counted stays counted
        ("CREDITED", "LOSE"),
        ("DOUBTFUL", "LOSE"),  # its discrepancy is told once
    ],
)
def test_an_event_that_has_no_step_changes_nothing(state: str, event: str) -> None:
    assert Note(state).after(event) is None


@pytest.mark.parametrize("state", ["WRITTEN", "TOLD", "STACKING", "RESUMED"])
def test_a_note_on_its_way_is_named_and_a_lost_one_is_a_discrepancy(state: str) -> None:
    note = Note(state)

    assert 5 == note._on_way()
    note._go_on(acceptor.LOSE, "gone")
    note._go_on(acceptor.LOSE, "gone")
    assert 0 == note._on_way()
    assert [("discrepancy", 1)] == [(each["condition"], each["pieces"]) for each in note._take()]


# ---- the drivers, and machines that answer anything ----


def ssp(rng: random.Random, asked: bytes) -> bytes:
    reader = ssp_frames.Reader()
    assert any(reader.push(byte) for byte in asked)
    data = b"\xf0"
    if reader.data == b"\x05":
        channels = b"\x02\x01\x05\x02\x02\0\0\x64\x06USDUSD\x01\0\0\0\x05\0\0\0"
        data = b"\xf0\x000333USD\0\0\x01" + channels
    elif reader.data == b"\x0c":
        data = b"\xf0\0\0\0\x07"
    elif reader.data == b"\x56":
        for _ in range(rng.choice((0, 1, 1, 2, 3))):
            event = rng.choice(b"\xef\xef\xef\xee\xee\xcc\xcc\xeb\xec\xf1\xe1\xe2")
            has_channel = event in b"\xef\xee\xe1\xe2"
            data += bytes((event, rng.choice((1, 2)))) if has_channel else bytes((event,))
    return ssp_frames.frame(reader.seq, data)


def id003(rng: random.Random, asked: bytes) -> bytes:
    command = asked[2]
    if command != 0x11:
        return id003_frames.frame(0x50)
    status = rng.choice((0x11, 0x12, 0x13, 0x13, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x40))
    return id003_frames.frame(status, b"\x63" if status == 0x13 else b"")


def ebds(rng: random.Random, asked: bytes) -> bytes:
    d0 = rng.choice((0x01, 0x04, 0x04, 0x08, 0x08, 0x0C, 0x11, 0x40))
    return ebds_frames.frame_of(
        bytes((0x20 | asked[2] & 1, d0, 0x10, rng.choice((1, 3)) << 3, 0, 1, 1)), True
    )


def steps_of(name: str, machine: Callable[[random.Random, bytes], bytes]) -> set[Step]:
    """What the driver does with the life of its notes, over many starts of its controller."""
    steps: set[Step] = set()

    class Watched(driver_for(name)):  # type: ignore[misc]
        def _go(self, event: int) -> bool:
            before = STATES[self._life]
            taken = bool(super()._go(event))
            if taken:
                steps.add((before, EVENTS[event], STATES[self._life]))
            return taken

    settings: dict[str, Any] = dict(load_profile(name).settings)
    if name == "id003":
        settings["denominations"] = [100, 0, 500, 1000, 2000, 0, 0, 0]
    rng = random.Random(name)
    batch_id = ""
    for _ in range(STARTS):
        driver = Watched("notes", settings, "USD")
        driver.resume(batch_id)
        answered = now_ms = 0
        while answered < ANSWERS:
            now_ms += 50
            events = driver.poll(now_ms)
            asked = driver.pop_output()
            driver.allow(rng.random() < 0.95)
            if asked and not (name == "id003" and asked[2] == 0x50):
                answered += 1
                events += driver.feed(machine(rng, bytes(asked)), now_ms)
            batch_id = ([batch_id] + [each["batch_id"] for each in events if "batch_id" in each])[
                -1
            ]
    return steps


def test_the_drivers_take_every_step_of_the_table() -> None:
    taken = steps_of("ssp", ssp) | steps_of("id003", id003) | steps_of("ebds", ebds)

    assert table() == taken
