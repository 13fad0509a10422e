"""till.toml: what the site is. Read whole, checked whole, every error at once with
file:line:column.

tomllib reads the values; it gives no positions. `locate` finds them by scanning the lines for
`[table]` and `key =`, which is all of TOML that this file needs. Where a key is written in another
way (quoted or dotted keys, inline tables), an error points at the table or at line 1 instead: less
exact, never wrong about the value.

Secrets are files: `keys` is a folder, and no key of this file holds a secret.
"""

from __future__ import annotations

import datetime
import re
import tomllib
import urllib.parse
import zoneinfo
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from gateway.errors import ConfigError, PermissionDenied
from gateway.toml_problems import did_you_mean, locate, pointed
from gateway.toml_tables import Fault, TableError, boolean, integer, read_table, string, table
from protocol import topics
from protocol.compat import ProtocolError

FILE_BYTES_MAX = 1_000_000
ERRORS_SHOWN_MAX = 50
WINDOWS_MAX = 500
WORKERS_MAX = 32
RECEIPT_SCOPES = ("source", "window", "day", "window-day")
SERVICES_MAX = 200
TLS_PORT = 8883  # registered with IANA for MQTT over TLS

_TOML_PLACE = re.compile(r"^(.*) \(at line (\d+), column (\d+)\)$")


@dataclass(frozen=True)
class Broker:
    """Where the MQTT broker listens. Loopback by default: nothing is opened to the network unless
    somebody says so.
    """

    host: Annotated[str, string(1, 253)] = "127.0.0.1"
    port: Annotated[int, integer(1, 65_535)] = 1883
    # the gateway starts a broker of its own; false: an installed one (mosquitto) is used
    embedded: Annotated[bool, boolean] = True
    # certificates on both sides (gateway/broker/pki.py); till broker config writes mosquitto's half
    tls: Annotated[bool, boolean] = False
    # what boards find in the broker's certificate; empty: host
    server_name: Annotated[str, string(0, 253)] = ""

    def __post_init__(self) -> None:
        if self.embedded and self.host != "127.0.0.1":
            raise ValueError(
                f"the embedded broker listens on 127.0.0.1 alone, not on {self.host!r}; set"
                " embedded = false"
            )
        if self.embedded and self.tls:
            raise ValueError(
                "the embedded broker has no TLS; set embedded = false and run till broker config,"
                " or tls = false"
            )

    @property
    def name(self) -> str:
        """Whom a board demands to meet."""
        return self.server_name or self.host


@dataclass(frozen=True)
class Policy:
    """Thresholds of the office, in cents. Source: assumed, except report_cents (Corry,
    Pennsylvania: $25).
    """

    reason_cents: Annotated[int, integer(1)] = 1
    supervisor_cents: Annotated[int, integer(1)] = 500
    report_cents: Annotated[int, integer(1)] = 2_500
    incident_cents: Annotated[int, integer(1)] = 10_000
    no_sale_openings_max: Annotated[int, integer(0)] = 3


@dataclass(frozen=True)
class Posted:
    """What the cashiering system's files are like: docs/posted-csv.md."""

    # where a receipt number is unique: source, window, day or window-day
    receipt_scope: Annotated[str, string(), _receipt_scope] = "source"
    # the services that may be posted; empty: any, and one that is no utility is told
    services: Annotated[tuple[str, ...], _services] = ()
    # account_no may have 13 to 19 digits that pass the check of card numbers
    long_accounts: Annotated[bool, boolean] = False
    # days between posted_at and business_date. Assumed: no receipt waits longer for its day
    days_apart_max: Annotated[int, integer(1, 400)] = 31


@dataclass(frozen=True)
class LedgerTable:
    """Where the ledger is. Passwords are libpq's business: ~/.pgpass, or passfile= in the url."""

    # postgresql://...; empty: data/ledger.db
    url: Annotated[str, string(0, 1000), _url] = ""


