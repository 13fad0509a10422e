"""Window, acknowledgement, heartbeat and clock of docs/protocol.md on a device: the uplink against
single messages.
"""

from firmware.journal import Journal
from firmware.uplink import Uplink
from must import ACK, CMD, EV, IDENTITY, KEY, LIMITS, STATE, Ram, an_ack, opened, run
from protocol import messages, seal
from protocol.topics import kid, topic


def world(count, size=0, **limits):
    """A journal of epoch 9 with `count` records, and its connected uplink, heartbeat sent."""
    journal = Journal(Ram(4), lambda: 9)
    for seq in range(1, count + 1):
        journal.append(record(seq, size))
    uplink = Uplink(journal, IDENTITY, dict(LIMITS, **limits))
    uplink.connected(0)
    assert uplink.poll(0, 0)[0] == STATE
    return journal, uplink


def record(seq, size=0):
    return b"record %d" % seq + b"." * size


def sent(uplink, now=0):
    """The seqs of all `ev` messages that are due now, in the order they are sent."""
    seqs = []
    while True:
        message = uplink.poll(now, now)
        if message is None:
            return seqs
        if message[0] == EV:
            event = opened(message)
            seqs.extend(range(event["first_seq"], event["first_seq"] + len(event["records"])))


def own_topics():
    journal, uplink = world(40)
    uplink.connected(0)
    names = set()
    for now in range(0, 20000, 100):
        message = uplink.poll(now, now)
        if message:
            names.add(message[0])
    assert names == {EV, STATE}
    assert (uplink.ack_topic, uplink.command_topic) == (ACK, CMD)


def retained(leaf, expected):
    _, uplink = world(40)
    found = set()
    for now in range(0, 20000, 100):
        message = uplink.poll(now, now)
        if message and message[0] == leaf:
            found.add(message[2])
    assert found == {expected}


def other_topics():
    journal, uplink = world(3)
    for name in (topic("city", "w2", "ack"), EV, STATE, "", ACK + "x", "$SYS/x"):
        assert not uplink.message(name, an_ack(3), 0, 0)
        payload = seal.open_seal(an_ack(3), ACK, lambda _: KEY)[1]
        assert not uplink.message(name, seal.seal(KEY, kid("w1", 1), name, payload), 0, 0)
    assert journal.acked == 0


def payload_of(high_water):
    return seal.open_seal(an_ack(high_water), ACK, lambda _: KEY)[1]


def refused_seal(key, key_id, name):
    journal, uplink = world(3)
    assert not uplink.message(ACK, seal.seal(key, key_id, name, payload_of(3)), 0, 0)
    assert journal.acked == 0
    assert uplink.message(ACK, seal.seal(KEY, kid("w1", 1), ACK, payload_of(3)), 0, 0)
    assert journal.acked == 3


def current_kid_alone():
    refused_seal(KEY, kid("w1", 2), ACK)
    refused_seal(KEY, kid("w2", 1), ACK)
    refused_seal(b"x" * 32, kid("w1", 1), ACK)
    journal, uplink = world(3)
    uplink.use_key(b"n" * 32, 2)
    assert not uplink.message(ACK, an_ack(3), 0, 0)
    assert uplink.message(ACK, seal.seal(b"n" * 32, kid("w1", 2), ACK, payload_of(3)), 0, 0)


def own_words_back():
    journal, uplink = world(3)
    events = uplink.poll(0, 0)
    uplink.connected(0)
    state = uplink.poll(0, 0)
    assert (events[0], state[0]) == (EV, STATE)
    for _, sealed, _ in (events, state):
        assert not uplink.message(ACK, sealed, 0, 0)
    assert journal.acked == 0


# ---- ev and state ----


def bytes_of_a_message():
    for size in (10, 85, 86, 200, 283, 284, 431, 432, 700, 788):
        journal, uplink = world(12, size, window_records=16)
        while True:
            message = uplink.poll(0, 0)
            if message is None:
                break
            assert len(message[1]) <= 1024
            assert sum([len(each) + 3 for each in opened(message)["records"]]) <= 880
        assert journal.last_seq == 12


