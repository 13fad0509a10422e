"""The SC-350: what its memory and display say becomes tallies, and nothing is believed that was
read once.
"""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.drivers.sc350 import Sc350
from protocol.records import FLAG_REPRINT
from tests.drivers.sc350_desk import FRAMES, NAK, SETTINGS, Desk, reply

LOG_ON = bytes.fromhex(FRAMES["log on"])


def ready(**changes: Any) -> Desk:
    desk = Desk(**changes)
    desk.run()
    return desk


def told(events: list[dict[str, Any]]) -> list[Any]:
    """(condition, pieces) and rows, in order; tallies without rows left out."""
    found: list[Any] = []
    for event in events:
        if event["kind"] == "tally":
            found += [event["rows"]] if event["rows"] else []
        else:
            found.append((event["condition"], event.get("pieces")))
    return found


def test_it_logs_on_first_and_asks_its_revisions() -> None:
    desk = ready()

    assert [LOG_ON, b"\x1bPR", b"\x1bPR", b"\x1bRA", b"\x1bRS", b"\x1bRC"] == [
        asked for _, asked in desk.asked[:6]
    ]
    assert "10.15/2.09" == desk.driver.snapshot()["revision"]


def test_a_read_carries_a_checksum_when_the_board_says_so() -> None:
    desk = ready(read_checksum=True)

    assert b"\x1bRC\x95" in [asked for _, asked in desk.asked]


def test_what_is_moved_to_memory_is_a_tally() -> None:
    desk = ready()
    desk.count = 40
    counting = desk.run()
    desk.transfer(40)
    events = desk.run()

    assert [] == counting
    assert ["tally", "e1-40-0a0f0209", "USD", [(25, 40)], 1000, 0, "manual"] == [
        events[0][name]
        for name in ("kind", "batch_id", "currency", "rows", "total_minor", "flags", "evidence")
    ]
    assert 1 == len(events)


def test_several_transfers_between_two_questions_are_one_tally_of_all() -> None:
    desk = ready()
    desk.count = 40
    desk.run()
    desk.transfer(40)
    desk.transfer(7)

    assert [[(25, 47)]] == told(desk.run())


def test_a_transfer_while_the_controller_was_off_is_stated_once() -> None:
    desk = ready()
    desk.transfer(40)
    desk.run()
    desk.transfer(12)
    desk.restart()
    first = desk.run()
    desk.restart()

    assert [[(25, 12)]] == told(first)
    assert [] == told(desk.run())


def test_a_restart_before_the_first_transfer_forgets_nothing() -> None:
    desk = ready()
    desk.transfer(5)
    desk.restart()

    assert [[(25, 5)]] == told(desk.run())


def test_what_memory_held_before_anybody_asked_is_said_and_not_counted() -> None:
    desk = Desk()
    desk.memory = 300
    first = desk.run()
    desk.restart()

    assert [("reset", None)] == told(first)
    assert [FLAG_REPRINT] == [event["flags"] for event in first if event["kind"] == "tally"]
    assert [] == told(desk.run())


def test_a_display_that_was_cleared_is_said_with_its_pieces() -> None:
    desk = ready()
    desk.count = 33
    desk.run()
    desk.count = 0

    assert [("cleared_unreported", 33)] == told(desk.run())
    assert [] == told(desk.run())


def test_a_count_cleared_before_another_was_moved_is_said_too() -> None:
    desk = ready()
    desk.count = 33
    desk.run()
    desk.transfer(4)

    assert [("cleared_unreported", 33), [(25, 4)]] == told(desk.run())


def test_how_many_were_cleared_is_not_claimed_when_nobody_looked() -> None:
    desk = ready()
    desk.count = 33
    desk.run()
    desk.is_on = False
    desk.run(5000)
    desk.is_on = True
    desk.count = 0

    assert [("back", None), ("cleared_unreported", None)] == told(desk.run())


def test_memory_that_was_cleared_begins_a_new_epoch() -> None:
    desk = ready()
    desk.transfer(40)
    desk.run()
    desk.memory = 0
    cleared = desk.run()
    desk.restart()
    desk.transfer(60)
    events = desk.run()

    assert [("day_clear", None)] == told(cleared)
    assert [[(25, 60)]] == told(events)
    assert "e2-60-0a0f0209" == events[0]["batch_id"]


@pytest.mark.parametrize(("memory", "condition"), [(10, "reset"), (90_000, "swapped")])
def test_memory_that_cannot_have_become_so_is_no_money(memory: int, condition: str) -> None:
    desk = ready()
    desk.transfer(40)
    desk.run()
    desk.memory = memory

    assert [(condition, None), ("discrepancy", None)] == told(desk.run())
    assert [] == told(desk.run())


def test_a_machine_with_other_revisions_is_another_machine() -> None:
    desk = ready()
    desk.transfer(40)
    desk.run()
    desk.is_on = False
    desk.run(5000)
    desk.is_on = True
    desk.revisions = bytes((10, 16, 2, 9, 37, 6))
    desk.memory = 55

    assert [("swapped", None), ("discrepancy", None), ("back", None)] == sorted(
        told(desk.run()), key=str, reverse=True
    )


def test_a_rise_while_it_did_not_answer_is_left_to_a_person() -> None:
    desk = ready()
    desk.is_on = False
    silent = desk.run(5000)
    desk.transfer(55)
    desk.is_on = True

    assert [("offline", None)] == told(silent)
    # it may have been cleared meanwhile: how many is not known
    assert ("discrepancy", None) in told(desk.run())


