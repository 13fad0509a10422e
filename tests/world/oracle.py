"""What must hold, always and at the end: the invariants I1 to I7, checked from outside."""

from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Any

from gateway.delivery import recording
from gateway.delivery.outcomes import AcceptedEvents, Rejected
from gateway.facts.records import SeenRecord
from gateway.store.ledger import Ledger
from protocol import cbor, messages
from tests.world.log import LogBroken

if TYPE_CHECKING:
    from tests.world.parts import Board, Pile
    from tests.world.places import Witness
    from tests.world.world import World


_CURSOR = "SELECT high_water, records, fingerprint FROM cursor WHERE device = ? AND epoch = ?"
_GAPS = (
    "SELECT coalesce(sum(to_seq - from_seq + 1), 0), coalesce(max(to_seq), 0) FROM gap"
    " WHERE device = ? AND epoch = ?"
)

READ_EVERY = 40  # of the records: looked for by time
_LOCKED = "SELECT locked FROM cursor WHERE device = ? AND epoch = ?"
LATE = (
    "replay",
    "cross-topic",
    "broker shuffles",
)  # faults after which an old message comes as a new one
COPY_KINDS = (
    "equivocation",
    "closed_epoch",
    "retired_key",
)  # what a person reads when two boards have one name


class Broken(AssertionError):
    """An invariant does not hold."""


def committed(world: "World", device: str, epoch: int) -> int:
    """The high_water of a stream as another connection sees it."""
    query = "SELECT high_water FROM cursor WHERE device = ? AND epoch = ?"
    row = world.witness.execute(query, (device, epoch)).fetchone()
    return row[0] if row else 0


def is_known(world: "World", device: str, epoch: int) -> bool:
    """Whether the ledger has heard of this life; its gateway may be down."""
    if world.gateway_up:
        return _has_stream(world.witness, device, epoch)
    with closing(world.place.witness()) as db:
        return _has_stream(db, device, epoch)


def _has_stream(db: "Witness", device: str, epoch: int) -> bool:
    query = "SELECT count(*) FROM cursor WHERE device = ? AND epoch = ?"
    return bool(db.execute(query, (device, epoch)).fetchone()[0])


def let_in(world: "World", arrived: list[tuple[str, bytes, bool]], batch: list[Any]) -> None:
    """I3: a message is accepted only if a board sent exactly these bytes on this topic, and events
    never from the broker's memory.
    """
    for (topic, sealed, is_retained), outcome in zip(arrived, batch, strict=True):
        if isinstance(outcome, Rejected):
            continue
        if (topic, sealed) not in world.sealed:
            raise Broken(f"I3: accepted on {topic} what no board said there")
        if is_retained and isinstance(outcome, AcceptedEvents):
            raise Broken(f"I3: accepted events on {topic} that the broker had kept")


def durable(world: "World", batch: list[Any], answers: list[tuple[str, bytes]]) -> None:
    """I5: what an answer promises is committed, as another connection sees it; I4 and I7 for
    everything that the batch touched.
    """
    # one transaction that reads: SQLite takes and gives its locks once, not for every question
    world.witness.execute("BEGIN")
    try:
        _durable(world, batch, answers)
    finally:
        world.witness.execute("ROLLBACK")


def _durable(world: "World", batch: list[Any], answers: list[tuple[str, bytes]]) -> None:
    catch_up(world)
    for key in {_stream(outcome) for outcome in batch if not isinstance(outcome, Rejected)}:
        _fits(world, key)
    for key in {_stream(outcome) for outcome in batch if not isinstance(outcome, Rejected)}:
        _is_released(world, key, batch)
    rows = world.witness.execute("SELECT count(*) FROM quarantine").fetchone()[0]
    if rows > recording.QUARANTINE_ROWS_SEALED:
        raise Broken(f"I7: {rows} rows in quarantine")
    for topic, sealed in answers:
        if not topic.endswith("/ack"):
            continue
        name = topic.split("/")[3]
        ack = messages.decode_ack(cbor.decode(sealed)[2])  # this very commit may have ended the key
        have = committed(world, name, ack["epoch"])
        if ack["high_water"] > have:
            raise Broken(f"I5: {name} is told {ack['high_water']}, committed is {have}")
        if world.log.heads[ack["ledger_n"]] != ack["ledger_head"]:
            raise Broken(f"I5: {name} is told another head of entry {ack['ledger_n']}")
        world.counts["acks"] += 1


