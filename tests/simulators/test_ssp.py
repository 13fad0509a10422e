"""The simulated SSP validator: published frames, the sequence flag, events that wait for their
acknowledgement.
"""

import contextlib

import pytest

from simulators.instruments.faults import Faults
from simulators.instruments.machine import MachineError
from simulators.instruments.ssp import CREDIT, RESET, SspValidator, frame

SYNC, POLL, POLL_WITH_ACK, EVENT_ACK = b"\x11", b"\x07", b"\x56", b"\x57"


class Host:
    """Asks the machine in virtual time, with a flag that alternates."""

    def __init__(self, machine: SspValidator) -> None:
        self.machine = machine
        self.now_ms = 0
        self.flag = 0x80
        assert self.ask(SYNC) == b"\xf0"

    def ask(self, data: bytes, repeat: bool = False) -> bytes:
        """The data of the reply."""
        self.now_ms += 100
        self.machine.poll(self.now_ms)
        if not repeat:
            self.flag = 0x80 if data == SYNC else self.flag ^ 0x80
        self.machine.receive(frame(self.flag, data), self.now_ms)
        reply = self.machine.pop_output().replace(b"\x7f\x7f", b"\x7f")
        return reply[3 : 3 + reply[2]] if reply else b""

    def enable(self) -> None:
        assert [self.ask(data) for data in (b"\x02\x7f\x00", b"\x0a")] == [b"\xf0", b"\xf0"]

    def until(self, code: int, poll: bytes = POLL_WITH_ACK, limit: int = 80) -> bytes:
        for _ in range(limit):
            reply = self.ask(poll)
            if code in reply[1:]:
                return reply
        raise AssertionError(f"{code:02x} never came")


@pytest.mark.parametrize(
    ("flag", "data", "wire"),
    [
        (0x80, "11", "7f8001116582"),
        (0x80, "07", "7f8001071202"),
        (0x80, "56", "7f800156f783"),
        (0x80, "0a", "7f80010a3f82"),
        (0x00, "0a", "7f00010a3c08"),
    ],
)
def test_frames_are_those_of_a_published_library(flag, data, wire):
    """Source: the tests of kybarg/ssp, a public library."""
    assert wire == frame(flag, bytes.fromhex(data)).hex()


def test_credit_repeats_until_it_is_acknowledged():
    host = Host(SspValidator())
    host.enable()
    host.until(RESET)
    host.machine.do("insert 5.00", host.now_ms)
    first = host.until(CREDIT)

    assert first[first.index(CREDIT) + 1] == 3
    assert bytes((CREDIT, 3)) in host.ask(POLL_WITH_ACK)
    assert host.ask(EVENT_ACK) == b"\xf0"
    assert CREDIT not in host.ask(POLL_WITH_ACK)
    assert host.ask(EVENT_ACK) == b"\xf5"


def test_same_flag_gets_the_last_reply_and_does_nothing_again():
    host = Host(SspValidator())
    host.enable()
    host.machine.do("insert 1.00", host.now_ms)
    first = host.until(CREDIT, POLL)

    assert host.ask(POLL, repeat=True) == first
    assert CREDIT not in host.ask(POLL)


def test_stuffed_bytes_are_one_byte():
    host = Host(SspValidator(serial=0x7F7F007F))

    assert host.ask(b"\x0c") == b"\xf0\x7f\x7f\x00\x7f"


def test_held_note_waits_and_goes_back_when_refused():
    host = Host(SspValidator())
    host.enable()
    host.machine.do("insert 20.00", host.now_ms)
    host.until(5)
    assert [host.ask(b"\x18") for _ in range(3)] == [b"\xf0"] * 3
    assert host.ask(b"\x08") == b"\xf0"
    host.until(0xEC)

    assert host.machine.truth.returned == {2000: 1}


def test_power_lost_before_the_acknowledgement_forgets_the_credit():
    host = Host(SspValidator())
    host.enable()
    host.machine.do("insert 10.00", host.now_ms)
    host.until(CREDIT)
    host.machine.do("power off", host.now_ms)
    host.machine.do("power on", host.now_ms)
    host.machine.poll(host.now_ms + 2000)

    assert host.machine.truth.forgotten == {1000: 1}
    assert host.machine.truth.box == {1000: 1}
    assert host.machine.truth.is_conserved()


def test_unknown_verb_says_what_would_be_understood():
    with pytest.raises(MachineError, match="insert AMOUNT"):
        SspValidator().do("dance", 0)


@pytest.mark.parametrize("knob", SspValidator.supported)
def test_no_fault_makes_a_note_vanish(knob):
    machine = SspValidator(Faults(3, **{knob: 1000}))
    host = Host(machine)
    for _ in range(120):
        if machine.state == "on":
            host.ask(b"\x02\x7f\x00")
            host.ask(b"\x0a")
            host.ask(POLL_WITH_ACK)
            host.ask(EVENT_ACK)
        with contextlib.suppress(MachineError):
            machine.do("insert 5.00", host.now_ms)
        host.now_ms += 100
        machine.poll(host.now_ms)

        assert machine.truth.is_conserved()
