"""The cash drawer: bounces, polarity, cause, dwell, stuck, left open."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.drivers.cash_drawer import CashDrawer
from protocol.records import decode_record, encode_record

CONFIG = {"open_level": 1, "debounce_ms": 30, "open_alarm_s": 60}


def run(
    drawer: CashDrawer, levels: list[tuple[int, int]], until_ms: int = 0, step_ms: int = 5
) -> list[dict]:
    """Sample a pin that changes at each (at_ms, level), as the firmware's loop does; all events."""
    events: list[dict] = []
    changes = dict(levels)
    level = levels[0][1]
    for now_ms in range(levels[0][0], max(until_ms, levels[-1][0] + 200), step_ms):
        level = changes.get(now_ms, level)
        events += drawer.level(level, now_ms) + drawer.poll(now_ms)
    return events


def test_opened_and_closed_with_the_dwell_of_the_state_before():
    events = run(CashDrawer(CONFIG), [(0, 0), (1000, 1), (4000, 0)])

    assert events == [
        {"kind": "drawer", "state": "opened", "dwell_ms": 1000, "cause": "key_or_manual"},
        {"kind": "drawer", "state": "closed", "dwell_ms": 3000},
    ]


def test_bounces_make_one_event():
    drawer = CashDrawer(CONFIG)
    events = run(drawer, [(0, 0), (1000, 1), (1005, 0), (1010, 1), (1020, 0), (1025, 1)])

    assert [event["state"] for event in events] == ["opened"]


@pytest.mark.parametrize("width_ms", [5, 15, 25])
def test_a_glitch_shorter_than_the_debounce_is_nothing(width_ms):
    assert run(CashDrawer(CONFIG), [(0, 0), (1000, 1), (1000 + width_ms, 0)]) == []


@given(st.lists(st.integers(1, 29), max_size=20))
def test_no_train_of_glitches_opens_the_drawer(widths):
    drawer = CashDrawer(CONFIG)
    now_ms = 100
    events = drawer.level(0, 0) + drawer.poll(100)
    for width_ms in widths:
        events += drawer.level(1, now_ms) + drawer.level(0, now_ms + width_ms)
        now_ms += width_ms + 7

    assert events + drawer.poll(now_ms + 1000) == []


def test_the_other_polarity():
    events = run(CashDrawer(dict(CONFIG, open_level=0)), [(0, 1), (1000, 0)])

    assert [event["state"] for event in events] == ["opened"]


def test_levels_told_only_when_they_change_give_the_same_events():
    drawer = CashDrawer(CONFIG)
    events = drawer.level(0, 0) + drawer.level(1, 1000) + drawer.level(0, 4000) + drawer.poll(4030)

    assert [(event["state"], event["dwell_ms"]) for event in events] == [
        ("opened", 1000),
        ("closed", 3000),
    ]


def test_opened_soon_after_the_kick_is_commanded():
    drawer = CashDrawer(CONFIG)
    drawer.level(0, 0)
    drawer.poll(100)
    drawer.commanded(500)
    events = drawer.level(1, 1900) + drawer.poll(1990) + drawer.poll(5000)

    assert [(event["state"], event["cause"]) for event in events] == [("opened", "commanded")]


def test_a_kick_that_opens_nothing_is_told_once_and_a_later_opening_is_by_key():
    drawer = CashDrawer(CONFIG)
    drawer.level(0, 0)
    drawer.poll(100)
    drawer.commanded(500)
    events = (
        drawer.poll(2000)
        + drawer.poll(2001)
        + drawer.poll(9000)
        + drawer.level(1, 9500)
        + drawer.poll(9600)
    )

    assert [(event["state"], event.get("cause")) for event in events] == [
        ("stuck", "commanded"),
        ("opened", "key_or_manual"),
    ]


def test_a_drawer_that_is_open_at_the_start_is_opened_by_unknown():
    assert [event["cause"] for event in run(CashDrawer(CONFIG), [(0, 1)])] == ["unknown"]


def test_left_open_is_told_once_for_each_opening():
    drawer = CashDrawer(CONFIG)
    events = run(drawer, [(0, 0), (1000, 1), (200000, 0), (201000, 1)], until_ms=400000)

    assert [event["state"] for event in events] == [
        "opened",
        "open_too_long",
        "closed",
        "opened",
        "open_too_long",
    ]
    assert 60000 < events[1]["dwell_ms"] < 60020


def test_without_an_alarm_limit_a_drawer_may_stay_open():
    assert [
        event["state"] for event in run(CashDrawer({}), [(0, 0), (1000, 1)], until_ms=500000)
    ] == ["opened"]


def test_dwell_is_right_over_many_days():
    drawer = CashDrawer(CONFIG)
    drawer.level(0, 0)
    days_ms = 20 * 86400000
    for now_ms in range(0, days_ms, 600000):
        drawer.poll(now_ms)
    events = drawer.level(1, days_ms) + drawer.poll(days_ms + 100)

    assert [event["dwell_ms"] for event in events] == [days_ms]


def test_every_event_is_a_record_of_the_wire_dictionary():
    drawer = CashDrawer(dict(CONFIG, name="drawer"))
    for event in run(drawer, [(0, 0), (1000, 1), (4000, 0)]):
        record = dict(event, boot=1, uptime_ms=2)

        assert decode_record(encode_record(record)) == record
