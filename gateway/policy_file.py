"""policy.toml: read over the rules that ship, checked whole, and written in one canonical form that
is kept with a day.
"""

from __future__ import annotations

import copy
import datetime
import functools
import hashlib
import tomllib
import zoneinfo
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, NamedTuple

from gateway.errors import DataError
from gateway.policy_tables import TITLES, Policy
from gateway.toml_file import text_of, told, values_of
from gateway.toml_tables import Fault, TableError, read_table, time_of_day, toml_key, toml_value

POLICY_FILE = "policy.toml"
FILE_BYTES_MAX = 1_000_000
SHIPPED = Path(__file__).with_name(POLICY_FILE)
# source of a figure that the site changed without saying where it is from
OF_THE_SITE = "this site"


class ClosedUnder(NamedTuple):
    """The policy that was kept with a day, and the office's clock of then."""

    policy: Policy
    zone: zoneinfo.ZoneInfo
    cut_off: datetime.time


@functools.cache
def _shipped() -> dict[str, Any]:
    return tomllib.loads(SHIPPED.read_text("utf-8"))


@functools.cache
def shipped_policy() -> Policy:
    """The rules as they ship: those of a site that says nothing."""
    return read_table(Policy, _shipped())


def read_policy(path: Path) -> Policy:
    """The rules in force where `path` is the site's policy.toml; without one those that ship.
    Raises ConfigError with every fault at once, PermissionDenied when it cannot be read.
    """
    if not path.exists():
        return shipped_policy()
    text = text_of(path, FILE_BYTES_MAX, "name the site's policy.toml")
    try:
        return read_table(Policy, _merged(_shipped(), values_of(path, text)))
    except TableError as error:
        faults = [_hinted(fault) for fault in error.faults]
        raise told(path, text, faults, f"run till policy --check {path}") from error


def _hinted(fault: Fault) -> Fault:
    if fault.place == ("R15", "cut_off"):
        return fault._replace(text="; the cut-off is the key cut_off of till.toml")
    return fault


def _merged(shipped: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """What ships with what the site says over it. Who changes a figure is its source, unless the
    site names one.
    """
    merged = copy.deepcopy(shipped)
    for key, value in own.items():
        known = merged.get(key)
        is_table = isinstance(known, dict) and isinstance(value, dict)
        merged[key] = _merged(known, value) if is_table else value  # type: ignore[arg-type]
    if "source" in shipped and own and "source" not in own:
        merged["source"] = OF_THE_SITE
    return merged


# --- the form that is kept ------------------------------------------------------------------------


def canonical_text(policy: Policy, zone: str, cut_off: datetime.time) -> str:
    """The whole policy as TOML, each key in its order: equal policies give equal texts. It holds
    the office's zone and cut-off too, for a day was closed under these.
    """
    lines = ["[office]", f"zone = {toml_value(zone)}", f"cut_off = {toml_value(cut_off)}"]
    for each in fields(policy):
        value = getattr(policy, each.name)
        if isinstance(value, dict):
            for name in sorted(value):
                lines += _table_lines(f"{each.name}.{toml_key(name)}", value[name])
        else:
            lines += _table_lines(each.name, value)
    return "\n".join(lines) + "\n"


def _table_lines(name: str, values: Any) -> list[str]:
    pairs = [(each.name, getattr(values, each.name)) for each in fields(values)]
    lines = ["", f"[{name}]"]
    lines += [f"{key} = {toml_value(value)}" for key, value in pairs if not is_dataclass(value)]
    for key, value in pairs:
        if is_dataclass(value):
            lines += _table_lines(f"{name}.{key}", value)
    return lines


def fingerprint(text: str) -> str:
    """SHA-256 of a canonical text, hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def closed_under(text: str) -> ClosedUnder:
    """What a canonical text says. A rule that it does not name was not there when the day was
    closed, and is off. Raises DataError for a text that was never a policy.
    """
    try:
        values = tomllib.loads(text)
        office = values.pop("office")
        zone, cut_off = zoneinfo.ZoneInfo(office["zone"]), time_of_day(office["cut_off"])
        merged = copy.deepcopy(_shipped())
        for rule in TITLES.keys() - values.keys():
            if merged[rule]["severity"] != "invariant":
                merged[rule]["severity"] = "off"
        merged |= values
        return ClosedUnder(read_table(Policy, merged), zone, cut_off)
    except (tomllib.TOMLDecodeError, TableError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"policy kept with a day: not readable ({type(error).__name__}); restore the ledger"
            " from a backup that verifies"
        ) from error


# --- before policy.toml was -----------------------------------------------------------------------

_STEPS = ("reason_cents", "supervisor_cents", "report_cents", "incident_cents")


def moved_lines(old: Any) -> list[str]:
    """The lines of policy.toml that say what a [policy] of till.toml said."""
    values = old if isinstance(old, dict) else {}
    steps = [f"{name} = {values[name]}" for name in _STEPS if name in values]
    lines = []
    for table in ("[R08.interval]", "[R08.session]") if steps else ():
        lines += [table, *steps]
    if "no_sale_openings_max" in values:
        lines += ["[R11]", f"no_sale_openings = {values['no_sale_openings_max']}"]
    return lines
