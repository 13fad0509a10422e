"""A proved day as the rules of the office look at it: gateway/office/rule_facts.py. Pure.

A drawer session names its counts and openings by window and time, "w1@1795215600000": it keeps no
record numbers. Not known here, so left empty: bags, who approved a close, when somebody was shown
the expected amount, and what only the ledger knows of other days.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from gateway.chart_file import DEPOSITED
from gateway.office import rule_facts as facts
from gateway.office.decided_facts import hand_over_facts, reopening_facts
from gateway.office.deposit import Deposit
from gateway.office.drawer import DrawerSession
from gateway.office.reconcile import BALANCED, POSTED_ONLY, Reconciliation
from gateway.office.tenders import (
    NEVER_POSTED,
    RETURNED,
    VOID_AGAIN,
    VOID_OF_VOID,
    Receipt,
    Tender,
    fund_totals,
)

SUSPECT, COUNTERFEIT = 3, 4  # qualities of `rejects`, docs/records.md
Legs = Mapping[Receipt, Sequence[Tender]]


def day_facts(
    business_date: str,
    until_ms: int,
    proofs: Sequence[Reconciliation],
    deposit: Deposit,
    held_in: Sequence[Tender] = (),
    earlier: Legs | None = None,
    is_balanced: bool = False,
) -> facts.DayFacts:
    """`held_in`: receipts of this business date that lay in an earlier day's drawer; `earlier`: the
    receipts of before that something of this day takes back. What concerns the day as a whole is
    dated `until_ms`, its end.
    """
    standing = {**(earlier or {}), **legs_of(proofs, taken_back(proofs))}
    worked = [proof for proof in proofs if _was_worked_at(proof.session)]
    return facts.DayFacts(
        business_date=business_date,
        now_ms=until_ms,
        sessions=[session_facts(proof) for proof in worked],
        receipts=[
            *(_receipt(tender, proof) for proof in proofs for tender in _posted(proof)),
            *(_receipt(tender) for tender in held_in),
        ],
        voids=[void for proof in proofs for void in _voids(proof, standing)],
        reopenings=[
            each
            for proof in proofs
            for each in reopening_facts(proof.session, name_of(proof.session))
        ],
        deposits=_deposits(business_date, proofs, deposit, held_in),
        funds=_funds(proofs, deposit, held_in),
        suspects=[each for proof in worked for each in _suspects(proof.session)],
        called_balanced=is_balanced,
    )


def name_of(session: DrawerSession) -> str:
    """ "w1/1"."""
    return f"{session.device}/{session.number}"


def _was_worked_at(session: DrawerSession) -> bool:
    """Whether the window's board said anything of it: no rule of a drawer where there is none."""
    return bool(session.groups or session.openings or session.tapes or session.loose) or (
        session.cashier is not None
    )


def _ref(session: DrawerSession, at_ms: int) -> str:
    return f"{session.device}@{at_ms}"


# --- a drawer session -----------------------------------------------------------------------------


def session_facts(proved: Reconciliation) -> facts.Session:
    """A proved session. Its receipts have the time of the window's clock."""
    session = proved.session
    cashier = "" if session.cashier is None else str(session.cashier)
    return facts.Session(
        name=name_of(session),
        device=session.device,
        cashier=cashier,
        opened_ms=session.started_ms,
        closed_ms=session.closed_ms,
        issued_cents=proved.issued_cents,
        booked_float_cents=proved.opening_over_short_cents,  # a line of its own on every report
        counts=_counts(session),
        openings=[
            facts.Opening(_ref(session, each.opened_ms), each.opened_ms, each.dwell_ms)
            for each in session.openings
        ],
        intervals=[
            facts.Interval(
                each.number, each.to_ms, _ref(session, each.to_ms), each.start_cents,
                each.tendered_cents, each.change_cents, each.drops_cents, each.expected_cents,
                each.counted_cents, rounding_cents=each.rounding_cents,
            )
            for each in proved.intervals
        ],
        lines=[
            facts.Line(
                line.tender_type, _gross_cents(proved, line.tender_type), line.counted_cents,
                line.over_short_cents,
            )
            for line in proved.lines
            if line.status != POSTED_ONLY  # nobody can declare what lies in no drawer
        ],
        drops=[
            facts.Drop(
                _ref(session, group.started_ms), group.started_ms, None, group.declared_cents,
                group.counted_cents,
            )
            for group in session.counts("drop")
        ],
        loose_batches=[
            facts.LooseBatch(
                _ref(session, each.at_ms), each.at_ms, each.instrument, each.cents, each.text
            )
            for each in session.loose
        ],
        hand_overs=hand_over_facts(session),
        receipts=list(_receipts_of(proved)),
        called_balanced=proved.status == BALANCED,
    )  # fmt: skip


