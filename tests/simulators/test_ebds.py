"""The simulated EBDS acceptor does what the published frames and states say, and keeps every note
somewhere.
"""

import random

import pytest

from simulators.instruments.ebds import NOTES, EbdsAcceptor, frame, with_parity
from simulators.instruments.faults import Faults
from simulators.instruments.machine import MachineError

# body in lamassu-machine lib/mei/cashflow_sc.js: all notes, escrow, extended
POLL = bytes.fromhex("0208107f1b10036c")
STANDARD = b"\x7f\x1b\x00"
STACK, RETURN = b"\x7f\x3b\x00", b"\x7f\x5b\x00"


class Host:
    """Asks every 100 ms; `ack` toggles with each question unless told otherwise."""

    def __init__(self, machine: EbdsAcceptor) -> None:
        self.machine = machine
        self.now_ms = 0
        self.ack = 0

    def ask(self, data: bytes = STANDARD, again: bool = False) -> bytes:
        if not again:
            self.ack ^= 1
        self.now_ms += 100
        self.machine.poll(self.now_ms)
        self.machine.receive(frame(0x10 | self.ack, data), self.now_ms)
        return self.machine.pop_output()

    def until(self, bit: int, data: bytes = STANDARD) -> bytes:
        for _ in range(60):
            reply = self.ask(data)
            if reply and reply[3 + (reply[2] >> 4 == 7)] & bit:
                return reply
        raise AssertionError(f"bit {bit} never came")

    def ready(self) -> "Host":
        for _ in range(3):
            self.ask()
        return self


def test_published_poll_is_answered_with_eleven_bytes():
    machine = EbdsAcceptor()

    machine.receive(POLL, 0)

    reply = machine.pop_output()
    assert (11, 0x0B, 0x20, 0x01) == (len(reply), reply[1], reply[2], reply[3])
    assert frame(reply[2], reply[3:-2]) == reply
    assert reply[5] & 1, "power up is told"


def test_frames_with_a_parity_bit_are_answered_with_one():
    machine = EbdsAcceptor()

    machine.receive(with_parity(POLL), 0)

    reply = machine.pop_output()
    assert with_parity(bytes(byte & 0x7F for byte in reply)) == reply
    assert any(byte & 0x80 for byte in reply)


def test_a_note_goes_from_escrow_to_the_box_and_is_told_as_stacked_once():
    host = Host(EbdsAcceptor()).ready()
    host.machine.do("insert 5.00", host.now_ms)

    escrowed = host.until(4)
    stacked = host.until(16, STACK)
    again = host.ask(again=True)
    after = host.ask()

    assert (3, 3) == (escrowed[5] >> 3 & 7, stacked[5] >> 3 & 7)
    assert again == stacked, "the old acknowledge bit repeats the reply"
    assert not after[3] & 16
    assert {500: 1} == host.machine.true_pieces()


def test_extended_reply_names_currency_value_and_series():
    host = Host(EbdsAcceptor()).ready()
    host.machine.do("insert 20.00", host.now_ms)

    reply = host.until(4, b"\x7f\x1b\x10")

    assert (30, 30, 7, 2) == (len(reply), reply[1], reply[2] >> 4, reply[3])
    assert b"\x05USD020+00" == reply[10:20]


def test_return_gives_the_note_back():
    host = Host(EbdsAcceptor()).ready()
    host.machine.do("insert 1.00", host.now_ms)

    host.until(4)
    host.until(64, RETURN)

    assert {100: 1} == +host.machine.truth.returned


@pytest.mark.parametrize("at_ms", range(100, 3500, 200))
def test_power_cut_in_any_phase_keeps_the_note_somewhere(at_ms):
    host = Host(EbdsAcceptor()).ready()
    start = host.now_ms
    host.machine.do("insert 10.00", start)
    while host.now_ms < start + at_ms:
        host.ask(STACK)
    host.machine.do("power off", host.now_ms)

    assert host.ask() == b"", "no power, no answer"

    host.machine.do("power on", host.now_ms)
    host.until(1)

    truth = host.machine.truth
    assert truth.is_conserved()
    assert 1 == truth.box[1000] + truth.returned[1000]
    assert truth.forgotten[1000] <= truth.box[1000]


