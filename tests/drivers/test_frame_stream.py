"""The frame stream: what start, items and end say is stated when the machine's own sums agree, and
is quarantined otherwise.
"""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.drivers.frames import (
    END,
    FULL,
    ITEM,
    STANDBY,
    START,
    count_of,
    fddf,
    kinds,
    only,
    play,
    stream,
)

ROWS = [(10000, 1), (2000, 2), (500, 1), (100, 1)]


def test_a_count_becomes_one_tally() -> None:
    event = only(play(stream(), count_of()), "tally")

    assert ("n1", ROWS, 14600, "USD", "guess") == tuple(
        event[name] for name in ("batch_id", "rows", "total_minor", "currency", "evidence")
    )


@settings(max_examples=30, deadline=None)
@given(sizes=st.lists(st.integers(1, 60), max_size=60))
def test_any_split_of_the_bytes_gives_the_same_events(sizes: list[int]) -> None:
    data = b"".join(count_of())
    bytewise, split = stream(), stream()
    ends = [sum(sizes[:n]) for n in range(len(sizes) + 1)]
    parts = [data[a:b] for a, b in zip([0, *ends], [*ends, len(data)], strict=False)]
    want = stream().feed(data, 5)

    assert ["tally"] == kinds(want)
    assert want == [event for byte in data for event in bytewise.feed(bytes((byte,)), 5)]
    assert want == [event for part in parts for event in split.feed(part, 5)]


@settings(max_examples=50, deadline=None)
@given(noise=st.binary(max_size=100))
def test_noise_in_front_costs_no_count(noise: bytes) -> None:
    driver = stream()

    assert [14600] == [
        event["total_minor"]
        for event in play(driver, [noise, *count_of()])
        if event["kind"] == "tally"
    ]


def test_a_false_start_hides_no_frame() -> None:
    """The four start bytes stand in noise, and the true frame begins inside what seemed to be a
    frame.
    """
    frames = count_of()

    assert ["tally"] == kinds(stream().feed(b"\xfd\xdf\x2c\x0e\x01" + b"".join(frames), 0))


def test_a_frame_cut_short_is_dropped_after_a_gap_and_the_next_is_heard() -> None:
    driver = stream()
    play(driver, [count_of()[1][:30]], step_ms=1000)

    assert ["tally"] == kinds(play(driver, count_of(), 5000))
    assert {"noise_bytes": 30, "cut_frames": 1} == driver.faults()


@pytest.mark.parametrize("lost", range(1, 7))
def test_a_lost_frame_is_never_silent(lost: int) -> None:
    """A lost start, item or end; the count after it is stated."""
    frames = count_of()
    raw = b"".join(frames[:lost] + frames[lost + 1 :])
    events = play(stream(), frames[:lost] + frames[lost + 1 :] + count_of())
    quarantined = [event for event in events if event["kind"] == "quarantine"]

    assert ["quarantine", "tally"] == kinds(events)
    assert raw in quarantined[0]["raw"]


def test_items_without_a_start_are_quarantined_with_their_end() -> None:
    event = only(play(stream(), count_of()[1:]), "quarantine")

    assert ("items outside start and end; recount", b"".join(count_of()[1:])) == (
        event["reason"],
        event["raw"],
    )


def test_a_second_start_without_an_end_is_told() -> None:
    events = play(stream(), count_of()[:3] + count_of())

    assert ["quarantine", "tally"] == kinds(events)
    assert "a second start without an end; recount" == events[0]["reason"]


def test_a_repeated_frame_counts_once() -> None:
    driver = stream()
    doubled = [frame for frame in count_of() for _ in range(2)]

    assert 14600 == only(play(driver, doubled), "tally")["total_minor"]
    assert {"repeats": 7} == driver.faults()


