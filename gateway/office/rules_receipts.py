"""Rules about receipts, what is taken back and who may: R09, R10, R14, R15 and R26."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from gateway.money import format_cents, format_signed
from gateway.office.openings import is_near
from gateway.office.rule_facts import DayFacts, Opening, Receipt, Session, Void
from gateway.office.rule_finding import Fact, Found, Under, cashier_key
from gateway.policy_tables import Numbering
from gateway.toml_tables import toml_key

RANGES_SHOWN_MAX = 5
DIGITS_MAX = 18  # more are an identifier and no number


def r09(day: DayFacts, under: Under) -> Iterator[Found]:
    """Nobody approves the own close, voids after it, or reopens alone."""
    for session in day.sessions:
        if _same(session.approved_by, session.cashier):
            text = f"cashier {session.cashier} approved the own close"
            end_ms = session.closed_ms or session.opened_ms
            yield Found(
                "own_approval", end_ms, session.name, text, (Fact("session", session.name),)
            )
    yield from _voids_after_close(day, under)
    for each in day.reopenings:
        if len({cashier_key(name) for name in each.by if name.strip()}) < 2:
            text = f"session {each.session} was opened again by one person; it takes two"
            facts = (Fact("record", each.ref), Fact("session", each.session))
            yield Found("reopened_alone", each.at_ms, each.session, text, facts)


def _voids_after_close(day: DayFacts, under: Under) -> Iterator[Found]:
    by_cashier: dict[str, list[Session]] = {}
    for session in day.sessions:
        by_cashier.setdefault(cashier_key(session.cashier), []).append(session)
    for void in day.voids:
        key = cashier_key(void.by)
        own = by_cashier.get(key, []) if key else []
        begun = [session for session in own if session.opened_ms <= void.at_ms]
        ended = [
            each for each in begun if each.closed_ms is not None and each.closed_ms <= void.at_ms
        ]
        if ended and len(ended) == len(begun):
            last = max(ended, key=lambda session: session.closed_ms or 0)
            text = (
                f"{void.number}: {void.by} took {format_cents(void.cents)} back at"
                f" {under.clock(void.at_ms)}, after the own close at"
                f" {under.clock(last.closed_ms or 0)}"
            )
            facts = (Fact("receipt", void.number), Fact("session", last.name))
            yield Found("void_after_close", void.at_ms, last.name, text, facts)


def _same(one: str, other: str) -> bool:
    return bool(cashier_key(one)) and cashier_key(one) == cashier_key(other)


# --- voids ----------------------------------------------------------------------------------------


def r10(day: DayFacts, under: Under) -> Iterator[Found]:
    """A void names supervisor and reason, and takes back what was there, once; a cash void wants a
    drawer opening.
    """
    taken = Counter((void.source, void.of) for void in day.voids if void.of)
    seen: Counter[tuple[str, str]] = Counter()
    openings: dict[str, list[Opening]] = {}
    for session in day.sessions:
        openings.setdefault(session.device, []).extend(session.openings)
    within_ms = under.policy.R10.opening_within_s * 1000
    for void in sorted(day.voids, key=lambda void: void.at_ms):
        seen[void.source, void.of] += 1
        facts = (Fact("receipt", void.number), *((Fact("receipt", void.of),) if void.of else ()))
        for kind, text in _wrong_with(void, seen[void.source, void.of], taken):
            yield Found(kind, void.at_ms, "", f"{void.number}: {text}", facts)
        at_window = openings.get(void.window, ())
        is_opened = any(is_near(each, void.at_ms, within_ms) for each in at_window)
        if void.tender_type == "cash" and not is_opened:
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


# --- numbers --------------------------------------------------------------------------------------


class _Row(NamedTuple):
    """A row of receipt numbers that runs without gaps."""

    source: str
    scope: str
    prefix: str


def r14(day: DayFacts, under: Under) -> Iterator[Found]:
    """Receipt numbers without gaps, voids included, in each row of them."""
    rows: dict[tuple[str, str, str], dict[int, Receipt]] = {}
    malformed: dict[str, list[Receipt]] = {}
    names = {name: name.casefold() for name in {receipt.source for receipt in day.receipts}}
    forms = {source: numbering_of(under, source) for source in names.values()}
    for receipt in day.receipts:
        source = names[receipt.source]
        form = forms[source]
        if form.scope == "none":
            continue
        parted = _parted(receipt.number, form)
        if parted is None:
            malformed.setdefault(source, []).append(receipt)
            continue
        prefix, number = parted
        row = (source, receipt.window if "window" in form.scope else "", prefix)
        if row in rows:
            rows[row].setdefault(number, receipt)
        else:
            rows[row] = {number: receipt}
    for source, receipts in malformed.items():
        text = (
            f"{source}: {len(receipts)} receipt numbers are not {_form(forms[source])}, first"
            f" {receipts[0].number}{_hint(under, source)}"
        )
        facts = tuple(Fact("receipt", receipt.number) for receipt in receipts)
        yield Found("number_malformed", receipts[0].at_ms, "", text, facts)
    before = {_Row(s.casefold(), w, prefix): last for s, w, prefix, last in day.last_numbers}
    for row, found in sorted((_Row(*key), found) for key, found in rows.items()):
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
    """What a number ends with."""
    return number[len(number.rstrip("0123456789")) :]


def _parted(number: str, numbering: Numbering) -> tuple[str, int] | None:
    """(prefix, number); None for one that is not formed so."""
    digits = _digits(number)
    if numbering.prefix == "*":
        prefix = number[: len(number) - len(digits)]
    elif number.startswith(numbering.prefix):
        prefix, digits = numbering.prefix, number[len(numbering.prefix) :]
    else:
        return None
    is_number = digits.isascii() and digits.isdigit() and len(digits) <= DIGITS_MAX
    if not is_number or numbering.digits not in (0, len(digits)):
        return None
    return prefix, int(digits)


def _form(numbering: Numbering) -> str:
    digits = f"{numbering.digits} digits" if numbering.digits else "digits"
    return digits if numbering.prefix in ("*", "") else f"{numbering.prefix!r} and {digits}"


def _before(row: _Row, numbering: Numbering, before: dict[_Row, int]) -> int | None:
    """The number before the day's first one; None: nobody knows it."""
    if numbering.scope in ("day", "window-day"):
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
    spans = {date: under.calendar.span_of(date) for date in {r.business_date for r in day.receipts}}
    for receipt in day.receipts:
        first_ms, until_ms = spans[receipt.business_date]
        if first_ms <= receipt.at_ms < until_ms:
            continue  # asking the calendar for each receipt would take most of a day's proof
        right = under.calendar.business_date_of(receipt.at_ms)
        if right > receipt.business_date:
            early.append((receipt, right))
        elif right < receipt.business_date:
            ahead.append((receipt, right))
    for kind, found, words in (
        (
            "after_cut_off",
            early,
            f"taken past the cut-off {cut_off} or on a closed day",
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
