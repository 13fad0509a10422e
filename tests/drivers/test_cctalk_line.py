"""The ccTalk driver on a line: the counter table of the specification, what public hosts get wrong,
two devices, a listener.
"""

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from firmware.drivers.cctalk import Cctalk
from firmware.drivers.cctalk_frame import encode
from gateway.instruments.profiles import load_profile
from protocol.records import FLAG_REPRINT
from simulators.instruments.cctalk_bill import BillValidator
from simulators.instruments.cctalk_coin import CoinAcceptor
from simulators.instruments.cctalk_wire import CctalkBus, frame

TRANSCRIPTS = Path(__file__).parents[1] / "transcripts"
STEP_MS = 10
QUARTER, DIME, REFUSED = b"\4\1", b"\3\1", b"\0\1"


class Scripted:
    """A coin acceptor as it stands in the book; a test sets what its counter and window say."""

    def __init__(self, counter: int = 0, window: bytes = bytes(10)) -> None:
        self.counter = counter
        self.window = window
        self.serial = 7
        self.mask = b"\0\0"
        self.asked: list[int] = []
        self.is_silent = False
        self._output = b""

    def receive(self, data: bytes, _now_ms: int) -> None:
        if not data or self.is_silent:
            return
        header = data[3]
        self.asked.append(header)
        answers = {
            245: b"Coin Acceptor",
            242: self.serial.to_bytes(3, "little"),
            230: self.mask,
            227: b"\1",
            4: b"\1\4\2",
        }
        names = {1: b"US001A", 3: b"US010A", 4: b"US025A", 8: b"TK001A"}
        answer = answers.get(header, b"")
        if header == 231:
            self.mask = data[4:6]
        elif header == 184:
            answer = names.get(data[4], b"......")
        elif header == 229:
            answer = bytes((self.counter,)) + self.window
        elif header in (246, 244, 241, 192):
            answer = b"x"
        self._output += frame(1, 2, 0, answer)

    def poll(self, now_ms: int) -> None:
        """Nothing moves in it."""

    def pop_output(self) -> bytes:
        sent, self._output = self._output, b""
        return sent


class Line:
    """Driver and device in virtual time without a fault; `tallies` and `told` are what reached the
    flash.
    """

    def __init__(
        self,
        machine: Any,
        profile: str = "cctalk-coin",
        wiring_echoes: bool = False,
        **settings: Any,
    ) -> None:
        self.machine = machine
        self.settings = {**load_profile(profile).settings, **settings}
        self.wiring_echoes = wiring_echoes
        self.now_ms = 0
        self.events: list[dict[str, Any]] = []
        self.sent = 0
        self.driver = Cctalk("counter", self.settings, "USD")

    def run(self, ms: int) -> list[dict[str, Any]]:
        """The events of so many milliseconds."""
        before = len(self.events)
        for _ in range(0, ms, STEP_MS):
            self.now_ms += STEP_MS
            self.machine.poll(self.now_ms)
            self.events += self.driver.feed(self.machine.pop_output(), self.now_ms)
            self.events += self.driver.poll(self.now_ms)
            out = self.driver.pop_output()
            self.sent += len(out)
            self.machine.receive(out, self.now_ms)
            if self.wiring_echoes:
                self.events += self.driver.feed(out, self.now_ms)
        return self.events[before:]

    def do(self, line: str, ms: int = 2500) -> list[dict[str, Any]]:
        self.machine.do(line, self.now_ms)
        return self.run(ms)

    def restart(self) -> None:
        """Our controller loses its power; its flash holds the last tally."""
        last = [event["batch_id"] for event in self.events if event["kind"] == "tally"]
        self.driver = Cctalk("counter", self.settings, "USD")
        self.driver.resume(last[-1] if last else "")


def pieces(events: list[dict[str, Any]], instrument: str = "counter") -> dict[int, int]:
    counted: Counter[int] = Counter()
    for event in events:
        if event["kind"] == "tally" and event["instrument"] == instrument:
            counted.update(dict(event["rows"]))
    return dict(counted)


