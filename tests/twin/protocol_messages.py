"""messages and topics: seeded payloads of the three shapes to bytes and back, and their limits."""

from protocol import messages, topics
from protocol.compat import ProtocolError
from seeded import Seeded, digest

U32 = 0xFFFFFFFF
U48 = 0xFFFFFFFFFFFF


def events(source: Seeded) -> bytes:
    records = [source.data(30) for _ in range(1 + source.below(12))]
    first_seq = 1 + source.number(U32 - 1 - len(records))
    epoch = 1 + source.number(U32 - 1)
    raw = messages.encode_events(epoch, source.number(U32), source.number(U48), first_seq, records)
    found = messages.decode_events(raw)
    assert (found["epoch"], found["first_seq"], found["records"]) == (epoch, first_seq, records)
    return raw


def state(source: Seeded) -> bytes:
    heartbeat = {
        "status": source.one_of(messages.STATUS),
        "ledger_head": bytes(source.below(256) for _ in range(32)),
    }
    for name in (
        "epoch",
        "boot",
        "last_seq",
        "lowest_kept",
        "acked",
        "heap_free",
        "heap_low",
        "command",
    ):
        heartbeat[name] = source.number(U32)
    for name in ("uptime_ms", "ledger_n"):
        heartbeat[name] = source.number(U48)
    raw = messages.encode_state(heartbeat)
    assert messages.decode_state(raw) == heartbeat
    return raw


def ack(source: Seeded) -> bytes:
    receipt = {
        "ledger_head": bytes(source.below(256) for _ in range(32)),
        "fingerprint": bytes(source.below(256) for _ in range(8)),
    }
    for name in ("epoch", "high_water", "want_from", "want_to", "echo_boot"):
        receipt[name] = source.number(U32)
    for name in ("ledger_n", "utc_ms", "echo_uptime_ms"):
        receipt[name] = source.number(U48)
    raw = messages.encode_ack(receipt)
    assert messages.decode_ack(raw) == receipt
    return raw


def command(source: Seeded) -> bytes:
    order = {
        "verb": source.one_of(messages.VERBS),
        "nonce": bytes(source.below(256) for _ in range(16)),
    }
    for name in ("epoch", "counter"):
        order[name] = 1 + source.number(U32 - 1)
    order["argument"] = "x" * source.below(65)
    raw = messages.encode_command(order)
    assert messages.decode_command(raw) == order
    return raw


def main():
    for encode, decode in (
        (events, messages.decode_events),
        (state, messages.decode_state),
        (ack, messages.decode_ack),
        (command, messages.decode_command),
    ):
        out = []
        for seed in range(25):
            raw = encode(Seeded(seed))
            out.append(raw)
            broken = bytearray(raw)
            broken[Seeded(seed + 1000).below(len(raw))] ^= 0x55
            try:
                out.append(repr(sorted(decode(bytes(broken)))).encode())
            except ProtocolError as error:
                out.append(str(error).encode())
        print(digest(out))
    for leaf in topics.LEAVES:
        print(topics.parse_topic(topics.topic("hall", "w1", leaf)), topics.kid("w1", 7))


main()
