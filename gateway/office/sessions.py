"""Records of one window on one day -> its drawer sessions. Pure: no clock, no database, no amounts
from elsewhere.

A device states facts; here they get their meaning. Order is (epoch, seq), never a clock. What each
mark means:

sign_on                                  who works from here on
opening_float, drop, checkpoint, close   start a group of that kind
surprise                                 the same; a second person counts
suspend, resume, end                     steps of gateway/office/states.py, without a count
recount                                  replaces the group before it
done                                     ends the group
void_last_batch                          the last tally not yet void is void
checks_tape                              the tape lines up to `*` are checks; after `recount` they
                                         replace those of the tape before
card_total, money_order, other           declared total of a tender: of a second batch added

A tally belongs to the group that is open. A tally outside any group is listed and is in no sum:
nobody said what it counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from gateway.facts.decisions import Decision
from gateway.facts.records import SeenRecord
from gateway.money import format_cents
from gateway.office.decided import (
    COUNTING,
    DECIDED,
    Waiting,
    begin_count,
    hand_over,
    take_effect,
)
from gateway.office.drawer import (
    GROUP_MARKS,
    SURPRISE,
    CheckTape,
    CountGroup,
    Declared,
    DrawerOpening,
    DrawerSession,
    LooseBatch,
    Rows,
    Tally,
)
from gateway.office.session_checks import check_session, note_running_sum
from gateway.office.states import SETTLED, refusal
from gateway.office.tallies import add_tally, settle_sub_batches, take_growth
from protocol.records import FLAG_ACCUMULATE, FLAG_DISCREPANCY, FLAG_REPRINT, FLAG_SUB_BATCH

# {mark: the tender whose total it declares}
DECLARED = {"card_total": "card", "money_order": "money_order", "other": "other"}
# Whoever comes to a drawer that nobody closed, and that lay idle for so long, begins a new session.
IDLE_MS = 6 * 3_600_000


def drawer_sessions(
    records: Iterable[SeenRecord],
    currency: str = "USD",
    epochs: Sequence[int] = (),
    date_of: Callable[[int], str] | None = None,
    decisions: Iterable[Decision] = (),
    running: Mapping[str, Rows] | None = None,
) -> list[DrawerSession]:
    """The drawer sessions in the records of one device, in order; also of several days, when
    `date_of` tells the office's calendar date of a time: a drawer that nobody closed is not
    yesterday's for ever.

    `epochs`: the device's epochs as they followed one another (the ledger's cursors know); without
    it by number. Duplicates of a record are taken once and the order of the input is irrelevant.
    `decisions`: those on its sessions, each on the one that holds the record it names. `running`:
    what a machine that adds up printed last before these records, by instrument.
    Raises ValueError when the records are of more than one device.
    """
    rank = {epoch: index for index, epoch in enumerate(epochs)}
    unique = {
        (rank.get(record.epoch, len(rank)), record.epoch, record.seq): record for record in records
    }
    ordered = [unique[key] for key in sorted(unique)]
    if len({record.device for record in ordered}) > 1:
        raise ValueError("records of more than one device")
    reader = _Reader(currency, date_of, Waiting(decisions), running or {})
    last: tuple[int, int] | None = None
    for record in ordered:
        if last is not None and last[0] == record.epoch and record.seq > last[1] + 1:
            text = f"records {last[1] + 1} to {record.seq - 1} of epoch {record.epoch} are missing"
            reader.session(record).note("records_missing", record.occurred_ms, text)
        last = (record.epoch, record.seq)
        reader.take(record)
    return reader.finish()


class _Reader:
    """Walks the records and builds the sessions. One instance for a device's records."""

    def __init__(
        self,
        currency: str,
        date_of: Callable[[int], str] | None,
        waiting: Waiting,
        running: Mapping[str, Rows],
    ) -> None:
        self._currency = currency
        self._waiting = waiting
        self._date_of = date_of
        self._sessions: list[DrawerSession] = []
        self._group: CountGroup | None = None  # the open one
        self._tape: CheckTape | None = None  # the open one
        self._ended_tape: CheckTape | None = None  # the last one, its total printed
        self._moved_ms = 0  # when somebody last did something at this window
        self._instruments: dict[str, str] = {}
        self._running: dict[str, Rows] = {**running}  # instrument: what it printed last
        self._cashier: int | None = None

    def session(self, record: SeenRecord) -> DrawerSession:
        """The current session; a new one when there is none, or when it was left long ago."""
        if self._sessions and not self._is_left(self._sessions[-1], record):
            return self._sessions[-1]
        self._end_group()
        self._cashier = None
        return self._start(record)

    def take(self, record: SeenRecord) -> None:
        """One record, in order, after the decisions that were made before it."""
        self._decide(record.occurred_ms)
        step = getattr(self, "_take_" + record.kind, None)
        if step is None:
            self.session(record).note(
                "unknown_record", record.occurred_ms, f"a record of unknown kind {record.kind!r}"
            )
        else:
            step(record)
        if record.kind in ("mark", "tally", "tape", "drawer"):
            self._moved_ms = record.occurred_ms
        if self._sessions:
            session = self._sessions[-1]
            session.last_ms = max(session.last_ms, record.occurred_ms)
            self._waiting.found(record.epoch, record.seq)

    def finish(self) -> list[DrawerSession]:
        """The sessions, with what only the end of the records shows."""
        self._decide(None)
        self._end_group()
        for session in self._sessions:
            check_session(session)
        return [session for session in self._sessions if session.has_content]

    def _start(self, record: SeenRecord) -> DrawerSession:
        self._decide(None)
        self._end_group()
        session = DrawerSession(
            record.device, len(self._sessions) + 1, record.occurred_ms, self._cashier
        )
        session.key = (record.epoch, record.seq)
        session.instruments = self._instruments
        self._sessions.append(session)
        self._tape = None
        return session

    def _end_group(self) -> None:
        if self._group is not None:
            settle_sub_batches(self._group, self._sessions[-1])
        self._group = None

    def _decide(self, before_ms: int | None) -> None:
        """The decisions on this session that take effect before a record, or before its end."""
        for decision in self._waiting.pop_before(before_ms):
            session, kind = self._sessions[-1], decision.kind
            session.decisions.append(decision)
            if kind not in DECIDED:
                continue
            was = session.state
            if not session.move(kind, decision.at_ms):
                text = f"decided by {decision.who} and without effect: {refusal(was, kind)}"
                session.note("decision_refused", decision.at_ms, text)
                continue
            if kind in COUNTING:
                self._end_group()
            self._group = take_effect(session, decision) or self._group

    # --- marks ------------------------------------------------------------------------------------

    def _take_mark(self, record: SeenRecord) -> None:
        mark, value = record.fields["mark"], record.fields.get("value")
        if mark == "sign_on":
            self._sign_on(record, value)
        elif mark in GROUP_MARKS:
            self._start_group(record, mark, value)
        elif mark == "recount":
            self._recount(record, value)
        elif mark == "done":
            self._end_group()
        elif mark == "void_last_batch":
            self._void_last_batch(record)
        elif mark == "checks_tape":
            self._start_tape(record)
            return
        elif mark in DECLARED:
            self._declare(record, DECLARED[mark], value)
        elif mark == SURPRISE:
            self._surprise(record, value)
        elif mark in ("suspend", "resume", "end"):
            self._step(self.session(record), mark, record)
        self._tape = self._ended_tape = None

    def _sign_on(self, record: SeenRecord, cashier: int | None) -> None:
        session = self.session(record)
        if session.close is not None:
            self._end_group()
            session = self._start(record)
        elif session.groups and session.last_holder not in (None, cashier):
            hand_over(session, record.occurred_ms, _ref(record), cashier or 0)
            return
        elif session.hand_overs:
            return
        self._cashier = session.cashier = cashier

    def _is_left(self, session: DrawerSession, record: SeenRecord) -> bool:
        """Whether somebody worked there and then nobody for long, and a new day has begun: with
        anything after a closing count, with whoever comes to a drawer that nobody closed.
        """
        if not session.groups or record.occurred_ms - self._moved_ms < IDLE_MS:
            return False
        begins = record.fields.get("mark") in ("sign_on", "opening_float")
        date_of = self._date_of
        is_new_day = date_of is not None and date_of(record.occurred_ms) != date_of(self._moved_ms)
        return is_new_day and (begins or session.close is not None)

    def _start_group(self, record: SeenRecord, kind: str, declared_cents: int | None) -> None:
        group = self._group
        is_begun = group is not None and group.kind == SURPRISE and not group.tallies
        if group is not None and is_begun and kind in ("checkpoint", SURPRISE):
            group.declared_cents = declared_cents  # somebody decided it, and it is keyed too
            return
        self._end_group()
        session = self.session(record)
        if kind == "opening_float" and (session.opening is not None or session.close is not None):
            session = self._start(record)
        self._begin(session, CountGroup(kind, record.occurred_ms, declared_cents), record)

    def _surprise(self, record: SeenRecord, who: int | None) -> None:
        """Whoever has the drawer cannot surprise it: that is a checkpoint."""
        session = self.session(record)
        if who is None or who == session.holder_at(record.occurred_ms):
            text = "a surprise count by who had the drawer is a checkpoint"
            session.note("surprise_by_its_cashier", record.occurred_ms, text)
            self._start_group(record, "checkpoint", None)
            return
        self._start_group(record, SURPRISE, None)
        session.groups[-1].by = session.groups[-1].by or f"cashier {who}"

    def _begin(self, session: DrawerSession, group: CountGroup, record: SeenRecord) -> None:
        """A count at the pad."""
        group.ref = _ref(record)
        begin_count(session, group)
        self._step(session, "recount" if group.is_recount else group.kind, record)
        session.groups.append(group)
        self._group = group

    def _step(self, session: DrawerSession, event: str, record: SeenRecord) -> None:
        """The next state. A step that is refused is told; what was counted stays on record."""
        was = session.state
        if not session.move(event, record.occurred_ms) and event != "close":
            # closed again: session_checks.py tells it with what stands
            told = f"{event}_after_close" if session.close else f"{event}_refused"
            session.note(told, record.occurred_ms, refusal(was, event))

    def _recount(self, record: SeenRecord, declared_cents: int | None) -> None:
        self._end_group()
        session = self.session(record)
        if not session.groups:
            session.note(
                "recount_of_nothing", record.occurred_ms, "recount was keyed before any count"
            )
            return
        standing = (group for group in reversed(session.groups) if not group.replaced)
        before = next(standing, session.groups[-1])
        if declared_cents is None:
            declared_cents = before.declared_cents
        again = CountGroup(before.kind, record.occurred_ms, declared_cents, is_recount=True)
        again.replaces = before
        self._begin(session, again, record)

    def _void_last_batch(self, record: SeenRecord) -> None:
        for session in reversed(self._sessions):
            if session.state in SETTLED:
                break
            for group in reversed(session.groups):
                for tally in reversed(group.tallies):
                    if not tally.out:
                        tally.out = "void"
                        return
        self.session(record).note(
            "void_of_nothing",
            record.occurred_ms,
            "void_last_batch was keyed and no batch was left to void",
        )

    def _start_tape(self, record: SeenRecord) -> None:
        """After `recount` it replaces the tape before; the mark was for the tape, not for a
        count.
        """
        session = self.session(record)
        group = self._group
        if group is not None and group.is_recount and not group.tallies and session.tapes:
            session.groups.remove(group)
            session.tapes[-1].replaced = True
            text = "the check tape was run again; the one before is in no sum"
            session.note("check_tape_again", record.occurred_ms, text)
        self._end_group()
        self._tape, self._ended_tape = CheckTape(record.occurred_ms), None
        session.tapes.append(self._tape)
        if session.move("declare", record.occurred_ms):
            session.by_hand.pop("check", None)  # the tape is newer
        else:
            self._tape.replaced = True
            text = f"a check tape, in no sum: {refusal(session.state, 'declare')}"
            session.note("check_tape_refused", record.occurred_ms, text)

    def _declare(self, record: SeenRecord, tender: str, value: int | None) -> None:
        session, mark = self.session(record), record.fields["mark"]
        if value is None:
            text = f"{mark} was keyed without an amount"
            session.note(f"{mark}_without_amount", record.occurred_ms, text)
            return
        if not session.move("declare", record.occurred_ms):
            text = f"{mark} {format_cents(value)}: {refusal(session.state, 'declare')}"
            session.note(f"{mark}_refused", record.occurred_ms, text)
            return
        session.declarations.append(Declared(tender, record.occurred_ms, value))
        before = session.declared_cents.get(tender)
        if before is None:
            session.declared_cents[tender] = value
        elif value == session.last_declared.get(tender):
            text = f"{mark} {format_cents(value)} was keyed again: the same amount counts once"
            session.note(f"{mark}_again", record.occurred_ms, text)
        else:
            session.declared_cents[tender] = before + value
            text = (
                f"{mark} keyed again: {format_cents(before)}, then {format_cents(value)}; two"
                f" batches are added, {format_cents(before + value)}"
            )
            session.note(f"{mark}_again", record.occurred_ms, text)
        session.last_declared[tender] = value

    # --- tallies, tape, drawer, the rest ----------------------------------------------------------

    def _take_tally(self, record: SeenRecord) -> None:
        fields = record.fields
        session = self.session(record)
        if fields.get("evidence"):
            self._instruments[fields["instrument"]] = fields["evidence"]
        if not fields["rows"] and not fields["total_minor"]:
            # a driver's bookmark, where its machine's counter stood: no money, and nobody counted
            return
        tally = Tally(
            at_ms=record.occurred_ms,
            instrument=fields["instrument"],
            batch_id=fields["batch_id"],
            rows=tuple((row[0], row[1]) for row in fields["rows"]),
            total_cents=fields["total_minor"],
            flags=fields.get("flags", 0),
            digest=fields.get("digest", b""),
            rejects=tuple((row[0], row[1]) for row in fields.get("rejects", ())),
        )
        what = f"{tally.instrument} batch {tally.batch_id} of {format_cents(tally.total_cents)}"
        if fields["currency"] != self._currency:
            session.note(
                "foreign_currency",
                record.occurred_ms,
                f"{what} is in {fields['currency']}, not counted",
            )
            return
        if sum(denomination * pieces for denomination, pieces in tally.rows) != tally.total_cents:
            session.note(
                "tally_does_not_add_up",
                record.occurred_ms,
                f"{what}: its rows have another sum, not counted",
            )
            return
        if not tally.flags & (FLAG_REPRINT | FLAG_SUB_BATCH):
            self._grown(tally, session)
        if self._group is None:
            if not tally.flags & FLAG_REPRINT:
                session.loose.append(
                    LooseBatch(
                        tally.at_ms, tally.instrument, tally.total_cents, f"{what} outside a count"
                    )
                )
            return
        if tally.flags & FLAG_DISCREPANCY:
            session.note(
                "machine_discrepancy",
                record.occurred_ms,
                f"{what}: the machine says that it left cash out; recount",
            )
        add_tally(self._group, tally)

    def _grown(self, tally: Tally, session: DrawerSession) -> None:
        """A machine that accumulates prints its running sum: the batch is what that grew by since
        its last report.
        """
        printed, known = tally.rows, self._running.get(tally.instrument)
        self._running[tally.instrument] = printed
        if not tally.flags & FLAG_ACCUMULATE:
            return
        take_growth(tally, known or ())
        group = self._group
        if group is not None and all(t.instrument != tally.instrument for t in group.tallies):
            note_running_sum(session, tally, printed, known)

    def _take_tape(self, record: SeenRecord) -> None:
        tape, symbol, cents = self._tape, record.fields["symbol"], record.fields["amount_minor"]
        if tape is None:
            if self._ended_tape is not None and symbol in ("+", "-"):
                self._ended_tape.late_cents.append(cents if symbol == "+" else -abs(cents))
            return
        if symbol == "+":
            tape.lines_cents.append(cents)
        elif symbol == "-":
            self._take_back(record, tape, cents)
        elif symbol == "C":
            tape.lines_cents.clear()
        elif symbol == "*":
            tape.declared_cents = cents
            self._tape, self._ended_tape = None, tape
            if cents != sum(tape.lines_cents):
                text = (
                    f"check tape: total {format_cents(cents)}, its lines sum"
                    f" {format_cents(sum(tape.lines_cents))}"
                )
                self.session(record).note("check_tape_total", record.occurred_ms, text)

    def _take_back(self, record: SeenRecord, tape: CheckTape, cents: int) -> None:
        cents = abs(cents)
        for index in range(len(tape.lines_cents) - 1, -1, -1):
            if tape.lines_cents[index] == cents:
                del tape.lines_cents[index]
                return
        tape.lines_cents.append(-cents)
        text = f"check tape: {format_cents(cents)} taken back that was not on it"
        self.session(record).note("check_tape_minus", record.occurred_ms, text)

    def _take_drawer(self, record: SeenRecord) -> None:
        state, session = record.fields["state"], self.session(record)
        if state == "opened":
            session.openings.append(
                DrawerOpening(record.occurred_ms, record.fields.get("cause", "unknown"))
            )
        elif state == "closed":
            if session.openings and session.openings[-1].dwell_ms is None:
                opening = session.openings[-1]
                opening.dwell_ms = record.fields.get(
                    "dwell_ms", max(0, record.occurred_ms - opening.opened_ms)
                )
        else:
            session.note("drawer_" + state, record.occurred_ms, "drawer " + state.replace("_", " "))

    def _take_quarantine(self, record: SeenRecord) -> None:
        text = f"report of {record.fields['instrument']} not counted: {record.fields['reason']}"
        self.session(record).note("quarantined_report", record.occurred_ms, text)

    def _take_instrument(self, record: SeenRecord) -> None:
        name, condition = record.fields["instrument"], record.fields["condition"]
        if record.fields.get("evidence"):
            self._instruments[name] = record.fields["evidence"]
        if condition in ("back", "day_clear"):
            return
        pieces = record.fields.get("pieces")
        said = [
            record.fields.get("detail", ""),
            "" if pieces is None else f"{pieces} piece{'s' * (pieces != 1)}",
        ]
        detail = "; ".join(part for part in said if part)
        text = f"{name}: {condition.replace('_', ' ')}" + (f" ({detail})" if detail else "")
        if condition == "missing_report":
            loose = LooseBatch(record.occurred_ms, name, None, text)
            self.session(record).loose.append(loose)
            return
        self.session(record).note("instrument_" + condition, record.occurred_ms, text)

    def _take_boot(self, record: SeenRecord) -> None:
        for line in record.fields.get("instruments", ()):
            name, _, rest = line.partition("=")
            self._instruments[name] = rest.rpartition(":")[2] or "unknown"
        if self._sessions and self._sessions[-1].close is None:
            cause = record.fields["reset_cause"].replace("_", " ")
            self._sessions[-1].note(
                "restarted",
                record.occurred_ms,
                f"the controller restarted during the session ({cause})",
            )


def _ref(record: SeenRecord) -> str:
    """How a record is named: device, epoch, seq."""
    return f"{record.device}/{record.epoch}/{record.seq}"