def _counts(session: DrawerSession) -> list[facts.Count]:
    """Every count of the drawer, the replaced ones too; a machine's as its pieces say it."""
    found = []
    for group in session.groups:
        if group.kind == "drop":
            continue
        pieces = group.pieces()
        recorded = sum(denomination * count for (_, denomination), count in pieces.items())
        found.append(
            facts.Count(
                _ref(session, group.started_ms), group.kind, group.started_ms, group.counted_cents,
                recorded if pieces else group.counted_cents, bool(pieces), not group.replaced,
            )
        )  # fmt: skip
    return found


def _gross_cents(proved: Reconciliation, tender_type: str) -> int:
    """What was posted of a tender, taken back or not: 0 only where there was nothing at all."""
    tenders = (*proved.tenders, *proved.held_over)
    return sum(abs(each.face_cents) for each in tenders if each.tender_type == tender_type)


def _receipts_of(proved: Reconciliation) -> Iterator[facts.Receipt]:
    """Each part of each tender in its custody: change of a check is cash."""
    name, offset_ms = name_of(proved.session), proved.clock_offset_ms
    interval_of = {id(tender): each.number for each in proved.intervals for tender in each.tenders}
    for tenders, is_expected in (
        ((*proved.tenders, *proved.held_over), True),
        ((*proved.after_close, *proved.unknown), False),
    ):
        for tender in tenders:
            for tender_type, cents in tender.parts:
                yield facts.Receipt(  # by place: a day has many
                    tender.source_system, tender.receipt_no, tender.window_id, tender.cashier_id,
                    tender.posted_ms - offset_ms, tender.business_date, tender_type, cents,
                    tender.status, name, is_expected, interval_of.get(id(tender), 0), tender.scope,
                )  # fmt: skip


def _suspects(session: DrawerSession) -> Iterator[facts.Suspect]:
    """Notes that a machine gave back as suspect while it made a count that stands."""
    for group in session.counts(*{group.kind for group in session.groups}):
        for tally in group.tallies:
            pieces = sum(n for quality, n in tally.rejects if quality in (SUSPECT, COUNTERFEIT))
            for _ in range(0 if tally.out else pieces):
                yield facts.Suspect(_ref(session, tally.at_ms), tally.at_ms, None, False, "")


# --- receipts and what takes them back ------------------------------------------------------------


def _posted(proof: Reconciliation) -> Iterator[Tender]:
    """Everything in the custody of a session."""
    for tenders in (
        proof.tenders, proof.held_over, proof.after_close, proof.unknown, proof.outside,
    ):  # fmt: skip
        yield from tenders


def _receipt(tender: Tender, proof: Reconciliation | None = None) -> facts.Receipt:
    """By the clock of the cashiering system; without a proof it is held in."""
    return facts.Receipt(
        tender.source_system, tender.receipt_no, tender.window_id, tender.cashier_id,
        tender.posted_ms, tender.business_date, tender.tender_type, tender.net_cents, tender.status,
        name_of(proof.session) if proof else "", True, 0, tender.scope, proof is None,
    )  # fmt: skip


