"""till.toml: what the site is. Read whole, checked whole, every error at once with
file:line:column.

The rules of the office stand in a file of their own beside it (gateway/policy_file.py). Secrets are
files: `keys` is a folder, and no key of this file holds a secret.
"""

from __future__ import annotations

import datetime
import re
import tomllib
import urllib.parse
import zoneinfo
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

from gateway.policy_file import POLICY_FILE, moved_lines, read_policy, shipped_policy
from gateway.policy_tables import Policy
from gateway.toml_file import Placed, text_of, told, values_of
from gateway.toml_problems import did_you_mean, locate, pointed
from gateway.toml_tables import (
    Fault,
    TableError,
    boolean,
    fields_of,
    integer,
    one_of,
    read_table,
    string,
    table,
    tables,
    time_of_day,
    toml_key,
    toml_value,
)
from protocol import topics
from protocol.compat import ProtocolError

FILE_BYTES_MAX = 1_000_000
WINDOWS_MAX = 500
WORKERS_MAX = 32
ROLES = ("cashier", "supervisor", "auditor")
LOGIN = re.compile(r"[a-z][a-z0-9._-]{0,31}", re.ASCII)
RECEIPT_SCOPES = ("source", "window", "day", "window-day")
SERVICES_MAX = 200
TLS_PORT = 8883  # registered with IANA for MQTT over TLS


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
class Person:
    """Somebody who decides, under a login name. (Nobody proves yet who they are.)"""

    role: Annotated[str, one_of(*ROLES)]
    # the number that this person keys on the pad and that the cashiering system knows; 0: none
    cashier: Annotated[int, integer(0, 1_099_511_627_775)] = 0


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
    cut_off: Annotated[datetime.time, time_of_day] = datetime.time(16, 0)
    workers: Annotated[int, integer(1, WORKERS_MAX)] = 1  # processes that share the devices
    # windows of the posted files at which no money is handled: web page, lockbox, kiosk for cards
    without_drawer: Annotated[tuple[str, ...], _posted_names] = ()
    # account numbers by which the posted files say that nobody knows the account
    suspense_accounts: Annotated[tuple[str, ...], _posted_names] = ()
    ledger: Annotated[LedgerTable, table(LedgerTable)] = LedgerTable()
    broker: Annotated[Broker, table(Broker)] = Broker()
    policy: Policy = field(default_factory=shipped_policy)  # of policy.toml, not of this file
    posted: Annotated[Posted, table(Posted)] = Posted()
    people: Annotated[dict[str, Person], _logins, tables(Person)] = field(default_factory=dict)

    def __post_init__(self) -> None:
        both = sorted(set(self.windows) & set(self.without_drawer))
        if both:
            raise ValueError(
                f"window {both[0]!r} stands under windows, too: a window has a drawer or has none"
            )


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
    def policy_file(self) -> Path:
        """The rules of the office; without it those that ship are in force."""
        return self.path.parent / POLICY_FILE

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        """The office's time zone."""
        return zoneinfo.ZoneInfo(self.config.zone)


def load(path: Path) -> Site:
    """The configuration in a file, and the policy beside it. Raises ConfigError with every fault of
    a file at once, PermissionDenied when one cannot be read.
    """
    text = text_of(path, FILE_BYTES_MAX, "make one with till init, or name it with --config")
    values = values_of(path, text)
    moved = [_policy_moved(path, text, values.pop("policy"))] if "policy" in values else []
    try:
        config = read_table(Config, values)
    except TableError as error:
        raise told(path, text, error.faults, "run till check", moved) from error
    if moved:
        raise told(path, text, [], "run till check", moved)
    return Site(path, replace(config, policy=read_policy(path.parent / POLICY_FILE)))


def _policy_moved(path: Path, text: str, old: Any) -> Placed:
    """A [policy] of before policy.toml was: where it goes, line by line."""
    at, _ = locate(text, ["policy"])
    lines = moved_lines(old)
    message = f"[policy] stands in {POLICY_FILE} beside this file now; move it there as:"
    return at, pointed(path, text, *at, message) + "".join(f"\n    {line}" for line in lines)


def problems_of(text: str) -> list[tuple[str, str]]:
    """(key, what is wrong with its value) of a text that is no file yet; empty when it is good."""
    try:
        read_table(Config, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        return [("site", f"a control character, or the like ({error})")]
    except TableError as error:
        return [(".".join(fault.place), fault.text) for fault in error.faults]
    return []


def merged(site: Site) -> dict[str, Any]:
    """What the file says and what the defaults add, by key."""
    values = asdict(site.config)
    return {name: values[name] for name in fields_of(Config)}


def show(site: Site) -> str:
    """The merged result as TOML."""
    values = merged(site)
    tables = {name: value for name, value in values.items() if isinstance(value, dict)}
    lines = [
        f"{name} = {toml_value(value)}" for name, value in values.items() if name not in tables
    ]
    for name, inner in tables.items():
        lines += [
            "",
            f"[{name}]",
            *(f"{toml_key(key)} = {toml_value(value)}" for key, value in inner.items()),
        ]
    return "\n".join(lines) + "\n"


def template(site: str, zone: str, windows: int, broker: tuple[str, int] | None = None) -> str:
    """A new till.toml. `broker`: host and port of an installed one, with TLS on its port; None: the
    embedded one.
    """
    names = ", ".join(f'"w{number}"' for number in range(1, windows + 1))
    host, port = broker or ("127.0.0.1", 1883)
    return f"""# What this site is. Every key, its unit and its default: docs/cli.md.
# The configuration in use, defaults included: till check --show
site = {toml_value(site)}
zone = {toml_value(zone)}
windows = [{names}]
data = "data"
cut_off = "16:00"

[broker]
host = {toml_value(host)}
port = {port}
embedded = {toml_value(broker is None)}
tls = {toml_value(port == TLS_PORT)}
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


def _posted_names(value: Any) -> tuple[str, ...]:
    """Windows or accounts as the cashiering system writes them: any short text."""
    if not isinstance(value, list) or len(value) > WINDOWS_MAX:
        raise ValueError(f"not a list of at most {WINDOWS_MAX} names")
    is_string = string(1, 40)
    names = tuple(is_string(name) for name in value)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{twice[0]!r} is named twice")
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


def _logins(values: Any) -> Any:
    faults = [
        Fault((str(name),), "value", "not a login name: a-z first, then a-z, 0-9, '.', '_', '-'")
        for name in (values if isinstance(values, dict) else ())
        if not LOGIN.fullmatch(str(name))
    ]
    if faults:
        raise TableError(faults)
    return values


def _currency(value: str) -> str:
    if not re.fullmatch("[A-Z]{3}", value):
        raise ValueError("not a currency such as USD")
    return value


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
