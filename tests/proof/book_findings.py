"""What the rules of the office find in a generated day against what its truth knows: each finding
for something that was dealt, and nothing else.
"""

import datetime
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator

from gateway.office.rules import Finding
from simulators.office.counting import DONE, DROP
from simulators.office.day import OfficeDay
from simulators.office.truth import DRAWER, NOWHERE, RETURNED
from simulators.office.window import business_date

DROP_ADVISED_CENTS = 150_000  # policy.toml, R12
Key = tuple[str, str, str]  # rule, kind, the receipt or window that it is about


def findings_differ(day: OfficeDay, dates: Iterable[str], found: Iterable[Finding]) -> list[str]:
    """What was found and not dealt, and the other way round."""
    true = Counter(_known(day, set(dates)))
    book = Counter(key for each in found for key in _keys(each))
    return [f"findings: {n} too many: {' '.join(key)}" for key, n in (book - true).items()] + [
        f"findings: {n} missing: {' '.join(key)}" for key, n in (true - book).items()
    ]


def _keys(found: Finding) -> Iterator[Key]:
    """One for each receipt of a finding that lists several."""
    if found.rule == "R15":
        yield from ((found.rule, found.kind, fact.ref) for fact in found.facts)
    elif found.rule == "R10":
        yield found.rule, found.kind, found.facts[0].ref
    else:
        yield found.rule, found.kind, found.session.partition("/")[0]


def _known(day: OfficeDay, dates: set[str]) -> Iterator[Key]:
    yield from _drops(day)
    yield from _full_drawers(day)
    tenders: dict[str, set[str]] = {}
    for leg in day.truth.legs:
        tenders.setdefault(leg.receipt_no, set()).add(leg.tender)
    legs = {leg.receipt_no: leg for leg in day.truth.legs}
    rows = {row.receipt_no: row for row in (*day.earlier, *day.posted)}
    for number, leg in legs.items():
        row = rows[number]
        is_void = bool(row.void_of) and leg.place != RETURNED
        if leg.session[2] == 0 or leg.session[0] not in dates:
            continue  # of days that nobody proves
        if is_void and leg.place == NOWHERE:
            yield "R10", "void_again", number
        if is_void and not tenders[number] <= tenders[row.void_of]:
            yield "R10", "void_other_tender", number
        posted = datetime.datetime.fromisoformat(row.posted_at)
        if business_date(int(posted.timestamp()) * 1_000) > row.business_date:
            yield "R15", "after_cut_off", number


def _full_drawers(day: OfficeDay) -> Iterator[Key]:
    """Sessions in which more lay in the drawer than the policy wants, by what was taken and
    dropped: one customer pays hundreds, and the drop comes after.
    """
    for session in day.truth.sessions:
        taken = sorted(
            (leg.at_ms, leg.net_cents)
            for leg in day.truth.legs
            if leg.session == (session.business_date, session.window, session.number)
            and (leg.tender, leg.place) == ("cash", DRAWER)
        )
        drops = [
            (at_ms, -cents)
            for at_ms, cents, *_ in _dropped(day, session.window)
            if taken and taken[0][0] <= at_ms <= taken[-1][0]
        ]
        wrong = [
            (session.intervals[number - 1].to_ms, cents)  # the count at its end shows it
            for error in day.truth.errors
            if (day.truth.business_date, error.window, error.session)
            == (session.business_date, session.window, session.number)
            for tender, number, cents in error.effects
            if tender == "cash" and number
        ]
        sums = itertools.accumulate(cents for _, cents in sorted([*taken, *drops, *wrong]))
        peak = session.opening_float_cents + max(sums, default=0)
        if peak >= DROP_ADVISED_CENTS:
            yield "R12", "drop_advised", session.window


def _drops(day: OfficeDay) -> Iterator[Key]:
    """Drops whose bag says another amount than was counted, and those that nobody counted."""
    for window in day.windows:
        for _, cents, declared, is_counted in _dropped(day, window):
            if not is_counted:
                yield "R13", "drop_not_counted", window
            elif cents != declared:
                yield "R13", "drop_differs", window


def _dropped(day: OfficeDay, window: str) -> Iterator[tuple[int, int, int, bool]]:
    """(when, cents as counted, else as declared, declared, whether somebody counted) of drops."""
    at_ms, declared, counted, is_counted = 0, None, 0, False
    for action in day.actions_of(window):
        if action["action"] == "mark" and action["code"] == DROP:
            at_ms, declared, counted, is_counted = action["at_ms"], action["value"], 0, False
        elif action["action"] == "count_bills" and declared is not None:
            counted += sum(cents * pieces for cents, pieces in action["rows"])
            is_counted = True
        elif action["action"] == "mark" and action["code"] == DONE and declared is not None:
            yield at_ms, counted if is_counted else declared, declared, is_counted
            declared = None
