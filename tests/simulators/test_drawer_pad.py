"""The drawer's contact, the pad's matrix and the line channel between them and the board."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.drivers.ten_key import Marks
from simulators import gpio
from simulators.instruments.drawer import Drawer
from simulators.instruments.ten_key import (
    MARK_VALUE_MAX,
    MARKS,
    MAY_HAVE_VALUE,
    MUST_HAVE_VALUE,
    PLACES,
    Pad,
    PadError,
    keys_for,
    scan,
)

seeds = st.integers(0, 2**32)
some_keys = st.sets(st.sampled_from(sorted(PLACES)), max_size=5)


@given(seed=seeds, open_level=st.sampled_from([0, 1]))
def test_a_contact_bounces_and_comes_to_rest_within_its_time(seed: int, open_level: int) -> None:
    drawer = Drawer(seed, open_level=open_level)

    edges = drawer.open(1000) + drawer.close(2000)

    levels = [level for _, level in edges]
    assert [1000, 1 - open_level] == [edges[0][0], levels[-1]]
    assert all(before != after for before, after in zip(levels, levels[1:], strict=False))
    assert all(1000 <= at_ms <= 1005 or 2000 <= at_ms <= 2005 for at_ms, _ in edges)
    assert sorted(edges, key=lambda edge: edge[0]) == edges


def test_a_short_kick_does_not_free_the_latch() -> None:
    drawer = Drawer(kick_min_ms=40)

    assert [] == drawer.kick(39, 0)
    assert drawer.kick(40, 1000)[0] == (1100, 1)
    assert [(0, 39, False), (1000, 40, True)] == drawer.kicks


def test_a_stuck_drawer_does_not_move_and_a_long_kick_is_noted() -> None:
    drawer = Drawer()
    drawer.is_stuck = True

    assert [] == drawer.kick(600, 0) + drawer.open(1)
    assert (0, 1) == (drawer.level(), drawer.burnt)


@pytest.mark.parametrize(("open_level", "edges"), [(1, [(5, 1)]), (0, [])])
def test_a_cut_cable_reads_as_the_pull_up_whatever_the_drawer_does(
    open_level: int, edges: list[tuple[int, int]]
) -> None:
    drawer = Drawer(open_level=open_level)

    assert edges == drawer.cut_cable(5)
    assert [] == drawer.open(10)
    assert 1 == drawer.level()
    assert drawer.is_open


def test_three_corners_of_a_rectangle_show_the_fourth() -> None:
    assert (0, 0b11, 0b11, 0, 0) == scan(["7", "8", "4"])
    assert (0, 0b11, 0b01, 0, 0) == scan(["7", "8", "4"], has_diodes=True)
    assert (0, 0b11, 0, 0, 0) == scan(["7", "8"])


@given(keys=some_keys)
def test_ghosts_are_exactly_what_a_walk_over_pressed_keys_reaches(keys: set[str]) -> None:
    read = scan(keys)

    for key, (row, column) in PLACES.items():
        reached, grew = {("row", row)}, True
        while grew:
            wires = [{("row", PLACES[each][0]), ("column", PLACES[each][1])} for each in keys]
            more = set().union(*(wire for wire in wires if wire & reached)) - reached
            reached |= more
            grew = bool(more)
        assert (("column", column) in reached) == bool(read[row] >> column & 1), key


@given(seed=seeds, key=st.sampled_from(sorted(PLACES)))
def test_a_key_bounces_and_comes_to_rest(seed: int, key: str) -> None:
    pad = Pad(seed)
    down, up = pad.press(key, 100), pad.release(key, 200)

    row, column = PLACES[key]
    assert down[-1][1][row] == 1 << column
    assert (0, 0, 0, 0, 0) == up[-1][1] == pad.rows()
    assert all(100 <= at_ms <= 105 for at_ms, _ in down)


def test_a_stuck_key_stays_down_and_a_chord_shows_its_ghost() -> None:
    pad = Pad()
    pad.stuck.add("7")

    pad.chord(["7", "8", "4"], 0)

    assert (0, 0b11, 0b11, 0, 0) == pad.rows()
    assert [] == pad.release("7", 50)


@given(amount=st.integers(-(10**9), 10**9))
def test_keyed_amounts_read_back_as_the_same_cents(amount: int) -> None:
    keys = keys_for(f"{abs(amount) // 100}.{abs(amount) % 100:02d}{'-' if amount < 0 else '+'}")

    assert abs(amount) == int("".join(keys[:-1]))
    assert ("-" if amount < 0 else "+") == keys[-1]
    assert all(key in PLACES for key in keys)


@given(name=st.sampled_from(sorted(MARKS)), value=st.none() | st.integers(0, 10**9))
def test_keyed_marks_read_back_as_the_same_mark(name: str, value: int | None) -> None:
    text = f"mark {name}" if value is None else f"mark {name} {value}"
    if name in MUST_HAVE_VALUE if value is None else name not in MUST_HAVE_VALUE + MAY_HAVE_VALUE:
        with pytest.raises(PadError, match=f"mark {name} (needs a|takes no) value"):
            keys_for(text)
        return
    keys = keys_for(text)

    assert ["MARK", MARKS[name], "MARK"] == [keys[0], keys[1], keys[-1]]
    assert ("" if value is None else str(value)) == "".join(keys[2:-1])


def test_what_the_bench_keys_as_a_mark_the_pad_takes_and_what_it_refuses_the_pad_refuses() -> None:
    """The bench's table of marks is its own: it agrees with the driver, key by key."""
    for name, digit in MARKS.items():
        for value in ("", "0", "1500", str(MARK_VALUE_MAX), str(MARK_VALUE_MAX + 1)):
            marks, taken = Marks(), None
            for key in ["MARK", digit, *value, "MARK"]:
                taken = marks.press(key)[0]
            try:
                keys_for(f"mark {name} {value}")
            except PadError:
                assert taken is None, (name, value)
            else:
                assert taken is not None and name == taken["mark"], (name, value)


