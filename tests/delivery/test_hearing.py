"""The gateway's beat to itself: a connection on which nothing comes is noticed, a busy one and a
slow one are not mistaken for it.
"""

import json

import pytest

from gateway.delivery.hearing import BEAT_MS, INTERVALS, PATIENCE_DOUBLED_MAX, Hearing

PATIENCE_MS = BEAT_MS * INTERVALS


@pytest.fixture
def hearing() -> Hearing:
    """Connected at 0."""
    made = Hearing()
    made.connected(0)
    return made


def test_a_beat_that_comes_back_is_followed_by_the_next_one(hearing: Hearing) -> None:
    sent = []
    for now_ms in range(0, 60_000, 100):
        beat = hearing.pop_beat(now_ms)
        if beat is not None:
            sent.append(now_ms)
            assert hearing.take(beat, True, now_ms + 5)
        assert not hearing.is_deaf(now_ms)

    assert list(range(0, 60_000, BEAT_MS)) == sent


def test_a_beat_that_does_not_come_back_is_deafness_after_three_intervals(hearing: Hearing) -> None:
    assert hearing.pop_beat(0) is not None
    assert hearing.pop_beat(BEAT_MS) is None  # one at a time

    assert not hearing.is_deaf(PATIENCE_MS - 1)
    assert hearing.is_deaf(PATIENCE_MS)


def test_a_beat_behind_a_long_queue_is_waited_for_while_messages_come(hearing: Hearing) -> None:
    hearing.pop_beat(0)
    for now_ms in range(0, 600_000, 1_000):
        hearing.messages(now_ms)
        assert not hearing.is_deaf(now_ms)

    assert hearing.is_deaf(599_000 + PATIENCE_MS)


def test_a_beat_with_qos_0_does_not_count(hearing: Hearing) -> None:
    beat = hearing.pop_beat(0)
    assert beat is not None and hearing.take(beat, False, 5)

    assert hearing.is_deaf(PATIENCE_MS)


def test_another_gateways_beat_is_a_beat_and_does_not_count(hearing: Hearing) -> None:
    other = Hearing()
    other.connected(0)
    beat = other.pop_beat(0)
    hearing.pop_beat(0)

    assert beat is not None and hearing.take(beat, True, 5)
    assert hearing.is_deaf(PATIENCE_MS)


def test_what_is_no_beat_is_left_alone(hearing: Hearing) -> None:
    for payload in (b"", b"\x85\x01", b'{"host": "a"}', b'{"beat": ', b'{"beat": ' + b"[" * 9_999):
        assert not hearing.take(payload, True, 5), payload


def test_a_connection_that_ended_is_not_deaf(hearing: Hearing) -> None:
    hearing.pop_beat(0)
    hearing.lost()

    assert not hearing.is_deaf(10 * PATIENCE_MS)
    assert hearing.pop_beat(10 * PATIENCE_MS) is None


def test_where_no_beat_ever_comes_back_the_patience_grows_to_its_limit_and_shrinks_again(
    hearing: Hearing,
) -> None:
    now_ms, waited = 0, []
    for _ in range(9):
        hearing.connected(now_ms)
        hearing.pop_beat(now_ms)
        waited.append(hearing.patience_ms)
        now_ms += hearing.patience_ms
        assert hearing.is_deaf(now_ms)
        hearing.told()
        hearing.lost()

    assert [PATIENCE_MS << min(number, PATIENCE_DOUBLED_MAX) for number in range(9)] == waited
    assert hearing.was_told
    hearing.connected(now_ms)
    beat = hearing.pop_beat(now_ms)
    assert beat is not None and hearing.take(beat, True, now_ms)
    assert (PATIENCE_MS, False) == (hearing.patience_ms, hearing.was_told)


def test_a_beat_says_nothing_about_the_gateway(hearing: Hearing) -> None:
    assert {"beat", "number"} == set(json.loads(hearing.pop_beat(0) or b""))
