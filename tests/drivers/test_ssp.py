"""The SSP driver: the manual's frames, one credit for one note however often it comes, what cannot
be known said so.
"""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.drivers.ssp import Ssp
from firmware.drivers.ssp_frames import Reader, frame

SETTINGS = {
    "address": 0,
    "poll_ms": 200,
    "protocol": 6,
    "unit_minor": 0,
    "evidence": "specification",
}
VALUES = (1, 5, 10, 20)
SYNC, SETUP, SERIAL, POLL, WITH_ACK, EVENT_ACK, ENABLE, DISABLE, REJECT = (
    0x11,
    5,
    0x0C,
    7,
    0x56,
    0x57,
    0x0A,
    9,
    8,
)
NOTHING, CREDIT_2 = b"", b"\xcc\xee\x02"


def setup(currency: bytes = b"USD", real: bytes = b"\0\0\x64") -> bytes:
    count = len(VALUES)
    legacy = (
        b"\xf0\x000333" + currency + b"\0\0\x01" + bytes((count, *VALUES)) + bytes((2,) * count)
    )
    return (
        legacy
        + real
        + b"\x06"
        + currency * count
        + b"".join(value.to_bytes(4, "little") for value in VALUES)
    )


class Desk:
    """The driver, and a machine whose answers to polls are given one by one."""

    def __init__(self, resume: str = "", **answers: bytes) -> None:
        self.driver = Ssp("notes", SETTINGS, "USD")
        self.driver.resume(resume)
        self.now_ms = 0
        self.events: list[dict] = []
        self.asked: list[bytes] = []
        self.seqs: list[int] = []
        self.answers = {SERIAL: b"\xf0\0\x1c\x96\x2c", SETUP: setup()}
        self.answers.update({int(name[1:], 16): answer for name, answer in answers.items()})

    def run(self, *polls: bytes | None) -> list[dict]:
        """Answer so many polls, None for one that is lost; events of all."""
        waiting = list(polls)
        before = len(self.events)
        reader = Reader()
        for _ in range(5000):
            self.now_ms += 10
            self.events += self.driver.poll(self.now_ms)
            if not any(reader.push(byte) for byte in self.driver.pop_output()):
                continue
            command = reader.data[0]
            if command in (POLL, WITH_ACK) and command not in self.answers:
                if not waiting:
                    break
                answer = waiting.pop(0)
                answer = None if answer is None else b"\xf0" + answer
            else:
                answer = self.answers.get(command, b"\xf0")
            self.asked.append(reader.data)
            self.seqs.append(reader.seq)
            if answer is not None:
                self.events += self.driver.feed(frame(reader.seq, answer), self.now_ms)
        return self.events[before:]


def tallies(events: list[dict]) -> list[tuple]:
    """Rows of the tallies; bookmarks, which have none, left out."""
    return [tuple(event["rows"]) for event in events if event["kind"] == "tally" and event["rows"]]


def conditions(events: list[dict]) -> list[str]:
    return [event["condition"] for event in events if event["kind"] == "instrument"]


@pytest.mark.parametrize(
    ("seq", "data", "sent"),
    [
        (0x80, "11", "7f8001116582"), (0x80, "0a", "7f80010a3f82"), (0x80, "09", "7f8001093582"),
        (0x80, "07", "7f8001071202"), (0x80, "56", "7f800156f783"), (0, "0a", "7f00010a3c08"),
        (0x80, "f0cc ee01", "7f8004f0ccee0162aa"), (0x80, "f0001c962c", "7f8005f0001c962cd497"),
    ],
)  # fmt: skip
def test_frames_of_the_manual(seq, data, sent):
    """GA138_2_2 and lib/utils.test.js of kybarg/ssp."""
    assert sent == frame(seq, bytes.fromhex(data)).hex()


def test_a_start_asks_for_serial_and_channels_and_enables():
    desk = Desk()

    desk.run(NOTHING)

    assert [SYNC, 6, SERIAL, SETUP, 2, ENABLE, WITH_ACK] == [each[0] for each in desk.asked]
    assert b"\x02\x0f\x00" == desk.asked[4]
    assert [0x80, 0, 0x80, 0, 0x80, 0, 0x80] == desk.seqs