@dataclass(frozen=True)
class LedgerServer:
    """A site's ledger on a PostgreSQL server. `url`: libpq's connection address, without a
    password.
    """

    url: str
    site: str

    def __str__(self) -> str:
        return f"{self.url} site {self.site}"


@dataclass(frozen=True)
class Config:
    """The site. Relative folders are relative to the file that names them."""

    # No default for three: the site's name is part of every topic, a guessed time zone moves
    # receipts to another day, and the windows are the devices that may speak.
    site: Annotated[str, string(1, 24), _name]
    zone: Annotated[str, string(), _known_zone]
    windows: Annotated[tuple[str, ...], _window_names]
    data: Annotated[str, string()] = "data"
    boards: Annotated[str, string()] = "boards.toml"
    currency: Annotated[str, string(), _currency] = "USD"
    cut_off: Annotated[datetime.time, _time_of_day] = datetime.time(16, 0)
    workers: Annotated[int, integer(1, WORKERS_MAX)] = 1  # processes that share the devices
    ledger: Annotated[LedgerTable, table(LedgerTable)] = LedgerTable()
    broker: Annotated[Broker, table(Broker)] = Broker()
    policy: Annotated[Policy, table(Policy)] = Policy()
    posted: Annotated[Posted, table(Posted)] = Posted()


@dataclass(frozen=True)
class Site:
    """A checked configuration and where it came from."""

    path: Path
    config: Config

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.path.parent / self.config.data

    @property
    def ledger(self) -> Path | LedgerServer:
        """The ledger's place: a file, or a part of a server."""
        url = self.config.ledger.url
        return LedgerServer(url, self.config.site) if url else self.data / "ledger.db"

    @property
    def keys(self) -> Path:
        """The folder with one key file a device."""
        return self.data / "keys"

    @property
    def ca(self) -> Path:
        """The folder of the site's own certificate authority."""
        return self.data / "ca"

    @property
    def broker_folder(self) -> Path:
        """What mosquitto reads, unless it was written elsewhere."""
        return self.data / "broker"

    @property
    def boards_file(self) -> Path | None:
        """The site's own boards file; None: it has none, those of the program count."""
        path = self.path.parent / self.config.boards
        return path if path.is_file() else None

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        """The office's time zone."""
        return zoneinfo.ZoneInfo(self.config.zone)


def load(path: Path) -> Site:
    """The configuration in a file. Raises ConfigError with every fault at once, PermissionDenied
    when it cannot be read.
    """
    text = _text(path)
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(_syntax_error(path, text, error)) from error
    try:
        return Site(path, read_table(Config, values))
    except TableError as error:
        faults = sorted(_placed(path, text, fault) for fault in error.faults)
        shown = [fault[1] for fault in faults[:ERRORS_SHOWN_MAX]]
        count = (
            f"{len(faults)} error{'s' if len(faults) > 1 else ''} in {path}; correct the file and"
            " run till check"
        )
        raise ConfigError("\n".join([*shown, count])) from error


def problems_of(text: str) -> list[tuple[str, str]]:
    """(key, what is wrong with its value) of a text that is no file yet; empty when it is good."""
    try:
        read_table(Config, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        return [("site", f"a control character, or the like ({error})")]
    except TableError as error:
        return [(".".join(fault.place), fault.text) for fault in error.faults]
    return []


def show(site: Site) -> str:
    """The merged result as TOML: what the file says and what the defaults add."""
    values = asdict(site.config)
    tables = {name: value for name, value in values.items() if isinstance(value, dict)}
    lines = [f"{name} = {_toml(value)}" for name, value in values.items() if name not in tables]
    for name, inner in tables.items():
        lines += ["", f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in inner.items())]
    return "\n".join(lines) + "\n"