def _fits(world: "World", key: tuple[str, int]) -> None:
    """I4: mark, number and fingerprint of a stream are what the log and the gaps say."""
    row = world.witness.execute(_CURSOR, key).fetchone()
    have, records, fingerprint = row or (0, 0, bytes(8))
    world.promised[key] = max(world.promised.get(key, 0), have)
    count, last = world.log.streams.get(key, (0, 0))
    missing, gap_end = world.witness.execute(_GAPS, key).fetchone()
    body = world.log.bodies.get((*key, have))
    mark = messages.fingerprint_of(body) if body else bytes(8)
    if (
        max(last, gap_end) > have
        or count + missing < have
        or (records, fingerprint) != (count, mark)
    ):
        raise Broken(
            f"I4: {key}: mark {have} over {records} records with {fingerprint.hex()}; {count}"
            f" records up to {last}, {missing} in gaps, {mark.hex()}"
        )


def held(world: "World", device: str) -> tuple[int, int]:
    """How many records of a device were held, as its stream is locked, and how many of its messages
    were refused.
    """
    query = "SELECT coalesce(sum(value), 0) FROM counter WHERE device = ? AND name = ?"
    counts = [
        world.witness.execute(query, (device, name)).fetchone()[0] for name in ("held", "rejected")
    ]
    return counts[0], counts[1]


def _is_released(world: "World", key: tuple[str, int], batch: list[Any]) -> None:
    """What a person released is taken, unless it is refused for a new reason. A board that sees its
    copy may say so in a heartbeat, which comes after the records of its batch, and locks it again.
    """
    before = world.released.pop(key, None)
    if before is None:
        return
    now = held(world, key[0])
    if any(isinstance(each, AcceptedEvents) and _stream(each) == key for each in batch):
        if now[0] > before[0] and now[1] == before[1]:
            raise Broken(f"{key} was released, and is held all the same")
        return
    if not world.witness.execute(_LOCKED, key).fetchone()[0]:
        world.released[key] = before


def catch_up(world: "World") -> None:
    """Read on in the log, as another connection sees it."""
    try:
        world.log.catch_up(world.witness)
    except LogBroken as error:
        raise Broken(str(error)) from error


def _stream(outcome: Any) -> tuple[str, int]:
    return outcome.device, (
        outcome.events.epoch if isinstance(outcome, AcceptedEvents) else outcome.state["epoch"]
    )


def believed(world: "World", board: "Board", acked: int) -> None:
    """I5: what a device believes safe was committed under its name. Only a restore may have lost it
    since.
    """
    epoch = board.core.journal.epoch
    if acked > world.promised.get((board.name, epoch), 0):
        raise Broken(f"I5: {board.name} believes {acked}, which was never committed")
    if (
        world.gateway_up
        and not world.counts["restored"]
        and acked > (have := committed(world, board.name, epoch))
    ):
        raise Broken(f"I5: {board.name} believes {acked}, the ledger holds {have}")


def started(board: "Board") -> None:
    """A start knows no more than was known before, and it is counted, as long as the journal has
    room to write that.
    """
    journal = board.core.journal
    if journal.acked > board.marks.get(journal.epoch, 0):
        raise Broken(
            f"I5: {board.name} starts with mark {journal.acked}, was told"
            f" {board.marks.get(journal.epoch, 0)}"
        )
    boot, room = board.boots.get(journal.epoch, (0, 1))
    if journal.boot <= boot and room and journal.room():
        raise Broken(f"start {journal.boot} of {board.name} was there before")
    board.boots[journal.epoch] = (journal.boot, journal.room())


def obeyed(board: "Board", done: list[Any]) -> None:
    """A command is done once."""
    if not done:
        return
    epoch = board.core.journal.epoch
    if (epoch, done[0]) in board.obeyed:
        raise Broken(f"{board.name} obeys command {done[0]} again")
    board.obeyed.add((epoch, done[0]))


def recorded(world: "World", record: Any) -> None:
    """I3: the ledger accepts only what a board of that name said."""
    key = (record.device, record.epoch, record.seq)
    if key not in world.log.bodies:  # what the log once held, it holds
        catch_up(world)
    if world.log.bodies.get(key) not in world.said.get(key, ()):
        world.counts["foreign"] += 1
        world.note(f"foreign {record}")


def is_calm(world: "World") -> bool:
    """Everything counted is acknowledged and nothing is on its way."""
    if not world.gateway_up or world.queue:
        return False
    if any(board.is_clone and not board.is_gone for board in world.boards):
        return False  # a copy at work is found in the end (mending.supervise)
    for board in world.boards:
        if board.is_gone:
            continue
        if not board.is_powered or not board.is_connected:
            return False
        journal = board.core.journal
        if board.piles and not board.piles[-1].taken:
            return False
        if (
            journal.acked != journal.last_seq
            or board.core.controller.refused
            or len(world.keys.all(board.name)) != 1
        ):
            return False
        if world.ledger.high_water(board.name, journal.epoch) != journal.last_seq:
            return False
    return True


