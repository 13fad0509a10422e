"""A business day out of the ledger: which records and postings belong together, and the proof of
every drawer session.

This is the one step between the ledger and the pure functions (sessions, custody, reconcile,
explain). A session belongs to the business date of its opening and is read whole, also over
midnight: records and postings of REACH_MS around the calendar day are read too, as far as they can
matter, and sessions of the neighbouring days keep what is in their custody.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gateway.business_day import day_bounds, local_date, local_time
from gateway.config import Config, Site
from gateway.day.decided import decisions_around, unplaced
from gateway.day.drawerless import drawerless_windows
from gateway.day.money import CardSide, Money, card_side, money_of
from gateway.day.rules import judged
from gateway.day.running import running_before
from gateway.day.suspense import in_suspense
from gateway.explain.causes import Unsettled, Variance
from gateway.explain.rank import explain
from gateway.facts.postings import Change, Posting
from gateway.facts.postings import Unsettled as Refused
from gateway.facts.records import SeenRecord
from gateway.money import format_cents
from gateway.office.custody import custody_of
from gateway.office.deposit import Deposit, deposit_of
from gateway.office.drawer import DrawerSession
from gateway.office.drawerless import DrawerlessWindow, drawerless_points
from gateway.office.final import OpenPoint, open_points
from gateway.office.intervals import float_of
from gateway.office.posting_clock import Offset, office_clock
from gateway.office.reconcile import BALANCED, Reconciliation, reconcile
from gateway.office.rule_finding import under
from gateway.office.rules import Finding
from gateway.office.rules_deposit import Countdown
from gateway.office.sessions import IDLE_MS, drawer_sessions
from gateway.office.suspense import InSuspense
from gateway.office.tenders import ELSEWHERE, PAPER, Tender, tenders_of, void_targets
from gateway.store.arrivals import imported_after
from gateway.store.engine import Db
from gateway.store.ledger import Ledger
from gateway.store.other_windows import voids_of_other_windows
from gateway.store.postings import (
    is_posted_on,
    posted_dates,
    postings_between,
    receipts_posted,
    unsettled,
    windows_posted,
)
from gateway.store.segments import is_recorded_between, last_counted_ms
from gateway.store.tree_heads import tree_heads

REACH_MS = 16 * 3_600_000  # a session is no longer; see also sessions.IDLE_MS
POSTED_DATES_MAX = 31  # how far back a day of work is looked for among the postings


@dataclass(frozen=True)
class ProvedSession:
    """One session, its reconciliation and what may explain its differences."""

    reconciliation: Reconciliation
    variances: list[Variance]


@dataclass(frozen=True)
class Day:
    """Everything the report of a business day says."""

    business_date: str
    from_ms: int
    until_ms: int
    proofs: list[ProvedSession]
    deposit: Deposit
    idle_windows: list[str]  # declared, without a session and without postings
    quarantined: list[dict[str, str | int]]
    gaps: list[dict[str, Any]]
    incidents: list[dict[str, Any]]
    ledger_n: int
    ledger_head: bytes
    unassigned: list[str] = field(
        default_factory=list
    )  # windows with postings that the configuration does not name
    open_points: list[OpenPoint] = field(default_factory=list)  # why it is not final
    money: Money = Money()  # what the card processor and the bank say
    held_in: list[Tender] = field(
        default_factory=list
    )  # receipts of this date that lay in an earlier day's drawer, voids of another drawer's checks
    without_drawer: list[DrawerlessWindow] = field(default_factory=list)  # with postings
    suspense: list[InSuspense] = field(default_factory=list)  # what waits there, oldest first
    arrived_later: list[dict[str, Any]] = field(
        default_factory=list
    )  # files that said something new of the day after it was signed: see store/arrivals.py
    checkpoint: dict[str, Any] | None = (
        None  # n, root, made_ms and note of the day's signed tree head, once there is one
    )
    findings: list[Finding] = field(default_factory=list)  # of the rules of the office
    deadline: Countdown | None = None  # of its deposit; None: nothing goes to the bank
    changes: list[Change] = field(default_factory=list)  # what was said of its receipts otherwise

    @property
    def is_balanced(self) -> bool:
        """True when every tender of every session is balanced, and the allocations sum to the
        tenders. It may not be final all the same: see `open_points`.
        """
        return (
            self.deposit.funds_agree
            and all(proof.reconciliation.status == BALANCED for proof in self.proofs)
            and all(each.funds_agree for each in self.without_drawer)
        )


def default_business_date(ledger: Ledger, zone: zoneinfo.ZoneInfo, now_ms: int) -> str:
    """The day that a report is about when nobody names one: never a day that is still to come.

    Today, on the office's calendar, when anything was counted today or posted for today. Otherwise
    the last day on which the office worked: something was counted on it, or a payment of that very
    day was posted. (A receipt past the cut-off is posted for the next day: that alone makes no day
    of work.) Today again when there never was one.
    """
    today = local_date(now_ms, zone)
    posted = posted_dates(ledger.db, today, POSTED_DATES_MAX)
    if posted and posted[0] == today:
        return today
    worked = [date for date in posted if is_posted_on(ledger.db, date, *day_bounds(date, zone))]
    counted_ms = last_counted_ms(ledger.db, day_bounds(today, zone)[1])
    if counted_ms is not None:
        worked.append(local_date(counted_ms, zone))
    return max(worked, default=posted[0] if posted else today)


def prove_day(ledger: Ledger, config: Config, business_date: str, now_ms: int | None = None) -> Day:
    """The proofs of all drawer sessions of a business day of the site, what the processor and the
    bank say of it, and what the rules find in it. `now_ms`: what time it is, for a deposit that
    waits and for ages. Raises UsageError for a date that is none.
    """
    rules, zone = under(config), zoneinfo.ZoneInfo(config.zone)
    today = "" if now_ms is None else local_date(now_ms, zone)
    cards = card_side(ledger.db, business_date, rules, today=today)
    by = Proving(ledger, config, cards)
    day = by.day(business_date)

    def deposit_on(date: str) -> int | None:
        found = day if date == business_date else replace(by, cards=None).day(date)
        return found.deposit.deposit_cents

    bounds = day.from_ms, day.until_ms
    money = money_of(ledger.db, business_date, bounds, rules, cards, deposit_on)
    day = replace(day, money=money, open_points=[*day.open_points, *money.open_points])
    day = _beside_the_drawers(ledger.db, day, config)
    return judged(ledger.db, day, rules, now_ms)


@dataclass(frozen=True)
class Proving:
    """What days of a site are proved with. `cards`: what the processor says; None: nobody asks."""

    ledger: Ledger
    config: Config
    cards: CardSide | None = None

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        """The office's clock."""
        return zoneinfo.ZoneInfo(self.config.zone)

    def day(self, business_date: str) -> Day:
        """A day by what was counted and posted; the processor decides the card tender alone."""
        return _day(self, business_date)


