"""Rules about receipts, what is taken back and who may: R09, R10, R14, R15 and R26."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from gateway.money import format_cents, format_signed
from gateway.office.openings import is_near
from gateway.office.rule_facts import DayFacts, Opening, Receipt, Session, Void
from gateway.office.rule_finding import Fact, Found, Under, cashier_key
from gateway.policy_tables import Numbering
from gateway.toml_tables import toml_key

RANGES_SHOWN_MAX = 5
# A row with more gaps than this, and more than half as many as numbers, does not run: an office
# that sees some receipts of many, or numbers that are none.
GAPS_MAX = 20
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
    whole: dict[tuple[str, str, str], Void] = {}  # with all its tenders
    for void in day.voids:
        if not void.is_in_place:
            of = (void.source, void.number, void.of)
            cents = void.cents + (whole[of].cents if of in whole else 0)
            whole[of] = void._replace(cents=cents)
    for void in whole.values():
        key = cashier_key(void.by)
        own = list(by_cashier.get(key, [])) if key else []
        own += [each for each in by_cashier.get("", ()) if each.name == void.session]
        begun = [session for session in own if session.opened_ms <= void.at_ms]
        ended = [
            each for each in begun if each.closed_ms is not None and each.closed_ms <= void.at_ms
        ]
        if ended and len(ended) == len(begun):
            last = max(ended, key=lambda session: session.closed_ms or 0)
            text = (
                f"{void.number}: {void.by} took {void.of or 'a receipt'} back,"
                f" {format_cents(void.cents)}, at {under.clock(void.at_ms)}, after"
                f" {'the own close' if last.cashier else 'the close of a drawer of nobody'} at"
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
    openings: dict[str, list[Opening]] = {}
    for session in day.sessions:
        openings.setdefault(session.device, []).extend(session.openings)
    within_s = under.policy.R10.opening_within_s
    told = set()
    for void in sorted(day.voids, key=lambda void: void.at_ms):
        facts = tuple(
            Fact("receipt", number) for number in dict.fromkeys((void.number, void.of)) if number
        )
        wrong = list(_wrong_with(void))
        opened = openings.get(void.window, ())  # none all day: nothing tells them there
        if (
            opened
            and _wants_opening(void)
            and not any(is_near(each, void.at_ms, within_s * 1000) for each in opened)
        ):
            text = f"no drawer opening at {void.window} within {within_s} s"
            wrong.append(("void_without_opening", text))
        for kind, text in wrong:
            finding = Found(kind, void.at_ms, void.session, f"{_named(void)}: {text}", facts)
            if (kind, void.source, void.number, void.of) not in told:  # once for all its tenders
                yield finding
            told.add((kind, void.source, void.number, void.of))


def _named(void: Void) -> str:
    """A receipt that takes one back, or is void itself."""
    cents, kind = format_cents(void.cents), _words(void.tender_type)
    if void.is_in_place:
        return f"receipt {void.number} ({kind} {cents}) is void"
    of = void.of or "nothing that it names"
    return f"receipt {void.number} takes {of} back ({kind} {cents})"


def _wants_opening(void: Void) -> bool:
    """Whether it says that cash was handed back. Nobody knows when a receipt became void in place,
    and what takes back nothing moves no cash.
    """
    original = void.original
    is_empty = original is None or original.was_void or original.takes_back
    return void.tender_type == "cash" and not is_empty and not void.is_in_place


def _wrong_with(void: Void) -> Iterator[tuple[str, str]]:
    if not void.supervisor:
        yield "void_without_supervisor", "no supervisor is named"
    elif _same(void.supervisor, void.by):
        yield "void_by_own_supervisor", f"{void.by} is named as the own supervisor"
    if void.reason is not None and not void.reason.strip():
        yield "void_without_reason", "no reason is given"
    original = void.original
    if void.is_in_place:
        return
    if original is None:
        yield "void_of_nothing", "that was never posted: it has no effect"
        return
    if original.takes_back:
        yield "void_of_void", "that takes another back itself: it has no effect"
    elif original.was_void:
        yield "void_again", "that was taken back before: it has no effect"
    elif void.tender_type == original.tender_type and void.cents > abs(original.net_cents):
        yield "void_too_much", f"that was {format_cents(original.net_cents)}"
    if void.tender_type != original.tender_type:
        yield "void_other_tender", f"that was paid by {_words(original.tender_type)}"
    if void.window != original.window:
        yield "void_elsewhere", f"made at {void.window}, that was at {original.window}"


def _words(tender_type: str) -> str:
    return tender_type.replace("_", " ")


# --- numbers --------------------------------------------------------------------------------------


class NumberRow(NamedTuple):
    """A row of receipt numbers that runs without gaps. `scope`: a window, a date, or both; "": the
    whole source.
    """

    source: str
    scope: str
    prefix: str


def number_rows(
    day: DayFacts, under: Under
) -> tuple[dict[NumberRow, dict[int, Receipt]], dict[str, list[Receipt]]]:
    """({row: {number: receipt}} of the receipts of the business date, {source: those whose number
    is not formed as the policy says}).
    """
    rows: dict[NumberRow, dict[int, Receipt]] = {}
    malformed: dict[str, list[Receipt]] = {}
    receipts = [each for each in day.receipts if each.business_date == day.business_date]
    names = {name: name.casefold() for name in {receipt.source for receipt in receipts}}
    forms = {source: numbering_of(under, source) for source in names.values()}
    declared = {source: is_declared(under, source) for source in names.values()}
    for receipt in receipts:
        source = names[receipt.source]
        form = forms[source]
        if form.scope == "none":
            continue
        parted = parted_number(receipt.number, form)
        if parted is None:
            malformed.setdefault(source, []).append(receipt)
            continue
        prefix, number = parted
        own = "" if declared[source] else receipt.scope
        row = (source, receipt.window if "window" in form.scope else own, prefix)
        if row in rows:  # a named tuple is found by a plain one
            rows[row].setdefault(number, receipt)
        else:
            rows[NumberRow(*row)] = {number: receipt}
    return rows, malformed


def r14(day: DayFacts, under: Under) -> Iterator[Found]:
    """Receipt numbers without gaps, voids included, in each row of them. A number that was posted
    for another day is there; one whose row is refused is named as that.
    """
    rows, malformed = number_rows(day, under)
    for source, receipts in malformed.items():
        text = (
            f"{source}: {len(receipts)} receipt numbers are not"
            f" {_form(numbering_of(under, source))}, first {receipts[0].number}"
            f"{_hint(under, source)}"
        )
        facts = tuple(Fact("receipt", receipt.number) for receipt in receipts)
        yield Found("number_malformed", receipts[0].at_ms, "", text, facts)
    before = {NumberRow(s.casefold(), w, prefix): last for s, w, prefix, last in day.last_numbers}
    others = _by_row(day.other_numbers)
    refused = _by_row(day.refused_numbers)
    for row, found in sorted(rows.items()):
        form = numbering_of(under, row.source)
        if is_scattered(found):
            yield _scattered(row, found, _hint(under, row.source))
            continue
        known = {*found, *others.get(row, ()), *refused.get(row, ())}
        missing = list(missing_ranges(known, number_before(row, form, before)))
        digits = form.digits or min(len(number_digits(each.number)) for each in found.values())
        if missing:
            yield _gaps(row, found, missing, digits, _hint(under, row.source))
        at = {
            n: day.refused_numbers[*row, n] for n in sorted(refused.get(row, ())) if n not in found
        }
        if at:
            yield _refused(row, found, at, digits)


def is_scattered(found: Iterable[int]) -> bool:
    """Whether the numbers of a day do not run at all."""
    numbers = list(found)
    gaps = sum(1 for _ in missing_ranges(numbers, None))
    return gaps > GAPS_MAX and gaps * 2 > len(numbers)


def _scattered(row: NumberRow, found: dict[int, Receipt], hint: str) -> Found:
    first, last = found[min(found)], found[max(found)]
    text = (
        f"{_where(row)}: {len(found)} receipt numbers from {first.number} to {last.number} do not"
        f" run: nobody can say which are missing{hint}"
    )
    facts = (Fact("receipt", first.number), Fact("receipt", last.number))
    return Found("numbers_scattered", first.at_ms, "", text, facts)


def _by_row(numbers: Iterable[tuple[str, str, str, int]]) -> dict[NumberRow, set[int]]:
    found: dict[NumberRow, set[int]] = {}
    for source, scope, prefix, number in numbers:
        found.setdefault(NumberRow(source, scope, prefix), set()).add(number)
    return found


def _gaps(
    row: NumberRow,
    found: dict[int, Receipt],
    missing: list[tuple[int, int]],
    digits: int,
    hint: str,
) -> Found:
    count = sum(last - first + 1 for first, last in missing)
    text = (
        f"{_where(row)}: {count} receipt number{'s' if count > 1 else ''} missing:"
        f" {_ranges(missing, row.prefix, digits)}{hint}"
    )
    around = {first - 1 for first, _ in missing} | {last + 1 for _, last in missing}
    ends = [found[number] for number in sorted(around & found.keys())]
    ends = ends or [found[min(n for n in found if n > missing[0][0])]]
    facts = tuple(Fact("receipt", receipt.number) for receipt in ends)
    return Found("numbers_missing", ends[0].at_ms, "", text, facts)


def _refused(row: NumberRow, found: dict[int, Receipt], at: dict[int, str], digits: int) -> Found:
    numbers = {number: f"{row.prefix}{number:0{digits}d}" for number in at}
    shown = [f"{numbers[number]} ({at[number]})" for number in list(at)[:RANGES_SHOWN_MAX]]
    more = len(at) - RANGES_SHOWN_MAX
    text = (
        f"{_where(row)}: {len(at)} receipt number{'s' if len(at) > 1 else ''} in no sum, refused"
        f" when imported: {', '.join(shown)}" + (f" and {more} more" if more > 0 else "")
    )
    after = [number for number in found if number > min(at)]
    at_ms = found[min(after, default=max(found))].at_ms
    facts = tuple(Fact("receipt", number) for number in numbers.values())
    return Found("numbers_refused", at_ms, "", text, facts)


def _where(row: NumberRow) -> str:
    return f"{row.source} at {row.scope}" if row.scope else row.source


def _hint(under: Under, source: str) -> str:
    """The next step where nobody said how the numbers of a source run."""
    if is_declared(under, source):
        return ""
    return f"; [receipts.{toml_key(source)}] of policy.toml says how its numbers are formed"


def is_declared(under: Under, source: str) -> bool:
    """Whether the policy says how the numbers of a source are formed."""
    return any(name.casefold() == source.casefold() for name in under.policy.receipts)


def numbering_of(under: Under, source: str) -> Numbering:
    """How a source's numbers are formed; names of sources are compared without case."""
    known = {name.casefold(): each for name, each in under.policy.receipts.items()}
    return known.get(source.casefold(), known["default"])


