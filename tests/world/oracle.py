"""What must hold, always and at the end: the invariants I1 to I7, looked at from outside."""

from typing import TYPE_CHECKING, Any

from gateway.ledger import Ledger
from gateway.recording import QUARANTINE_ROWS_SEALED
from protocol import cbor, messages

if TYPE_CHECKING:
    from world.parts import Board
    from world.world import World


class Broken(AssertionError):
    """An invariant does not hold."""


def committed(world: "World", device: str, epoch: int) -> int:
    """The mark of a stream as another connection sees it."""
    query = "SELECT high_water FROM cursor WHERE device = ? AND epoch = ?"
    row = world.witness.execute(query, (device, epoch)).fetchone()
    return row[0] if row else 0


def durable(world: "World", answers: list[tuple[str, bytes]]) -> None:
    """I5: what an answer promises is committed, as another connection sees it."""
    for topic, sealed in answers:
        if not topic.endswith("/ack"):
            continue
        name = topic.split("/")[3]
        ack = messages.decode_ack(cbor.decode(sealed)[2])  # whose key it is may have ended in this very commit
        have = committed(world, name, ack["epoch"])
        if ack["high_water"] > have:
            raise Broken(f"I5: {name} is told {ack['high_water']}, committed is {have}")
        world.counts["acks"] += 1


def believed(world: "World", board: "Board", acked: int) -> None:
    """I5: what a device takes for safe is in the ledger under its name, or was said to be missing."""
    epoch = board.core.journal.epoch
    if not world.gateway_up or board.name in world.excused:
        return
    have = committed(world, board.name, epoch)
    if acked > have and not world.counts["restored"]:
        raise Broken(f"I5: {board.name} believes {acked}, the ledger holds {have}")


def started(board: "Board") -> None:
    """A start knows no more than was known, and is counted, as long as the journal has room for a word."""
    journal = board.core.journal
    if journal.acked > board.marks.get(journal.epoch, 0):
        raise Broken(f"I5: {board.name} starts with mark {journal.acked}, was told {board.marks.get(journal.epoch, 0)}")
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
    """I3: the ledger takes only what a board of that name said."""
    bodies = world.said.get((record.device, record.epoch, record.seq), ())
    row = world.ledger.db.execute(
        "SELECT body FROM record WHERE device = ? AND epoch = ? AND seq = ?", (record.device, record.epoch, record.seq)
    ).fetchone()
    if row is None or bytes(row[0]) not in bodies:
        world.counts["foreign"] += 1
        world.note(f"foreign {record}")


def judge(world: "World") -> list[str]:
    """What is wrong at the end."""
    wrong = []
    found: dict[str, list[tuple[str, int, int]]] = {}
    ledger = world.ledger
    for record in ledger.records():
        if record.kind == "tally":
            found.setdefault(record.fields["batch_id"], []).append((record.device, record.epoch, record.seq))
    gaps = ledger.gaps()
    incidents = ledger.incidents()
    epochs = {(row["device"], row["epoch"]) for row in ledger.cursors()}
    ended = world.closed | tails(ledger)
    read = world.read + [(row["kind"], row["device"]) for row in incidents]
    called = {device for kind, device in read if kind == "equivocation"}
    two_lives = {device for kind, device in read if kind == "closed_epoch"}
    told = {device for kind, device in read if kind == "tail_unknown"}
    for board in world.boards:
        for pile in board.piles:
            places = [place for each in pile.tries for place in found.get(each, [])]
            if len(places) > 1:
                world.counts["twice"] += 1
                wrong.append(f"I2: pile {pile.tries} stands {len(places)} times: {places}")
            if not pile.taken or places:
                continue
            world.counts["missing"] += 1
            in_gap = any(
                gap["device"] == board.name and gap["epoch"] == pile.epoch and gap["from_seq"] <= pile.seq <= gap["to_seq"]
                for gap in gaps
            )
            in_tail = board.name in told and pile.seq > ended.get((board.name, pile.epoch), 1 << 32)
            # with a clone about, where the tail began is anybody's guess: that a person was called is enough
            if board.name in world.clones:
                in_tail = board.is_gone or board.name in called or (board.name, pile.epoch) in ended
            # a ledger that hears an older life later takes it for the newer one, and calls a person when both speak
            in_tail = in_tail or (board.name in world.wiped and board.name in two_lives)
            if in_gap or in_tail or board.name in world.excused:
                world.counts["missing and said"] += 1
            elif (board.name, pile.epoch) not in epochs and board.name in world.wiped:
                world.counts["unheard"] += 1  # this ledger never heard of that life, and its flash is gone: nobody can know
            else:
                world.counts["lost"] += 1
                wrong.append(f"I1: pile {pile.taken} (epoch {pile.epoch} seq {pile.seq}) is nowhere and nobody said so")
    if world.counts["foreign"]:
        wrong.append(f"I3: {world.counts['foreign']} records that no board said")
    wrong += _judge_gaps(world, gaps)
    findings = [finding.text for finding in ledger.verify()]
    if world.counts["restored"]:  # a board that was acked by a ledger that is gone says so, and is right
        findings = [text for text in findings if " was acked with " not in text]
    wrong += [f"I4: {text}" for text in findings[:3]]
    if len(ledger.quarantine()) > QUARANTINE_ROWS_SEALED:
        wrong.append("I7: quarantine over its cap")
    if {"ledger_differs", "chain_broken"} & {row["kind"] for row in incidents} and not world.counts["restored"]:
        wrong.append("a witness disagrees though nobody touched the ledger")
    if gaps and not world.counts["restored"]:
        wrong.append(f"I1: {len(gaps)} gaps though no ledger ever forgot anything: what was not acknowledged is gone")
    if called - world.clones:
        wrong.append(f"two boards with one key are claimed of {called - world.clones}, which nobody copied")
    world.counts["gap records"] += sum(gap["to_seq"] - gap["from_seq"] + 1 for gap in gaps)
    return wrong


def tails(ledger: Ledger) -> dict[tuple[str, int], int]:
    """{(device, epoch): high water} of lives that a newer one has closed: what came behind is unknown, and was said to be."""
    return {(row["device"], row["epoch"]): row["high_water"] for row in ledger.cursors() if not row["current"]}


def _judge_gaps(world: "World", gaps: list[dict[str, Any]]) -> list[str]:
    """A gap is claimed only for what no board holds any more when it is written: else the money is there and disowned."""
    wrong = []
    for gap in gaps:
        held = {
            seq
            for board in world.boards
            if board.name == gap["device"] and not board.is_gone and board.core.journal.epoch == gap["epoch"]
            for seq in range(gap["from_seq"], gap["to_seq"] + 1)
            if board.core.journal.read(seq) is not None
        }
        if held and gap["device"] not in world.excused:
            wrong.append(f"gap {gap['from_seq']} to {gap['to_seq']} of {gap['device']} holds records that the board still has")
    return wrong
