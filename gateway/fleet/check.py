"""What a board may and may not say: keys and types of each table, then pins and profiles of each
resolved board.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.errors import ConfigError
from gateway.instruments.profiles import Profile, load_profile
from gateway.toml_problems import Problems, did_you_mean

PLATFORMS = ("unix", "rp2", "esp32")
PARITIES = ("none", "even", "odd")
NETWORKS = {  # kind: keys that it must have
    "host": (),
    "wifi": (),
    "lan": ("mdc", "mdio", "phy_type", "phy_addr", "ref_clk", "ref_clk_mode"),
    "w5500": ("spi", "baud", "sck", "mosi", "miso", "cs", "reset"),
}
PHYS = (
    "PHY_LAN8720",
    "PHY_RTL8201",
    "PHY_IP101",
    "PHY_DP83848",
    "PHY_KSZ8041",
    "PHY_KSZ8081",
    "PHY_LAN8710",
)
# RP2040 data sheet, table of GPIO functions: uart: (tx pins, rx pins)
RP2_UARTS = {0: ((0, 12, 16, 28), (1, 13, 17, 29)), 1: ((4, 8, 20, 24), (5, 9, 21, 25))}
KICK_MS_MAX = 510  # what drawers name as the limit of their solenoid
SECTORS = (3, 1024)  # fewer cannot rotate; more is beyond the parts declared here

# key: type, a tuple of choices, or a table. "*" = any name. Types: text, flag, uint, pin, pins (a
# list), ranges ("0-15, 22"), texts, uart (a number, or the channel's name on the unix port).
_INSTRUMENT = {
    "profile": "text", "uart": "uart", "tx": "pin", "rx": "pin", "baud": "uint", "bits": (7, 8),
    "parity": PARITIES,
    "stop": (1, 2), "settings": {"*": "any"}, "refdes": "text",
}  # fmt: skip
_PARTS: dict[str, Any] = {
    "instrument": {"*": _INSTRUMENT},
    "drawer": {
        "pin": "pin", "open_level": "uint", "debounce_ms": "uint", "kick_pin": "pin",
        "kick_ms": "uint",
        "open_alarm_s": "uint", "refdes": "text",
    },
    "pad": {
        "rows": "pins", "cols": "pins", "refdes": "text",
        "expander": {"chip": ("mcp23017",), "i2c": "uint", "sda": "pin", "scl": "pin",
         "address": "uint"},
    },
    "beeper": {"pin": "pin", "refdes": "text"},
    "network": {
        "kind": tuple(NETWORKS), "mdc": "pin", "mdio": "pin", "phy_type": PHYS, "phy_addr": "uint",
        "power": "pin",
        "ref_clk": "pin", "ref_clk_mode": ("in", "out"), "fixed_pins": "ranges", "spi": "uint",
        "baud": "uint", "sck": "pin",
        "mosi": "pin", "miso": "pin", "cs": "pin", "reset": "pin", "interrupt": "pin",
    },
    "journal": {"sectors": "uint", "offset": "uint", "partition": "text"},
    "budget": dict.fromkeys(
        ("heap_bytes_max", "mpy_bytes_max", "pending_records", "window_records", "heartbeat_ms",
         "resend_ms", "backoff_ms"),
        "uint",
    ),
    "pins": "ranges",
    "input_only": "ranges",
}  # fmt: skip
_BOARD: dict[str, Any] = {
    "abstract": "flag", "inherit": "text", "title": "text", "platform": PLATFORMS, "tried": "flag",
    "source": "text",
    "usb_ids": "texts", "usb_bridge": "flag", "default_revision": "text", "revision": {"*": _PARTS},
    **_PARTS,
}  # fmt: skip
_MUST = (
    "title",
    "platform",
    "tried",
    "source",
    "pins",
    "drawer",
    "pad",
    "network",
    "journal",
    "budget",
    "instrument",
)
_NETWORK_PINS = (
    "mdc",
    "mdio",
    "power",
    "ref_clk",
    "sck",
    "mosi",
    "miso",
    "cs",
    "reset",
    "interrupt",
)


def check_tables(declared: Mapping[str, Any], problems: Problems) -> None:
    """Unknown keys and values of the wrong type, in every [board.*] of the file."""
    for name, table in declared.items():
        _check_table(("board", name), table, _BOARD, problems)


def _check_table(
    path: tuple[str, ...], table: Any, schema: Mapping[str, Any], problems: Problems
) -> None:
    if not isinstance(table, dict):
        problems.add(path, f"{path[-1]} is not a table")
        return
    for key, value in table.items():
        wanted = schema.get(key, schema.get("*"))
        if wanted is None:
            problems.add(
                (*path, key), f"unknown key {key!r} in {'.'.join(path)}{did_you_mean(key, schema)}"
            )
        elif isinstance(wanted, dict):
            _check_table((*path, key), value, wanted, problems)
        else:
            reason = _why_not(value, wanted)
            if reason:
                problems.add((*path, key), f"{key} = {value!r}: {reason}")


def _why_not(value: Any, wanted: str | tuple[str, ...]) -> str:
    """Why a value is not of the wanted type; empty when it is."""
    is_number = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if isinstance(wanted, tuple):
        hint = did_you_mean(value, wanted) if isinstance(value, str) else ""
        return "" if value in wanted else f"not one of {', '.join(wanted)}{hint}"
    if wanted in ("uint", "pin"):
        return "" if is_number else "not a whole number from 0"
    if wanted == "any":  # the instrument's own profile knows its settings
        return ""
    if wanted == "uart":
        return (
            ""
            if is_number or isinstance(value, str)
            else "neither the number of a UART nor the name of a channel"
        )
    if wanted == "flag":
        return "" if isinstance(value, bool) else "neither true nor false"
    if wanted == "text":
        return "" if isinstance(value, str) and value else "not a text"
    if wanted == "texts":
        return (
            ""
            if isinstance(value, list) and all(isinstance(each, str) for each in value)
            else "not a list of texts"
        )
    if wanted == "pins":
        ok = isinstance(value, list) and all(
            isinstance(each, int) and not isinstance(each, bool) for each in value
        )
        return "" if ok else "not a list of pin numbers"
    assert wanted == "ranges", wanted
    try:
        expand(value)
    except (ValueError, AttributeError):
        return 'not pins like "0-15, 22"'
    return ""


def expand(ranges: str) -> set[int]:
    """{0, 1, 2, 22} of "0-2, 22". Raises ValueError for anything else."""
    found: set[int] = set()
    for part in ranges.split(","):
        first, _, last = part.strip().partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


class _Check:
    """One resolved board; an error is placed where the culprit was written, in the revision, the
    board or an ancestor.
    """

    def __init__(
        self,
        label: str,
        tables: Mapping[str, Any],
        places: Sequence[tuple[str, ...]],
        problems: Problems,
        folder: Path,
    ) -> None:
        self.label = label
        self.folder = folder
        self.profiles: dict[str, Profile] = {}
        self.tables = tables
        self.platform = tables.get("platform", "")
        self._places = places
        self._problems = problems
        self._used: dict[int, str] = {}
        self._free = expand(tables["pins"])
        self._input_only = expand(tables["input_only"]) if "input_only" in tables else set()

    def fail(self, path: Sequence[str], message: str) -> None:
        for size in range(len(path), 0, -1):
            for place in self._places:
                if self._problems.knows((*place, *path[:size])):
                    self._problems.add((*place, *path[:size]), f"{self.label}: {message}")
                    return
        self._problems.add(
            self._places[-1] if not path else (*self._places[0], *path), f"{self.label}: {message}"
        )

    def use(
        self,
        pin: int,
        path: Sequence[str],
        is_output: bool = False,
        pull_up: bool = False,
        own: bool = False,
    ) -> None:
        """One pin taken; `own` = the vendor wired it, so it need not come out of the board."""
        what = ".".join(path)
        if pin in self._used:
            self.fail(path, f"pin {pin} of {what} is also {self._used[pin]}")
            return
        self._used[pin] = what
        if not own and pin not in self._free:
            self.fail(
                path,
                f"pin {pin} of {what} is not one of the board's free pins ({self.tables['pins']})",
            )
        elif is_output and pin in self._input_only:
            self.fail(path, f"pin {pin} of {what} is an output, the pin can only be an input")
        elif pull_up and pin in self._input_only:
            self.fail(path, f"pin {pin} of {what} needs a pull-up, an input-only pin has none")

    def need(self, table: str, keys: Iterable[str]) -> bool:
        missing = [key for key in keys if key not in self.tables[table]]
        for key in missing:
            self.fail((table,), f"{table} lacks {key}")
        return not missing


def check_board(
    label: str,
    tables: Mapping[str, Any],
    places: Sequence[tuple[str, ...]],
    problems: Problems,
    folder: Path,
) -> dict[str, Profile]:
    """Pins, UARTs, profiles and limits of one resolved board; every error goes to `problems`.
    {instrument: its profile}.

    `folder`: where the profiles that a board names by file lie.
    """
    missing = [key for key in _MUST if key not in tables]
    for key in missing:
        problems.add(places[0], f"{label} lacks {key}")
    if missing:
        return {}
    check = _Check(label, tables, places, problems, folder)
    _check_network(check)
    _check_instruments(check)
    _check_drawer_and_pad(check)
    _check_journal_and_budget(check)
    for usb_id in tables.get("usb_ids", ()):
        parts = usb_id.split(":")
        if len(parts) != 2 or any(
            len(part) != 4 or not set(part) <= set("0123456789ABCDEF") for part in parts
        ):
            check.fail(
                ("usb_ids",), f"usb id {usb_id!r} is not VID:PID, four capital hex digits each"
            )
    return check.profiles


def _check_network(check: _Check) -> None:
    network = check.tables["network"]
    if not check.need("network", ("kind",)) or not check.need("network", NETWORKS[network["kind"]]):
        return
    allowed = {"unix": ("host",), "rp2": ("wifi", "w5500"), "esp32": ("lan",)}[check.platform]
    if network["kind"] not in allowed:
        check.fail(
            ("network", "kind"),
            f"{check.platform} boards have a network of kind {' or '.join(allowed)}",
        )
    for pin in sorted(expand(network["fixed_pins"])) if "fixed_pins" in network else ():
        check.use(pin, ("network", "fixed_pins"), own=True)
    for key in _NETWORK_PINS:
        if key in network:
            check.use(network[key], ("network", key), own=True)


def _check_instruments(check: _Check) -> None:
    uarts: dict[Any, str] = {}
    for name, instrument in check.tables["instrument"].items():
        at = ("instrument", name)
        for key in ("profile", "uart", *(() if check.platform == "unix" else ("tx", "rx"))):
            if key not in instrument:
                check.fail(at, f"instrument {name} lacks {key}")
        uart = instrument.get("uart")
        if uart in uarts:
            check.fail((*at, "uart"), f"uart {uart!r} of {name} is also that of {uarts[uart]}")
        uarts[uart] = name
        if isinstance(uart, str) != (check.platform == "unix"):
            check.fail(
                (*at, "uart"), f"uart {uart!r}: a channel's name on unix, a number on a board"
            )
        for key, is_output in (("tx", True), ("rx", False)):
            if key in instrument:
                check.use(instrument[key], (*at, key), is_output=is_output)
                _check_rp2_uart(check, (*at, key), uart, instrument[key], 0 if is_output else 1)
        if "profile" in instrument:
            try:
                check.profiles[name] = load_profile(
                    instrument["profile"], check.folder, instrument.get("settings", {})
                )
            except ConfigError as error:
                check.fail((*at, "profile"), f"instrument {name}: {error}")


def _check_rp2_uart(check: _Check, path: Sequence[str], uart: Any, pin: int, column: int) -> None:
    if check.platform == "rp2" and isinstance(uart, int):
        pins = RP2_UARTS.get(uart, ((), ()))[column]
        if pin not in pins:
            check.fail(
                path, f"pin {pin} cannot be {path[-1]} of UART {uart}; pins that can: {pins}"
            )


def _check_drawer_and_pad(check: _Check) -> None:
    drawer, pad = check.tables["drawer"], check.tables["pad"]
    if check.need("drawer", ("pin", "open_level", "debounce_ms", "open_alarm_s")):
        check.use(drawer["pin"], ("drawer", "pin"), pull_up=True)
        if drawer["open_level"] not in (0, 1):
            check.fail(
                ("drawer", "open_level"),
                "open_level is 0 or 1, the level of the status pin when the drawer is open",
            )
    if "kick_pin" in drawer:
        check.use(drawer["kick_pin"], ("drawer", "kick_pin"), is_output=True)
        if not 1 <= drawer.get("kick_ms", 0) <= KICK_MS_MAX:
            check.fail(("drawer", "kick_ms"), f"a kick needs kick_ms of 1 to {KICK_MS_MAX}")
    if check.need("pad", ("rows", "cols")):
        if len(pad["rows"]) != 5 or len(pad["cols"]) != 5:
            check.fail(("pad",), "the pad has five rows and five columns")
        if "expander" not in pad:
            for pin in pad["rows"]:
                check.use(pin, ("pad", "rows"), is_output=True)
            for pin in pad["cols"]:
                check.use(pin, ("pad", "cols"), pull_up=True)
        elif pad["rows"] != [0, 1, 2, 3, 4] or pad["cols"] != [0, 1, 2, 3, 4]:
            check.fail(
                ("pad", "expander"),
                "the expander's rows are port A 0-4 and its columns port B 0-4, in order",
            )
    expander = pad.get("expander", {})
    for key in ("chip", "i2c", "sda", "scl", "address") if expander else ():
        if key not in expander:
            check.fail(("pad", "expander"), f"expander lacks {key}")
        elif key in ("sda", "scl"):
            check.use(expander[key], ("pad", "expander", key), is_output=True)
    if "beeper" in check.tables and check.need("beeper", ("pin",)):
        check.use(check.tables["beeper"]["pin"], ("beeper", "pin"), is_output=True)


def _check_journal_and_budget(check: _Check) -> None:
    journal = check.tables["journal"]
    place = {"unix": (), "rp2": ("offset",), "esp32": ("partition",)}[check.platform]
    if (
        check.need("journal", ("sectors", *place))
        and not SECTORS[0] <= journal["sectors"] <= SECTORS[1]
    ):
        check.fail(("journal", "sectors"), f"a journal has {SECTORS[0]} to {SECTORS[1]} sectors")
    if journal.get("offset", 0) % 4096:
        check.fail(("journal", "offset"), "the offset is not a multiple of 4096, a sector")
    if check.need("budget", _PARTS["budget"]):
        for key, value in check.tables["budget"].items():
            if value == 0:
                check.fail(("budget", key), f"{key} = 0 leaves nothing to work with")