def legs_of(proofs: Iterable[Reconciliation], wanted: Collection[Receipt]) -> Legs:
    """{receipt: its tenders} of those that are wanted and brought something."""
    found: dict[Receipt, list[Tender]] = {}
    for proof in proofs if wanted else ():
        for tender in _posted(proof):
            if not tender.is_void and tender.receipt in wanted:
                found.setdefault(tender.receipt, []).append(tender)
    return found


def taken_back(proofs: Iterable[Reconciliation]) -> set[Receipt]:
    """The receipts that voids of these sessions name."""
    return {
        tender.target
        for proof in proofs
        for tender in _posted(proof)
        if tender.is_void and tender.void_of not in ("", tender.receipt_no)
    }


def _voids(proof: Reconciliation, standing: Legs) -> Iterator[facts.Void]:
    """What the bank brings back is none: it asks no supervisor."""
    for tender in _posted(proof):
        if not tender.is_void or tender.outside == RETURNED:
            continue
        yield facts.Void(
            source=tender.source_system,
            number=tender.receipt_no,
            at_ms=tender.posted_ms - proof.clock_offset_ms,
            window=tender.window_id,
            by=tender.cashier_id,
            supervisor=tender.void_by,
            reason=None,  # posted.csv has no column for it
            tender_type=tender.tender_type,
            cents=abs(tender.face_cents),
            of=tender.void_of or tender.receipt_no,
            original=_original(tender, standing),
            session=name_of(proof.session) if _was_worked_at(proof.session) else "",
        )


def _original(void: Tender, standing: Legs) -> facts.Voided | None:
    """What it takes back. Where nobody here knows more of that receipt, it was as the void says."""
    if void.outside == NEVER_POSTED:
        return None
    target = standing.get(void.target, ())
    same = [leg for leg in target if leg.tender_type == void.tender_type] or target
    if not same:
        return facts.Voided(
            void.void_of, void.window_id, void.tender_type, abs(void.face_cents),
            void.outside == VOID_AGAIN, void.outside == VOID_OF_VOID,
        )  # fmt: skip
    windows = {leg.window_id for leg in target}
    return facts.Voided(
        number=void.void_of,
        window=void.window_id if void.window_id in windows else same[0].window_id,
        tender_type=same[0].tender_type,
        net_cents=sum(leg.face_cents for leg in same),
        was_void=void.outside == VOID_AGAIN,
    )


# --- deposit --------------------------------------------------------------------------------------


def _deposits(
    business_date: str,
    proofs: Sequence[Reconciliation],
    deposit: Deposit,
    held_in: Sequence[Tender],
) -> list[facts.Deposit]:
    """What goes to the bank, from its first receipt on; nothing on record says when it went."""
    own = [tender for proof in proofs for tender in proof.tenders]
    taken = [
        tender.posted_ms
        for tender in (*own, *held_in)
        if tender.tender_type in DEPOSITED and tender.net_cents > 0
    ]
    if not taken:
        return []
    posted = sum(cents for name, cents in deposit.tenders_cents.items() if name in DEPOSITED)
    cents = posted if deposit.deposit_cents is None else deposit.deposit_cents
    return [facts.Deposit(f"deposit {business_date}", min(taken), cents, None)]


def _funds(
    proofs: Sequence[Reconciliation], deposit: Deposit, held_in: Sequence[Tender]
) -> list[facts.FundLine]:
    """What the receipts bring each fund beside what the deposit books; its over and short has no
    account yet.
    """
    totals: dict[str, int] = {}
    for tenders in (*(proof.tenders for proof in proofs), held_in):
        for fund, cents in fund_totals(tenders).items():
            totals[fund] = totals.get(fund, 0) + cents
    names = sorted({*totals, *deposit.funds_cents})
    return [
        facts.FundLine(name, totals.get(name, 0), deposit.funds_cents.get(name, 0), ())
        for name in names
    ]
