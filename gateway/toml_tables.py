"""A table of a TOML file as a dataclass. The annotation of a field says what its value may be:

    @dataclass(frozen=True)
    class Broker:
        port: Annotated[int, integer(1, 65_535)] = 1883

A check takes a value as tomllib gives it and gives back the value as the program has it, or raises
ValueError with what is wrong. What concerns several fields is checked in __post_init__, which
raises ValueError too. No library does this here: the gateway reads one short file and then runs for
months, and of its memory pydantic was a third.
"""

import dataclasses
import functools
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
    missing = dataclasses.MISSING
    return {
        each.name: each.default is missing and each.default_factory is missing
        for each in dataclasses.fields(kind)
    }


def _checked(kind: type[Any], name: str, value: Any) -> Any:
    hints = _annotations(kind)  # type: ignore[arg-type]  # a class is hashable
    for check in hints[name].__metadata__:
        value = check(value)
    return value


@functools.cache
def _annotations(kind: Any) -> dict[str, Any]:
    """{field: its annotation}; typing evaluates them anew at each call, for a millisecond each."""
    return typing.get_type_hints(kind, include_extras=True)


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
