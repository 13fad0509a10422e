"""The ccTalk devices: the specification's own dialogues, both checksums, and pieces that neither
appear nor vanish.
"""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.instruments.cctalk_bill import BillValidator
from simulators.instruments.cctalk_coin import CoinAcceptor
from simulators.instruments.cctalk_wire import (
    BUSY,
    NAK,
    CctalkBus,
    CctalkDevice,
    EventBuffer,
    crc16,
    frame,
)
from simulators.instruments.faults import KNOBS, Faults
from simulators.instruments.machine import MachineError

TRANSCRIPTS = Path(__file__).parents[1] / "transcripts"
GB_COINS = ("GB200A", "GB100A", "GB050B", "GB020A", "Token ", "GB010B", "......")
EU_BILLS = ("EU0005A", "EU0010A", "EU0020A", "EU0050A", "EU0100A", "EU0200A", "EU0500A")
STEP_MS = 10


def dialogue(name: str) -> dict[str, Any]:
    return json.loads((TRANSCRIPTS / f"cctalk_{name}.json").read_text())


class Host:
    """Asks a device, in virtual time."""

    def __init__(self, device: Any, address: int, crc: bool = False) -> None:
        self.device = device
        self.address = address
        self.crc = crc
        self.now_ms = 0

    def send(self, data: bytes) -> bytes:
        self.device.receive(data, self.now_ms)
        return self.wait(STEP_MS)

    def wait(self, ms: int) -> bytes:
        heard = b""
        for _ in range(0, ms, STEP_MS):
            self.now_ms += STEP_MS
            self.device.poll(self.now_ms)
            heard += self.device.pop_output()
        return heard

    def ask(self, header: int, data: bytes = b"") -> bytes:
        return self.send(frame(self.address, 1, header, data, self.crc))

    def events(self) -> list[int]:
        header = 159 if self.address == 40 else 229
        return list(self.ask(header)[4:-1])

    def do(self, line: str, ms: int = 2000) -> list[int]:
        """The events after somebody did something; a host that goes on polling meanwhile."""
        self.device.do(line, self.now_ms)
        for _ in range(0, ms, 200):
            self.wait(200)
            self.events()
        return self.events()

    def enable(self) -> None:
        self.ask(231, b"\xff\xff")
        self.ask(228, b"\x01")


def coins(**options: Any) -> Host:
    host = Host(CoinAcceptor(**options), 2, options.get("crc", False))
    host.enable()
    return host


def bills(**options: Any) -> Host:
    host = Host(BillValidator(**options), 40, options.get("crc", False))
    host.enable()
    return host


def armed(*knobs: str, seed: int = 1) -> Faults:
    faults = Faults(seed)
    faults.arm(*knobs)
    return faults


@pytest.mark.parametrize(
    ("name", "device"),
    [("coin", CoinAcceptor(ids=GB_COINS)), ("bill", BillValidator(ids=EU_BILLS))],
    ids=["coin", "bill"],
)
def test_a_device_answers_as_in_the_specification(name: str, device: CctalkDevice) -> None:
    host = Host(device, device.address)
    pairs = dialogue(name)["pairs"]

    assert [pair["device"] for pair in pairs] == [
        host.send(bytes.fromhex(pair["host"])).hex() for pair in pairs
    ]


def test_coins_are_buffered_newest_first_as_in_the_specification() -> None:
    buffer = EventBuffer()
    told = []
    for a, b in ((1, 5), (1, 5), (5, 5)):  # coin position, sorter path
        buffer.add(a, b)
        told.append(frame(1, 2, 0, buffer.read()).hex())

    assert list(dialogue("coin")["events"].values()) == told[1:]


def test_a_note_goes_from_escrow_to_the_stacker_as_in_the_specification() -> None:
    script = dialogue("bill")
    host = Host(BillValidator(ids=EU_BILLS), 40)
    host.enable()
    host.do("insert 20.00", 1000)
    escrowed = host.ask(159)
    routed = host.send(bytes.fromhex(script["route to stacker"]))
    host.wait(1000)
    stacked = host.ask(159)

    assert script["events"]["bill 3 in escrow"] == escrowed.hex()
    assert script["acknowledged"] == routed.hex()
    assert script["events"]["bill 3 stacked"] == stacked.hex()
    assert [(2000, 1)] == host.device.truth.rows


def test_a_crc_frame_is_that_of_the_specification() -> None:
    assert "280046013f" == frame(40, 1, 1, crc=True).hex()
    assert 0x3F46 == crc16(bytes((40, 0, 1)))


