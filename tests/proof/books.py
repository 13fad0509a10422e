"""./run proof books: generated office days, whose truth is known, against the books, to the cent.

    --days N        how many (default 100)     --seed S   the first one     --jobs J   processes
    --planted       plant the known bugs in the office's rules instead, and say on which day each
                    was found
    --ledger-every N  how many of them go through a ledger: every tenth
    --json          machine-readable

Every tenth day goes through a real ledger: sealed messages, posted.csv, the day's proof as the
command makes it, then the settlement, the bank's report and its returned items. What the rules of
the office find there is compared with what was dealt. The other days are given to the same
functions directly.
"""

import argparse
import datetime
import functools
import importlib
import json
import sys
import tempfile
import time
import zoneinfo
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from gateway.business_day import local_date
from gateway.chart_file import (
    DEPOSITED,
    NOT_DEPOSITED,
    OF_ALL_FUNDS,
    BankAccount,
    Chart,
    FundAccounts,
    OverShort,
)
from gateway.office.cards import FINAL
from gateway.office.journal import journal_of, unbalanced
from gateway.office.returned import fund_effect
from gateway.office.rules import Finding
from simulators.office.bank_day import BankDay, bank_day
from simulators.office.day import OfficeDay, generate
from simulators.office.mix import EVERYTHING
from simulators.office.shift import ERROR_KINDS
from simulators.office.truth import NOWHERE, DepositTruth, SessionTruth, some
from tests.day import bench
from tests.day.simulated import posting_of, records_of
from tests.house.planting import planted
from tests.office.rows import Seen
from tests.proof.book_findings import findings_differ
from tests.proof.planted_books import BUGS

ZONE = zoneinfo.ZoneInfo("America/Chicago")
FIRST_DATE = datetime.date(2026, 11, 16)  # a Monday; days are of its week
CHART = Chart(
    pool="pool",
    bank={"operating": BankAccount("bank", DEPOSITED)},
    tender=dict.fromkeys(NOT_DEPOSITED, "elsewhere"),
    fund={OF_ALL_FUNDS: FundAccounts("receipts", "returned", "due from", "due to")},
    over_short=OverShort("general", "over and short"),
    float="float",
)
WINDOWS_MAX = 8
PAYMENTS = (16, 24, 36, 50)
BALANCED_PERCENT = 60  # of the days: no error
LEDGER_EVERY = 10
# Days on which the posting system's clock is off: busy drawers, for quiet ones do not show it.
CLOCK_OFF_EVERY = 12
CLOCK_OFF = {"clock_off": 100, "hand_over": 0, "twice": 0, "over_midnight": 0, "held_in": 0}
PLANTED_WITHIN = 200  # a bug that these days do not find counts as not found
ROOM = "gateway.office"
RULES = ("sessions", "tenders", "custody", "intervals", "reconcile", "deposit")


@dataclass
class Outcome:
    """What one day showed."""

    seed: int
    sessions: int = 0
    receipts: int = 0
    by_ledger: bool = False
    error: str = ""
    findings: list[Finding] = field(default_factory=list)  # of the rules, through a ledger
    differences: list[str] = field(default_factory=list)