def test_a_note_is_counted_once_and_acknowledged():
    desk = Desk()

    events = desk.run(b"\xef\x00", b"\xef\x02", CREDIT_2, b"\xcc\xeb", NOTHING)

    assert [((500, 1),)] == tallies(events)
    assert [] == conditions(events)
    assert 1 == [each[0] for each in desk.asked].count(EVENT_ACK)


def test_a_lost_answer_is_asked_for_with_the_same_flag():
    desk = Desk()

    events = desk.run(NOTHING, b"\xef\x02", None, CREDIT_2, b"\xeb")

    assert [((500, 1),)] == tallies(events)
    assert desk.seqs[8] == desk.seqs[9]


def test_a_credit_repeated_before_its_acknowledgement_arrived_is_one():
    """EVENT ACK is lost until the driver begins anew; the machine still repeats the credit."""
    desk = Desk()
    desk.run(b"\xef\x02", CREDIT_2)
    desk.driver._restart()  # as after six tries
    desk.driver._asked_ms = None
    desk.driver._to_ack = False
    desk.driver._owed = [(0xEE, 2)]

    events = desk.run(CREDIT_2, NOTHING)

    assert [] == tallies(events)
    assert [] == conditions(events)


def test_two_equal_notes_are_two_credits():
    desk = Desk()

    events = desk.run(*(b"\xef\x02", CREDIT_2, b"\xeb") * 2)

    assert [((500, 1),)] * 2 == tallies(events)
    assert ["1873452-1-2", "1873452-2-2"] == [
        event["batch_id"] for event in events if event["rows"]
    ]


def test_the_last_channel_again_after_our_restart_is_a_discrepancy():
    events = Desk("1873452-7-2").run(CREDIT_2, NOTHING)

    assert [("discrepancy", 1)] == [(each["condition"], each["pieces"]) for each in events]


def test_another_channel_after_our_restart_is_a_new_note():
    events = Desk("1873452-7-2").run(b"\xee\x03", NOTHING)

    assert ["1873452-8-3"] == [event["batch_id"] for event in events]


def test_the_same_channel_in_a_later_answer_is_a_new_note():
    assert [((500, 1),)] == tallies(Desk("1873452-7-2").run(NOTHING, b"\xef\x02", CREDIT_2))


def test_slave_reset_with_a_note_on_its_way_is_a_discrepancy():
    desk = Desk()

    assert ["reset", "discrepancy"] == conditions(desk.run(b"\xef\x02", b"\xf1\xe8", NOTHING))
    assert ["reset"] == conditions(desk.run(b"\xf1\xe8", NOTHING))


def test_note_that_went_into_the_cashbox_at_power_up_is_explicit_once():
    assert ["reset", "discrepancy"] == conditions(
        Desk().run(b"\xef\x02", b"\xf1\xe8\xe2\x02", NOTHING)
    )
    assert ["reset", "discrepancy"] == conditions(Desk().run(b"\xf1\xe8\xe2\x00", NOTHING))


def test_rejected_notes_are_counted_and_are_no_money():
    desk = Desk()

    events = desk.run(b"\xef\x00", b"\xed", b"\xec", b"\xef\x02", b"\xed", b"\xec", NOTHING)

    assert ([], []) == (tallies(events), conditions(events))
    assert ["1873452-0-?2", "1873452-0-?0"] == [event["batch_id"] for event in events]
    assert 2 == desk.driver.faults()["rejects"]


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (b"\xe9", ["jam", "discrepancy", "back"]),
        (b"\xea", ["jam", "discrepancy", "back"]),
        (b"\xe0", ["fault", "back"]),
    ],
)
def test_a_trouble_that_repeats_is_told_once_and_back_once(event, told):
    """A jam that is cleared without a credit may have left its note in the box."""
    note = b"\xef\x02" if "jam" in told else NOTHING
    assert told == conditions(Desk().run(note, event, event, event, NOTHING, NOTHING))


def test_full_stacker_lasts_until_the_cashbox_is_replaced():
    assert ["full", "back"] == conditions(Desk().run(b"\xe7", NOTHING, NOTHING, b"\xe4", NOTHING))


def test_fraud_is_told_once_until_it_is_acknowledged():
    assert ["fraud"] == conditions(Desk().run(b"\xe6\x02", NOTHING))


