"""till serve."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.app import CONFIG, ConfigOption, JsonOption, app, opened, tell
from gateway.clock import clock_from_env

if TYPE_CHECKING:
    from gateway.config import Site
    from gateway.delivery.service import ServiceSettings


@app.command()
def serve(
    config: ConfigOption = CONFIG,
    follow: Annotated[
        bool,
        typer.Option("--follow", help="Print every record as a line of JSON once it is durable."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Run the gateway until it is told to stop (SIGINT, SIGTERM). Prints one line when it is
    ready.
    """
    import logging

    from gateway import config as configuration
    from gateway.audit.keeper import Keeper
    from gateway.broker.process import EmbeddedBroker
    from gateway.delivery.ingest import Ingest
    from gateway.delivery.presence import Running, hold
    from gateway.delivery.service import Service, follow_line, trouble_line
    from gateway.devices.keys import KeyStore

    site = configuration.load(config)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    stop = threading.Event()
    running = Running.here()
    with ExitStack() as stack, opened(site) as ledger, hold(site.data, running):
        ledger.check_start(clock_from_env().utc_ms())
        broker = site.config.broker
        if broker.embedded:
            stack.enter_context(EmbeddedBroker(broker.port))
        ingest = Ingest(ledger, KeyStore(site.keys), clock_from_env(), site.config.site)
        if follow:
            ingest.troubles.append(lambda *trouble: print(trouble_line(*trouble), flush=True))
        service = Service(
            _settings(site),
            ingest,
            (lambda record: print(follow_line(record), flush=True)) if follow else None,
            running,
        )

        def end(*_: object) -> None:
            stop.set()
            service.wake()

        def say_ready() -> None:
            service.settled.wait()
            if not stop.is_set():
                _say_ready(site, as_json)

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, end)
        threading.Thread(target=say_ready, daemon=True).start()
        keeper = Keeper(
            site.ledger, site.data, site.config.site, site.zone, site.config.cut_off,
            clock_from_env(),
        )  # fmt: skip
        threading.Thread(target=keeper.run, args=(stop,), daemon=True).start()
        service.run(stop)


def _say_ready(site: Site, as_json: bool) -> None:
    where = f"{site.config.broker.host}:{site.config.broker.port}"
    result = {"ready": True, "site": site.config.site, "broker": where, "ledger": str(site.ledger)}
    text = f"ready site={site.config.site} broker={where} ledger={site.ledger}"
    tell(as_json, result, text, compact=True)


def _settings(site: Site) -> ServiceSettings:
    """Where the broker is, and with TLS the gateway's own certificate. Raises ConfigError or
    PermissionDenied, not paho.
    """
    from gateway.broker import pki
    from gateway.delivery.service import ServiceSettings

    broker = site.config.broker
    if not broker.tls:
        return ServiceSettings(site.config.site, broker.host, broker.port)
    return ServiceSettings(
        site.config.site,
        broker.host,
        broker.port,
        **pki.client_files(site.ca, site.keys, pki.GATEWAY_NAME),
    )
