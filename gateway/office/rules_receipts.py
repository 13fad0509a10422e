"""Rules about receipts, what is taken back and who may: R09, R10, R14, R15 and R26."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from gateway.money import format_cents, format_signed
from gateway.office.rule_facts import DayFacts, Receipt, Session, Void
from gateway.office.rule_finding import Fact, Found, Under
from gateway.policy_tables import Numbering
from gateway.toml_tables import toml_key

RANGES_SHOWN_MAX = 5


def r09(day: DayFacts, under: Under) -> Iterator[Found]:
    """Nobody approves the own close, voids after it, or reopens alone."""
    for session in day.sessions:
        if _same(session.approved_by, session.cashier):
            text = f"cashier {session.cashier} approved the own close"
            end_ms = session.closed_ms or session.opened_ms
            yield Found(
                "own_approval", end_ms, session.name, text, (Fact("session", session.name),)
            )
    for void in day.voids:
        closed = [each for each in day.sessions if _is_after_close(void, each)]
        stands_open = any(_is_in_session(void, each) for each in day.sessions)
        if closed and not stands_open:
            text = (
                f"{void.number}: {void.by} took {format_cents(void.cents)} back at"
                f" {under.clock(void.at_ms)}, after the own close at"
                f" {under.clock(closed[-1].closed_ms or 0)}"
            )
            void_facts = (Fact("receipt", void.number), Fact("session", closed[-1].name))
            yield Found("void_after_close", void.at_ms, closed[-1].name, text, void_facts)
    for each in day.reopenings:
        if len({_name(name) for name in each.by if name.strip()}) < 2:
            text = f"session {each.session} was opened again by one person; it takes two"
            facts = (Fact("record", each.ref), Fact("session", each.session))
            yield Found("reopened_alone", each.at_ms, each.session, text, facts)


def _is_after_close(void: Void, session: Session) -> bool:
    closed_ms = session.closed_ms
    return _same(void.by, session.cashier) and closed_ms is not None and void.at_ms >= closed_ms


def _is_in_session(void: Void, session: Session) -> bool:
    is_open = session.opened_ms <= void.at_ms < (session.closed_ms or void.at_ms + 1)
    return _same(void.by, session.cashier) and is_open


def _same(one: str, other: str) -> bool:
    return bool(_name(one)) and _name(one) == _name(other)


def _name(cashier: str) -> str:
    """Device and cashiering system write the same cashier as 7 and 007."""
    return cashier.strip().casefold().lstrip("0")


# --- voids ----------------------------------------------------------------------------------------


def r10(day: DayFacts, under: Under) -> Iterator[Found]:
    """A void names supervisor and reason, and takes back what was there, once; a cash void wants a
    drawer opening.
    """
    taken = Counter((void.source, void.of) for void in day.voids if void.of)
    seen: Counter[tuple[str, str]] = Counter()
    for void in sorted(day.voids, key=lambda void: void.at_ms):
        seen[void.source, void.of] += 1
        facts = (Fact("receipt", void.number), *((Fact("receipt", void.of),) if void.of else ()))
        for kind, text in _wrong_with(void, seen[void.source, void.of], taken):
            yield Found(kind, void.at_ms, "", f"{void.number}: {text}", facts)
        if void.tender_type == "cash" and not _drawer_opened(day, void, under):
            text = (
                f"{void.number}: {format_cents(void.cents)} cash taken back, and no drawer opening"
                f" at {void.window} within {under.policy.R10.opening_within_s} s"
            )
            yield Found("void_without_opening", void.at_ms, "", text, facts)


def _wrong_with(void: Void, nth: int, taken: Counter[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    if not void.supervisor:
        yield "void_without_supervisor", "no supervisor is named"
    elif _same(void.supervisor, void.by):
        yield "void_by_own_supervisor", f"{void.by} is named as the own supervisor"
    if void.reason is not None and not void.reason.strip():
        yield "void_without_reason", "no reason is given"
    original = void.original
    if original is None:
        what = f"receipt {void.of} was never posted" if void.of else "it names no receipt"
        yield "void_of_nothing", f"{what}: nothing is taken back"
        return
    if original.was_void or nth > 1:
        times = taken[void.source, void.of] + (1 if original.was_void else 0)
        yield "void_again", f"receipt {void.of} is taken back {times} times; once counts"
    if void.cents > original.net_cents:
        yield (
            "void_too_much",
            (f"takes {format_cents(void.cents)} back of {format_cents(original.net_cents)}"),
        )
    if void.tender_type != original.tender_type:
        yield (
            "void_other_tender",
            (
                f"takes back {_words(void.tender_type)}, receipt {void.of} was"
                f" {_words(original.tender_type)}"
            ),
        )
    if void.window != original.window:
        yield "void_elsewhere", f"made at {void.window}, receipt {void.of} at {original.window}"


def _words(tender_type: str) -> str:
    return tender_type.replace("_", " ")


def _drawer_opened(day: DayFacts, void: Void, under: Under) -> bool:
    within_ms = under.policy.R10.opening_within_s * 1000
    return any(
        opening.opened_ms - within_ms
        <= void.at_ms
        <= opening.opened_ms + (opening.dwell_ms or 0) + within_ms
        for session in day.sessions
        if session.device == void.window
        for opening in session.openings
    )


# --- numbers --------------------------------------------------------------------------------------


class _Row(NamedTuple):
    """A row of receipt numbers that runs without gaps."""

    source: str
    scope: str
    prefix: str


def r14(day: DayFacts, under: Under) -> Iterator[Found]:
    """Receipt numbers without gaps, voids included, in each row of them."""
    forms: dict[str, Numbering] = {}
    rows: dict[_Row, dict[int, Receipt]] = {}
    malformed: dict[str, list[Receipt]] = {}
    for receipt in day.receipts:
        source = receipt.source.casefold()
        form = forms.get(source) or forms.setdefault(source, numbering_of(under, source))
        parted = _parted(receipt.number, form)
        if form.scope == "none":
            continue
        if parted is None:
            malformed.setdefault(source, []).append(receipt)
        else:
            row = _Row(source, _scope(receipt, form), parted[0])
            rows.setdefault(row, {}).setdefault(parted[1], receipt)
    for source, receipts in malformed.items():
        text = (
            f"{source}: {len(receipts)} receipt numbers are not {_form(forms[source])}, first"
            f" {receipts[0].number}{_hint(under, source)}"
        )
        facts = tuple(Fact("receipt", receipt.number) for receipt in receipts)
        yield Found("number_malformed", receipts[0].at_ms, "", text, facts)
    before = {_Row(s.casefold(), w, prefix): last for s, w, prefix, last in day.last_numbers}
    for row, found in sorted(rows.items(), key=lambda each: each[0]):
        form = forms[row.source]
        missing = list(_missing(found, _before(row, form, before)))
        if missing:
            yield _gaps(row, found, missing, form, _hint(under, row.source))


def _gaps(
    row: _Row,
    found: dict[int, Receipt],
    missing: list[tuple[int, int]],
    form: Numbering,
    hint: str,
) -> Found:
    count = sum(last - first + 1 for first, last in missing)
    where = f" at {row.scope}" if row.scope else ""
    digits = form.digits or min(len(_digits(receipt.number)) for receipt in found.values())
    text = (
        f"{row.source}{where}: {count} receipt number{'s' if count > 1 else ''} missing:"
        f" {_ranges(missing, row.prefix, digits)}{hint}"
    )
    around = {first - 1 for first, _ in missing} | {last + 1 for _, last in missing}
    ends = [found[number] for number in sorted(around & found.keys())]
    facts = tuple(Fact("receipt", receipt.number) for receipt in ends)
    return Found("numbers_missing", ends[0].at_ms, "", text, facts)


def _hint(under: Under, source: str) -> str:
    """The next step where nobody said how the numbers of a source run."""
    if any(name.casefold() == source for name in under.policy.receipts):
        return ""
    return f"; [receipts.{toml_key(source)}] of policy.toml says how its numbers are formed"


def numbering_of(under: Under, source: str) -> Numbering:
    """How a source's numbers are formed; names of sources are compared without case."""
    known = {name.casefold(): each for name, each in under.policy.receipts.items()}
    return known.get(source.casefold(), known["default"])