def test_jam_rejected_and_cheated_are_told():
    told = {}
    for knob, bit in (("jam", 4), ("reject", 2), ("suspect", 1)):
        faults = Faults(3)
        faults.arm(knob)
        host = Host(EbdsAcceptor(faults)).ready()
        host.machine.do("insert 1.00", host.now_ms)
        told[knob] = any(host.ask(STACK)[4] & bit for _ in range(40))

    assert {"jam": True, "reject": True, "suspect": True} == told


def test_full_cassette_and_missing_cassette_are_told_and_take_no_note():
    full = Host(EbdsAcceptor(setup="full")).ready()
    gone = Host(EbdsAcceptor(setup="no_cassette")).ready()

    assert (8, 0) == (full.ask()[4] & 8, gone.ask()[4] & 16)
    with pytest.raises(MachineError, match="out of service"):
        full.machine.do("insert 1.00", full.now_ms)


def test_stacked_frame_of_nuls_after_the_cassette_is_back_carries_no_money():
    seen = set()
    for seed in range(8):
        host = Host(EbdsAcceptor(Faults(seed))).ready()
        host.machine.do("cassette out", host.now_ms)
        host.ask(b"\x7f\x1b\x10")
        host.machine.do("cassette in", host.now_ms)
        reply = host.ask(b"\x7f\x1b\x10")
        seen.add(reply[2] >> 4 == 7 and reply[4] & 16 and reply[10:28] == bytes(18))
        assert {} == host.machine.true_pieces()

    assert {True, False} == {bool(each) for each in seen}


def test_wrong_check_and_noise_get_no_answer_and_the_next_frame_does():
    machine = EbdsAcceptor()

    machine.receive(POLL[:-1] + b"\x00", 0)
    machine.receive(b"\x02\xff\x01", 10)
    silent = machine.pop_output()
    for at, byte in enumerate(POLL):
        machine.receive(bytes((byte,)), 200 + at)

    assert b"" == silent
    assert 11 == len(machine.pop_output())


def test_escrow_may_come_twice_before_one_stacked():
    faults = Faults(1)
    faults.arm("escrow_flap")
    host = Host(EbdsAcceptor(faults)).ready()
    host.machine.do("insert 1.00", host.now_ms)
    states = []
    for _ in range(40):
        states.append(host.ask()[3])

    changes = [
        state
        for state, before in zip(states[1:], states, strict=False)
        if state != before and state == 4
    ]
    assert 2 == len(changes)


def test_serial_number_is_answered_and_another_machine_has_another():
    host = Host(EbdsAcceptor()).ready()
    host.ack ^= 1
    host.machine.receive(frame(0x60 | host.ack, b"\0\0\x05"), host.now_ms)

    assert b"%020d" % host.machine.serial == host.machine.pop_output()[3:-2]
    assert EbdsAcceptor(setup="swapped").serial != EbdsAcceptor().serial


@pytest.mark.parametrize("seed", range(20))
def test_random_days_conserve_every_note(seed):
    rng = random.Random(seed)
    faults = Faults(
        seed,
        jam=80,
        reject=80,
        suspect=50,
        power_loss=80,
        stacker_full=30,
        escrow_flap=80,
        fish=50,
        swap=30,
    )
    host = Host(EbdsAcceptor(faults))
    for _ in range(600):
        host.ask(rng.choice((STANDARD, STACK, STACK, RETURN)), again=rng.random() < 0.1)
        if rng.random() < 0.1:
            try:
                host.machine.do(f"insert {rng.choice(NOTES) // 100}.00", host.now_ms)
            except MachineError:
                for line in ("clear", "cassette out", "cassette in", "power on"):
                    try:
                        host.machine.do(line, host.now_ms)
                    except MachineError:
                        continue
        assert host.machine.truth.is_conserved()

    truth = host.machine.truth
    assert truth.inserted.total() > 5
    assert +(truth.box + truth.fished) == +(truth.credited + truth.forgotten)


def test_unknown_verb_says_what_is_understood():
    with pytest.raises(MachineError, match="insert AMOUNT"):
        EbdsAcceptor().do("dance", 0)
