"""The policy in words: the figures of a rule, what a site says otherwise than what ships, and the
whole as plain data.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import asdict, fields, is_dataclass
from typing import Any

from gateway.config import Site
from gateway.money import format_cents
from gateway.office.calendar import calendar_of
from gateway.office.policy import LOOKED_AT
from gateway.policy_file import canonical_text, fingerprint, shipped_policy
from gateway.policy_tables import TITLES, Deadline, Policy

Json = dict[str, Any]
CLOSED_DAYS_SHOWN = 6
_YEAR_DAYS = 366


def policy_report(site: Site, today: datetime.date) -> Json:
    """Everything that is in force, as plain data: amounts in integer cents, dates as texts."""
    policy = site.config.policy
    text = canonical_text(policy, site.config.zone, site.config.cut_off)
    return {
        "file": str(site.policy_file) if site.policy_file.exists() else None,
        "sha256": fingerprint(text),
        "text": text,
        "zone": site.config.zone,
        "cut_off": f"{site.config.cut_off:%H:%M}",
        "rules": [
            {
                "rule": rule,
                "title": title,
                **_plain(asdict(getattr(policy, rule))),
                "looked_at": LOOKED_AT[rule],
            }
            for rule, title in TITLES.items()
        ],  # fmt: skip
        "deadline": {"profile": policy.R17.profile, **_plain(asdict(policy.deposit_deadline))},
        "calendar": _plain(asdict(policy.calendar)),
        "next_closed": next_closed(site, today),
        "receipts": {name: asdict(each) for name, each in policy.receipts.items()},
        "rounding": asdict(policy.rounding),
        "differs": differences(policy),
    }


def _plain(values: Json) -> Json:
    """Dates and times as texts."""
    return {
        key: [str(item) for item in value]
        if isinstance(value, tuple)
        else value
        if isinstance(value, (str, int, dict))
        else "" if value is None else f"{value:%H:%M}"
        for key, value in values.items()
    }  # fmt: skip


def next_closed(site: Site, today: datetime.date) -> list[Json]:
    """The next days without business that are no weekend: {date, why}."""
    calendar = calendar_of(site.config)
    days = (today + datetime.timedelta(days=n) for n in range(_YEAR_DAYS))
    found = (
        {"date": day.isoformat(), "why": why}
        for day in days
        if (why := calendar.why_closed(day)) not in ("", "weekend")
    )
    return [each for each, _ in zip(found, range(CLOSED_DAYS_SHOWN), strict=False)]


def differences(policy: Policy) -> list[Json]:
    """What a policy says otherwise than what ships: {key, shipped, here}; None where only one of
    them has the key.
    """
    shipped, here = dict(_flat(shipped_policy())), dict(_flat(policy))
    return [
        {"key": key, "shipped": shipped.get(key), "here": here.get(key)}
        for key in sorted(shipped.keys() | here.keys())
        if shipped.get(key) != here.get(key)
    ]


def _flat(values: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if is_dataclass(values):
        for each in fields(values):
            inner = f"{name}.{each.name}" if name else each.name
            yield from _flat(getattr(values, each.name), inner)
    elif isinstance(values, dict):
        for key, value in values.items():
            yield from _flat(value, f"{name}.{key}")
    elif isinstance(values, tuple):
        yield name, [str(value) for value in values]
    elif isinstance(values, (int, str)):
        yield name, values
    else:
        yield name, "" if values is None else f"{values:%H:%M}"


# --- words ----------------------------------------------------------------------------------------

_UNITS = {"_cents": "", "_s": " s", "_percent": " %"}


def figures_of(policy: Policy, rule: str) -> str:
    """The figures of a rule: "drop advised 1,500.00, alarm 2,500.00"; "" for a rule without."""
    return "; ".join(_figures(getattr(policy, rule)))


def _figures(table: Any) -> Iterator[str]:
    own, inner = [], []
    for each in fields(table):
        value = getattr(table, each.name)
        if is_dataclass(value):
            inner.append(f"{each.name}: {' '.join(_figures(value))}")
        elif each.name not in ("severity", "source"):
            own.append(_figure(each.name, value))
    if own:
        yield ", ".join(own)
    yield from inner


def _figure(name: str, value: Any) -> str:
    for suffix, unit in _UNITS.items():
        if name.endswith(suffix):
            shown = format_cents(value) if suffix == "_cents" else f"{value}{unit}"
            return f"{name.removesuffix(suffix).replace('_', ' ')} {shown}"
    return f"{name.replace('_', ' ')} {value}"


def deadline_words(deadline: Deadline) -> str:
    """When a deposit is late, in a sentence."""
    if deadline.hours:
        words = f"{deadline.hours} h after the first receipt"
    else:
        words = f"{_business_days(deadline.business_days)} after the receipt{_until(deadline)}"
    if deadline.small_cents:
        longer = (
            _business_days(deadline.small_business_days)
            if deadline.small_business_days
            else f"{deadline.small_days} days"
        )
        words += f"; up to {format_cents(deadline.small_cents)} {longer}{_until(deadline)}"
    return words + (", at most until the month's last business day" if deadline.month_end else "")


def _business_days(days: int) -> str:
    return "next business day" if days == 1 else f"{days} business days"


def _until(deadline: Deadline) -> str:
    return f", {deadline.until:%H:%M}" if deadline.until else ""