def _digits(number: str) -> str:
    found = re.search(r"[0-9]+$", number)
    return found.group() if found else ""


def _parted(number: str, numbering: Numbering) -> tuple[str, int] | None:
    """(prefix, number); None for one that is not formed so. Eighteen digits at most: more are an
    identifier and no number.
    """
    digits = _digits(number)
    if numbering.prefix == "*":
        prefix = number[: len(number) - len(digits)]
    elif number.startswith(numbering.prefix):
        prefix, digits = numbering.prefix, number[len(numbering.prefix) :]
    else:
        return None
    is_number = re.fullmatch(r"[0-9]{1,18}", digits) is not None
    if not is_number or numbering.digits not in (0, len(digits)):
        return None
    return prefix, int(digits)


def _form(numbering: Numbering) -> str:
    digits = f"{numbering.digits} digits" if numbering.digits else "digits"
    return digits if numbering.prefix in ("*", "") else f"{numbering.prefix!r} and {digits}"


def _scope(receipt: Receipt, numbering: Numbering) -> str:
    return receipt.window if numbering.scope in ("window", "window_day") else ""


def _before(row: _Row, numbering: Numbering, before: dict[_Row, int]) -> int | None:
    """The number before the day's first one; None: nobody knows it."""
    if numbering.scope in ("day", "window_day"):
        return numbering.first - 1
    return before.get(row)