def seqs_of_a_message():
    _, uplink = world(30)
    expected = 1
    while True:
        message = uplink.poll(0, 0)
        if message is None:
            break
        event = opened(message)
        assert event["first_seq"] == expected
        for number, raw in enumerate(event["records"]):
            assert raw == record(expected + number)
        expected += len(event["records"])
    assert expected == 17  # the window's 16


def uptime_of_this_copy():
    _, uplink = world(1)
    for now, uptime_ms in ((0, 70), (900, 970), (3000, 3070)):
        assert opened(uplink.poll(now, uptime_ms))["sent_uptime_ms"] == uptime_ms


def boot_that_sends():
    flash = Ram(4)
    Journal(flash, lambda: 9).append(b"of boot 1")
    journal = Journal(flash, lambda: 9)
    uplink = Uplink(journal, IDENTITY, LIMITS)
    uplink.connected(0)
    assert opened(uplink.poll(0, 0))["boot"] == 2 and opened(uplink.poll(0, 0))["boot"] == 2


def beat(uplink, uptime_ms=5):
    uplink.connected(0)
    return opened(uplink.poll(0, uptime_ms))


def last_and_lowest():
    journal, uplink = world(0)
    assert (beat(uplink)["last_seq"], beat(uplink)["lowest_kept"]) == (0, 0)
    for seq in range(1, 900):
        journal.append(record(seq, 50))
        journal.mark_acked(seq, 1, bytes(32))
    state = beat(uplink)
    assert state["last_seq"] == 899 and state["lowest_kept"] > 100
    assert (
        journal.read(state["lowest_kept"]) is not None
        and journal.read(state["lowest_kept"] - 1) is None
    )


def acked_and_witness():
    journal, uplink = world(9)
    assert (beat(uplink)["acked"], beat(uplink)["ledger_n"], beat(uplink)["ledger_head"]) == (
        0,
        0,
        bytes(32),
    )
    uplink.message(ACK, an_ack(4, ledger_n=70, ledger_head=b"h" * 32), 0, 0)
    uplink.message(ACK, an_ack(3, ledger_n=80, ledger_head=b"x" * 32), 0, 0)  # older: not believed
    state = beat(uplink)
    assert (state["acked"], state["ledger_n"], state["ledger_head"]) == (4, 70, b"h" * 32)


def uptime_of_the_heartbeat():
    _, uplink = world(0)
    assert [beat(uplink, uptime_ms)["uptime_ms"] for uptime_ms in (5, 77, 2**40)] == [5, 77, 2**40]


# ---- window ----


def never_beyond_the_window():
    journal, uplink = world(100)
    assert max(sent(uplink)) == 16
    uplink.message(ACK, an_ack(5), 0, 0)
    assert max(sent(uplink)) == 21
    _, narrow = world(100, window_records=3)
    assert sent(narrow) == [1, 2, 3]


def in_order():
    journal, uplink = world(30)
    assert sent(uplink) == list(range(1, 17))
    uplink.message(ACK, an_ack(16), 0, 0)
    assert sent(uplink) == list(range(17, 31))


def all_again():
    _, uplink = world(5)
    assert (sent(uplink), sent(uplink, 799), sent(uplink, 800)) == (
        [1, 2, 3, 4, 5],
        [],
        [1, 2, 3, 4, 5],
    )
    uplink.message(ACK, an_ack(2), 800, 800)
    assert sent(uplink, 3000) == [3, 4, 5]


def not_before():
    _, uplink = world(5)
    sent(uplink)
    assert [sent(uplink, now) for now in range(0, 800, 10)] == [[]] * 80


def pauses(until):
    _, uplink = world(1, heartbeat_ms=10**9)
    times = [now for now in range(0, until, 100) if sent(uplink, now)]
    return [after - before for before, after in zip(times, times[1:])]


def doubled():
    assert pauses(400000) == [
        800,
        1600,
        3200,
        6400,
        12800,
        25600,
        51200,
        60000,
        60000,
        60000,
        60000,
    ]


def for_ever():
    assert pauses(3600000)[-20:] == [60000] * 20


