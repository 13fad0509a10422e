"""The pad: debounce and ghosts, and the adding machine against a plain model."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.drivers.adding_machine import AMOUNT_MINOR_MAX, AddingMachine
from firmware.drivers.key_matrix import KeyMatrix
from firmware.drivers.ten_key import KEYS, VALUE_MAX
from protocol.compat import ProtocolError
from protocol.records import decode_record, encode_record
from tests.drivers.pad import MANUAL, SCAN_MS, Pad, tape


def pressed(text: str, machine: AddingMachine | None = None) -> list[tuple]:
    machine = machine or AddingMachine("USD")
    return tape([line for line in map(machine.press, text.split()) if line])


@pytest.mark.parametrize(
    ("keys", "lines"),
    [
        ("1 2 3 4 +", [("", 1234, "+")]),
        ("1 2 . 5 +", [("", 1250, "+")]),
        ("1 2 . +", [("", 1200, "+")]),
        (". 0 5 +", [("", 5, "+")]),
        ("1 2 . 3 4 5 +", [("", 1234, "+")]),
        ("1 2 . 3 00 +", [("", 1230, "+")]),
        ("ADD 1 2 +", [("", 1200, "+")]),
        ("ADD ADD 1 2 +", [("", 12, "+")]),
        ("5 00 +", [("", 500, "+")]),
        ("5 000 +", [("", 5000, "+")]),
        ("1 2 BS 3 +", [("", 13, "+")]),
        ("1 0 0 + +", [("", 100, "+"), ("", 100, "+")]),
        ("1 0 0 + -", [("", 100, "+"), ("", 100, "-")]),
        ("1 0 0 + <> +", [("", 100, "+"), ("001", 100, "<>")]),
        ("+ - # BS", []),
        (
            "7 + 3 - <> * *",
            [("", 7, "+"), ("", 3, "-"), ("000", 4, "<>"), ("000", 4, "*"), ("000", 0, "*")],
        ),
        ("0 7 1 1 # 5 + *", [("0711", 0, "#"), ("", 5, "+"), ("001", 5, "*")]),
        ("9 C 5 +", [("", 5, "+")]),
        ("5 + C <>", [("", 5, "+"), ("", 0, "C"), ("000", 0, "<>")]),
        ("C C", []),
        ("5 + 9 *", [("", 5, "+"), ("001", 5, "*")]),
        (
            "5 + * 6 + * GT GT",
            [
                ("", 5, "+"),
                ("001", 5, "*"),
                ("", 6, "+"),
                ("001", 6, "*"),
                ("2", 11, "GT"),
                ("0", 0, "GT"),
            ],
        ),
        ("5 - *", [("", 5, "-"), ("-01", -5, "*")]),
    ],
)
def test_the_tape_of_these_keys(keys, lines):
    assert pressed(keys) == lines


def test_item_count_wraps_after_999_and_a_total_clears_it():
    machine = AddingMachine("USD")
    pressed("1 " + "+ " * 999, machine)
    assert pressed("<>", machine) == [("999", 999, "<>")]

    assert pressed("+ 1 + *", machine) == [("", 1, "+"), ("000", 1000, "*")]
    assert pressed("1 + *", machine) == [("", 1, "+"), ("001", 1, "*")]


@pytest.mark.parametrize(
    "keys",
    ["9 " * 13, "ADD " + "9 " * 11, "9 " * 12 + "+ + +", "9 " * 12 + "+ * " + "9 " * 12 + "+ *"],
)
def test_overflow_locks_the_machine_until_it_is_cleared(keys):
    machine = AddingMachine("USD")
    assert pressed(keys + " 5 + * GT", machine)[-1] == ("", 0, "E")
    assert machine.overflow

    assert pressed("C . 0 5 + *", machine) == [("", 0, "C"), ("", 5, "+"), ("001", 5, "*")]
    assert pressed("GT", machine) == [("1", 5, "GT")]


@pytest.mark.parametrize(
    ("record", "limit"),
    [
        ({"kind": "tape", "line_no": 1, "symbol": "+", "amount_minor": 0}, AMOUNT_MINOR_MAX),
        ({"kind": "mark", "mark": "drop", "value": 0}, VALUE_MAX),
    ],
)
def test_the_limits_are_those_of_the_wire(record, limit):
    name = list(record)[-1]
    record = dict(record, boot=1, uptime_ms=2)
    encode_record(record | {name: limit})

    with pytest.raises(ProtocolError):
        encode_record(record | {name: limit + 1})


class Model:
    """The adding machine as a person would explain it: only digits, + - <> * # GT and C, in add
    mode, no overflow.
    """

    def __init__(self) -> None:
        self.entry, self.amounts, self.totals, self.last = "", [], [], None

    def press(self, key: str) -> tuple | None:
        if key.isdigit():
            self.entry += key
            return None
        entry, self.entry = self.entry, ""
        last, self.last = self.last, None
        total = sum(self.amounts)
        items = sum(1 if sign == "+" else -1 for sign in self.signs) if self.amounts else 0
        if key in "+-":
            if not entry and last is None:
                return None
            self.last = int(entry) if entry else last
            self.amounts.append(self.last if key == "+" else -self.last)
            self.signs.append(key)
            return "", self.last, key
        if key == "#":
            if not entry:
                self.last = last
            return (entry, 0, "#") if entry else None
        if key == "C":
            if entry or not self.amounts:
                return None
            self.amounts, self.signs = [], []
            return ("", 0, "C") if total or items else None
        if key == "GT":
            line = (str(len(self.totals)), sum(self.totals), "GT")
            self.totals = []
            return line
        if key == "*":
            self.totals.append(total)
            self.amounts, self.signs = [], []
        return f"{items:03d}", total, key

    signs: list = []


@settings(max_examples=300)
@given(
    st.lists(
        st.sampled_from([*"0123456789", "00", "+", "+", "-", "<>", "*", "#", "GT", "C"]),
        max_size=40,
    )
)
def test_any_keys_print_what_the_model_prints(keys):
    machine, model = AddingMachine("USD"), Model()
    model.signs = []
    entry = 0
    for key in keys:
        entry = entry + len(key) if key.isdigit() else 0
        if entry > 8:
            continue  # longer entries are the overflow test's
        line = machine.press(key)
        expected = model.press(key)

        assert (tape([line])[0] if line else None) == expected, key


@settings(max_examples=150)
@given(st.lists(st.sampled_from(sorted(set(KEYS))), max_size=120))
def test_no_keys_break_the_machine_or_the_wire(keys):
    machine = AddingMachine("USD")
    line_no = 0
    for key in keys:
        line = machine.press(key)
        if line:
            line_no += 1
            record = dict(line, boot=1, uptime_ms=2)
            assert decode_record(encode_record(record)) == record
            assert line["line_no"] == line_no
            assert abs(line["amount_minor"]) <= AMOUNT_MINOR_MAX


def test_a_press_is_one_key_and_holding_it_is_not_more():
    pad = Pad()

    assert tape(pad.keys("1 2 3 4") + pad.hold(["+"], 2000) + pad.hold([], 50)) == [("", 1234, "+")]


@given(st.lists(st.integers(1, 2), min_size=1, max_size=10))
def test_bounces_at_either_edge_make_one_press(pulses):
    """Contacts bounce for less than the time that a release takes; each pulse is shorter than
    it.
    """
    pad = Pad()
    events = pad.keys("5")
    for edge in (["+"], []):
        for scans in pulses:
            events += pad.hold(edge, scans * SCAN_MS) + pad.hold([] if edge else ["+"], SCAN_MS)
        events += pad.hold(edge, 60)

    assert tape(events) == [("", 5, "+")]


def test_two_keys_rolled_over_each_other_are_both_pressed_in_order():
    pad = Pad()
    pad.hold(["1"], 40)
    pad.hold(["1", "2"], 40)
    pad.hold(["2"], 40)
    pad.hold([], 40)

    assert tape(pad.keys("+")) == [("", 12, "+")]


def test_a_ghost_rectangle_is_refused_and_told_once_until_every_key_is_up():
    """7, 8 and 4 down: the matrix shows 5 as well."""
    pad = Pad()
    assert pad.hold(["7"], 10) == []
    events = (
        pad.hold(["7", "8", "4", "5"], 200)
        + pad.hold(["7", "8"], 200)
        + pad.hold(["7", "8", "4", "5"], 200)
        + pad.hold([], 60)
    )
    assert [(event["kind"], event["condition"]) for event in events] == [
        ("instrument", "ghost_keys")
    ]
    assert tape(pad.keys("9 +")) == [("", 9, "+")]


@settings(max_examples=60)
@given(st.lists(st.lists(st.integers(0, 31), min_size=5, max_size=5), max_size=12))
def test_no_key_is_taken_while_a_rectangle_shows(scans):
    matrix = KeyMatrix(5, 5)
    for number, rows in enumerate(scans):
        for now_ms in range(number * 100, number * 100 + 100, SCAN_MS):
            taken, _ = matrix.scan(rows, now_ms)
            shares = [rows[a] & rows[b] for a in range(5) for b in range(a)]
            if any(bin(bits).count("1") > 1 for bits in shares):
                assert taken == []


def test_a_key_that_stays_down_is_told_once_and_the_others_work():
    pad = Pad()
    events = pad.hold(["GT"], 40000)
    assert [event["condition"] for event in events if event["kind"] == "instrument"] == [
        "key_stuck"
    ]
    assert "key GT" in events[-1]["detail"]

    pad.hold(["GT", "5"], 60)
    pad.hold(["GT"], 60)
    assert tape(pad.hold(["GT", "+"], 60)) == [("", 5, "+")]


def test_lines_for_the_display_are_bounded_and_taken_once():
    pad = Pad()
    pad.keys("1 2 3 4 + 0 7 1 1 # *")

    assert pad.told() == [
        ("", "                 12.34 +"),
        ("", "0711                   #"),
        ("", "001              12.34 *"),
    ]
    assert pad.told() == []
    pad.keys("1 + " + "+ " * 40)
    assert len(pad.told()) == 16


def test_the_day_in_the_manual_is_what_the_pad_makes_of_its_keys():
    """The third column of the table in docs/pad.md, typed."""
    day = MANUAL.partition("## A day at")[2].partition("## When")[0]
    rows = [row.split("|")[2] for row in day.splitlines() if row.startswith(("| 1", "| 0"))]
    events = Pad().keys(" ".join(rows).replace("`", " "))

    assert [(event["mark"], event.get("value")) for event in events if event["kind"] == "mark"] == [
        ("sign_on", 17),
        ("opening_float", 15000),
        ("done", None),
        ("drop", 40000),
        ("done", None),
        ("checkpoint", None),
        ("recount", None),
        ("done", None),
        ("checks_tape", None),
        ("card_total", 31250),
        ("close", None),
        ("done", None),
    ]
    assert tape(events)[-1] == ("003", 25837, "*")