def _day(by: Proving, business_date: str) -> Day:
    ledger, zone = by.ledger, by.zone
    from_ms, until_ms = day_bounds(business_date, zone)
    declared, apart = by.config.windows, by.config.without_drawer
    posted = [each for each in windows_posted(ledger.db, business_date) if each not in apart]
    refused = unsettled(ledger.db, business_date, from_ms, until_ms)
    missing = Unsettled(not posted, tuple(map(_told, refused)))
    unassigned = [window for window in posted if window not in declared]
    proofs: list[ProvedSession] = []
    held_in: list[Tender] = []
    idle: list[str] = []
    strays = [
        (window, row)
        for window, row in voids_of_other_windows(ledger.db, business_date, PAPER)
        if window not in apart
    ]
    proved = _prove_windows(
        [_Window(by, window, strays) for window in [*declared, *unassigned]],
        business_date,
        missing,
    )
    for window, (found, held) in proved.items():
        proofs += found
        held_in += held
        if not found and not held:
            idle.append(window)
    n, head = ledger.head()
    return Day(
        business_date=business_date,
        from_ms=from_ms,
        until_ms=until_ms,
        proofs=proofs,
        deposit=deposit_of([proof.reconciliation for proof in proofs], held_in),
        held_in=held_in,
        idle_windows=idle,
        quarantined=[
            {"file": each.file, "line": each.file_line, "reason": each.reason} for each in refused
        ],
        open_points=[
            *open_points(
                [proof.reconciliation for proof in proofs],
                bool(posted) or _is_all_held_over(proofs),
                len(refused),
            ),
            *unplaced(ledger.db, business_date, [p.reconciliation.session for p in proofs]),
        ],
        gaps=ledger.gaps(from_ms),
        incidents=ledger.incidents(from_ms),
        ledger_n=n,
        ledger_head=head,
        unassigned=unassigned,
        checkpoint=_checkpoint(ledger, business_date),
    )


def prove_window(
    ledger: Ledger, config: Config, window: str, business_date: str
) -> list[ProvedSession]:
    """The proofs of one window's drawer sessions of a business day, as `prove_day` has them but for
    what other windows show of the posting system's clock.
    """
    around = _Window(Proving(ledger, config), window, ())
    return _prove_window(around, business_date, Unsettled())[0]