def where(world: "World") -> str:
    """How far each board is, for a person who reads that it did not converge."""
    return "; ".join(
        f"{board.name} powered {board.is_powered} connected {board.is_connected} last"
        f" {board.core.journal.last_seq} acked {board.core.journal.acked} ledger"
        f" {world.ledger.high_water(board.name, board.core.journal.epoch)} keys"
        f" {[key.number for key in world.keys.all(board.name)]} piles {len(board.piles)} open"
        f" {sum(not pile.taken for pile in board.piles)}"
        for board in world.boards
        if not board.is_gone
    )


def judge(world: "World") -> list[str]:
    """What is wrong at the end."""
    ledger = world.ledger
    gaps = ledger.gaps()
    read = set(world.read) | {(row["kind"], row["device"]) for row in ledger.incidents()}
    gone = {(gap["device"], gap["epoch"]) for gap in gaps}
    catch_up(world)
    records = list(ledger.records())
    wrong = _judge_piles(world, records, gaps, read)
    wrong += _judge_reading(world, records)
    if world.counts["foreign"]:
        wrong.append(f"I3: {world.counts['foreign']} records that no board said")
    wrong += _judge_gaps(world, gaps)
    wrong += _judge_speakers(world, gone)
    wrong += _judge_lives(world, records, gone, read)
    wrong += _judge_calls(world, read)
    findings = ledger.verify()
    if world.counts["restored"]:  # a board that a lost ledger acknowledged says so, and is right
        findings = [finding for finding in findings if finding.kind != "witness"]
    wrong += [f"I4: {finding.text}" for finding in findings[:3]]
    if gaps and not world.counts["restored"]:
        wrong.append(
            f"I1: {len(gaps)} gaps though no ledger ever forgot anything: what was not acknowledged"
            " is gone"
        )
    world.counts["gap records"] += sum(gap["to_seq"] - gap["from_seq"] + 1 for gap in gaps)
    return wrong


def _judge_reading(world: "World", records: list[SeenRecord]) -> list[str]:
    """I2: who reads the ledger, whole or by time, gets each record of the log once."""
    read = Counter((each.device, each.epoch, each.seq) for each in records)
    wrong = []
    if read != dict.fromkeys(world.log.bodies, 1):
        odd = sorted(key for key in read.keys() | world.log.bodies.keys() if read[key] != 1)
        wrong.append(f"I2: {len(odd)} records are not read once: {odd[:3]}")
    for record in records[::READ_EVERY]:
        at_ms = record.occurred_ms
        if record not in world.ledger.records(at_ms, at_ms + 1, record.device):
            wrong.append(f"I1: {record.device} seq {record.seq} is not read at its time")
    return wrong


def _judge_piles(
    world: "World",
    records: list[SeenRecord],
    gaps: list[dict[str, Any]],
    read: set[tuple[str, str]],
) -> list[str]:
    """I1 and I2: a count that the cashier heard confirmed is in the ledger once, or a person was
    told that nobody can know.
    """
    wrong = []
    found: dict[str, list[tuple[str, int, int]]] = {}
    for record in records:
        if record.kind == "tally":
            found.setdefault(record.fields["batch_id"], []).append(
                (record.device, record.epoch, record.seq)
            )
    epochs = {(row["device"], row["epoch"]) for row in world.ledger.cursors()}
    for board in world.boards:
        for pile in board.piles:
            places = [place for each in pile.tries for place in found.get(each, [])]
            if len(places) > 1:
                world.counts["twice"] += 1
                wrong.append(f"I2: pile {pile.tries} stands {len(places)} times: {places}")
            if not pile.taken or places:
                continue
            world.counts["missing"] += 1
            if _is_told(world, board, pile, gaps, read):
                world.counts["missing and said"] += 1
            elif (board.name, pile.epoch) in world.unheard or (
                (board.name, pile.epoch) not in epochs and board.name in world.wiped
            ):
                world.counts["unheard"] += (
                    # the ledger knew nothing of that life when its flash was wiped: nobody can know
                    1
                )
            else:
                world.counts["lost"] += 1
                wrong.append(
                    f"I1: pile {pile.taken} (epoch {pile.epoch} seq {pile.seq}) is nowhere and"
                    " nobody said so"
                )
    return wrong