def test_unknown_event_never_makes_money_of_what_stands_after_it():
    events = Desk().run(b"\x77\xee\x02", NOTHING)

    assert [] == tallies(events)
    assert ["fault", "back"] == conditions(events)
    assert [b"\xf0\x77\xee\x02"] == [
        event["raw"] for event in events if event["kind"] == "quarantine"
    ]


def test_foreign_notes_are_inhibited_and_said():
    desk = Desk(_5=setup(b"EUR"))

    events = desk.run(b"\xee\x02")

    assert "fault" in conditions(events)
    assert ["quarantine"] == [event["kind"] for event in events if event["kind"] != "instrument"]
    assert b"\x02\0\0" in desk.asked


def test_multiplier_is_read_in_the_order_that_makes_sense():
    assert [((500, 1),)] == tallies(Desk(_5=setup(real=b"\x64\0\0")).run(CREDIT_2))
    assert "fault" in conditions(Desk(_5=setup(real=b"\x40\x10\x20")).run(NOTHING))


def test_machine_without_poll_with_ack_is_polled_plainly():
    desk = Desk(_56=b"\xf2")

    events = desk.run(b"\xef\x02", CREDIT_2, b"\xeb", b"\xef\x02", CREDIT_2, b"\xeb")

    assert [((500, 1),)] * 2 == tallies(events)
    assert EVENT_ACK not in [each[0] for each in desk.asked]


def test_full_journal_disables_and_rejects_the_note_in_escrow():
    desk = Desk()
    desk.run(NOTHING, b"\xef\x02")
    desk.driver.allow(False)

    desk.run(b"\xef\x02", b"\xec")

    assert {DISABLE, REJECT} <= {each[0] for each in desk.asked}


def test_another_serial_number_is_told():
    desk = Desk("77-3-2")

    assert "swapped" in conditions(desk.run(NOTHING, NOTHING))


def test_silence_is_told_once_and_its_end_once():
    desk = Desk()
    desk.run(NOTHING)

    assert ["offline", "back"] == conditions(desk.run(*[None] * 4, NOTHING, NOTHING))


def test_listening_to_another_host_counts_and_says_nothing():
    driver = Ssp("notes", SETTINGS, "USD")
    events = []
    dialogue = (
        (SETUP, setup()),
        (WITH_ACK, b"\xf0\xee\x02"),
        (EVENT_ACK, b"\xf0"),
        (WITH_ACK, b"\xf0\xee\x02"),
    )
    for at, (command, answer) in enumerate(dialogue):
        seq = 0x80 * (at & 1)
        for _ in range(2):  # the host asks twice, the machine answers twice
            driver.overhear(frame(seq, bytes((command,))), at)
            events += driver.feed(frame(seq, answer), at) + driver.poll(at)

    assert [((500, 1),)] * 2 == tallies(events)
    assert b"" == driver.pop_output()


@given(
    st.binary(min_size=1, max_size=60).map(lambda data: data.replace(b"\x01", b"\x7f")),
    st.integers(0, 999),
)
def test_stuffed_frames_are_read_in_any_pieces(data, seed):
    rng = random.Random(seed)
    reader = Reader()
    sent = frame(0x80, data) * 3
    cut = rng.randrange(len(sent))
    got = [reader.data for part in (sent[:cut], sent[cut:]) for byte in part if reader.push(byte)]

    assert [data] * 3 == got


@given(st.binary(max_size=9))
def test_a_frame_after_noise_is_read(noise):
    reader = Reader()
    got = [
        reader.data for byte in noise + b"\0" + frame(0, b"\xf0\xee\x02") * 2 if reader.push(byte)
    ]

    assert b"\xf0\xee\x02" in got


def test_the_frame_after_a_cut_or_wrong_one_is_read():
    reader = Reader()
    good = frame(0, b"\xf0")
    sent = good[:3] + good + good[:-1] + b"\x00" + good

    assert 2 == sum(reader.push(byte) for byte in sent)


@given(st.lists(st.binary(max_size=60), max_size=20))
def test_no_bytes_raise_or_make_money(chunks):
    desk = Desk()
    desk.run(NOTHING)
    for chunk in chunks:
        desk.now_ms += 10
        desk.events += desk.driver.feed(chunk, desk.now_ms) + desk.driver.poll(desk.now_ms)
        desk.driver.pop_output()

    assert [] == tallies(desk.events)