def _is_all_held_over(proofs: Iterable[ProvedSession]) -> bool:
    """Whether all that was taken belongs to later days: then nothing is missing for this one."""
    found = [proof.reconciliation for proof in proofs]
    return any(each.held_over for each in found) and all(each.status == BALANCED for each in found)


def _beside_the_drawers(db: Db, day: Day, config: Config) -> Day:
    """With what is on the page of the day and in no drawer."""
    signed, date, accounts = day.checkpoint, day.business_date, config.suspense_accounts
    drawerless = drawerless_windows(db, config.without_drawer, date, accounts)
    return replace(
        day,
        without_drawer=drawerless,
        open_points=[*day.open_points, *drawerless_points(drawerless)],
        suspense=in_suspense(db, date, accounts),
        arrived_later=imported_after(db, date, signed["made_ms"]) if signed else [],
    )


def _told(refused: Refused) -> str:
    """Where it stands, why, and what money it is."""
    place = f"{refused.file}:{refused.file_line}" if refused.file_line else refused.file
    text = f"{place}: {refused.reason}"
    if refused.tendered_cents is None:
        return text
    amount = format_cents(refused.tendered_cents - (refused.change_cents or 0))
    return f"{text}; {amount} in {refused.tender_type or 'an unknown tender'}"


def _checkpoint(ledger: Ledger, business_date: str) -> dict[str, Any] | None:
    for row in tree_heads(ledger.db, business_date):
        return {
            "n": row["n"],
            "root": row["root"].hex(),
            "made_ms": row["made_ms"],
            "note": row["note"],
        }
    return None


def _prove_windows(
    windows: Sequence[_Window], business_date: str, unsettled: Unsettled
) -> dict[str, tuple[list[ProvedSession], list[Tender]]]:
    """{window: what `_prove_window` says of it}. A window whose drawers show nothing of the posting
    system's clock is proved again by what the others show.
    """
    found = {each.window: _prove_window(each, business_date, unsettled) for each in windows}
    every = [proof.reconciliation for proofs, _ in found.values() for proof in proofs]
    clock = office_clock((each.session, each.in_drawer) for each in every)
    for around in windows if clock else ():
        proofs, _ = found[around.window]
        if not all(proof.reconciliation.clock_offset_ms for proof in proofs):
            around.clock = clock
            found[around.window] = _prove_window(around, business_date, unsettled)
    return found


def _prove_window(
    around: _Window, business_date: str, unsettled: Unsettled
) -> tuple[list[ProvedSession], list[Tender]]:
    """(the sessions of the day, receipts of the day that lay in an earlier day's drawer)."""
    from_ms, _ = day_bounds(business_date, around.zone)
    tenders = around.tenders(business_date)
    sessions = around.sessions(business_date, max((t.posted_ms for t in tenders), default=0))
    custody = custody_of(sessions, tenders, around.date_of)
    proofs: list[ProvedSession] = []
    elsewhere: list[Tender] = []
    for index, (session, held) in enumerate(zip(sessions, custody.held, strict=True)):
        if around.date_of(session.started_ms) != business_date:
            elsewhere += held
            continue
        session.number = len(proofs) + 1
        claimed = frozenset(custody.moved & {tender.receipt for tender in held})
        before = float_of(sessions[index - 1]) if index else None
        proofs.append(
            around.proved(
                reconcile(session, held, business_date, claimed, before, around.cash, around.clock),
                unsettled,
            )
        )
    in_earlier, loose = around.held_before(business_date, custody.loose)
    loose = [tender for tender in loose if tender.business_date == business_date]
    if loose:
        session = DrawerSession(around.window, len(proofs) + 1, max(from_ms, loose[0].posted_ms))
        text = f"payments were posted at {around.window} and nothing was counted there"
        session.note("no_session", session.started_ms, text)
        proofs.append(
            around.proved(reconcile(session, loose, business_date, cash=around.cash), unsettled)
        )
    held_in = [each for each in elsewhere + in_earlier if _is_held_in(each, business_date)]
    return proofs, held_in + _of_other_drawers(proofs, business_date)


def _of_other_drawers(proofs: Iterable[ProvedSession], business_date: str) -> list[Tender]:
    """What takes back checks that another drawer held: those go to no bank."""
    return [
        tender
        for proof in proofs
        for tender in proof.reconciliation.outside
        if tender.outside == ELSEWHERE and tender.business_date == business_date
    ]