def short_again():
    _, uplink = world(3)
    for now in range(0, 30000, 100):
        sent(uplink, now)
    uplink.message(ACK, an_ack(1), 30000, 30000)
    times = [now for now in range(30000, 34000, 100) if sent(uplink, now)]
    assert times[0] <= 30800 and times[1] - times[0] <= 1600, times


def anew():
    _, uplink = world(20)
    sent(uplink)
    uplink.message(ACK, an_ack(7), 0, 0)
    sent(uplink)
    uplink.online = False
    uplink.connected(100)
    assert sent(uplink, 100) == list(range(8, 21))


def same_bytes():
    _, uplink = world(5)
    first = opened(uplink.poll(0, 0))
    again = opened(uplink.poll(900, 900))
    assert (first["records"], first["first_seq"]) == (again["records"], again["first_seq"])


def silent_until_subscribed():
    journal = Journal(Ram(4), lambda: 9)
    journal.append(b"x")
    uplink = Uplink(journal, IDENTITY, LIMITS)
    assert [uplink.poll(now, now) for now in range(0, 10000, 500)] == [None] * 20
    uplink.connected(10000)
    uplink.online = False
    assert uplink.poll(20000, 20000) is None


def without_waiting():
    journal, uplink = world(3)
    assert sent(uplink) == [1, 2, 3]
    journal.append(record(4))
    assert sent(uplink, 1) == [4]


def not_what_is_acknowledged():
    _, uplink = world(16)
    assert uplink.poll(0, 0)[0] == EV  # 1 to 12
    uplink.message(ACK, an_ack(14), 0, 0)
    assert sent(uplink) == [15, 16]


# ---- a second board with the same key ----


def status_of(uplink, now):
    uplink.connected(now)
    return opened(uplink.poll(now, now))["status"]


def of_our_record():
    """The fingerprint of our own record is accepted, another is not; eight zeros say nothing."""
    for mark, is_ours in (
        (messages.fingerprint_of(record(4)), True),
        (messages.fingerprint_of(b"another"), False),
        (bytes(8), True),
    ):
        journal, uplink = world(6)
        assert uplink.message(ACK, an_ack(4, fingerprint=mark), 0, 0) == is_ours
        assert journal.acked == (4 if is_ours else 0)
        assert uplink.refused == (not is_ours)


def says_locked():
    for high_water, mark in ((4, b"otherone"), (7, bytes(8))):
        _, uplink = world(6)
        assert status_of(uplink, 0) == "alive"
        uplink.message(ACK, an_ack(high_water, fingerprint=mark), 0, 0)
        assert status_of(uplink, 10) == "locked"


def says_it_no_more():
    _, uplink = world(6)
    uplink.message(ACK, an_ack(4, fingerprint=b"otherone"), 0, 0)
    assert uplink.message(ACK, an_ack(4, fingerprint=messages.fingerprint_of(record(4))), 5, 5)
    assert status_of(uplink, 10) == "alive"


def names_the_one_before():
    journal, uplink = world(16)
    messages_sent = [opened(uplink.poll(0, 0)), opened(uplink.poll(0, 0))]
    assert [each["first_seq"] for each in messages_sent] == [1, 13]
    assert [each["before"] for each in messages_sent] == [
        bytes(8),
        messages.fingerprint_of(record(12)),
    ]


# ---- want ----


def from_want():
    _, uplink = world(12)
    sent(uplink)
    uplink.message(ACK, an_ack(4, want_from=5, want_to=6), 10, 10)
    assert sent(uplink, 10) == list(range(5, 13))


def want_once():
    _, uplink = world(12)
    sent(uplink)
    answers = []
    for now in range(0, 1000, 100):
        uplink.message(ACK, an_ack(4, want_from=5, want_to=6), now, now)
        answers.append(len(sent(uplink, now)) > 0)
    assert answers == [True] + [False] * 7 + [True, False], answers


def want_of_the_gone():
    journal, uplink = world(0)
    for seq in range(1, 900):
        journal.append(record(seq, 50))
        journal.mark_acked(seq, 1, bytes(32))
    uplink.connected(0)
    uplink.poll(0, 0)
    lowest = journal.lowest_kept
    back = lowest - 5
    assert uplink.message(
        ACK, an_ack(back, want_from=back + 1, want_to=899, echo_boot=1, echo_uptime_ms=0), 0, 0
    )
    assert lowest > 100 and sent(uplink) == list(range(lowest, back + 17))