@pytest.mark.parametrize("at", range(1, 7))
def test_every_changed_bit_is_refused(at: int) -> None:
    """A changed frame fails its check, so it is missing; then the machine's own sums do not
    agree.
    """
    frames = count_of()
    for bit in range(44 * 8):
        spoiled = bytearray(frames[at])
        spoiled[bit // 8] ^= 1 << bit % 8

        assert "tally" not in kinds(
            play(stream(), [*frames[:at], bytes(spoiled), *frames[at + 1 :]])
        )


def test_a_stacker_that_is_full_is_no_end() -> None:
    frames = count_of()
    events = play(stream(), [*frames[:3], fddf(FULL, 2, 0, 40), fddf(FULL, 2, 0, 40), *frames[3:]])

    assert ["full", "back", "tally"] == kinds(events)


def test_a_hopper_that_is_empty_is_no_end() -> None:
    frames = count_of()

    assert ["tally"] == kinds(play(stream(), [*frames[:3], fddf(STANDBY, 2, 0, 40), *frames[3:]]))


@pytest.mark.parametrize(
    ("frames", "why"),
    [
        (
            [fddf(START), fddf(ITEM, 1, 20, 20), fddf(STANDBY)],
            "standby before the end (power loss?); recount",
        ),
        ([fddf(START, 3, 0, 60)], "its start does not show zero: clear the machine and recount"),
        ([fddf(START), fddf(ITEM, 1, 3, 3)], "denomination 300 is none of this machine's; recount"),
        ([fddf(START), fddf(ITEM, 2, 20, 40)], "machine shows 2 pieces, heard 1; recount"),
        (
            [fddf(START), fddf(ITEM, 1, 20, 100)],
            "machine shows 10000 minor units, heard 2000; recount",
        ),
        ([fddf(START), fddf(ITEM, 1, 20, 20, b"EUR")], "currency EUR, this window counts USD"),
        ([fddf(START), fddf(ITEM, 1, 20, 20), fddf(9)], "status 9 is not in the grammar; recount"),
        (
            [fddf(START), fddf(ITEM, 1, 20, 20), fddf(FULL, 2, 0, 40)],
            "machine shows 2 pieces, heard 1; recount",
        ),
    ],
)
def test_what_does_not_add_up_is_quarantined_and_the_next_count_is_stated(
    frames: list[bytes], why: str
) -> None:
    closing = [] if frames[-1] == fddf(STANDBY) else [fddf(END, 1, 0, 20)]
    events = play(stream(), [*frames, *closing, *count_of()])

    assert (why, 14600) == tuple(
        event.get("reason", event.get("total_minor"))
        for event in events
        if event["kind"] in ("quarantine", "tally")
    )


def test_a_count_without_an_end_is_told_after_a_while() -> None:
    driver = stream()
    play(driver, count_of()[:4])

    assert [] == driver.poll(299_000)
    assert (
        "silence before the count ended (3 pieces); recount"
        == only(driver.poll(310_000), "quarantine")["reason"]
    )


def test_an_end_heard_again_is_no_money() -> None:
    assert ["tally"] == kinds(play(stream(), [*count_of(), count_of()[-1], fddf(STANDBY)]))


def test_the_first_and_the_last_frames_of_a_long_refused_count_are_kept() -> None:
    frames = count_of((20,) * 60)
    event = only(play(stream(), frames[:30] + frames[31:]), "quarantine")

    assert len(event["raw"]) <= 512
    assert [frames[0], frames[-1]] == [event["raw"][:44], event["raw"][-44:]]
    assert frames[31] in event["raw"]


def test_an_error_is_told_once_and_its_end_once() -> None:
    events = play(stream(), [fddf(STANDBY, error=7)] * 3 + [fddf(STANDBY)] * 2)

    assert ["fault", "back"] == kinds(events)
    assert "error 7: see the machine's manual" == events[0]["detail"]


def test_numbers_of_counts_go_on_after_a_restart() -> None:
    driver = stream()
    driver.resume("n41")

    assert "n42" == only(play(driver, count_of()), "tally")["batch_id"]


def test_a_restart_in_the_middle_of_a_count_is_told() -> None:
    for done in range(2, 7):
        events = play(stream(), count_of()[done:])

        assert ["quarantine"] == kinds(events)


def test_a_million_bytes_of_rubbish_are_bounded_and_told_once_a_minute() -> None:
    driver = stream()
    rubbish = random.Random(3).randbytes(10_000)
    events = [event for n in range(100) for event in driver.feed(rubbish, n * 900)]

    assert ["line_noise"] * 2 == kinds(events)
    assert driver.faults()["noise_bytes"] > 990_000
    assert len(driver._reader._buf) == 44
    assert ["tally"] == kinds(play(driver, count_of(), 200_000))[-1:]


def test_state_and_what_is_busy_follow_the_count() -> None:
    driver = stream()
    before = driver.snapshot()["state"], driver.busy
    play(driver, count_of()[:3], step_ms=0)
    counting = driver.snapshot()["state"], driver.snapshot()["pieces"], driver.busy
    driver.poll(5000)

    assert (("starting", False), ("counting", 2, True), False) == (before, counting, driver.busy)
    assert b"" == driver.pop_output()