class _Window:
    """The drawer sessions of one window, as they are needed."""

    def __init__(self, by: Proving, window: str, strays: Iterable[tuple[str, Posting]]) -> None:
        self.strays = strays  # (window whose check it takes back, row of another window)
        self.window, self.zone, self.cash = window, by.zone, by.config.policy.rounding.cash
        self._ledger, self._config, self._cards = by.ledger, by.config, by.cards
        self.clock: dict[str, Offset] = {}  # of the posting systems, as the day shows them
        self._epochs = [each["epoch"] for each in by.ledger.cursors() if each["device"] == window]

    def date_of(self, at_ms: int) -> str:
        """The office's calendar date."""
        return local_date(at_ms, self.zone)

    def sessions(self, business_date: str, last_ms: int | None = None) -> list[DrawerSession]:
        """Those of the date, whole, and of what else lies in its reach. `last_ms`: when the last
        receipt was posted that they are asked for; None: whenever.

        The day after is read only where it can matter: a receipt was posted on it, or the date's
        last session may go on into it.
        """
        from_ms, until_ms = day_bounds(business_date, self.zone)
        if last_ms is not None and last_ms < until_ms:
            night = (self.window, until_ms, until_ms + IDLE_MS)
            found = self._sessions(from_ms - REACH_MS, until_ms, business_date)
            is_over = not found or found[-1].close is not None
            if is_over and not is_recorded_between(self._ledger.db, *night):
                return found
        return self._sessions(from_ms - REACH_MS, until_ms + REACH_MS, business_date)

    def _sessions(self, since_ms: int, until_ms: int, business_date: str) -> list[DrawerSession]:
        records = list(self._records(since_ms, until_ms))
        running = running_before(records, self._records, since_ms, self._epochs)
        decided = decisions_around(self._ledger.db, business_date, self.window)
        return drawer_sessions(
            records, self._config.currency, self._epochs, self.date_of, decided, running
        )

    def _records(self, since_ms: int, until_ms: int) -> Iterator[SeenRecord]:
        return self._ledger.records(since_ms, until_ms, self.window)

    def tenders(self, business_date: str) -> list[Tender]:
        """Those of the date, those that were posted on it, and what has to do with them in its
        reach.
        """
        db, (since_ms, until_ms) = self._ledger.db, day_bounds(business_date, self.zone)
        rows = postings_between(db, self.window, business_date, since_ms, until_ms, REACH_MS)
        # a check is handed back out of the drawer that has it, wherever that is keyed
        away = {row.identity for _, row in self.strays if row.window_id == self.window}
        rows = [row for row in rows if row.identity not in away]
        rows += [row for window, row in self.strays if window == self.window]
        earlier = receipts_posted(db, void_targets(rows))
        return tenders_of(rows, earlier, self._config.suspense_accounts)

    def proved(self, proof: Reconciliation, unsettled: Unsettled) -> ProvedSession:
        """With what may explain its differences."""
        proof = self._cards.decided(proof) if self._cards else proof
        unsettled = replace(unsettled, nothing_at_window=not proof.every_tender)
        causes = explain(proof, lambda at_ms: local_time(at_ms, self.zone), unsettled)
        return ProvedSession(proof, causes)

    def held_before(
        self, business_date: str, tenders: Iterable[Tender]
    ) -> tuple[list[Tender], list[Tender]]:
        """(those that lay in a drawer of the day on which they were posted, the others): a receipt
        of Friday evening belongs to Monday's deposit.
        """
        by_date: dict[str, list[Tender]] = {}
        for tender in tenders:
            by_date.setdefault(self.date_of(tender.posted_ms), []).append(tender)
        loose = by_date.pop(business_date, [])
        held: list[Tender] = []
        for posted_on, theirs in sorted(by_date.items()):
            custody = custody_of(self.sessions(posted_on), theirs, self.date_of)
            held += [tender for each in custody.held for tender in each]
            loose += custody.loose
        return held, loose


def _is_held_in(tender: Tender, business_date: str) -> bool:
    is_known = tender.status != "unknown" and not tender.outside
    return is_known and tender.business_date == business_date


def open_session(site: Site, device: str, now_ms: int) -> str | None:
    """Why the board of a window must not be touched now; None when nothing speaks against it."""
    if isinstance(site.ledger, Path) and not site.ledger.exists():
        return None
    from_ms, until_ms = day_bounds(local_date(now_ms, site.zone), site.zone)
    with Ledger(site.ledger) as ledger:
        records = ledger.records(from_ms - REACH_MS, until_ms, device)
        sessions = drawer_sessions(
            records, site.config.currency, date_of=lambda at_ms: local_date(at_ms, site.zone)
        )
    last = sessions[-1] if sessions else None
    if last is None or not last.groups or last.close is not None:
        return None
    if last.started_ms >= from_ms or now_ms - last.ended_ms < IDLE_MS:
        return (
            f"its drawer session is open since {local_time(last.started_ms, site.zone)};"
            " close it first"
        )
    return None
