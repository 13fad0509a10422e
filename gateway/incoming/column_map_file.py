"""Column maps as files: those that come with the program (gateway/maps), and a site's own, which
may be built on one of these (`base`). docs/maps.md is the page.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from gateway.errors import ConfigError, PermissionDenied
from gateway.incoming.column_map import ColumnMap
from gateway.incoming.column_map_fit import misfits
from gateway.toml_problems import did_you_mean, locate, pointed
from gateway.toml_tables import TableError, fields_of, read_table

FILE_BYTES_MAX = 200_000
SHIPPED_EVIDENCE = "public layout, no site tried"


def maps_folder() -> Path:
    return Path(__file__).parents[1] / "maps"


def map_names() -> list[str]:
    """The maps that come with the project."""
    return sorted(path.stem for path in maps_folder().glob("*.toml"))


def load_map(name: str, folder: Path = Path(".")) -> ColumnMap:
    """A shipped map by its name, or a file when the name ends in .toml (`folder`: what a relative
    path starts from). Raises ConfigError, which names file, table, key and next step.
    """
    is_file = name.endswith(".toml")
    if not is_file and name not in map_names():
        known = map_names()
        raise ConfigError(
            f"no map {name!r}{did_you_mean(name, known)}; there are {', '.join(known)}, or name a"
            " .toml file (till import --learn FILE proposes one)"
        )
    path = folder / name if is_file else maps_folder() / f"{name}.toml"
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise ConfigError(f"{path}: more than {FILE_BYTES_MAX} bytes; it is no column map")
        text = path.read_text("utf-8")
    except PermissionError as error:
        raise PermissionDenied(f"{path}: not readable; give yourself access") from error
    except (OSError, UnicodeError) as error:
        raise ConfigError(
            f"{path}: not readable ({type(error).__name__}); name the file of a column map"
        ) from error
    return map_from_text(text, path)


def map_from_text(text: str, path: Path) -> ColumnMap:
    """The map of a TOML text; `path` names it in errors. Raises ConfigError."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    values = _on_base(values, path)
    try:
        found: ColumnMap = read_table(ColumnMap, values)
    except TableError as error:
        raise ConfigError(
            "\n".join(_told(path, text, each.place, each.text, each.kind) for each in error.faults)
        ) from None
    wrong = misfits(found)
    if wrong:
        raise ConfigError(
            "\n".join(_told(path, text, place, what, "value") for place, what in wrong)
        )
    return found


def _on_base(values: dict[str, Any], path: Path) -> dict[str, Any]:
    """The site's keys over those of the shipped map that it names."""
    base = values.get("base", "")
    if not base:
        return values
    if base not in map_names():
        known = map_names()
        raise ConfigError(
            f"{path}: base: no map {base!r} comes with the program"
            f"{did_you_mean(str(base), known)}; there are {', '.join(known)}"
        )
    below = tomllib.loads((maps_folder() / f"{base}.toml").read_text("utf-8"))
    return _merged(below, values)


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    found = dict(below)
    for key, value in above.items():
        own = found.get(key)
        if isinstance(value, dict) and isinstance(own, dict):
            found[key] = _merged(own, value)
        else:
            found[key] = value
    return found


def _told(path: Path, text: str, place: tuple[str, ...], what: str, kind: str) -> str:
    if kind == "unknown":
        known = fields_of(ColumnMap)
        what = f"unknown key{what or '; there are ' + ', '.join(known)}"
    *tables, key = place or ("",)
    name = f"[{'.'.join(tables)}] {key}" if tables else (key or "the file")
    (line, column), _ = locate(text, list(place))
    return pointed(path, text, line, column, f"{name}: {what}; see docs/maps.md")