def the_day(seed: int, every: int = LEDGER_EVERY) -> OfficeDay:
    """The day of a seed: one to eight drawers, an error on some."""
    of_error = (seed * 7919) % 100
    error = ERROR_KINDS[of_error % len(ERROR_KINDS)] if of_error >= BALANCED_PERCENT else None
    date = FIRST_DATE + datetime.timedelta(days=seed % 5)
    windows, payments = 1 + seed % WINDOWS_MAX, PAYMENTS[seed // WINDOWS_MAX % len(PAYMENTS)]
    # posted.csv knows six services; the rules have no such list
    mix = EVERYTHING if is_by_ledger(seed, every) else replace(EVERYTHING, other_service=5)
    if seed % CLOCK_OFF_EVERY == CLOCK_OFF_EVERY - 1:
        windows, payments, mix = 1 + seed % 3, PAYMENTS[-1], replace(mix, **CLOCK_OFF)
    return generate(seed, windows, payments, date, error, mix, error_cents=None)


def is_by_ledger(seed: int, every: int = LEDGER_EVERY) -> bool:
    """Whether the day of a seed goes through a ledger."""
    return seed % every == 0


def judged(seed: int, rules: "Rules | None" = None, every: int = LEDGER_EVERY) -> Outcome:
    """One day against its truth; with other rules, never through the ledger."""
    day = the_day(seed, every)
    by_ledger = rules is None and is_by_ledger(seed, every)
    errors = day.truth.errors
    outcome = Outcome(
        seed, len(day.truth.sessions), len({leg.receipt_no for leg in day.truth.legs}), by_ledger,
        errors[0].kind if errors else "",
    )  # fmt: skip
    dates = list(day.truth.deposits)
    if by_ledger:
        books = ledger_books(day, dates, outcome.findings, outcome.differences)
        outcome.differences += findings_differ(day, dates, outcome.findings)
    else:
        books = direct_books(day, dates, rules or Rules())
    for date in dates:
        proofs, deposit = books[date]
        outcome.differences += sessions_differ(day.truth.sessions_on(date), proofs)
        outcome.differences += identity_differs(day, date, proofs)
        outcome.differences += deposit_differs(date, day.truth.deposits[date], deposit)
        outcome.differences += journal_differs(date, day.truth.deposits[date], proofs, deposit)
    return outcome


# --- the books ------------------------------------------------------------------------------------

Books = dict[str, tuple[list[Any], Any]]  # {business date: (reconciliations, deposit)}


class Rules:
    """The office's functions; a module of theirs may be replaced by one with a planted bug."""

    def __init__(self, module: str = "", old: str = "", new: str = "") -> None:
        ours = {name: each for name, each in sys.modules.items() if name.startswith(f"{ROOM}.")}
        try:
            if module:
                for name in ours:
                    del sys.modules[name]
                _plant(f"{ROOM}.{module}", old, new)
            for name in RULES:
                setattr(self, name, importlib.import_module(f"{ROOM}.{name}"))
        finally:
            if module:
                for name in [name for name in sys.modules if name.startswith(f"{ROOM}.")]:
                    del sys.modules[name]
                sys.modules.update(ours)

    sessions: Any
    tenders: Any
    custody: Any
    reconcile: Any
    deposit: Any


def _plant(name: str, old: str, new: str) -> None:
    path = Path(importlib.import_module(ROOM).__path__[0]) / f"{name.rpartition('.')[2]}.py"
    source = planted(path.read_text(), old, new, str(path))
    changed = ModuleType(name)
    sys.modules[name] = changed
    exec(compile(source, str(path), "exec"), changed.__dict__)


def direct_books(day: OfficeDay, dates: Sequence[str], rules: Rules) -> Books:
    """By the pure functions: every window's sessions and postings at once."""
    books: dict[str, tuple[list[Any], list[Any]]] = {date: ([], []) for date in dates}
    rows = [posting_of(row) for row in (*day.earlier, *day.posted)]
    before = {
        (row.source_system, row.scope, row.receipt_no): (row.business_date, row.posted_ms)
        for row in rows
        if row.business_date < dates[0]
    }
    for window in day.windows:
        sessions = rules.sessions.drawer_sessions(records_of(day, window), date_of=date_of)
        ours = [r for r in rows if r.window_id == window and r.business_date >= dates[0]]
        custody = rules.custody.custody_of(
            sessions, rules.tenders.tenders_of(ours, before), date_of
        )
        for session, held in zip(sessions, custody.held, strict=True):
            date = date_of(session.started_ms)
            claimed = frozenset(custody.moved & {tender.receipt for tender in held})
            books[date][0].append(rules.reconcile.reconcile(session, held, date, claimed))
            for tender in held:
                if tender.business_date != date and not tender.outside:
                    books[tender.business_date][1].append(tender)
    late = {
        id(tender) for proofs, _ in books.values() for each in proofs for tender in each.after_close
    }
    return {
        date: (proofs, rules.deposit.deposit_of(proofs, [t for t in held if id(t) not in late]))
        for date, (proofs, held) in books.items()
    }


def date_of(at_ms: int) -> str:
    """The office's calendar date."""
    return local_date(at_ms, ZONE)


@dataclass
class _Tape:
    device: str
    rows: list[Seen]


def ledger_books(
    day: OfficeDay, dates: Sequence[str], findings: list[Finding], wrong_money: list[str]
) -> Books:
    """Through messages, files and the ledger; adds what the rules find, and afterwards what differs
    from the truth in what the processor and the bank say.
    """
    with tempfile.TemporaryDirectory() as folder:
        tapes = [_Tape(window, records_of(day, window)) for window in day.windows]
        office = bench.OfficeDay(Path(folder), *tapes)  # type: ignore[arg-type]
        for name, text in (("earlier.csv", day.earlier_text()), ("posted.csv", day.posted_text())):
            if text:
                result = office.post(text, name)
                assert ("posted", 0) == (result.state, result.refused), (result.reason, name)
        found = {}
        for date in dates:
            proved = office.day(date)
            findings += proved.findings
            found[date] = ([each.reconciliation for each in proved.proofs], proved.deposit)
        wrong_money += money_differs(bank_day(day), office, day.truth.business_date)
        office.office.ledger.close()
    return found


def money_differs(truth: BankDay, office: bench.OfficeDay, date: str) -> list[str]:
    """What the processor and the bank say of the day, imported, against what they were dealt."""
    files = {"s.csv": truth.settlement, "bank": truth.bank, "returns.ach": truth.returns}
    for name, text in files.items():
        if text:
            result = office.bring(text, name)
            assert ("imported", 0) == (result.state, result.refused), (name, result.reason)
    money = office.day(date).money
    cards = money.cards.findings if money.cards else ()
    returned = {
        each.original.receipt_no: fund_effect([each])
        for each in (money.returned.entries if money.returned else ())
        if each.has_effect and each.original
    }
    credit = next(
        ((each.kind, each.difference_cents) for each in (money.bank.findings if money.bank else ())
         if any(sent.deposit_id == date for sent in each.deposits)), ("none", 0),
    )  # fmt: skip
    pairs: dict[str, tuple[Any, Any]] = {
        "cards": (truth.cards, tuple(sorted(e.kind for e in cards if e.kind not in FINAL))),
        "returned items": (truth.returned, returned),
        "credit": (truth.credit, credit),
    }
    return [
        f"{date} {name}: truth {true}, books {book}"
        for name, (true, book) in pairs.items()
        if true != book
    ]


# --- against the truth ----------------------------------------------------------------------------


def sessions_differ(truths: Sequence[SessionTruth], proofs: Sequence[Any]) -> list[str]:
    """Each session's tenders and intervals."""
    wrong = []
    found: dict[str, list[Any]] = {}
    for proof in proofs:
        found.setdefault(proof.session.device, []).append(proof)
    if Counter(truth.window for truth in truths) != Counter(p.session.device for p in proofs):
        return [f"sessions: truth {len(truths)}, books {len(proofs)}"]
    for truth in truths:
        proof = found[truth.window][truth.number - 1]
        pairs: dict[str, tuple[Any, Any]] = {
            "cashier": (truth.cashier, proof.session.cashier),
            "issued": (truth.issued_cents, proof.issued_cents),
            "opening": (truth.opening_float_cents, proof.opening_cents),
            "drops": (truth.drops_cents, proof.drops_cents),
            "intervals": (
                [each.over_short_cents for each in truth.intervals],
                [each.over_short_cents for each in proof.intervals],
            ),
            "after close": (
                truth.after_close_cents, sum(tender.net_cents for tender in proof.after_close)
            ),
        }  # fmt: skip
        pairs["cash is"] = (_status(truth), proof.line("cash").status)
        for name, tender in truth.tenders.items():
            line = proof.line(name)
            pairs[name] = (
                (
                    tender.posted_net_cents, tender.held_over_cents, tender.expected_cents,
                    tender.counted_cents, tender.over_short_cents,
                ),
                (
                    line.posted_cents, line.held_over_cents, line.expected_cents,
                    line.counted_cents, line.over_short_cents,
                ),
            )  # fmt: skip
        where = f"{truth.business_date} {truth.window} session {truth.number}"
        wrong += [
            f"{where} {name}: truth {true}, books {book}"
            for name, (true, book) in pairs.items()
            if true != book
        ]
    return wrong


def _status(truth: SessionTruth) -> str:
    """Of the cash: nothing is netted over a count."""
    signs = {each.over_short_cents > 0 for each in truth.intervals if each.over_short_cents}
    if len(signs) > 1:
        return "over and short"
    return "balanced" if not signs else "over" if True in signs else "short"


def identity_differs(day: OfficeDay, date: str, proofs: Sequence[Any]) -> list[str]:
    """In the drawer + held over + after the close + returned = receipts; each receipt once."""
    true = Counter(
        (leg.receipt_no, leg.tender)
        for leg in day.truth.legs
        if leg.session[0] == date and leg.session[2] and leg.place != NOWHERE
    )
    places = [t for p in proofs for t in (*p.tenders, *p.held_over, *p.after_close, *p.returned)]
    nothing = [t for t in places if t.status == "void" and not t.net_cents and not t.outside]
    book = Counter((tender.receipt_no, tender.tender_type) for tender in places)
    book -= Counter((tender.receipt_no, tender.tender_type) for tender in nothing)
    true_cents = sum(
        leg.net_cents for leg in day.truth.legs if leg.session[0] == date and leg.session[2]
    )
    book_cents = sum(tender.net_cents for tender in places)
    if (true, true_cents) == (book, book_cents):
        return []
    odd = sorted({key[0] for key in (true - book) | (book - true)})
    return [f"{date} receipts: truth {true_cents}, books {book_cents}; {', '.join(odd[:5])}"]


def deposit_differs(date: str, truth: DepositTruth, deposit: Any) -> list[str]:
    """The deposit of a date."""
    by_tender = {name: cents or 0 for name, cents in deposit.by_tender_cents.items()}
    pairs = {
        "funds": (truth.funds_cents, some(deposit.funds_cents)),
        "tenders": (truth.tenders_cents, some(deposit.tenders_cents)),
        "by tender": (truth.deposit_cents, some(by_tender)),
        "held over": (truth.held_over_cents, deposit.held_over_cents),
        "held in": (truth.held_in_cents, deposit.held_in_cents),
        "returned": (truth.returned_cents, some(deposit.returned_cents)),
        "after close": (truth.after_close_cents, deposit.after_close_cents),
    }
    return [
        f"{date} deposit, {name}: truth {true}, books {book}"
        for name, (true, book) in pairs.items()
        if true != book
    ]


def journal_differs(
    date: str, truth: DepositTruth, proofs: Sequence[Any], deposit: Any
) -> list[str]:
    """The general ledger's journal of a date, where everything is declared: each fund balances,
    the bank gets what was counted less what came back, a fund what was paid to it.
    """
    if deposit.deposit_cents is None:
        return []
    floats = sum(proof.opening_over_short_cents or 0 for proof in proofs)
    lines = journal_of(deposit, CHART, floats, "4815")
    booked: Counter[str] = Counter()
    for line in lines:
        booked[line.account] += line.debit_cents - line.credit_cents
        if line.account == "receipts":
            booked[line.fund] -= line.debit_cents - line.credit_cents
    bank = sum(truth.deposit_cents.get(name, 0) for name in DEPOSITED)
    pairs = {
        "balance": ({}, unbalanced(lines)),
        "bank": (bank + sum(truth.returned_cents.values()), booked["bank"]),
        "receipts": (truth.funds_cents, some({f: booked[f] for f in truth.funds_cents})),
        "floats": (floats, booked["float"]),
    }
    return [
        f"{date} journal, {name}: truth {true}, books {book}"
        for name, (true, book) in pairs.items()
        if true != book
    ]


# --- the command ----------------------------------------------------------------------------------


def found_on(module: str, old: str, new: str, within: int = PLANTED_WITHIN, first: int = 1) -> int:
    """The first day that goes wrong with a planted bug and not without; 0 when none does."""
    rules = Rules(module, old, new)
    for seed in range(first, first + within):
        try:
            differs = bool(judged(seed, rules).differences)
        except Exception:  # rules that raise are found too
            differs = True
        if differs and not judged(seed, Rules()).differences:
            return seed
    return 0


def prove(days: int, seed: int, jobs: int = 1, every: int = LEDGER_EVERY) -> list[Outcome]:
    """The outcomes of so many days."""
    seeds, one = range(seed, seed + days), functools.partial(judged, every=every)
    if jobs == 1:
        return [one(each) for each in seeds]
    with ProcessPoolExecutor(jobs) as pool:
        return list(pool.map(one, seeds, chunksize=4))


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="./run proof books", description=__doc__.partition("\n\n")[0]
    )
    parser.add_argument("--days", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--ledger-every", type=int, default=LEDGER_EVERY)
    for flag in ("--planted", "--json"):
        parser.add_argument(flag, action="store_true")
    options = parser.parse_args(arguments)
    result = _planted(options) if options.planted else _proved(options)
    if options.json:
        print(json.dumps(result, indent=1))
    return int(bool(result["failed"]))


def _proved(options: argparse.Namespace) -> dict[str, Any]:
    started = time.perf_counter()
    outcomes = prove(options.days, options.seed, options.jobs, options.ledger_every)
    found = Counter(f"{e.rule} {e.kind}" for outcome in outcomes for e in outcome.findings)
    wrong = [outcome for outcome in outcomes if outcome.differences]
    result: dict[str, Any] = {
        "days": len(outcomes),
        "sessions": sum(each.sessions for each in outcomes),
        "receipts": sum(each.receipts for each in outcomes),
        "by_ledger": sum(each.by_ledger for each in outcomes),
        "errors": dict(Counter(each.error or "none" for each in outcomes)),
        "findings": dict(sorted(found.items())),
        "differences": sum(len(each.differences) for each in outcomes),
        "seconds": round(time.perf_counter() - started),
        "failed": len(wrong),
    }
    if not options.json:
        print(
            "{days} days, {by_ledger} of them through a ledger, {sessions} sessions, {receipts}"
            " receipts, differences {differences}, {seconds} s".format(**result)
        )
        print("  errors: " + " ".join(f"{k} {n}" for k, n in sorted(result["errors"].items())))
        told = ", ".join(f"{kind} {n}" for kind, n in sorted(found.items()))
        print(f"  findings of the rules, through a ledger: {told or 'none'}")
        for outcome in wrong[:10]:
            print(f"  day {outcome.seed}: ./run proof books --days 1 --seed {outcome.seed}")
            for text in outcome.differences[:6]:
                print(f"    {text}")
    return result


def _planted(options: argparse.Namespace) -> dict[str, Any]:
    found = {}
    for title, module, old, new in BUGS:
        found[title] = found_on(module, old, new, first=options.seed)
        at = f"found on day {found[title]}" if found[title] else "NOT FOUND"
        if not options.json:
            print(f"{title}: {at}", flush=True)
    return {"planted": found, "failed": sum(not seed for seed in found.values())}