# ---- acknowledgement ----


def judged(acked, taken, high_water, **more):
    """Of 9 records 6 are acknowledged, by an echo of uptime 200. Is this ack accepted at uptime
    400, and what is `acked` then?
    """
    journal, uplink = world(9)
    assert uplink.message(
        ACK, an_ack(6, echo_boot=journal.boot, echo_uptime_ms=200, utc_ms=5000), 0, 300
    )
    refusals = uplink.refused
    assert uplink.message(ACK, an_ack(high_water, **more), 0, 400) == taken
    assert journal.acked == acked and uplink.refused == refusals + (not taken)


def other_epoch():
    judged(6, False, 8, epoch=10)
    judged(6, False, 8, epoch=0)
    judged(8, True, 8)


def above_the_last():
    judged(6, False, 10)
    judged(6, False, 2**32 - 1)
    judged(9, True, 9)


def higher_always():
    judged(8, True, 8, utc_ms=0)
    judged(8, True, 8, utc_ms=1, echo_boot=1, echo_uptime_ms=100)
    judged(8, True, 8, echo_boot=77, echo_uptime_ms=5)
    judged(6, True, 6)


def lower_with_fresh_echo():
    judged(3, True, 3, echo_boot=1, echo_uptime_ms=201)
    judged(3, True, 3, echo_boot=1, echo_uptime_ms=390, utc_ms=0)


def another_boot():
    judged(6, False, 3, echo_boot=2, echo_uptime_ms=390)


def an_older_echo():
    judged(6, False, 3, echo_boot=1, echo_uptime_ms=199)
    judged(6, False, 3, echo_boot=1, echo_uptime_ms=200)


def lower_is_sent_again():
    journal, uplink = world(9)
    sent(uplink)
    uplink.message(ACK, an_ack(9, echo_boot=1, echo_uptime_ms=200), 0, 300)
    assert sent(uplink, 10) == []
    uplink.message(ACK, an_ack(3, echo_boot=1, echo_uptime_ms=300, want_from=4, want_to=9), 20, 400)
    assert sent(uplink, 20) == [4, 5, 6, 7, 8, 9]


def above_the_mark_is_kept():
    journal, uplink = world(0)
    for seq in range(1, 400):
        journal.append(record(seq, 50))
        if seq % 50 == 0:
            uplink.message(ACK, an_ack(seq - 30), 0, 0)
        journal.tidy()
    assert [
        seq for seq in range(journal.acked + 1, 400) if journal.read(seq) != record(seq, 50)
    ] == []
    assert journal.acked == 320


def only_a_sealed_ack():
    journal, uplink = world(9)
    sent(uplink)
    for sealed in (
        b"",
        b"\x00",
        payload_of(9),
        an_ack(9)[:-1],
        an_ack(9) + b"\0",
        bytes(1100),
        uplink.will(5),
    ):
        assert not uplink.message(ACK, sealed, 0, 0)
    assert journal.acked == 0


def refusals_are_counted():
    _, uplink = world(3)
    for number, (name, sealed) in enumerate(
        ((ACK, b""), (EV, an_ack(1)), (ACK, an_ack(9)), (CMD, b"x"), (CMD, an_ack(1))), 1
    ):
        uplink.message(name, sealed, 0, 0)
        assert uplink.refused == number


# ---- heartbeat ----


def first_of_all():
    _, uplink = world(9)
    for now in (50, 100):
        uplink.online = False
        uplink.connected(now)
        assert [uplink.poll(now, now)[0] for _ in range(2)] == [STATE, EV]


def every_period():
    _, uplink = world(0)
    times = [now for now in range(0, 60000, 10) if uplink.poll(now, now)]
    assert times == list(range(5000, 60000, 5000))


def before_records():
    journal, uplink = world(200, window_records=200)
    names = [uplink.poll(now, now)[0] for now in (1, 2, 5000, 5001)]
    assert names == [EV, EV, STATE, EV]


