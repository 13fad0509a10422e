"""A TOML file of a person, read whole: its text, its values, and all that is wrong with it at once
with file:line:column.

tomllib reads the values; it gives no positions. `locate` finds them by scanning the lines for
`[table]` and `key =`, which is all of TOML that these files need. Where a key is written in another
way (quoted or dotted keys, inline tables), an error points at the table or at line 1 instead: less
exact, never wrong about the value.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from gateway.errors import ConfigError, PermissionDenied
from gateway.toml_problems import locate, pointed
from gateway.toml_tables import Fault

ERRORS_SHOWN_MAX = 50

Placed = tuple[tuple[int, int], str]  # ((line, column), text) of a fault

_TOML_PLACE = re.compile(r"^(.*) \(at line (\d+), column (\d+)\)$")


def text_of(path: Path, bytes_max: int, missing: str) -> str:
    """The text. `missing`: the next step where there is no such file. Raises ConfigError,
    PermissionDenied.
    """
    try:
        if path.stat().st_size > bytes_max:
            raise ConfigError(
                f"{path}: {path.stat().st_size} bytes, limit {bytes_max}; this is not a file of"
                " settings"
            )
        return path.read_text("utf-8")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise ConfigError(f"{path}: no such file; {missing}") from error
    except PermissionError as error:
        raise PermissionDenied(
            f"{path}: not readable; run as its owner or give yourself access"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8"
        ) from error


def values_of(path: Path, text: str) -> dict[str, Any]:
    """The values of a text. Raises ConfigError with the place of what is no TOML."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(_syntax_error(path, text, error)) from error


def told(
    path: Path, text: str, faults: Sequence[Fault], next_step: str, more: Iterable[Placed] = ()
) -> ConfigError:
    """The error that shows every fault, by its place, and at the end how many and what to do."""
    placed = sorted([*(_placed(path, text, fault) for fault in faults), *more])
    shown = [message for _, message in placed[:ERRORS_SHOWN_MAX]]
    plural = "s" if len(placed) > 1 else ""
    count = f"{len(placed)} error{plural} in {path}; correct the file and {next_step}"
    return ConfigError("\n".join([*shown, count]))


def _syntax_error(path: Path, text: str, error: tomllib.TOMLDecodeError) -> str:
    match = _TOML_PLACE.match(str(error))
    if match is None:  # "at end of document"
        lines = text.splitlines() or [""]
        return pointed(path, text, len(lines), len(lines[-1]) + 1, str(error))
    return pointed(path, text, int(match.group(2)), int(match.group(3)), match.group(1))


def _placed(path: Path, text: str, fault: Fault) -> Placed:
    name = ".".join(fault.place)
    at_key, at_value = locate(text, list(fault.place))
    if fault.kind == "unknown":
        message, at = f"unknown key '{name}'{fault.text}", at_key
    elif fault.kind == "missing":
        message, at = f"'{name}' is missing and has no default", at_key
    else:
        message, at = f"{name}: {fault.text}" if name else fault.text, at_value
    return at, pointed(path, text, *at, message)
