"""till serve. It runs for months, so it imports little: no Typer, which brings pydantic and with it
half as much memory as all the rest, and what only TLS or a signature needs when that is needed.
serving.py is its entry in the list of commands.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli.shared import opened, tell
from gateway.clock import clock_from_env
from gateway.config import WORKERS_MAX

if TYPE_CHECKING:
    from gateway.audit.keeper import Keeper
    from gateway.config import Site
    from gateway.delivery.presence import Running
    from gateway.delivery.service import Service, ServiceSettings
    from gateway.delivery.shares import Shares
    from gateway.store.ledger import Ledger

ABOUT = (
    "Run the gateway until it is told to stop (SIGINT, SIGTERM). Prints one line when it is ready."
    " With several workers SIGHUP restarts them one by one."
)
_DUTY_AGAIN_S = 5  # when the ledger could not be opened for it


def parser() -> argparse.ArgumentParser:
    """The options of `till serve`."""
    made = argparse.ArgumentParser(prog="till serve", description=ABOUT, allow_abbrev=False)
    option = made.add_argument
    config = Path(os.environ.get("TILL_CONFIG") or "till.toml")
    option("--config", "-c", type=Path, default=config, help="The site's till.toml.")
    option(
        "--follow",
        action="store_true",
        help="Print every record as a line of JSON once it is durable.",
    )
    option(
        "--workers",
        type=_count_of_workers,
        help="Processes that share the devices; default: workers in till.toml. More than one wants"
        " a ledger on a PostgreSQL server.",
    )
    option("--json", action="store_true", help="Machine-readable output.")
    # for the workers that _serve_team starts
    option("--worker", type=int, default=0, help=argparse.SUPPRESS)
    option("--run", default="", help=argparse.SUPPRESS)
    option("--ready-to", type=int, default=0, help=argparse.SUPPRESS)
    # for the process that _client_files starts
    option("--client-files", type=int, default=0, help=argparse.SUPPRESS)
    return made


def _count_of_workers(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= WORKERS_MAX:
        raise argparse.ArgumentTypeError(f"{text!r}: not a number from 1 to {WORKERS_MAX}")
    return int(text)


def serve(arguments: Sequence[str]) -> None:
    """`till serve` with these arguments. Leaves with code 2 when they are wrong."""
    from gateway import config as configuration

    asked = parser().parse_args(arguments)
    site = configuration.load(asked.config)
    count = asked.workers or site.config.workers
    if asked.client_files:
        from gateway.broker import pki

        name = pki.WORKER_NAMES[asked.client_files - 1]
        print(json.dumps(pki.client_files(site.ca, site.keys, name)))
    elif asked.worker:
        _serve_share(site, asked.follow, asked.worker, count, asked.run, asked.ready_to)
    elif count > 1:
        _serve_team(site, asked.follow, count, asked.json)
    else:
        _serve_alone(site, asked.follow, asked.json)


def _log_to_stderr(before: str = "") -> None:
    form = f"{before}%(message)s"
    logging.basicConfig(level=logging.INFO, format=form, stream=sys.stderr)


def _serve_alone(site: Site, follow: bool, as_json: bool) -> None:
    from gateway.broker.process import EmbeddedBroker
    from gateway.delivery.presence import Running, hold

    _log_to_stderr()
    running = Running.here()
    with ExitStack() as stack, opened(site) as ledger, hold(site.data, running):
        ledger.check_start(clock_from_env().utc_ms())
        if site.config.broker.embedded:
            stack.enter_context(EmbeddedBroker(site.config.broker.port))
        service = _service(site, ledger, running, follow)
        stop = _stopped_by_signals(service)

        def say_ready() -> None:
            service.settled.wait()
            if not stop.is_set():
                _say_ready(site, as_json)

        threading.Thread(target=say_ready, daemon=True).start()
        threading.Thread(target=_keeper(site).run, args=(stop,), daemon=True).start()
        service.run(stop)


def _serve_team(site: Site, follow: bool, count: int, as_json: bool) -> None:
    """Only starts and ends the workers; one ledger and one broker are theirs together."""
    from gateway.delivery.presence import Running, hold
    from gateway.delivery.team import Team

    _log_to_stderr()
    _look_whether_they_may(site, count)
    running = Running.here()
    with hold(site.data, running):
        with opened(site) as ledger:  # made, migrated and looked at once, before there are several
            ledger.check_start(clock_from_env().utc_ms())

        def command(number: int) -> list[str]:
            # -P: nothing of the folder that we happen to stand in is imported
            line = [sys.executable, "-P", "-m", "gateway", "serve", "--config", str(site.path)]
            line += ["--worker", str(number), "--workers", str(count)]
            return [*line, "--run", running.note().decode(), *(["--follow"] if follow else [])]

        team = Team(count, command, lambda: _say_ready(site, as_json, count))
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: team.stop())
        signal.signal(signal.SIGHUP, lambda *_: team.roll())
        team.run()


def _look_whether_they_may(site: Site, count: int) -> None:
    from gateway.config import LedgerServer
    from gateway.errors import ConfigError

    if not isinstance(site.ledger, LedgerServer):
        raise ConfigError(
            f"{count} workers: they share a ledger on a PostgreSQL server, and this one is the file"
            f" {site.ledger}; set [ledger] url (docs/scale.md), or serve with one worker"
        )
    if site.config.broker.embedded:
        raise ConfigError(
            f"{count} workers: the embedded broker is for one gateway; install mosquitto and set"
            " [broker] embedded = false"
        )
    if site.config.broker.tls and count > site.config.workers:
        raise ConfigError(
            f"{count} workers: there are certificates for {site.config.workers}; set workers ="
            f" {count} in {site.path}, then till broker config"
        )


def _serve_share(
    site: Site, follow: bool, number: int, count: int, run: str, ready_to: int
) -> None:
    """One worker of several: the devices whose leases it holds."""
    from gateway.delivery.presence import Running
    from gateway.delivery.shares import WAIT_MS, Shares, Worker
    from gateway.delivery.team import READY
    from gateway.devices.keys import KeyStore
    from gateway.errors import TryAgain, Unavailable, UsageError

    _log_to_stderr(f"worker={number} ")
    running = Running.parse(run.encode())
    if running is None:
        raise UsageError("--worker: it is for till serve --workers alone")
    with ExitStack() as stack:
        try:
            ledger = stack.enter_context(opened(site))
        except TryAgain as error:  # the others go on, and the parent starts us again
            raise Unavailable(str(error)) from error
        ledger.db.hurry(WAIT_MS)
        keys = KeyStore(site.keys)

        def names() -> list[str]:
            return [*site.config.windows, *keys.devices()]

        shares = Shares(ledger, Worker(number, count), names)
        service = _service(site, ledger, running, follow, shares)
        stop = _stopped_by_signals(service)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

        def say_ready() -> None:
            service.hears.wait()
            logging.getLogger("till.worker").info("worker_ready rss_kb=%d", _memory_kb())
            with suppress(OSError):
                os.write(ready_to, READY)

        threading.Thread(target=say_ready, daemon=True).start()
        threading.Thread(target=_end_with_parent, args=(stop, service), daemon=True).start()
        threading.Thread(target=_do_duty, args=(site, stop, service), daemon=True).start()
        service.run(stop)


def _service(
    site: Site, ledger: Ledger, running: Running, follow: bool, shares: Shares | None = None
) -> Service:
    from gateway.delivery.ingest import Ingest
    from gateway.delivery.service import Service, follow_line, trouble_line
    from gateway.devices.keys import KeyStore

    fence = shares.fence if shares is not None else None
    ingest = Ingest(ledger, KeyStore(site.keys), clock_from_env(), site.config.site, fence)
    if follow:
        ingest.troubles.append(lambda *trouble: print(trouble_line(*trouble), flush=True))
    return Service(
        _settings(site, shares.worker.number if shares is not None else 1),
        ingest,
        (lambda record: print(follow_line(record), flush=True)) if follow else None,
        running,
        shares,
    )


def _stopped_by_signals(service: Service) -> threading.Event:
    stop = threading.Event()

    def end(*_: object) -> None:
        stop.set()
        service.wake()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    return stop


def _keeper(site: Site) -> Keeper:
    from gateway.audit.keeper import Keeper

    return Keeper(
        site.ledger, site.data, site.config.site, site.zone, site.config.cut_off, clock_from_env()
    )


def _do_duty(site: Site, stop: threading.Event, service: Service) -> None:
    """What is done once a site, as long as it is ours to do."""
    while not stop.is_set():
        service.has_duty.wait()
        _keeper(site).run(stop, service.has_duty)
        stop.wait(_DUTY_AGAIN_S)


def _end_with_parent(stop: threading.Event, service: Service) -> None:
    """Standard input closes when the process that started us is gone, however it went."""
    while os.read(0, 64):  # not sys.stdin: its lock is held while we end, and Python aborts then
        pass
    stop.set()
    service.wake()


def _memory_kb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _say_ready(site: Site, as_json: bool, workers: int = 1) -> None:
    where = f"{site.config.broker.host}:{site.config.broker.port}"
    result = {"ready": True, "site": site.config.site, "broker": where, "ledger": str(site.ledger)}
    text = f"ready site={site.config.site} broker={where} ledger={site.ledger}"
    if workers > 1:
        result["workers"] = workers
        text += f" workers={workers}"
    tell(as_json, result, text, compact=True)


def _settings(site: Site, worker: int) -> ServiceSettings:
    """Where the broker is, and with TLS the worker's own certificate. Raises ConfigError or
    PermissionDenied.
    """
    from gateway.delivery.service import ServiceSettings

    broker = site.config.broker
    files = _client_files(site, worker) if broker.tls else {}
    return ServiceSettings(
        site.config.site,
        broker.host,
        broker.port,
        ca_file=files.get("ca_file"),
        cert_file=files.get("cert_file"),
        key_file=files.get("key_file"),
        worker=worker,
    )


def _client_files(site: Site, worker: int) -> dict[str, str]:
    """See pki.client_files. A process of its own looks at the certificates, for the library that
    does takes 13 MiB and is not needed again. What is wrong it says itself, as we would.
    """
    line = [sys.executable, "-P", "-m", "gateway", "serve", "--config", str(site.path)]
    done = subprocess.run(
        [*line, "--client-files", str(worker)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        check=False,
    )
    if done.returncode:
        sys.exit(done.returncode)
    return dict(json.loads(done.stdout))