def number_digits(number: str) -> str:
    """What a number ends with."""
    return number[len(number.rstrip("0123456789")) :]


def parted_number(number: str, numbering: Numbering) -> tuple[str, int] | None:
    """(prefix, number); None for one that is not formed so."""
    digits = number_digits(number)
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


def number_before(row: NumberRow, numbering: Numbering, before: dict[NumberRow, int]) -> int | None:
    """The number before the day's first one; None: nobody knows it."""
    if numbering.scope in ("day", "window-day"):
        return numbering.first - 1
    return before.get(row)


def missing_ranges(found: Iterable[int], before: int | None) -> Iterator[tuple[int, int]]:
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
    early: dict[tuple[str, str, str], tuple[Receipt, str]] = {}  # each receipt once
    ahead: dict[tuple[str, str, str], tuple[Receipt, str]] = {}
    spans = {date: under.calendar.span_of(date) for date in {r.business_date for r in day.receipts}}
    for receipt in day.receipts:
        if receipt.is_held_in:
            continue  # the day on which it was taken says it
        first_ms, until_ms = spans[receipt.business_date]
        if first_ms <= receipt.at_ms < until_ms:
            continue  # asking the calendar for each receipt would take most of a day's proof
        right = under.calendar.business_date_of(receipt.at_ms)
        if right > receipt.business_date:
            early.setdefault((receipt.source, receipt.scope, receipt.number), (receipt, right))
        elif right < receipt.business_date:
            ahead.setdefault((receipt.source, receipt.scope, receipt.number), (receipt, right))
    for kind, found, words in (
        (
            "after_cut_off",
            list(early.values()),
            f"taken past the cut-off {cut_off} or on a closed day",
        ),
        ("dated_ahead", list(ahead.values()), f"taken before the cut-off {cut_off}"),
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