def told(events: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return [
        (event["condition"], event.get("pieces", 0))
        for event in events
        if event["kind"] == "instrument"
    ]


@pytest.mark.parametrize(
    ("before", "after", "new", "said"),
    [
        (255, 1, 1, []),
        (253, 3, 5, []),
        (48, 54, 5, [("discrepancy", 1)]),
        (67, 0, 0, [("reset", 0), ("discrepancy", 0)]),
        (48, 48, 0, []),
    ],
)
def test_the_counter_table_of_the_specification(before, after, new, said):
    """Part 3: one new event; five new; five new and one lost; power fail, what was lost is not
    known.
    """
    machine = Scripted(before, REFUSED * 5)
    line = Line(machine)
    line.run(4000)
    machine.counter = after
    machine.window = (QUARTER * new + REFUSED * 5)[:10] if after else bytes(10)
    events = line.run(1000)

    assert pieces(events) == ({25: new} if new else {})
    assert told(events) == said


def test_refused_coins_that_push_each_other_out_during_the_start_are_no_loss():
    machine = Scripted()
    line = Line(machine)
    line.run(900)
    machine.counter, machine.window = 9, REFUSED * 5
    line.run(4000)
    assert 231 in machine.asked

    assert told(line.events) == []


def test_a_first_window_is_a_baseline_and_no_money():
    line = Line(Scripted(3, QUARTER + DIME + REFUSED + bytes(4)))
    events = line.run(4000)

    assert told(events) == [("discrepancy", 2)]
    assert [(event["rows"], event["flags"]) for event in events if event["kind"] == "tally"] == [
        ([], FLAG_REPRINT)
    ]


def test_a_token_is_no_money_and_a_position_without_a_name_is_a_discrepancy():
    machine = Scripted()
    line = Line(machine)
    line.run(4000)
    machine.counter, machine.window = 3, b"\x08\1" + b"\5\1" + QUARTER + bytes(4)
    events = line.run(1000)

    assert [(event["rows"], event["rejects"]) for event in events if event["kind"] == "tally"] == [
        ([(25, 1)], [(6, 1)])
    ]
    assert told(events) == [("discrepancy", 1)]


def test_a_window_that_does_not_follow_the_one_before_is_kept_and_credits_nothing():
    machine = Scripted(9, REFUSED * 5)
    line = Line(machine)
    line.run(4000)
    machine.counter, machine.window = 10, QUARTER * 5
    events = line.run(1000)

    assert pieces(events) == {}
    assert [event["raw"] for event in events if event["kind"] == "quarantine"] == [
        b"\x0a" + QUARTER * 5
    ]


def test_an_unknown_code_is_told_by_its_number():
    machine = Scripted()
    line = Line(machine)
    line.run(4000)
    machine.counter, machine.window = 1, b"\0\x63" + bytes(8)
    (event,) = line.run(1000)

    assert (event["condition"], event["detail"]) == ("fault", "code unknown (code 99)")


def test_a_checksum_is_never_256():
    """A body whose sum is 0 modulo 256 has the checksum 0; a host that takes 256 minus the sum
    falls over.
    """
    rest = -(2 + 1 + 1 + 231) & 255

    assert encode(2, 231, bytes((rest,)), False)[-1] == 0


def test_zero_is_no_counter_like_any_other():
    """1 after 0 is the first event since power-up, and 0 never follows 255."""
    machine = Scripted()
    line = Line(machine)
    line.run(4000)
    machine.counter, machine.window = 1, QUARTER + bytes(8)
    first = line.run(1000)
    machine.counter, machine.window = 0, bytes(10)
    second = line.run(1000)

    assert (pieces(first), told(first)) == ({25: 1}, [])
    assert told(second) == [("reset", 0), ("discrepancy", 0)]


def test_a_silent_device_is_told_once_and_asked_again():
    machine = Scripted()
    line = Line(machine)
    line.run(4000)
    machine.is_silent = True
    gone = line.run(20_000)
    machine.is_silent = False
    back = line.run(6000)

    assert told(gone) == [("offline", 0)]
    assert told(back) == [("back", 0)]


@pytest.mark.parametrize("wiring_echoes", [False, True])
@pytest.mark.parametrize("echo", [True, False, "auto", "true", "false"])
def test_our_own_bytes_are_no_answer_however_the_adapter_is_wired(echo, wiring_echoes):
    line = Line(CoinAcceptor(), wiring_echoes=wiring_echoes, echo=echo)
    line.run(4000)
    line.do("insert 0.25")

    assert pieces(line.events) == {25: 1}
    assert told(line.events) == []


@pytest.mark.parametrize("checksum", ["sum", "crc"])
def test_a_note_is_routed_to_the_stacker_and_stated_once(checksum):
    line = Line(BillValidator(crc=checksum == "crc"), "cctalk-bill", checksum=checksum)
    line.run(4000)
    line.do("insert 5.00", 4000)
    line.do("insert 20.00", 4000)
    line.restart()
    line.run(6000)

    assert pieces(line.events) == {500: 1, 2000: 1} == dict(line.machine.true_pieces())
    assert told(line.events) == []


def test_nothing_is_taken_while_the_journal_is_full():
    coins, notes = Line(CoinAcceptor()), Line(BillValidator(), "cctalk-bill")
    for line in (coins, notes):
        line.run(4000)
    notes.machine.do("insert 5.00", notes.now_ms)
    for line in (coins, notes):
        line.driver.allow(False)
        line.run(1000)
    coins.do("insert 0.25")
    notes.run(4000)

    assert (pieces(coins.events), pieces(notes.events)) == ({}, {})
    assert 0 == (coins.machine.true_pieces() + notes.machine.true_pieces()).total()

    coins.driver.allow(True)
    coins.run(1000)
    coins.do("insert 0.25")

    assert pieces(coins.events) == {25: 1}


def test_another_device_in_its_place_is_told():
    line = Line(CoinAcceptor())
    line.run(4000)
    line.do("insert 0.25")
    line.machine.swap(line.now_ms, line.now_ms + 500)
    events = line.run(8000)
    line.do("insert 0.10")

    assert "swapped" in [condition for condition, _ in told(events)]
    assert "discrepancy" in [condition for condition, _ in told(events)]
    assert pieces(line.events) == {25: 1, 10: 1}


def test_a_device_that_is_not_the_configured_one_is_told():
    line = Line(CoinAcceptor(), serial=99)
    events = line.run(4000)

    assert [event["detail"] for event in events if event.get("condition") == "swapped"] == [
        "serial number 12345678, 99 is configured"
    ]


def test_a_device_of_another_category_is_never_let_to_take_money():
    line = Line(BillValidator(address=2))
    line.run(6000)

    assert told(line.events) == [("swapped", 0)]
    assert line.driver.snapshot()["state"] == "swapped"


def test_a_coin_that_fell_while_we_had_no_power_is_stated_once():
    line = Line(CoinAcceptor())
    line.run(4000)
    line.do("insert 0.25")
    line.machine.do("insert 0.10", line.now_ms)
    for now_ms in range(line.now_ms, line.now_ms + 1000, STEP_MS):
        line.machine.poll(now_ms)
    line.now_ms += 1000
    line.restart()
    line.run(6000)

    assert pieces(line.events) == {25: 1, 10: 1}
    assert told(line.events) == []


@pytest.mark.parametrize("code", [0, 6])
def test_a_discrepancy_is_not_told_again_after_our_restart(code):
    """A reset, or a coin that was not seen in the box: both were told once for each time that we
    came back.
    """
    machine = Scripted(3, REFUSED * 3 + bytes(4))
    line = Line(machine)
    line.run(4000)
    if code:
        machine.counter, machine.window = 4, bytes((0, code)) + machine.window[:8]
    else:
        machine.counter, machine.window, machine.mask = 0, bytes(10), b"\0\0"
    events = line.run(4000)
    line.restart()
    again = line.run(4000)
    machine.counter, machine.window = machine.counter + 1, QUARTER + machine.window[:8]
    line.run(1000)

    assert told(events) == ([("discrepancy", 1)] if code else [("reset", 0), ("discrepancy", 0)])
    assert told(again) == []
    assert pieces(line.events) == {25: 1}


def test_a_coin_is_not_lost_silently_when_both_lose_power_before_any_tally():
    line = Line(CoinAcceptor())
    line.run(4000)
    line.machine.do("insert 0.25", line.now_ms)
    for now_ms in range(line.now_ms, line.now_ms + 500, STEP_MS):
        line.machine.poll(now_ms)
    line.now_ms += 500
    line.machine.power_off(line.now_ms)
    line.machine.power_on(line.now_ms)
    line.restart()
    events = line.run(6000)

    assert told(events) == [("reset", 0), ("discrepancy", 0)]


@pytest.mark.parametrize("seed", range(8))
def test_any_split_of_the_bytes_states_the_same(seed):
    rng = random.Random(seed)
    line = Line(CoinAcceptor(), wiring_echoes=bool(seed % 2))
    whole = line.driver.feed

    def feed_in_pieces(data: bytes, now_ms: int) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = []
        while data:
            size = 1 if seed < 2 else rng.randrange(1, len(data) + 1)
            events += whole(data[:size], now_ms)
            data = data[size:]
        return events

    line.driver.feed = feed_in_pieces
    line.run(4000)
    for _ in range(3):
        line.do("insert 0.25", 1000)

    assert pieces(line.events) == {25: 3}
    assert line.driver.faults() == {}


NOTES = {"name": "notes", "address": 40, "events": 159}


def test_two_devices_share_a_line():
    line = Line(CctalkBus(coin=CoinAcceptor(), bill=BillValidator()), also=[NOTES])
    line.run(8000)
    line.machine.do("bill insert 5.00", line.now_ms)
    line.do("coin insert 0.25", 6000)

    assert pieces(line.events) == {25: 1}
    assert pieces(line.events, "notes") == {500: 1}
    assert told(line.events) == []
    assert line.driver.snapshot()["notes"] == "idle"


@pytest.mark.parametrize(
    ("silent", "line", "instrument", "counted"),
    [
        ("coin", "bill insert 5.00", "notes", {500: 1}),
        ("bill", "coin insert 0.25", "counter", {25: 1}),
    ],
)
def test_a_silent_device_does_not_stop_its_neighbour(silent, line, instrument, counted):
    bench = Line(CctalkBus(coin=CoinAcceptor(), bill=BillValidator()), also=[NOTES])
    bench.machine.do(silent + " power off", 0)
    bench.run(12_000)
    bench.do(line, 6000)

    assert pieces(bench.events, instrument) == counted
    assert told(bench.events) == [("offline", 0)]


def test_who_overhears_another_host_states_its_coins_and_sends_nothing():
    machine = CoinAcceptor()
    driver = Cctalk("counter", dict(load_profile("cctalk-coin").settings), "USD")
    events, now_ms = [], 0

    def ask(header: int, data: bytes = b"") -> None:
        nonlocal now_ms
        question = frame(2, 1, header, data)
        driver.overhear(question, now_ms)
        machine.receive(question, now_ms)
        for _ in range(10):
            now_ms += STEP_MS
            machine.poll(now_ms)
            events.extend(driver.feed(machine.pop_output(), now_ms) + driver.poll(now_ms))
            assert driver.pop_output() == b""

    ask(254)
    ask(242)
    for position in range(1, 9):
        ask(184, bytes((position,)))
    ask(231, b"\xff\xff")
    ask(229)
    ask(229)
    machine.do("insert 0.25", now_ms)
    for _ in range(8):
        ask(229)

    assert pieces(events) == {25: 1}
    assert told(events) == []


def test_the_dialogue_of_the_specification_is_understood_by_who_overhears_it():
    """Its coin 1 is named here by a frame of ours; coin 5, never asked for, is a discrepancy and no
    guess.
    """
    script = json.loads((TRANSCRIPTS / "cctalk_coin.json").read_text())
    poll = frame(2, 1, 229).hex()
    heard = [(each["host"], each["device"]) for each in script["pairs"]]
    heard.append((frame(2, 1, 184, b"\1").hex(), frame(1, 2, 0, b"GB200A").hex()))
    heard += [(poll, each) for each in [heard[-2][1], *script["events"].values()] for _ in range(2)]
    driver = Cctalk("counter", dict(load_profile("cctalk-coin").settings), "GBP")
    events = []
    for number, (asked, answered) in enumerate(heard):
        driver.overhear(bytes.fromhex(asked), number * 200)
        events += driver.feed(bytes.fromhex(answered), number * 200 + 20) + driver.poll(
            number * 200 + 100
        )

    assert pieces(events) == {200: 2}
    assert [event["detail"] for event in events if event["kind"] == "instrument"] == [
        "position 5 has no value: no name told"
    ]
    assert driver.faults() == {}