def template(site: str, zone: str, windows: int, broker: tuple[str, int] | None = None) -> str:
    """A new till.toml. `broker`: host and port of an installed one, with TLS on its port; None: the
    embedded one.
    """
    names = ", ".join(f'"w{number}"' for number in range(1, windows + 1))
    host, port = broker or ("127.0.0.1", 1883)
    return f"""# What this site is. Every key, its unit and its default: docs/cli.md.
# The configuration in use, defaults included: till check --show
site = {_toml(site)}
zone = {_toml(zone)}
windows = [{names}]
data = "data"
cut_off = "16:00"

[broker]
host = {_toml(host)}
port = {port}
embedded = {_toml(broker is None)}
tls = {_toml(port == TLS_PORT)}
"""


# --- what values may be ---------------------------------------------------------------------------


def _name(value: str) -> str:
    try:
        return topics.check_name(value)
    except ProtocolError as error:
        raise ValueError(str(error).removeprefix("topic: ")) from None


def _window_names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= WINDOWS_MAX:
        raise ValueError(f"not a list of 1 to {WINDOWS_MAX} names")
    is_string = string()
    names = tuple(_name(is_string(window)) for window in value)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"window {twice[0]!r} is named twice")
    return names


def _known_zone(value: str) -> str:
    try:
        zoneinfo.ZoneInfo(value)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        near = did_you_mean(value, zoneinfo.available_timezones())
        raise ValueError("not a time zone such as America/Chicago" + near) from None
    return value


def _receipt_scope(value: str) -> str:
    if value not in RECEIPT_SCOPES:
        near = did_you_mean(value, RECEIPT_SCOPES)
        raise ValueError(f"not one of {', '.join(RECEIPT_SCOPES)}{near}")
    return value


def _services(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > SERVICES_MAX:
        raise ValueError(f"not a list of at most {SERVICES_MAX} names")
    is_string = string(1, 40)
    return tuple(is_string(service) for service in value)


def _currency(value: str) -> str:
    if not re.fullmatch("[A-Z]{3}", value):
        raise ValueError("not a currency such as USD")
    return value


def _time_of_day(value: Any) -> datetime.time:
    if isinstance(value, str) and re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value):
        return datetime.time.fromisoformat(value)
    if isinstance(value, datetime.time):
        return value
    raise ValueError("not a time of day such as 16:00")


def _url(value: str) -> str:
    return server_url(value) if value else ""


def server_url(value: str) -> str:
    """An address of a ledger on a server, as it is. Raises ValueError."""
    parts = urllib.parse.urlsplit(value)
    if parts.scheme not in ("postgresql", "postgres"):
        raise ValueError("not an address such as postgresql://till@host/till")
    if parts.password is not None or "password" in urllib.parse.parse_qs(parts.query):
        raise ValueError("it holds a password; put that into ~/.pgpass, mode 600")
    return value


# --- errors with their place ----------------------------------------------------------------------


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise ConfigError(
                f"{path}: {path.stat().st_size} bytes, limit {FILE_BYTES_MAX}; this is not a"
                " till.toml"
            )
        return path.read_text("utf-8")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise ConfigError(
            f"{path}: no such file; make one with till init, or name it with --config"
        ) from error
    except PermissionError as error:
        raise PermissionDenied(
            f"{path}: not readable; run as its owner or give yourself access"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8"
        ) from error


def _syntax_error(path: Path, text: str, error: tomllib.TOMLDecodeError) -> str:
    match = _TOML_PLACE.match(str(error))
    if match is None:  # "at end of document"
        lines = text.splitlines() or [""]
        return pointed(path, text, len(lines), len(lines[-1]) + 1, str(error))
    return pointed(path, text, int(match.group(2)), int(match.group(3)), match.group(1))


def _placed(path: Path, text: str, fault: Fault) -> tuple[tuple[int, int], str]:
    """((line, column), text) of a fault."""
    name = ".".join(fault.place)
    at_key, at_value = locate(text, list(fault.place))
    if fault.kind == "unknown":
        message, at = f"unknown key '{name}'{fault.text}", at_key
    elif fault.kind == "missing":
        message, at = f"'{name}' is missing and has no default", at_key
    else:
        message, at = f"{name}: {fault.text}", at_value
    return at, pointed(path, text, *at, message)


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, datetime.time):
        return f'"{value.isoformat("minutes")}"'
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
