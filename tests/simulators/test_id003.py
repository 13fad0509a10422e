"""The simulated ID-003 acceptor: the status cycle, vend valid until it is acknowledged, power lost
with a bill inside.
"""

import contextlib

import pytest

from simulators.instruments.faults import Faults
from simulators.instruments.id003 import (
    ACK,
    ESCROW,
    IDLING,
    POWER_UP_STACKER,
    VEND_VALID,
    Id003Acceptor,
    frame,
)
from simulators.instruments.machine import MachineError


class Host:
    """Asks the machine in virtual time."""

    def __init__(self, machine: Id003Acceptor) -> None:
        self.machine = machine
        self.now_ms = 0
        self.seen: list[int] = []

    def ask(self, command: int, data: bytes = b"") -> bytes:
        """Command and data of the reply; nothing when none came."""
        self.now_ms += 100
        self.machine.poll(self.now_ms)
        self.machine.receive(frame(command, data), self.now_ms)
        return self.machine.pop_output()[2:-2]

    def start(self) -> None:
        self.ask(0x40)
        self.ask(0xC3, b"\0")
        self.until(IDLING)

    def until(self, status: int, limit: int = 60) -> bytes:
        for _ in range(limit):
            reply = self.ask(0x11)
            if reply[:1] and reply[0] not in self.seen[-1:]:
                self.seen.append(reply[0])
            if reply[:1] == bytes((status,)):
                return reply
        raise AssertionError(f"{status:02x} never came, but {self.seen}")


def test_status_request_is_that_of_public_programs():
    assert "fc05112756" == frame(0x11).hex()


def test_status_cycle_of_one_note():
    host = Host(Id003Acceptor())
    host.start()
    host.seen.clear()
    host.machine.do("insert 5.00", host.now_ms)
    assert host.until(ESCROW) == bytes((ESCROW, 0x63))
    assert host.ask(0x41) == bytes((ACK,))
    host.until(VEND_VALID)
    assert host.ask(0x11) == bytes((VEND_VALID,)), "it stands until it is acknowledged"
    host.ask(ACK)
    host.until(IDLING)

    assert host.seen == [0x12, 0x13, 0x14, 0x15, 0x16, 0x11]
    assert host.machine.truth.box == {500: 1}


def test_stack_without_escrow_is_invalid():
    host = Host(Id003Acceptor())
    host.start()

    assert host.ask(0x41) == b"\x4b"


def test_currency_assignment_names_value_and_noughts():
    rows = Host(Id003Acceptor()).ask(0x8A)[1:]

    assert rows[16:20] == bytes((0x65, 1, 2, 1))


@pytest.mark.parametrize(("recovers", "told"), [(False, False), (True, True)])
def test_bill_in_stacker_at_power_up_is_told_only_with_power_recovery(recovers, told):
    host = Host(Id003Acceptor(power_recovery=recovers))
    host.start()
    host.machine.do("insert 10.00", host.now_ms)
    host.until(ESCROW)
    host.ask(0x41)
    host.machine.poll(host.now_ms + 300)
    host.machine.do("power off", host.now_ms + 300)
    host.machine.do("power on", host.now_ms + 300)
    host.now_ms += 2000
    host.machine.poll(host.now_ms)
    host.until(POWER_UP_STACKER)
    host.ask(0x40)

    assert (host.ask(0x11) == bytes((VEND_VALID,))) == told
    assert host.machine.truth.box == {1000: 1}
    assert host.machine.truth.is_conserved()


def test_wrong_checksum_is_a_communication_error():
    machine = Id003Acceptor()
    machine.receive(bytes.fromhex("fc05112757"), 0)

    assert machine.pop_output() == frame(0x4A)


@pytest.mark.parametrize("knob", Id003Acceptor.supported)
def test_no_fault_makes_a_note_vanish(knob):
    machine = Id003Acceptor(Faults(3, **{knob: 1000}))
    host = Host(machine)
    for _ in range(120):
        status = host.ask(0x11)[:1]
        if status in (b"\x40", b"\x41", b"\x42"):
            host.ask(0x40)
        host.ask(0xC3, b"\0")
        if status == bytes((ESCROW,)):
            host.ask(0x41)
        elif status == bytes((VEND_VALID,)):
            host.ask(ACK)
        with contextlib.suppress(MachineError):
            machine.do("insert 5.00", host.now_ms)

        assert machine.truth.is_conserved()
