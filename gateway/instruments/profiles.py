"""Which instruments there are: firmware/drivers/profiles/*.toml, and files of that form that a site
wrote itself.

A profile says what a machine's wire is, how that is known, and what its driver has to be told. The
device parses no TOML: staging renders `Profile.settings` into the board's constants.
docs/instruments.md is the page for people.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.errors import ConfigError
from gateway.instruments.frame_grammar import compile_frame
from gateway.instruments.grammar import compile_line
from gateway.packages import package_folder
from gateway.toml_problems import did_you_mean

DRIVERS = {
    "report_stream": "line",
    "frame_stream": "frame",
    "cctalk": "",
    "sc350": "",
    "ebds": "",
    "ssp": "",
    "id003": "",
}
EVIDENCE = ("specification", "manual", "capture", "guess")
COUNTS = ("coins", "notes", "both")
WIRE = {
    "baud": range(50, 1_000_001),
    "bits": (7, 8),
    "parity": ("none", "even", "odd"),
    "stop": (1, 2),
}
_TEXTS = ("title", "driver", "counts", "evidence", "source", "unknown")
NAME_CHARS_MAX = 16  # so that "name=driver/profile:evidence" fits in a boot record
_RESERVED = ("evidence", "strangers")


@dataclass(frozen=True)
class Profile:
    """One instrument as a driver has to know it. `settings` are compiled: what the driver is made
    with.
    """

    name: str
    title: str
    driver: str
    counts: str
    evidence: str
    source: str
    unknown: str
    wire: Mapping[str, Any]  # baud, bits, parity, stop
    settings: Mapping[str, Any]

    @property
    def start(self) -> str:
        """The literal that begins a report of this machine; "" for one that prints none."""
        start = self.settings.get("start") if self.driver == "report_stream" else None
        return start[0].decode() if start else ""


def profiles_folder() -> Path:
    return package_folder("firmware") / "drivers" / "profiles"


def profile_names() -> list[str]:
    """The instruments that come with the project."""
    return sorted(path.stem for path in profiles_folder().glob("*.toml"))


def all_profiles() -> list[Profile]:
    """Every instrument that comes with the project, by name."""
    return [load_profile(name) for name in profile_names()]


def load_profile(
    name: str, folder: Path = Path("."), changes: Mapping[str, Any] | None = None
) -> Profile:
    """A profile by its name, or from a file when it ends in .toml (`folder`: what a relative path
    starts from).

    `changes` go over its [settings] or [grammar] before they are compiled: what one board or site
    does otherwise. Raises ConfigError, which names file, key and value.
    """
    is_file = name.endswith(".toml")
    path = folder / name if is_file else profiles_folder() / f"{name}.toml"
    if not is_file and name not in profile_names():
        known = profile_names()
        raise ConfigError(
            f"no instrument {name!r}{did_you_mean(name, known)}; there are {', '.join(known)}, or"
            " name a .toml file"
        )
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeError) as error:
        raise ConfigError(
            f"{path}: not readable ({type(error).__name__}); name the file of an instrument"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    try:
        return _profile(path.stem, raw, changes or {})
    except ConfigError as error:
        raise ConfigError(f"{path.name}: {error}") from error


def _profile(name: str, raw: dict[str, Any], changes: Mapping[str, Any]) -> Profile:
    if (
        not 1 <= len(name) <= NAME_CHARS_MAX
        or not name.replace("-", "").isalnum()
        or name != name.lower()
    ):
        raise ConfigError(
            f"name {name!r}: 1 to {NAME_CHARS_MAX} of a-z, 0-9 and -, because a boot record"
            " carries it"
        )
    mode = DRIVERS.get(raw.get("driver", ""))
    if mode is None:
        raise ConfigError(f"driver = {raw.get('driver')!r}: want one of {', '.join(DRIVERS)}")
    body = "grammar" if mode else "settings"
    known = (*_TEXTS, "wire", body)
    for key in raw:
        if key not in known:
            raise ConfigError(f"unknown key {key!r}{did_you_mean(key, known)}")
    for key in known:
        if key not in raw:
            raise ConfigError(f"lacks {key}")
    for key in _TEXTS:
        if not isinstance(raw[key], str) or not raw[key]:
            raise ConfigError(f"{key} = {raw[key]!r}: not a text")
    for key, choices in (("evidence", EVIDENCE), ("counts", COUNTS)):
        if raw[key] not in choices:
            raise ConfigError(f"{key} = {raw[key]!r}: want one of {', '.join(choices)}")
    for key in changes:
        if key not in raw[body] or key in _RESERVED:
            raise ConfigError(
                f"{name} has no setting {key!r}{did_you_mean(key, raw[body])}; it has"
                f" {', '.join(raw[body])}"
            )
    table = {**raw[body], **changes}
    settings = (
        compile_line(table)
        if mode == "line"
        else compile_frame(table)
        if mode == "frame"
        else table
    )
    texts: dict[str, str] = {key: raw[key] for key in _TEXTS}
    return Profile(
        name=name,
        wire=_wire(raw["wire"]),
        settings={**settings, "evidence": raw["evidence"]},
        **texts,
    )


def _wire(table: Any) -> Mapping[str, Any]:
    if not isinstance(table, dict):
        raise ConfigError("wire is not a table")
    for key in table:
        if key not in WIRE:
            raise ConfigError(f"wire: unknown key {key!r}{did_you_mean(key, WIRE)}")
    wire = {"bits": 8, "parity": "none", "stop": 1, **table}
    for key, choices in WIRE.items():
        value = wire.get(key)
        if isinstance(value, bool) or value not in choices:
            wanted = (
                f"{choices.start} to {choices.stop - 1}"
                if isinstance(choices, range)
                else ", ".join(map(str, choices))
            )
            raise ConfigError(f"wire: {key} = {value!r}: want {wanted}")
    return wire