@pytest.mark.parametrize("crc", [False, True])
def test_a_bad_checksum_or_another_address_is_met_with_silence(crc: bool) -> None:
    host = coins(crc=crc)
    good = frame(2, 1, 254, crc=crc)

    assert host.send(good)
    assert b"" == host.send(good[:-1] + bytes((good[-1] ^ 1,)))
    assert b"" == host.send(frame(3, 1, 254, crc=crc))
    assert b"" == host.ask(99)  # a header that it does not know
    assert host.send(good)


def test_a_frame_broken_off_is_forgotten_after_50_ms() -> None:
    host = coins()
    host.send(frame(2, 1, 254)[:3])
    host.wait(60)

    assert frame(1, 2, 0) == host.ask(254)


def test_busy_and_nak_are_answers_and_nothing_happens() -> None:
    host = coins()
    answers = []
    for line in ("busy 1", "nak 1"):
        host.device.do(line, host.now_ms)
        answers.append(host.ask(231, b"\0\0")[3])

    assert [BUSY, NAK] == answers
    assert b"\xff\xff" == host.ask(230)[4:-1]


def test_a_coin_is_refused_while_inhibited_and_after_power_up() -> None:
    host = Host(CoinAcceptor(), 2)
    fresh = host.do("insert 0.25")
    host.ask(231, b"\xff\xff")
    host.ask(228, b"\0")
    master = host.do("insert 0.25")

    assert [1, 0, 131] == fresh[:3]  # 128 + position 4 - 1
    assert [2, 0, 2] == master[:3]
    assert {25: 2} == +host.device.truth.returned


def test_a_counter_wraps_to_1_and_is_0_after_power_up_alone() -> None:
    buffer = EventBuffer()
    counters = []
    for _ in range(257):
        buffer.add(1, 1)
        counters.append(buffer.counter)

    assert [*range(1, 256), 1, 2] == counters

    buffer.clear()

    assert bytes(11) == buffer.read()


@pytest.mark.parametrize(
    ("knob", "codes", "box", "returned"),
    [("reject", {1, 5, 8}, {}, {25: 1}), ("suspect", {25}, {}, {25: 1}), ("fish", {20}, {}, {})],
)
def test_a_coin_that_fails_is_told_by_its_code(
    knob: str, codes: set[int], box: Any, returned: Any
) -> None:
    host = coins(faults=armed(knob))
    told = host.do("insert 0.25")

    assert 0 == told[1]
    assert told[2] in codes
    assert [box, returned] == [+host.device.truth.box, +host.device.truth.returned]


def test_a_stuck_coin_blocks_the_mouth_until_it_is_cleared() -> None:
    for seed in range(20):
        host = coins(faults=armed("jam", seed=seed))
        told = host.do("insert 0.25")
        if told[2] == 14:
            break
    with pytest.raises(MachineError, match="stuck"):
        host.do("insert 0.25")
    host.do("clear")

    assert [1, 0, 14] == told[:3]
    assert {25: 1} == +host.device.truth.returned


def test_a_burst_runs_over_the_buffer() -> None:
    host = coins(faults=armed("burst"))
    host.device.do("insert 0.25", host.now_ms)
    host.wait(1000)
    told = host.events()

    assert told[0] == host.device.truth.box.total() > 5


def test_power_lost_between_two_polls_leaves_counter_0_and_everything_inhibited() -> None:
    host = coins()
    host.do("insert 0.25")
    host.do("power off", 0)
    silence = host.ask(254)
    host.do("power on", 0)

    assert b"" == silence
    assert [0, 0, 0] == host.events()[:3]
    assert b"\0\0" == host.ask(230)[4:-1]


def test_another_device_has_another_serial_number() -> None:
    host = coins()
    before = host.ask(242)
    host.do("swap", 4000)

    assert before != host.ask(242)


def test_a_token_is_credited_and_no_cash() -> None:
    host = coins()
    told = host.do("insert token")

    assert [1, 8, 1] == told[:3]
    assert {} == host.device.true_pieces()


def test_a_validator_that_nobody_polls_inhibits_itself() -> None:
    host = bills()
    host.events()
    host.wait(5100)

    assert [1, 0, 0] == host.events()[:3]
    assert b"\0" == host.ask(227)[4:-1]
    with pytest.raises(MachineError, match="mouth is shut"):
        host.do("insert 5.00")


def test_routing_without_a_note_says_that_the_escrow_is_empty() -> None:
    host = bills()

    assert [254] == list(host.ask(154, b"\x01")[4:-1])
    assert NAK == host.ask(154, b"\x07")[3]


