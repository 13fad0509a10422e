"""What each `till` command does: read the configuration, call one function, print its result. docs/cli.md is the page."""

from __future__ import annotations

import importlib
import importlib.util
import json
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.clock import clock_from_env
from gateway.errors import ConfigError, DataError, GatewayError, PermissionDenied, Unavailable, UsageError

if TYPE_CHECKING:
    from gateway.config import Site
    from gateway.ledger import Ledger

FINDING = 1  # exit code: the command worked and found something that a person should look at

app = typer.Typer(
    help="Money counted at a window reaches the ledger exactly once.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
boards_app = typer.Typer(help="What hardware is declared.", no_args_is_help=True)
device_app = typer.Typer(help="The devices and their keys.", no_args_is_help=True)
sim_app = typer.Typer(help="Simulated parts, for tests and training.", no_args_is_help=True)
app.add_typer(boards_app, name="boards")
app.add_typer(device_app, name="device")
app.add_typer(sim_app, name="sim")

ConfigOption = Annotated[Path, typer.Option("--config", "-c", envvar="TILL_CONFIG", help="The site's till.toml.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
DateOption = Annotated[str | None, typer.Option("--date", help="Business date, YYYY-MM-DD; default: the last one posted.")]
CONFIG = Path("till.toml")


@app.callback(invoke_without_command=True)
def _top(version: Annotated[bool, typer.Option("--version", "-V", help="Print the version.")] = False) -> None:
    if version:
        from gateway.cli import version as installed

        print(f"till {installed()}")
        raise typer.Exit


# --- set-up -----------------------------------------------------------------------------------------------------------


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Where till.toml and the data folder go.")] = Path("."),
    site: Annotated[str, typer.Option(help="Name of the site: a-z, 0-9 and '-'.")] = "city-hall",
    zone: Annotated[str, typer.Option(help="Time zone of the office, by its IANA name.")] = "America/Chicago",
    windows: Annotated[int, typer.Option(min=1, max=500, help="How many windows: w1, w2, ...")] = 3,
    broker: Annotated[str, typer.Option(help="HOST:PORT of an installed broker; default: one of our own on loopback.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Write till.toml, the data folder and a key for each window. Refuses to overwrite."""
    from gateway import config
    from gateway.keys import create_key

    path = folder / "till.toml"
    if path.exists():
        raise ConfigError(f"{path}: exists; edit it, or name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(config.template(site, zone, windows, _host_and_port(broker) if broker else None), "utf-8")
    try:
        made = config.load(path)
    except ConfigError:
        path.unlink()
        raise
    made.data.mkdir(mode=0o700, exist_ok=True)
    for window in made.config.windows:
        if not (made.keys / f"{window}.key").exists():
            create_key(made.keys, window)
    result = {"config": str(path), "data": str(made.data), "windows": list(made.config.windows)}
    _tell(as_json, result, f"wrote {path}, {made.data} and {windows} keys; next: till check --config {path}")


def _host_and_port(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or len(port) > 5:
        raise UsageError(f"broker {text!r}: not HOST:PORT, such as 127.0.0.1:1883")
    return host, int(port)


@app.command()
def check(
    config: ConfigOption = CONFIG,
    show: Annotated[bool, typer.Option("--show", help="Print the merged configuration and stop.")] = False,
    all_: Annotated[bool, typer.Option("--all", help="Verify the whole ledger and the boards file too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check configuration, folder, keys, ledger, broker and this Python."""
    from gateway import config as configuration

    site = configuration.load(config)
    if show:
        if as_json:
            print(site.config.model_dump_json(indent=2))
        else:
            print(configuration.show(site), end="")
        return
    results = [_checked(name, test) for name, test in _checks(site, all_)]
    if as_json:
        print(json.dumps({"checks": results, "ok": all(item["ok"] for item in results)}, indent=2))
    else:
        for item in results:
            print(f"{'✓' if item['ok'] else '✗'} {item['check']}: {item['text']}")
    if not all(item["ok"] for item in results):
        raise typer.Exit(FINDING)


def _checked(name: str, test: Any) -> dict[str, Any]:
    try:
        return {"check": name, "ok": True, "text": test()}
    except GatewayError as error:
        return {"check": name, "ok": False, "text": str(error)}


def _checks(site: Site, thorough: bool) -> list[tuple[str, Any]]:
    def python() -> str:
        ours = Path(__file__).resolve().parent.parent
        for name in ("protocol", "simulators"):
            spec = importlib.util.find_spec(name)
            origin = Path(spec.origin).resolve() if spec is not None and spec.origin else None
            if origin is not None and ours not in origin.parents:
                raise ConfigError(
                    f"package {name} is another one ({origin}); reinstall tillstream in an environment of its own"
                )
        return ".".join(str(part) for part in sys.version_info[:3])

    def data() -> str:
        if not site.data.is_dir():
            raise ConfigError(f"folder {site.data} does not exist; make it, or run till init")
        return str(site.data)

    def keys() -> str:
        from gateway.keys import KeyStore

        store = KeyStore(site.keys)
        for window in site.config.windows:
            store.current(window)
        return f"{len(site.config.windows)} windows, each with its key"

    def ledger() -> str:
        if not site.ledger.exists():
            return "not there yet; till serve makes it"
        from gateway.ledger import Ledger

        with Ledger(site.ledger) as opened:
            found = opened.verify() if thorough else []
            if found:
                raise DataError(f"{len(found)} findings, first: {found[0].text}; run till verify")
            return f"message {opened.head()[0]}"

    def broker() -> str:
        from gateway.broker import answers

        where = f"{site.config.broker.host}:{site.config.broker.port}"
        if answers(site.config.broker.host, site.config.broker.port):
            return f"answers at {where}"
        if site.config.broker.embedded:
            return f"embedded; till serve starts it at {where}"
        raise Unavailable(f"nothing answers at {where}; start the broker or correct [broker]")

    def boards() -> str:
        from gateway.fleet.boards import load_boards

        return f"{len(load_boards(_boards_path(site)))} boards declared"

    tests = [("python", python), ("data folder", data), ("keys", keys), ("ledger", ledger), ("broker", broker)]
    return [*tests, ("boards", boards)] if thorough else tests


def _boards_path(site: Site) -> Path | None:
    return site.boards if site.boards.is_file() else None


# --- running ----------------------------------------------------------------------------------------------------------


@app.command()
def serve(
    config: ConfigOption = CONFIG,
    follow: Annotated[bool, typer.Option("--follow", help="Print every record as a line of JSON once it is durable.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Run the gateway until it is told to stop (SIGINT, SIGTERM). Prints one line when it is ready."""
    import logging

    from gateway import config as configuration
    from gateway.broker import EmbeddedBroker
    from gateway.ingest import Ingest
    from gateway.keys import KeyStore
    from gateway.service import Service, ServiceSettings, follow_line

    site = configuration.load(config)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    stop = threading.Event()
    with ExitStack() as stack, _opened(site) as ledger:
        broker = site.config.broker
        if broker.embedded:
            stack.enter_context(EmbeddedBroker(broker.port))
        service = Service(
            ServiceSettings(site.config.site, broker.host, broker.port),
            Ingest(ledger, KeyStore(site.keys), clock_from_env(), site.config.site),
            (lambda record: print(follow_line(record), flush=True)) if follow else None,
        )

        def end(*_: object) -> None:
            stop.set()
            service.wake()

        def say_ready() -> None:
            service.connected.wait()
            if not stop.is_set():
                where = f"{broker.host}:{broker.port}"
                result = {"ready": True, "site": site.config.site, "broker": where, "ledger": str(site.ledger)}
                _tell(as_json, result, f"ready site={site.config.site} broker={where} ledger={site.ledger}", compact=True)

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, end)
        threading.Thread(target=say_ready, daemon=True).start()
        service.run(stop)


@app.command()
def flash(
    device: Annotated[str, typer.Argument(help="Which window the board is for, such as w1.")],
    config: ConfigOption = CONFIG,
    port: Annotated[str | None, typer.Option(help="Serial port; default: the one that boards.toml recognises.")] = None,
    board: Annotated[str | None, typer.Option(help="Name of the board in boards.toml.")] = None,
    revision: Annotated[str | None, typer.Option(help="Its revision.")] = None,
    serial_number: Annotated[str | None, typer.Option(help="USB serial number of the board.")] = None,
    host: Annotated[str | None, typer.Option(help="Broker address as the board sees it; default: as in till.toml.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be copied.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Put the firmware and the window's key on a board. Refuses while its drawer session is open."""
    from gateway import config as configuration
    from gateway.fleet.flash import flash_command

    site = configuration.load(config)
    flash_command(
        _site_values(site, device, host), port, board, revision, serial_number, _bench_folder(site), _boards_path(site),
        refuse=lambda: _open_session(site, device), dry_run=dry_run, as_json=as_json,
    )  # fmt: skip


@app.command()
def stage(
    device: Annotated[str, typer.Argument(help="Which window the board is for, such as w1.")],
    out: Annotated[Path, typer.Option(help="A folder that does not exist yet, or is empty.")],
    config: ConfigOption = CONFIG,
    board: Annotated[str, typer.Option(help="Name of the board in boards.toml.")] = "unix",
    revision: Annotated[str | None, typer.Option(help="Its revision.")] = None,
    host: Annotated[str | None, typer.Option(help="Broker address as the board sees it; default: as in till.toml.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the files that `till flash` would put on a board, the window's key included, to a folder."""
    from gateway import config as configuration
    from gateway.fleet.stage import stage as stage_tree

    site = configuration.load(config)
    staged = stage_tree(board, revision, out, _site_values(site, device, host), _boards_path(site))
    result = {"board": staged.board.label, "out": str(out), "files": len(staged.files), "mpy_bytes": staged.mpy_bytes}
    _tell(as_json, result, f"staged {staged.board.label} for {device} in {out}: {staged.mpy_bytes} bytes of .mpy")


def _site_values(site: Site, device: str, host: str | None) -> dict[str, Any]:
    """What site.json on the board of a window says."""
    from gateway.fleet.flash import site_of
    from gateway.keys import KeyStore

    _known_window(site, device)
    broker = site.config.broker
    key = KeyStore(site.keys).current(device)
    return site_of(site.config.site, device, host or broker.host, broker.port, key, site.config.currency)


def _open_session(site: Site, device: str) -> str | None:
    """Why the board of a window must not be touched now; None when nothing speaks against it."""
    from gateway.day import day_bounds, local_date, local_time
    from gateway.sessions import drawer_sessions

    if not site.ledger.exists():
        return None
    from_ms, until_ms = day_bounds(local_date(clock_from_env().utc_ms(), site.zone), site.zone)
    with _opened(site) as ledger:
        sessions = drawer_sessions(ledger.records(from_ms, until_ms, device), site.config.currency)
    if sessions and sessions[-1].groups and sessions[-1].close is None:
        return f"its drawer session is open since {local_time(sessions[-1].started_ms, site.zone)}; close it first"
    return None


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="End with the reconciliation instead of staying up.")] = False,
    as_json: JsonOption = False,
    seed: Annotated[int, typer.Option(help="Which day is played.")] = 1,
    windows: Annotated[int, typer.Option(min=1, max=8, help="How many windows.")] = 3,
    data: Annotated[Path | None, typer.Option(help="Keep ledger and files here; default: a temporary folder.")] = None,
) -> None:
    """The whole system on this machine: simulated windows, one day, its reconciliation."""
    play = _simulator("simulators.demo")
    raise typer.Exit(play.main(once=once, as_json=as_json, seed=seed, windows=windows, data=data) or 0)


@sim_app.command("office")
def sim_office(
    out: Annotated[Path, typer.Option(help="Folder for posted.csv, plan.json and truth.json.")],
    seed: Annotated[int, typer.Option(help="Which day.")] = 1,
    windows: Annotated[int, typer.Option(min=1, max=500, help="How many windows.")] = 3,
    as_json: JsonOption = False,
) -> None:
    """A synthetic office day: what was posted, what the cashiers do, and what really happened."""
    from dataclasses import asdict

    day = _simulator("simulators.office.day").generate(seed, windows)
    out.mkdir(parents=True, exist_ok=True)
    day.posted_csv(out / "posted.csv")
    (out / "plan.json").write_text(json.dumps(day.plan, indent=1), "utf-8")
    (out / "truth.json").write_text(json.dumps(asdict(day.truth), indent=1), "utf-8")
    _tell(as_json, {"out": str(out), "seed": seed, "windows": windows}, f"wrote posted.csv, plan.json and truth.json to {out}")


@sim_app.command("board")
def sim_board(
    device: Annotated[str, typer.Argument(help="Which window it stands for, such as w1.")] = "w1",
    config: ConfigOption = CONFIG,
) -> None:
    """A virtual board with simulated machines: flash it with till flash, then type what happens at the window (help)."""
    from gateway import config as configuration

    site = configuration.load(config)
    _known_window(site, device)
    bench = _bench_folder(site)
    raise typer.Exit(_simulator("simulators.bench").main(device, bench / device, bench))


def _bench_folder(site: Site) -> Path:
    """Where virtual boards keep their flash and declare their ports."""
    return site.data / "bench"


def _simulator(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise Unavailable(f"{error.name}: not installed; run from a checkout, or install the whole package") from error


# --- the office's day -------------------------------------------------------------------------------------------------


@app.command("import")
def import_(
    posted: Annotated[list[Path], typer.Argument(help="posted.csv files.")],
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Read what the cashiering system posted. The same file, or the same row, again changes nothing."""
    from gateway import config as configuration
    from gateway.postings import import_posted

    site = configuration.load(config)
    with _opened(site) as ledger:
        results = [import_posted(ledger.db, path, clock_from_env().utc_ms()) for path in posted]
    if as_json:
        print(json.dumps([vars(result) for result in results], indent=2))
    for result in [] if as_json else results:
        if result.state == "unposted":
            print(f"{result.name}: nothing posted: {result.reason}")
        else:
            again = "already posted: " if result.state == "already" else ""
            print(f"{result.name}: {again}{result.added} rows new, {result.known} known, {result.refused} refused")
        for line, reason in result.shown:
            print(f"  {result.name}:{line}: {reason}")
    if any(result.state == "unposted" for result in results):
        raise typer.Exit(DataError.exit_code)
    if any(result.refused for result in results):
        raise typer.Exit(FINDING)


@app.command()
def reconcile(config: ConfigOption = CONFIG, date: DateOption = None, as_json: JsonOption = False) -> None:
    """Prove every drawer session of a day and name what may explain a difference. Exit code 1 when a drawer is not balanced."""
    from rich.console import Console

    from gateway.report import print_day, to_json

    day = _day_report(config, date)
    if as_json:
        print(to_json(day), end="")
    else:
        print_day(day, Console())
    if not day["balanced"]:
        raise typer.Exit(FINDING)


@app.command()
def report(
    config: ConfigOption = CONFIG,
    date: DateOption = None,
    html: Annotated[bool, typer.Option("--html", help="A page that prints.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="One flat table.")] = False,
    as_json: JsonOption = False,
    out: Annotated[Path | None, typer.Option(help="File to write; default: standard output.")] = None,
) -> None:
    """The report of a business day."""
    from gateway import report as reports

    if html + as_csv + as_json > 1:
        raise UsageError("report: --html, --csv and --json exclude each other; choose one")
    day = _day_report(config, date)
    if not (html or as_csv or as_json) and out is None:
        from rich.console import Console

        reports.print_day(day, Console())
        return
    text = reports.to_html(day) if html else reports.to_csv(day) if as_csv else reports.to_json(day)
    if out is None:
        sys.stdout.write(text)
    else:
        out.write_text(text, "utf-8", newline="")
        print(f"wrote {out}")


def _day_report(config: Path, date: str | None) -> dict[str, Any]:
    from gateway import config as configuration
    from gateway.day import last_business_date, local_date, prove_day
    from gateway.report import day_report

    site = configuration.load(config)
    with _opened(site) as ledger:
        business_date = date or last_business_date(ledger) or local_date(clock_from_env().utc_ms(), site.zone)
        day = prove_day(ledger, site.config.windows, business_date, site.zone, site.config.currency)
        return day_report(day, site.config)


# --- looking ----------------------------------------------------------------------------------------------------------


@app.command()
def verify(config: ConfigOption = CONFIG, as_json: JsonOption = False) -> None:
    """Verify the whole ledger: hash chain, records, cursors, and what each board witnessed."""
    from gateway import config as configuration

    site = configuration.load(config)
    with _opened(site) as ledger:
        found = ledger.verify()
        n, head = ledger.head()
    if as_json:
        rows = [{"message_n": item.message_n, "device": item.device, "text": item.text} for item in found]
        print(json.dumps({"n": n, "head": head.hex(), "findings": rows}, indent=2))
    else:
        for item in found:
            print(f"message {item.message_n} {item.device}: {item.text}")
        print(f"{'✗' if found else '✓'} ledger n {n}, head {head.hex()}, {len(found)} findings")
    if found:
        raise typer.Exit(FINDING)


@boards_app.command("show")
def boards_show(
    name: Annotated[str | None, typer.Argument(help="One board; default: all.")] = None,
    boards: Annotated[Path | None, typer.Option(help="Another boards.toml.")] = None,
    as_json: JsonOption = False,
) -> None:
    """What boards.toml declares."""
    from gateway.fleet.boards import show_boards

    show_boards(name, as_json, boards)


@device_app.command("list")
def device_list(config: ConfigOption = CONFIG, as_json: JsonOption = False) -> None:
    """Every device: its key, its records, what is missing."""
    from gateway import config as configuration
    from gateway.keys import KeyStore

    site = configuration.load(config)
    keyed = set(KeyStore(site.keys).devices())
    with _opened(site) as ledger:
        stats = {item.device: item for item in ledger.stats()}
    rows = []
    for name in sorted(set(site.config.windows) | keyed | set(stats)):
        item = stats.get(name)
        rows.append(
            {
                "device": name, "key": name in keyed, "configured": name in site.config.windows,
                "records": item.records if item else 0, "duplicates": item.duplicates if item else 0,
                "rejected": item.rejected if item else 0, "missing": item.missing if item else 0,
            }
        )  # fmt: skip
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        counts = ", ".join(f"{row[name]} {name}" for name in ("records", "duplicates", "rejected", "missing"))
        print(f"{row['device'] or '(unknown sender)'}: {'key' if row['key'] else 'no key'}, {counts}")


@contextmanager
def _opened(site: Site) -> Iterator[Ledger]:
    from gateway.ledger import Ledger

    if not site.data.is_dir():
        raise PermissionDenied(f"folder {site.data} does not exist; make it for the gateway's user, or run till init")
    with Ledger(site.ledger) as ledger:
        yield ledger


def _known_window(site: Site, device: str) -> None:
    if device not in site.config.windows:
        raise UsageError(f"device {device!r}: not one of {', '.join(site.config.windows)}; add it to windows in {site.path}")


def _tell(as_json: bool, result: dict[str, Any], text: str, compact: bool = False) -> None:
    print(json.dumps(result, indent=None if compact else 2) if as_json else text, flush=True)