def test_other_actions_are_single_keys_and_nonsense_is_refused() -> None:
    assert [["*"], ["<>"], ["GT"], ["C"], ["3", "9", "6", "#"]] == [
        keys_for(text) for text in ("total", "subtotal", "grand", "clear", "396#")
    ]
    assert ["MARK", "5", "C"] == keys_for("keys MARK 5 C")
    marks = ("mark 12", "mark drop -5", "mark drop 15.00", "mark drop x", "mark GT", "mark")
    for text in ("1.234+", "x+", "+", *marks, "keys Q", "", "hello"):
        with pytest.raises(ValueError):
            keys_for(text)
    with pytest.raises(PadError):
        Pad().press("Q", 0)


@given(data=st.binary(max_size=600), cut=st.integers(0, 600))
def test_any_bytes_are_read_the_same_however_they_are_split(data: bytes, cut: int) -> None:
    whole, split = gpio.LineReader(), gpio.LineReader()
    data += b"\nB ok\n"

    events = whole.feed(data)

    assert events == split.feed(data[:cut]) + split.feed(data[cut:])
    assert whole.refused == split.refused
    assert gpio.FromBoard("beep", "ok") == events[-1]


def test_board_lines_are_parsed_and_others_counted() -> None:
    reader = gpio.LineReader()
    events = reader.feed(
        b"B ok\nK 120\nP bills 14 100.00\nR boot 3 epoch 9\nB loud\nK -1\n"
        + b"P" * 500
        + b"\nP after\n"
    )

    assert [
        ("beep", "ok", 0), ("kick", "120", 120), ("print", "bills 14 100.00", 0),
        ("log", "boot 3 epoch 9", 0), ("print", "after", 0),
    ] == [(event.kind, event.text, event.number) for event in events]  # fmt: skip
    assert {"unknown": 2, "too_long": 1} == dict(reader.refused)


def test_bench_lines_read_as_the_channel_has_them() -> None:
    assert b"D 1\nM 0 13 1f 0 0\nW 5000\n" == gpio.drawer_line(1) + gpio.matrix_line(
        (0, 19, 31, 0, 0)
    ) + gpio.jump_line(5000)
