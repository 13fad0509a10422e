"""boards.toml -> `Board`: what is on a board's pins, resolved through inheritance and revision.

`load_boards` reports every error of the file at once, each as file:line:column with the line and,
where a name is close to a known one, "did you mean". docs/boards.md is the page for people.
"""

import copy
import importlib.util
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.errors import ConfigError, UsageError
from gateway.fleet.check import check_board, check_tables
from gateway.instruments.profiles import Profile
from gateway.toml_problems import Problems, did_you_mean

TITLE_CHARS_MAX = 32  # of name and revision together: the limit of the wire's field `board`


@dataclass(frozen=True)
class Board:
    """One board in one revision. The tables hold plain values, as boards.toml has them after all
    merging.
    """

    name: str
    revision: str  # empty when the board is declared without revisions
    revisions: tuple[str, ...]
    platform: str
    tables: Mapping[str, Any]
    profiles: Mapping[str, Profile] = field(
        default_factory=dict
    )  # instrument: what is known of its machine

    @property
    def label(self) -> str:
        """`wesp32 rev 7`: what a device says in its boot record."""
        return f"{self.name} rev {self.revision}" if self.revision else self.name

    @property
    def tried(self) -> bool:
        """True only where the tests or a person ran it."""
        return bool(self.tables.get("tried", False))

    @property
    def usb_ids(self) -> tuple[str, ...]:
        return tuple(self.tables.get("usb_ids", ()))

    @property
    def is_bridge(self) -> bool:
        """True when its USB id is that of a chip which any serial cable may carry, a coin sorter's
        too.
        """
        return bool(self.tables.get("usb_bridge", False))


def boards_file() -> Path:
    """The boards.toml of this installation: beside the packages in a checkout, inside `gateway` in
    a wheel.

    Raises ConfigError when there is none.
    """
    spec = importlib.util.find_spec("gateway")
    assert spec is not None and spec.submodule_search_locations, "gateway is a package"
    package = Path(next(iter(spec.submodule_search_locations)))
    for path in (package.parent / "boards.toml", package / "boards.toml"):
        if path.is_file():
            return path
    raise ConfigError(
        f"boards.toml: not beside {package} and not in it; reinstall, or name one with --boards"
    )


def load_boards(path: Path | None = None) -> dict[str, Board]:
    """Every board of the file that is not abstract, in its default revision, by name.

    Raises ConfigError with all errors of the file.
    """
    return {name: found[0] for name, found in load_revisions(path).items()}


def load_board(name: str, revision: str | None = None, path: Path | None = None) -> Board:
    """One board; no revision means its default one. Raises ConfigError for the file, UsageError for
    the names.
    """
    every = load_revisions(path)
    if name not in every:
        raise UsageError(
            f"board {name!r}: not declared{did_you_mean(name, every)}; `till boards show` lists"
            " them"
        )
    if revision is None:
        return every[name][0]
    for board in every[name]:
        if board.revision == revision:
            return board
    known = ", ".join(every[name][0].revisions) or "none"
    raise UsageError(f"board {name}: no revision {revision!r}; declared: {known}")


def load_revisions(path: Path | None = None) -> dict[str, list[Board]]:
    """Every board in every revision, the default revision first. Raises ConfigError with all errors
    of the file.
    """
    path = path or boards_file()
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeError) as error:
        raise ConfigError(
            f"{path}: not readable ({type(error).__name__}); name the file with --boards"
        ) from error
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    problems = Problems(path.name, text)
    found = _resolve_all(raw, problems, path.parent)
    problems.raise_if_any()
    return found


def _resolve_all(raw: dict[str, Any], problems: Problems, folder: Path) -> dict[str, list[Board]]:
    for key in raw:
        if key != "board":
            problems.add((key,), f"unknown key {key!r}{did_you_mean(key, ['board'])}")
    declared = raw.get("board", {})
    check_tables(declared, problems)
    if problems:  # a value of the wrong type would only cause errors that are none
        return {}
    found: dict[str, list[Board]] = {}
    for name, table in declared.items():
        lineage = _lineage(name, declared, problems)
        if not lineage or table.get("abstract"):
            continue
        merged: dict[str, Any] = {}
        for ancestor in lineage:
            _merge(
                merged,
                {key: value for key, value in declared[ancestor].items() if key != "abstract"},
            )
        revisions = merged.pop("revision", {})
        default = merged.pop("default_revision", None)
        merged.pop("inherit", None)
        if (default is None) != (not revisions) or (
            default is not None and default not in revisions
        ):
            problems.add(
                ("board", name),
                f"default_revision {default!r} is not one of its revisions: {', '.join(revisions)}",
            )
            continue
        order = (
            [default, *sorted(each for each in revisions if each != default)] if default else [""]
        )
        found[name] = []
        for revision in order:
            tables = copy.deepcopy(merged)
            _merge(tables, revisions.get(revision, {}))
            platform = str(tables.get("platform", ""))
            label = Board(name, revision, (), platform, tables).label
            profiles = check_board(label, tables, places(name, revision, lineage), problems, folder)
            board = Board(name, revision, tuple(sorted(revisions)), platform, tables, profiles)
            if len(board.label) > TITLE_CHARS_MAX:
                problems.add(
                    ("board", name), f"{board.label!r} is longer than {TITLE_CHARS_MAX} characters"
                )
            found[name].append(board)
    return found


def places(name: str, revision: str, lineage: list[str]) -> list[tuple[str, ...]]:
    """Where a key of a resolved board may have been written, the strongest place first."""
    own = [("board", each) for each in reversed(lineage)]
    return [("board", name, "revision", revision), *own] if revision else list(own)


def _lineage(name: str, declared: Mapping[str, Any], problems: Problems) -> list[str]:
    """The board's ancestors, oldest first, itself last; empty when there is an error in them."""
    lineage = [name]
    while parent := declared[lineage[0]].get("inherit"):
        at = ("board", lineage[0], "inherit")
        if parent not in declared:
            problems.add(at, f"inherit: no board {parent!r}{did_you_mean(parent, declared)}")
            return []
        if parent in lineage:
            problems.add(
                at, "inherit goes round in a circle: " + " -> ".join([*reversed(lineage), parent])
            )
            return []
        lineage.insert(0, parent)
    return lineage


def _merge(into: dict[str, Any], other: Mapping[str, Any]) -> None:
    """Put `other` over `into`: tables key by key, anything else replaced."""
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = copy.deepcopy(value)
