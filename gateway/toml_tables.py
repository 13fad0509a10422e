"""A table of a TOML file as a dataclass. The annotation of a field says what its value may be:

    @dataclass(frozen=True)
    class Broker:
        port: Annotated[int, integer(1, 65_535)] = 1883

A check takes a value as tomllib gives it and gives back the value as the program has it, or raises
ValueError with what is wrong. A field that is not Annotated is no key of the file. What concerns
several fields is checked in __post_init__, which raises ValueError too. No library does this here:
the gateway reads one short file and then runs for months, and of its memory pydantic was a third.
"""

import dataclasses
import datetime
import json
import re
import typing
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeVar

from gateway.toml_problems import did_you_mean

Check = Callable[[Any], Any]
Table = TypeVar("Table")


class Fault(NamedTuple):
    """What is wrong at `place`, the keys that lead there. `text` is for a person; of an unknown
    key it is a hint or empty.
    """

    place: tuple[str, ...]
    kind: Literal["unknown", "missing", "value"]
    text: str


class TableError(Exception):
    """Every fault of a table."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__(faults)
        self.faults = faults


def read_table(kind: type[Table], values: Any) -> Table:
    """The dataclass `kind` of a table; what the table leaves out has its default. Raises
    TableError.
    """
    if not isinstance(values, dict):
        raise TableError([Fault((), "value", "not a table")])
    known = fields_of(kind)
    faults = [Fault((key,), "unknown", did_you_mean(key, known)) for key in values.keys() - known]
    found = {}
    for name, is_required in known.items():
        if name in values:
            try:
                found[name] = _checked(kind, name, values[name])
            except TableError as error:
                faults += [each._replace(place=(name, *each.place)) for each in error.faults]
            except ValueError as error:
                faults.append(Fault((name,), "value", str(error)))
        elif is_required:
            faults.append(Fault((name,), "missing", "missing, and it has no default"))
    if not faults:
        try:
            return kind(**found)
        except ValueError as error:
            faults.append(Fault((), "value", str(error)))
    raise TableError(faults)


def fields_of(kind: type[Any]) -> dict[str, bool]:
    """{key of the table: whether it must be there}"""
    checks = checks_of(kind)
    missing = dataclasses.MISSING
    return {
        each.name: each.default is missing and each.default_factory is missing
        for each in dataclasses.fields(kind)
        if each.name in checks
    }


def checks_of(kind: type[Any]) -> dict[str, tuple[Check, ...]]:
    """{key of the table: what checks its value, in order}"""
    if kind not in _CHECKS:
        hints = typing.get_type_hints(kind, include_extras=True)
        _CHECKS[kind] = {
            name: hint.__metadata__ for name, hint in hints.items() if hasattr(hint, "__metadata__")
        }
    return _CHECKS[kind]


_CHECKS: dict[type[Any], dict[str, tuple[Check, ...]]] = {}  # by kind: reading hints is slow


def _checked(kind: type[Any], name: str, value: Any) -> Any:
    for check in checks_of(kind)[name]:
        value = check(value)
    return value


# --- checks ---------------------------------------------------------------------------------------


def string(least: int = 0, most: int | None = None) -> Check:
    """A string of so many characters."""
    size = "" if most is None else f" of {least} to {most} characters"

    def check(value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError(f"not a string{size}")
        if not (least <= len(value) and (most is None or len(value) <= most)):
            raise ValueError(f"not a string{size}: it has {len(value)}")
        return value

    return check


def integer(least: int, most: int | None = None) -> Check:
    """A whole number in these limits."""
    limits = f"of at least {least}" if most is None else f"from {least} to {most}"

    def check(value: Any) -> int:
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        if not is_whole or value < least or (most is not None and value > most):
            raise ValueError(f"not a whole number {limits}")
        return int(value)

    return check


def boolean(value: Any) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise ValueError("neither true nor false")
    return value


def table(kind: type[Any]) -> Check:
    """A table within the table."""
    return lambda values: read_table(kind, values)


def tables(kind: type[Any]) -> Check:
    """Tables within the table, each under a name that the file chooses: {name: table}."""

    def check(values: Any) -> dict[str, Any]:
        if not isinstance(values, dict):
            raise ValueError("not a table")
        found, faults = {}, []
        for name, each in values.items():
            try:
                found[name] = read_table(kind, each)
            except TableError as error:
                faults += [fault._replace(place=(name, *fault.place)) for fault in error.faults]
        if faults:
            raise TableError(faults)
        return found

    return check


def one_of(*names: str) -> Check:
    """One of a few words."""

    def check(value: Any) -> str:
        if not isinstance(value, str) or value not in names:
            near = did_you_mean(value, names) if isinstance(value, str) else ""
            raise ValueError(f"not one of {', '.join(names)}{near}")
        return value

    return check


def list_of(each: Check, most: int) -> Check:
    """A list of up to so many values, each of which passes a check; without repetitions."""

    def check(values: Any) -> tuple[Any, ...]:
        if not isinstance(values, list) or len(values) > most:
            raise ValueError(f"not a list of at most {most} values")
        found = tuple(each(value) for value in values)
        twice = [value for value in found if found.count(value) > 1]
        if twice:
            raise ValueError(f"{twice[0]} is named twice")
        return found

    return check


def time_of_day(value: Any) -> datetime.time:
    """A time of day, as "16:00" or as TOML has it."""
    if isinstance(value, str) and re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value):
        return datetime.time.fromisoformat(value)
    if isinstance(value, datetime.time):
        return value
    raise ValueError("not a time of day such as 16:00")


def calendar_date(value: Any) -> datetime.date:
    """A date, as "2026-12-24" or as TOML has it."""
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
        try:
            return datetime.date.fromisoformat(value)
        except ValueError:
            pass
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return value
    raise ValueError(f"{value!r} is not a date such as 2026-12-24")


# --- writing --------------------------------------------------------------------------------------


def toml_value(value: object) -> str:
    """A checked value as TOML has it; None is an empty string."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, datetime.time):
        return f'"{value.isoformat("minutes")}"'
    if isinstance(value, datetime.date):
        return f'"{value.isoformat()}"'
    if isinstance(value, tuple):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    if isinstance(value, dict):
        inner = ", ".join(f"{toml_key(name)} = {toml_value(each)}" for name, each in value.items())
        return f"{{ {inner} }}"
    text = "" if value is None else str(value)
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def toml_key(name: str) -> str:
    """A key, quoted where it has to be."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else toml_value(name)