def test_without_its_coin_it_credits_nothing_and_says_which_setting_is_missing() -> None:
    desk = ready(coin_minor=0)
    first = list(desk.flash)
    desk.transfer(9)

    assert [("fault", None)] == told(first)
    assert "coin_minor" in first[0]["detail"]
    assert [("discrepancy", 9)] == told(desk.run())


@pytest.mark.parametrize(
    ("bits", "condition"),
    [(4, "discrepancy"), (2, "stopped"), (8, "fault"), (16, "jam"), (17, None), (33, None)],
)
def test_status_bits_are_told_once(bits: int, condition: str | None) -> None:
    desk = ready()
    desk.status = bits
    begun = desk.run(8000)
    desk.status = 0
    ended = desk.run()

    assert ([(condition, None)] if condition else []) == told(begun)
    assert ([("back", None)] if condition in ("stopped", "fault", "jam") else []) == told(ended)


def test_the_snapshot_says_what_it_does() -> None:
    desk = Desk()
    states = [desk.driver.snapshot()["state"]]
    for status in (0, 1, 2):
        desk.status = status
        desk.run()
        states.append(desk.driver.snapshot()["state"])
    desk.is_on = False
    desk.run(6000)

    assert ["starting", "idle", "counting", "stopped", "offline"] == [
        *states,
        desk.driver.snapshot()["state"],
    ]


def test_after_a_bad_answer_it_waits_as_the_handbook_wants() -> None:
    for bad in (NAK, b"\x00\x00\x00\x05\x06\x06", b""):
        desk = ready()
        desk.spoil = lambda asked, said, bad=bad: [bad]
        desk.asked.clear()
        desk.run(1500)
        times = [at for at, _ in desk.asked]

        assert len(times) > 1
        assert min(after - before for before, after in zip(times, times[1:], strict=False)) >= 250


def test_a_reply_that_comes_twice_answers_one_question() -> None:
    desk = ready()
    desk.spoil = lambda asked, said: [said, said]
    desk.transfer(40)

    assert [[(25, 40)]] == told(desk.run())


def test_one_wrong_number_with_a_right_sum_is_not_believed() -> None:
    desk = ready()
    wrong = iter([reply(500), reply(0)])
    desk.count = 12
    desk.spoil = lambda asked, said: [next(wrong, said) if asked[1:3] in (b"RA", b"RC") else said]

    assert [] == told(desk.run(3000))


@pytest.mark.parametrize("cut", range(1, 6))
def test_a_reply_cut_short_is_asked_for_again(cut: int) -> None:
    desk = ready()
    cuts = iter([cut])
    desk.spoil = lambda asked, said: [said[: next(cuts, 99)] if asked[1:3] == b"RA" else said]
    desk.transfer(40)

    assert [[(25, 40)]] == told(desk.run(3000))


@given(seed=st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_any_split_and_noise_before_a_reply_gives_the_same_money(seed: int) -> None:
    rng = random.Random(seed)

    def spoil(_asked: bytes, said: bytes) -> list[bytes]:
        if rng.random() < 0.1:
            said = rng.randbytes(rng.randrange(1, 40)) + said
        if rng.random() < 0.3:
            return [said[at : at + 1] for at in range(len(said))]
        middle = rng.randrange(len(said) + 1)
        return [said[:middle], said[middle:]]

    desk = ready()
    desk.spoil = spoil
    desk.count = 40
    desk.run(3000)
    desk.transfer(40)

    assert [[(25, 40)]] == [each for each in told(desk.run(6000)) if isinstance(each, list)]


@given(st.lists(st.binary(max_size=40), max_size=40))
@settings(max_examples=40, deadline=None)
def test_no_bytes_make_it_fall_over_or_invent_money(bursts: list[bytes]) -> None:
    driver = Sc350("coins", SETTINGS, "USD")
    driver.resume("e1-40-0a0f0209")
    events = []
    for at, burst in enumerate(bursts):
        for now_ms in range(at * 100, at * 100 + 100, 20):
            events += driver.poll(now_ms)
            driver.pop_output()
        events += driver.feed(burst, at * 100 + 90)

    assert [] == [event for event in events if event["kind"] == "tally"]
    assert {"state", "count", "memory"} <= set(driver.snapshot())
    assert all(driver.faults().values())


@pytest.mark.parametrize("batch_id", ["", "e", "x-y-z", "0007", "e1-2", "e1-2-zz"])
def test_a_batch_id_of_something_else_is_no_place_to_go_on_from(batch_id: str) -> None:
    desk = Desk(batch_id)
    desk.run()

    assert 1 == desk.driver.snapshot()["epoch"]


def test_beside_another_host_it_only_listens() -> None:
    driver = Sc350("coins", SETTINGS, "USD")
    driver.resume("e1-40-0a0f0209")
    events = []
    now_ms = 0
    for command, said in [(b"\x1bR", b""), (b"A", reply(52)), (b"\x1bRS", reply(0, 1))] * 4:
        driver.overhear(command, now_ms)
        events += driver.feed(said, now_ms) if said else []
        for _ in range(10):
            now_ms += 10
            events += driver.poll(now_ms)

    assert b"" == driver.pop_output()
    assert [[(25, 12)]] == told(events)
