"""A connection to the broker as its two clocks see it, without a socket: it is kept alive, and
given up when the broker is silent or refuses us.
"""

import pytest

from gateway.delivery import mqtt
from gateway.delivery.connection import (
    OPEN_MS,
    Connection,
    Hello,
    NotLetIn,
    NotSubscribed,
    Silent,
)
from gateway.delivery.mqtt import MqttBroken
from tests.delivery.fake_broker import CONNACK, PINGRESP, publish, suback

KEEPALIVE_MS = 30_000
HELLO = Hello("me", ("a", "b"), KEEPALIVE_MS // 1000)


def taken(connection: Connection, data: bytes, now_ms: int = 0):
    connection.feed(data, now_ms)
    return connection.take(100, 10_000)


def let_in() -> Connection:
    """Subscribed at 0, with nothing left to send."""
    connection = Connection(HELLO, 0)
    taken(connection, CONNACK + suback())
    connection.pop_output(0)
    return connection


def test_it_connects_and_then_subscribes() -> None:
    connection = Connection(HELLO, 0)
    first = connection.pop_output(0)
    taken(connection, CONNACK)

    assert mqtt.connect("me", 30, None, None) == first
    assert (True, False) == (connection.is_let_in, connection.is_in)
    assert mqtt.subscribe(1, ("a", "b")) == connection.pop_output(0)
    taken(connection, suback())
    assert connection.is_in


@pytest.mark.parametrize(
    ("code", "words"),
    [(1, "3.1.1"), (2, "client id"), (3, "not ready"), (4, "password"), (5, "not auth"), (9, "9")],
)
def test_a_refusal_says_why(code: int, words: str) -> None:
    with pytest.raises(NotLetIn, match=words):
        taken(Connection(HELLO, 0), b"\x20\x02\x00" + bytes((code,)))


@pytest.mark.parametrize("codes", [b"\x01\x80", b"\x80\x80", b"\x00\x01", b"\x02\x01"])
def test_a_subscription_that_is_not_granted_with_qos_1_ends_it(codes: bytes) -> None:
    with pytest.raises(NotSubscribed, match="QoS 1"):
        taken(Connection(HELLO, 0), CONNACK + suback(codes=codes))


@pytest.mark.parametrize(
    "data", [publish("a", b"x", 1), suback(), CONNACK + CONNACK, CONNACK + suback(codes=b"\x01")]
)
def test_packets_out_of_their_turn_end_it(data: bytes) -> None:
    with pytest.raises(MqttBroken):
        taken(Connection(HELLO, 0), data)


def test_messages_may_come_before_the_subscription_is_confirmed() -> None:
    connection = Connection(HELLO, 0)

    assert 1 == len(taken(connection, CONNACK + publish("a", b"x", 1)))


def test_a_broker_that_never_answers_connect_is_given_up() -> None:
    connection = Connection(HELLO, 0)
    connection.tick(OPEN_MS - 1, True)
    with pytest.raises(Silent, match="10 s"):
        connection.tick(OPEN_MS, True)


def test_a_broker_that_never_confirms_the_subscription_is_given_up() -> None:
    connection = Connection(HELLO, 0)
    taken(connection, CONNACK, 5_000)
    with pytest.raises(Silent):
        connection.tick(OPEN_MS, True)


def test_a_quiet_line_is_asked_and_an_answer_is_enough() -> None:
    connection, sent = let_in(), []
    for now_ms in range(0, 10 * KEEPALIVE_MS, 500):
        connection.tick(now_ms, True)
        data = connection.pop_output(now_ms)
        if data:
            assert mqtt.PINGREQ == data
            sent.append(now_ms)
            taken(connection, PINGRESP, now_ms + 20)

    assert 15_000 == sent[0]
    assert all(after - before <= 15_500 for before, after in zip(sent, sent[1:], strict=False))


def test_a_line_that_is_dead_is_given_up_within_a_keep_alive_time_of_the_question() -> None:
    connection = let_in()
    connection.tick(KEEPALIVE_MS // 2, True)
    connection.tick(KEEPALIVE_MS * 3 // 2 - 1, True)
    with pytest.raises(Silent, match="30 s"):
        connection.tick(KEEPALIVE_MS * 3 // 2, True)


def test_who_only_receives_still_says_something_every_half_keep_alive_time() -> None:
    connection, sent = let_in(), []
    for now_ms in range(0, 4 * KEEPALIVE_MS, 500):
        taken(connection, publish("a", b"x"), now_ms)
        connection.tick(now_ms, True)
        if connection.pop_output(now_ms):
            sent.append(now_ms)

    assert [15_000 * number for number in range(1, 8)] == sent


def test_while_nothing_is_read_the_broker_hears_from_us_and_no_answer_is_missed() -> None:
    connection, sent = let_in(), []
    for now_ms in range(0, 20 * KEEPALIVE_MS, 500):
        connection.tick(now_ms, False)
        if connection.pop_output(now_ms):
            sent.append(now_ms)

    assert [15_000 * number for number in range(1, 40)] == sent
    connection.tick(now_ms + KEEPALIVE_MS - 1, True)
    with pytest.raises(Silent):
        connection.tick(now_ms + KEEPALIVE_MS, True)


def test_packet_ids_begin_again_after_65535() -> None:
    connection = let_in()
    ids = set()
    for _ in range(65_536):
        connection.publish_confirmed("t", b"")
        ids.add(int.from_bytes(connection.pop_output(0)[-2:], "big"))

    assert (65_535, 1, 65_535) == (len(ids), min(ids), max(ids))