def _is_told(
    world: "World",
    board: "Board",
    pile: "Pile",
    gaps: list[dict[str, Any]],
    read: set[tuple[str, str]],
) -> bool:
    """Whether a person knows that this pile is missing."""
    stream = (board.name, pile.epoch)
    if stream in world.excused:
        return True
    if any(
        (gap["device"], gap["epoch"]) == stream and gap["from_seq"] <= pile.seq <= gap["to_seq"]
        for gap in gaps
    ):
        return True
    ended = world.closed | tails(world.ledger)
    # if a ledger hears an older life later, it thinks that this life is newer, and calls a person
    # when both speak
    if board.name in world.wiped and ("closed_epoch", board.name) in read:
        return True
    if (
        board.name in world.clones
    ):  # then nobody knows where the tail began: it is enough that a person was called
        return stream in ended or any(
            (kind, board.name) in read for kind in (*COPY_KINDS, "tail_unknown")
        )
    return ("tail_unknown", board.name) in read and pile.seq > ended.get(stream, 1 << 32)


def _judge_calls(world: "World", read: set[tuple[str, str]]) -> list[str]:
    """No person is called for something that did not happen."""
    wrong = []
    kinds = {kind for kind, _ in read}
    if {"ledger_differs", "chain_broken"} & kinds and not world.counts["restored"]:
        wrong.append("a witness disagrees though nobody touched the ledger")
    lives = (
        {device for kind, device in read if kind in ("tail_unknown", "closed_epoch")}
        - world.wiped
        - world.clones
    )
    if lives:
        wrong.append(f"another life is claimed of {lives}, which had one")
    copies = {device for kind, device in read if kind == "equivocation"} - world.clones
    if copies:
        wrong.append(f"two boards with one key are claimed of {copies}, which nobody copied")
    return wrong


def tails(ledger: Ledger) -> dict[tuple[str, int], int]:
    """{(device, epoch): high_water} of lives that a newer one has closed: what came after it is
    unknown, and the ledger said so.
    """
    return {
        (row["device"], row["epoch"]): row["high_water"]
        for row in ledger.cursors()
        if not row["current"]
    }


def _judge_lives(
    world: "World",
    records: list[SeenRecord],
    gone: set[tuple[str, int]],
    read: set[tuple[str, str]],
) -> list[str]:
    """A board that refused counts said how many, and the ledger knows which life of a board is the
    current one.
    """
    wrong = []
    refused: Counter[tuple[str, int, int]] = (
        Counter()
    )  # (device, epoch, boot): refusals that it stated
    for record in records:
        if record.kind == "instrument" and record.fields["condition"] == "full":
            refused[record.device, record.epoch, record.fields["boot"]] += int(
                record.fields["detail"].split()[0]
            )
    current = {(row["device"], row["epoch"]) for row in world.ledger.cursors() if row["current"]}
    for board in world.boards:
        if board.is_gone:
            continue
        journal = board.core.journal
        told = refused[board.name, journal.epoch, journal.boot]
        if board.refused > told and (board.name, journal.epoch) not in gone:
            wrong.append(f"{board.name} refused {board.refused} counts and told of {told}")
        if (board.name, journal.epoch) in current or world.counts["restored"]:
            continue
        # an older life that comes late, or lives on in a copy, is news to who never heard of it:
        # then a person is called
        is_told = bool({("tail_unknown", board.name), ("closed_epoch", board.name)} & read)
        is_late = any(world.struck[fault] for fault in LATE) or board.name in world.clones
        if not (is_told and is_late):
            wrong.append(
                f"{board.name} lives in epoch {journal.epoch}, the ledger takes another one for the"
                " current"
            )
    return wrong


def _judge_speakers(world: "World", gone: set[tuple[str, int]]) -> list[str]:
    """I3: one stream is what one board said, never a mixture of a board and its copy."""
    wrong = []
    speakers: dict[tuple[str, int], set[int]] = {}
    for (device, epoch, seq), body in sorted(world.log.bodies.items()):
        boards = world.said[device, epoch, seq].get(body, set())
        key = (device, epoch)
        if key in gone or not (left := speakers.get(key, boards) & boards):
            if key not in gone:
                wrong.append(
                    f"I3: {device} epoch {epoch} is of one board up to seq {seq - 1} and of its"
                    " copy from there on"
                )
                gone = gone | {key}
            continue
        speakers[key] = left
    return wrong


def _judge_gaps(world: "World", gaps: list[dict[str, Any]]) -> list[str]:
    """A gap is written only for records that no board holds any more at that time. Otherwise the
    money is there, and the ledger says it is gone.
    """
    wrong = []
    for gap in gaps:
        held = {
            seq
            for board in world.boards
            if board.name == gap["device"]
            and not board.is_gone
            and board.core.journal.epoch == gap["epoch"]
            for seq in range(gap["from_seq"], gap["to_seq"] + 1)
            if board.core.journal.read(seq) is not None
        }
        if held and (gap["device"], gap["epoch"]) not in world.excused:
            wrong.append(
                f"gap {gap['from_seq']} to {gap['to_seq']} of {gap['device']} holds records that"
                " the board still has"
            )
    return wrong
