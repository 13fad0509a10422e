"""What holds for every value and every byte string, not only for the chosen ones."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from protocol import cbor, messages, records, seal
from protocol.compat import ProtocolError
from tests.protocol.strategies import U32, U48, any_record

KEY = bytes(range(32))
TOPIC = "till/1/hall/w1/ev"

values = st.recursive(
    st.integers(-(2**64), 2**64 - 1) | st.binary(max_size=40) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.integers(0, 2**64 - 1), inner, max_size=5)
    ),
    max_leaves=12,
)


@st.composite
def damaged(draw, raw: bytes):
    """The bytes with one to three changed, put in or taken out."""
    out = bytearray(raw)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(out)))
        change = draw(st.integers(0, 2))
        out[at : at + (change != 1)] = (
            draw(st.binary(min_size=1, max_size=1)) if change != 2 else b""
        )
    return bytes(out)


def is_refused_or_canonical(data: bytes, decode, encode) -> None:
    """The heart of strictness: bytes that are taken are exactly the bytes that the encoder writes
    for that value.
    """
    try:
        value = decode(data)
    except ProtocolError:
        return
    assert data == encode(value)


@given(values)
def test_value_survives_the_round_trip(value):
    try:
        raw = cbor.encode(value)
    except cbor.CborError as error:
        assert "nested deeper" in str(error) or "bytes, limit" in str(error)
        return

    assert value == cbor.decode(raw)


@pytest.mark.must("ENC-32")
@settings(max_examples=300)
@given(st.binary(max_size=60))
@example(b"\xa2\x01\x00\x01\x00")
def test_random_bytes_are_refused_or_canonical(data):
    is_refused_or_canonical(data, cbor.decode, cbor.encode)


@pytest.mark.must("ENC-32")
@settings(max_examples=300)
@given(st.data(), values)
def test_damaged_value_is_refused_or_canonical(data, value):
    try:
        raw = cbor.encode(value)
    except cbor.CborError:
        return

    is_refused_or_canonical(data.draw(damaged(raw)), cbor.decode, cbor.encode)


@settings(max_examples=200)
@given(any_record())
def test_record_survives_the_round_trip(record):
    try:
        raw = records.encode_record(record)
    except ProtocolError as error:
        assert "limit 800" in str(error) or "limit 1024" in str(error)
        return

    assert record == records.decode_record(raw)


@settings(max_examples=300)
@given(st.data(), any_record())
def test_damaged_record_is_refused_or_canonical(data, record):
    try:
        raw = records.encode_record(record)
    except ProtocolError:
        return

    is_refused_or_canonical(data.draw(damaged(raw)), records.decode_record, records.encode_record)


@given(
    st.integers(1, 0xFFFFFFFF),
    U32,
    U48,
    st.integers(1, 0xFFFFFF00),
    st.lists(st.binary(max_size=10), min_size=1, max_size=60),
)
def test_events_survive_the_round_trip(epoch, boot, sent_uptime_ms, first_seq, raws):
    expected = {
        "epoch": epoch, "boot": boot, "sent_uptime_ms": sent_uptime_ms, "first_seq": first_seq,
        "records": raws, "before": bytes(8),
    }  # fmt: skip

    assert expected == messages.decode_events(messages.encode_events(**expected))


@given(
    st.data(),
    st.sampled_from(messages.STATUS),
    st.binary(min_size=32, max_size=32),
    st.lists(U32, min_size=8, max_size=8),
)
def test_damaged_state_is_refused_or_canonical(data, status, head, numbers):
    names = (
        "epoch",
        "boot",
        "last_seq",
        "lowest_kept",
        "acked",
        "heap_free",
        "heap_low",
        "command",
    )
    state = dict(zip(names, numbers, strict=True)) | {
        "status": status,
        "ledger_head": head,
        "uptime_ms": 5,
        "ledger_n": 7,
    }
    raw = messages.encode_state(state)

    assert state == messages.decode_state(raw)
    is_refused_or_canonical(data.draw(damaged(raw)), messages.decode_state, messages.encode_state)


@given(
    st.data(),
    st.sampled_from(messages.VERBS),
    st.binary(min_size=16, max_size=16),
    st.text(max_size=16),
    U32,
)
def test_damaged_command_is_refused_or_canonical(data, verb, nonce, argument, number):
    command = {
        "epoch": number or 1,
        "counter": 1 + number // 2,
        "nonce": nonce,
        "verb": verb,
        "argument": argument,
    }
    raw = messages.encode_command(command)

    assert command == messages.decode_command(raw)
    is_refused_or_canonical(
        data.draw(damaged(raw)), messages.decode_command, messages.encode_command
    )


@pytest.mark.must("SEAL-16")
@given(st.data(), st.binary(max_size=200))
def test_damaged_seal_never_opens(data, payload):
    sealed = seal.seal(KEY, b"w1.1", TOPIC, payload)
    broken = data.draw(damaged(sealed))

    if broken == sealed:
        assert (b"w1.1", payload) == seal.open_seal(broken, TOPIC, {b"w1.1": KEY}.get)
    else:
        with pytest.raises(seal.SealError):
            seal.open_seal(broken, TOPIC, {b"w1.1": KEY}.get)


@pytest.mark.must("SEAL-11")
@given(st.text(alphabet="abc019-", min_size=1, max_size=24), st.binary(max_size=50))
def test_seal_holds_for_its_topic_only(device, payload):
    sealed = seal.seal(KEY, b"w1.1", f"till/1/hall/{device}/ev", payload)

    with pytest.raises(seal.SealError):
        seal.open_seal(sealed, f"till/1/hall/{device}/ack", {b"w1.1": KEY}.get)


@pytest.mark.must("EV-9", "REC-19")
def test_full_event_message_fits_under_the_seal():
    """EVENT_BYTES_MAX counts 3 bytes a record on top of its own; the widest header and kid still
    fit in one MQTT message.
    """
    for size in (11, 37, 200, records.RECORD_BYTES_MAX):
        count = min(messages.EVENT_BYTES_MAX // (size + 3), cbor.ITEMS_MAX)
        payload = messages.encode_events(
            0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFFFFFF, 0xFFFFFFFF, [b"r" * size] * count
        )
        sealed = seal.seal(KEY, b"d" * 24 + b".4294967295", "till/1/hall/w1/ev", payload)

        assert len(sealed) <= seal.MESSAGE_BYTES_MAX


@pytest.mark.must("ENC-28")
def test_values_without_a_place_are_refused():
    for value in (
        True,
        None,
        1.5,
        {"a": 1},
        {-1: 1},
        {True: 1},
        {1: 2, "a": 3},
        {1, 2},
        2**64,
        -(2**64) - 1,
        "\ud800",
    ):
        with pytest.raises(cbor.CborError):
            cbor.encode(value)