def _missing(found: Iterable[int], before: int | None) -> Iterator[tuple[int, int]]:
    """(first, last) of each gap between the numbers, and of one before them."""
    last = before
    for number in sorted(found):
        if last is not None and number > last + 1:
            yield last + 1, number - 1
        last = number if last is None else max(last, number)


def _ranges(missing: list[tuple[int, int]], prefix: str, digits: int) -> str:
    shown = [
        f"{prefix}{first:0{digits}d}" + (f" to {prefix}{last:0{digits}d}" if last > first else "")
        for first, last in missing[:RANGES_SHOWN_MAX]
    ]
    more = len(missing) - RANGES_SHOWN_MAX
    return ", ".join(shown) + (f" and {more} more gaps" if more > 0 else "")


# --- business dates, corrections ------------------------------------------------------------------


def r15(day: DayFacts, under: Under) -> Iterator[Found]:
    """Each receipt has the business date of its time: from the cut-off on the next business day."""
    cut_off = f"{under.calendar.cut_off:%H:%M}"
    early, ahead = [], []
    for receipt in day.receipts:
        right = under.calendar.business_date_of(receipt.at_ms)
        if right > receipt.business_date:
            early.append((receipt, right))
        elif right < receipt.business_date:
            ahead.append((receipt, right))
    for kind, found, words in (
        (
            "after_cut_off",
            early,
            f"taken from the cut-off {cut_off} on or on a day without business",
        ),
        ("dated_ahead", ahead, f"taken before the cut-off {cut_off}"),
    ):
        if found:
            first, right = min(found, key=lambda each: each[0].at_ms)
            plural = "s" if len(found) > 1 else ""
            text = (
                f"{len(found)} receipt{plural} {words}: {first.number} of"
                f" {under.clock(first.at_ms)} is dated {first.business_date} and belongs to {right}"
            )
            facts = tuple(Fact("receipt", receipt.number) for receipt, _ in found)
            yield Found(kind, first.at_ms, "", text, facts)


def r26(day: DayFacts, _: Under) -> Iterator[Found]:
    """A correction moves a receivable, no cash, and cites both receipts."""
    for each in day.corrections:
        cited = [number for number in (each.from_receipt, each.to_receipt) if number]
        facts = (Fact("record", each.ref), *(Fact("receipt", number) for number in cited))
        if each.cash_cents:
            text = f"a correction moves {format_signed(each.cash_cents)} of cash; it may move none"
            yield Found("correction_moves_cash", each.at_ms, "", text, facts)
        if len(cited) < 2:
            text = f"a correction cites {cited[0] if cited else 'no receipt'}, not both receipts"
            yield Found("correction_uncited", each.at_ms, "", text, facts)
        if sum(each.receivable_cents):
            text = (
                "a correction's accounts do not balance:"
                f" {format_signed(sum(each.receivable_cents))}"
            )
            yield Found("correction_unbalanced", each.at_ms, "", text, facts)


RULES = {"R09": r09, "R10": r10, "R14": r14, "R15": r15, "R26": r26}