def test_a_note_that_nobody_routes_goes_back_and_an_extension_keeps_it() -> None:
    host = bills()
    host.do("insert 5.00", 29_000)
    host.ask(154, b"\xff")
    host.do("busy 0", 20_000)
    kept = host.events()
    host.do("busy 0", 15_000)

    assert [1, 2, 1] == kept[:3]
    assert [2, 0, 1] == host.events()[:3]
    assert {500: 1} == +host.device.truth.returned


@pytest.mark.parametrize(
    ("knob", "code"),
    [
        ("reject", {2, 3}),
        ("suspect", {2, 17, 18}),
        ("jam", {6, 7, 16}),
        ("fish", {8}),
        ("stacker_full", {14}),
    ],
)
def test_a_note_that_fails_is_told_by_its_status(knob: str, code: set[int]) -> None:
    host = bills(faults=armed(knob))
    host.do("insert 5.00")
    host.ask(154, b"\x01")
    told = host.do("busy 0")

    assert 0 == told[1]
    assert told[2] in code
    assert host.device.truth.is_conserved()


def test_a_note_in_escrow_may_be_told_twice_and_stacks_once() -> None:
    host = bills(faults=armed("escrow_flap"))
    host.do("insert 5.00")
    host.ask(154, b"\x01")

    assert [3, 2, 0, 2, 1, 2, 1] == host.do("busy 0")[:7]
    assert {500: 1} == +host.device.truth.box


def test_a_full_or_missing_cash_box_shuts_the_mouth() -> None:
    for setup, line in (("full", ""), ("", "stacker out")):
        host = bills(setup=setup)
        if line:
            host.do(line)
        with pytest.raises(MachineError, match="no room"):
            host.do("insert 5.00")


def test_devices_share_a_line_and_each_answers_for_itself() -> None:
    bus = CctalkBus(coin=CoinAcceptor(), bill=BillValidator())
    both = [Host(bus, 2), Host(bus, 40)]
    for host in both:
        host.enable()
    bus.do("coin insert 0.25", 0)
    bus.do("bill insert 5.00", 0)
    both[0].wait(2000)
    both[1].now_ms = both[0].now_ms
    credit, escrow = (host.events()[:3] for host in both)
    with pytest.raises(MachineError, match="there are coin, bill"):
        bus.do("hopper", 0)

    assert [[1, 4, 1], [1, 2, 1]] == [credit, escrow]
    assert {25: 1} == bus.true_pieces()


ANYWHERE = ["power off", "power on", "swap", "busy 2"]
HANDS = {
    CoinAcceptor: [
        "insert 0.25",
        "insert 1.00",
        "insert token",
        "handful 9",
        "clear",
        "lever",
        "string",
        *ANYWHERE,
    ],
    BillValidator: [
        "insert 5.00",
        "insert 20.00",
        "clear",
        "pull",
        "tamper",
        "stacker out",
        "stacker in",
        *ANYWHERE,
    ],
}


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), device_class=st.sampled_from([CoinAcceptor, BillValidator]))
def test_pieces_neither_appear_nor_vanish_whatever_happens(seed: int, device_class: Any) -> None:
    rng = random.Random(seed)
    device = device_class(Faults(seed, **dict.fromkeys(device_class.supported, 150)))
    host = Host(device, device.address)
    for _ in range(60):
        try:
            device.do(rng.choice(HANDS[device_class]), host.now_ms)
        except MachineError:
            device.do("power on", host.now_ms)
            host.enable()
        host.ask(
            rng.choice((229, 159, 231, 228, 154, 1, 242)), rng.choice((b"", b"\x01", b"\xff\xff"))
        )
        device.receive(rng.randbytes(rng.randrange(8)), host.now_ms)
        host.wait(rng.randrange(10, 900))

        assert device.truth.is_conserved()
        assert len(device.events.read()) == 11


@pytest.mark.parametrize("device_class", [CoinAcceptor, BillValidator])
def test_every_setup_starts_and_says_what_it_is(device_class: Any) -> None:
    found = {setup: device_class(setup=setup) for setup in device_class.setups}

    assert set(device_class.supported) <= set(KNOBS)
    assert "off" == found["power_off"].state
    assert device_class().serial + 1 == found["swapped"].serial
    assert 240 < found["near_wrap"].events.counter
    assert found["jammed"].events.read()[2] in (6, 14)
    with pytest.raises(MachineError, match="want one of"):
        device_class(setup="on fire")


def test_an_order_that_nobody_understands_is_answered_with_what_would_be() -> None:
    for device in (CoinAcceptor(), BillValidator()):
        with pytest.raises(MachineError, match="insert AMOUNT"):
            device.do("kick", 0)
        with pytest.raises(MachineError, match="it takes"):
            device.do("insert 3.00", 0)