def will():
    _, uplink = world(2)
    payload = seal.open_seal(uplink.will(33), STATE, {kid("w1", 1): KEY}.get)[1]
    state = messages.decode_state(payload)
    assert (state["status"], state["epoch"], state["uptime_ms"], state["last_seq"]) == (
        "lost",
        9,
        33,
        2,
    )
    assert beat(uplink)["status"] == "alive"


# ---- clock ----


def clock(*samples):
    """The estimate at uptime 0 after samples of (utc, echo boot, echo uptime, uptime at
    arrival).
    """
    journal, uplink = world(1)
    for utc_ms, boot, echo_ms, uptime_ms in samples:
        uplink.message(
            ACK, an_ack(1, utc_ms=utc_ms, echo_boot=boot, echo_uptime_ms=echo_ms), 0, uptime_ms
        )
    return uplink.utc_ms(0)


def no_echo_no_time():
    assert (
        clock(),
        clock((9000, 0, 0, 50)),
        clock((9000, 2, 10, 50)),
        clock((9000, 7, 10, 50)),
    ) == (0, 0, 0, 0)
    assert clock((9000, 1, 10, 50)) > 0


def half_the_trip():
    assert clock((10**6, 1, 100, 300)) == 10**6 - 300 + 100


def shortest_counts():
    short, long = (10**6, 1, 100, 120), (2 * 10**6, 1, 100, 500)
    assert clock(short, long) == clock(short) == 10**6 - 120 + 10
    assert clock(long, short) == clock(short)


def old_gives_way():
    short = (10**6, 1, 100, 120)
    late = 120 + 600000
    assert clock(short, (5 * 10**6, 1, late - 500, late)) == clock(short)
    assert clock(short, (5 * 10**6, 1, late - 499, late + 1)) == 5 * 10**6 - (late + 1) + 250


def echo_of_the_future():
    assert clock((10**6, 1, 500, 400)) == 0


UPLINK = (
    ("TOPIC-5", own_topics), ("TOPIC-6", retained, EV, False), ("TOPIC-7", retained, STATE, True),
    ("TOPIC-10", other_topics), ("SEAL-20", current_kid_alone),
    ("SEAL-21", refused_seal, KEY, kid("w1", 1), topic("city", "w2", "ack")),
    ("SEAL-22", own_words_back), ("EV-9", bytes_of_a_message), ("EV-10", seqs_of_a_message),
    ("EV-11", uptime_of_this_copy), ("EV-12", boot_that_sends), ("STATE-6", last_and_lowest),
    ("STATE-7", last_and_lowest), ("STATE-8", acked_and_witness), ("STATE-9", acked_and_witness),
    ("STATE-10", uptime_of_the_heartbeat), ("WIN-1", never_beyond_the_window), ("WIN-2", in_order),
    ("WIN-3", all_again), ("WIN-4", not_before), ("WIN-5", doubled), ("WIN-6", for_ever),
    ("WIN-7", short_again), ("WIN-8", anew), ("WIN-9", same_bytes),
    ("WIN-10", silent_until_subscribed), ("WIN-12", without_waiting),
    ("WIN-13", not_what_is_acknowledged), ("WANT-4", from_want), ("WANT-5", want_once),
    ("WANT-6", want_of_the_gone), ("ACK-28", other_epoch), ("ACK-29", above_the_last),
    ("ACK-30", higher_always), ("ACK-31", lower_with_fresh_echo), ("ACK-32", judged, 6, False, 3),
    ("ACK-33", another_boot), ("ACK-34", an_older_echo), ("ACK-35", lower_is_sent_again),
    ("ACK-36", above_the_mark_is_kept), ("ACK-37", only_a_sealed_ack),
    ("ACK-38", refusals_are_counted), ("EV-14", names_the_one_before), ("EQUIV-14", of_our_record),
    ("EQUIV-15", says_locked), ("EQUIV-16", says_it_no_more), ("HB-1", first_of_all),
    ("HB-2", every_period), ("HB-3", before_records), ("HB-5", will), ("HB-6", will),
    ("CLOCK-1", no_echo_no_time), ("CLOCK-2", half_the_trip), ("CLOCK-3", shortest_counts),
    ("CLOCK-4", old_gives_way), ("CLOCK-5", echo_of_the_future),
)  # fmt: skip


run(UPLINK)
