"""Somebody decides something about a drawer session: looked at and put on record in one
transaction, so that nobody else decides in between. What is refused is on record too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.config import Person, Site
from gateway.day.prove import prove_day, prove_window
from gateway.errors import GatewayError, PermissionDenied, UsageError
from gateway.facts.decisions import REFUSED, Decision, canonical
from gateway.office.custody import cashier_number
from gateway.office.drawer import CountGroup, DrawerSession
from gateway.office.reconcile import Reconciliation
from gateway.office.states import next_state, refusal
from gateway.store.decisions import add_decision
from gateway.store.ledger import Ledger

# Who had the drawer decides none of these; for the last two a supervisor does.
NOT_BY_ITS_CASHIER = ("surprise", "stands", "reopen")
BY_A_SUPERVISOR = ("stands", "reopen")
BY_TWO = ("reopen",)


@dataclass(frozen=True)
class Wanted:
    """What somebody wants. `number`: of the session within its day, 0 for the last one; `closing`:
    which closing count stands, from 1.
    """

    kind: str
    window: str
    business_date: str
    who: str
    number: int = 0
    second: str = ""
    reason: str = ""
    closing: int = 0
    content: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Decided:
    """What is on record now. `state`: of the session after it. `refused`: what the command ends
    with, where it was refused.
    """

    decision: Decision
    number: int
    state: str
    refused: GatewayError | None = None


def decide(ledger: Ledger, site: Site, wanted: Wanted, now_ms: int) -> Decided:
    """Put a decision on record, or its refusal. Raises UsageError when there is no such session:
    then nothing is on record.
    """
    with ledger.transaction() as db:
        # the figures that a reopening keeps are those of the day's report
        is_whole = wanted.kind == "reopen"
        proof = session_of(
            ledger, site, wanted.window, wanted.business_date, wanted.number, is_whole
        )
        session, people = proof.session, site.config.people
        refused = _refused(proof, people, wanted)
        content = {**wanted.content, **_content(proof, people, wanted)}
        if session.last_ms > now_ms:  # the board's clock is ahead of ours
            content = {**content, "after_ms": session.last_ms}
        kind, state = wanted.kind, next_state(session.state, wanted.kind) or session.state
        if refused is not None:
            content = {**content, "asked": kind, "state": session.state, "why": str(refused)}
            kind, state = REFUSED, session.state
        person = people.get(wanted.who)
        decision = add_decision(
            db,
            Decision(
                0, now_ms, wanted.who, person.role if person else "", kind, wanted.business_date,
                wanted.window, *session.key, canonical(content), wanted.reason,
            ),
        )  # fmt: skip
    return Decided(decision, session.number, state, refused)


def session_of(
    ledger: Ledger,
    site: Site,
    window: str,
    business_date: str,
    number: int,
    is_whole: bool = False,
) -> Reconciliation:
    """The proof of a session by its number within the day; 0: the last one. `is_whole`: with what
    other windows show of the posting system's clock. Raises UsageError.
    """
    if is_whole:
        proofs = prove_day(ledger, site.config, business_date).proofs
    else:
        proofs = prove_window(ledger, site.config, window, business_date)
    found = [
        proved.reconciliation
        for proved in proofs
        if proved.reconciliation.session.device == window
        and proved.reconciliation.session.key != (0, 0)  # payments alone make no session
    ]
    if not found:
        raise UsageError(
            f"window {window}: nothing was recorded there on {business_date}; name another day with"
            " --date"
        )
    if number > len(found):
        raise UsageError(
            f"window {window}: session {number} is not one of {len(found)} on {business_date};"
            f" till session list --date {business_date} shows them"
        )
    return found[number - 1 if number else -1]


def closing_counts(session: DrawerSession) -> list[CountGroup]:
    """The closing counts that `stands` chooses from, in order: the last one of each chain of
    recounts, set aside or not.
    """
    replaced = {id(group.replaces) for group in session.groups if group.counted_cents is not None}
    return [g for g in session.groups if g.kind == "close" and id(g) not in replaced]


def _refused(
    proof: Reconciliation, people: Mapping[str, Person], wanted: Wanted
) -> GatewayError | None:
    """Why it is refused; None for what is allowed."""
    session, kind = proof.session, wanted.kind
    if next_state(session.state, kind) is None:
        return UsageError(refusal(session.state, kind))
    names = [wanted.who, *([wanted.second] if kind in BY_TWO else [])]
    for name in names:
        person = people.get(name)
        if person is None:
            return PermissionDenied(
                f"{kind}: {name} is not in [people] of till.toml; put a table [people.{name}] there"
            )
        if kind in BY_A_SUPERVISOR and person.role != "supervisor":
            return PermissionDenied(f"{kind}: {name} is no supervisor; ask one")
        if kind in NOT_BY_ITS_CASHIER and _had_the_drawer(proof, name, person):
            return PermissionDenied(f"{kind}: {name} had this drawer; ask somebody else")
    if len(set(names)) < len(names):
        return PermissionDenied(f"{kind}: {names[0]} is one person, two are wanted")
    closings = closing_counts(session)
    if kind == "stands" and len(closings) < 2:
        return UsageError("stands: the session was closed once, so that count stands")
    if kind == "stands" and not 1 <= wanted.closing <= len(closings):
        return UsageError(f"stands: {wanted.closing} is not one of {len(closings)} closing counts")
    return None


def _had_the_drawer(proof: Reconciliation, name: str, person: Person) -> bool:
    """Whether they signed on in this session, or posted receipts of it."""
    session = proof.session
    numbers = {session.cashier}
    for hand in session.hand_overs:
        numbers |= {hand.from_cashier, hand.to_cashier}
    tenders = [*proof.tenders, *proof.held_over, *proof.after_close]
    numbers |= {cashier_number(tender) for tender in tenders}
    names = {tender.cashier_id.casefold() for tender in tenders}
    return name in names or (person.cashier > 0 and person.cashier in numbers)


def _content(proof: Reconciliation, people: Mapping[str, Person], wanted: Wanted) -> dict[str, Any]:
    """What the books add to what was asked: which count, and the figures that a reopening keeps."""
    if wanted.kind == "stands":
        closings = closing_counts(proof.session)
        is_there = 1 <= wanted.closing <= len(closings)
        return {"count": closings[wanted.closing - 1].ref} if is_there else {}
    if wanted.kind != "reopen":
        return {}
    second = people.get(wanted.second)
    return {
        "second": wanted.second,
        "second_role": second.role if second else "",
        "figures": [
            {
                "tender": line.tender_type,
                "expected_cents": line.expected_cents,
                "counted_cents": line.counted_cents,
                "over_short_cents": line.over_short_cents,
            }
            for line in proof.lines
            if line.expected_cents or line.counted_cents
        ],
    }
