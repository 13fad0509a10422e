"""till device enrol, approve, rotate, revoke, replace and list, and till broker config: who may
speak. docs/enrolment.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.app import CONFIG, ConfigOption, JsonOption, broker_app, device_app, known_window
from gateway.cli.shared import opened, tell
from gateway.clock import clock_from_env
from gateway.terminal import printable

if TYPE_CHECKING:
    from gateway.config import Site
    from gateway.devices.enrolment import Enrolment, Identity

DeviceArgument = Annotated[str, typer.Argument(help="Which window, such as w4.")]
WhoOption = Annotated[
    str, typer.Option(help="Who does this, for the record; default: the user of this computer.")
]
ReasonOption = Annotated[str, typer.Option(help="Why, for the record.")]


@device_app.command("list")
def device_list(config: ConfigOption = CONFIG, as_json: JsonOption = False) -> None:
    """Every device: whether it may speak, key and certificate, when it was last heard, its records,
    what is missing.
    """
    from gateway import config as configuration
    from gateway.devices.status import device_rows

    rows = device_rows(configuration.load(config))
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        parts = [row["state"]]
        if row["keys"]:
            parts.append("key " + " and ".join(str(number) for number in row["keys"]))
        if row["certificate"]:
            parts.append(f"certificate {row['certificate']}")
        parts.append(f"last seen {row['last_seen']}" if row["last_seen"] else "never seen")
        if row["status"] == "lost":
            parts.append("lost since: look at its power and network")
        parts += [
            f"{row[name]} {name}" for name in ("records", "duplicates", "rejected", "missing")
        ]
        print(printable(f"{row['device'] or '(unknown sender)'}: {', '.join(parts)}"))


@device_app.command("enrol")
def device_enrol(
    device: DeviceArgument,
    who: WhoOption = "",
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Make key and certificate of a window that has none. Nothing of it is taken before it is
    approved.
    """
    with _enrolment(config, who) as (site, enrolment):
        known_window(site, device)
        identity = enrolment.enrol(device)
    compare = f" --fingerprint {identity.certificate[:16]}" if identity.certificate else ""
    _tell(
        as_json,
        identity,
        f"enrolled {_text(identity)}\nnext, by somebody else: till device approve"
        f" {device}{compare}",
    )


@device_app.command("approve")
def device_approve(
    device: DeviceArgument,
    fingerprint: Annotated[
        str, typer.Option(help="What the one who enrolled it noted: 16 digits or more.")
    ] = "",
    who: WhoOption = "",
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Let an enrolled device in. With --fingerprint only if its certificate is the one that was
    noted.
    """
    with _enrolment(config, who) as (site, enrolment):
        was_shut_out = enrolment.was_revoked(device)
        identity = enrolment.approve(device, fingerprint)
    again = _reload(site) if was_shut_out else ""  # mosquitto's ACL still denies it
    _tell(
        as_json,
        identity,
        f"approved {_text(identity)}{again}\nnext, if its board has not been yet: till flash"
        f" {device}",
    )


@device_app.command("rotate")
def device_rotate(
    device: DeviceArgument,
    who: WhoOption = "",
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Ask a device to take a new key. Both are good until it has; nothing secret crosses the
    line.
    """
    from gateway import config as configuration
    from gateway.devices import commands
    from gateway.devices.enrolment import os_user
    from gateway.devices.keys import KeyStore

    site = configuration.load(config)
    keys = KeyStore(site.keys)
    with opened(site) as ledger:
        counter = commands.rotate(ledger, keys, device, who or os_user(), clock_from_env().utc_ms())
    number = keys.all(device)[-1].number
    text = (
        f"asked {device} to take key {number} (command {counter}); till device list shows when"
        " it has"
    )
    tell(as_json, {"device": device, "counter": counter, "key": number}, text)


@device_app.command("revoke")
def device_revoke(
    device: DeviceArgument,
    reason: ReasonOption,
    who: WhoOption = "",
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Shut a device out: its key is destroyed, its certificate revoked, its next message
    refused.
    """
    with _enrolment(config, who) as (site, enrolment):
        identity = enrolment.revoke(device, reason)
    _tell(as_json, identity, f"revoked {device}: its next message is refused{_reload(site)}")


@device_app.command("replace")
def device_replace(
    device: DeviceArgument,
    reason: ReasonOption,
    who: WhoOption = "",
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Give a window whose board is gone a new key and certificate; the old ones end."""
    with _enrolment(config, who) as (site, enrolment):
        known_window(site, device)
        identity = enrolment.replace(device, reason)
    _tell(
        as_json,
        identity,
        f"replaced {_text(identity)}; the old ones are refused{_reload(site)}\nnext: till flash"
        f" {device}",
    )


@broker_app.command("config")
def broker_configure(
    folder: Annotated[
        Path | None, typer.Option(readable=False, help="Where to write it; default: <data>/broker.")
    ] = None,
    who: WhoOption = "",
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Write what mosquitto reads: configuration, ACL, certificates. Renews those of the office and
    makes what is missing.
    """
    from gateway.broker import mosquitto as broker_config
    from gateway.devices.enrolment import revoked

    with _enrolment(config, who) as (site, enrolment):
        broker_config.prepare(site)
        certified = enrolment.certify(site.config.windows, "certificate made by till broker config")
        with opened(site) as ledger:
            written = broker_config.write(site, folder or site.broker_folder, revoked(ledger))
    text = f"wrote {len(written)} files\n{_how_to_start(site, written)}"
    if certified:
        text += f"\nnew certificates, flash these again: {', '.join(certified)}"
    tell(as_json, {"files": [str(path) for path in written], "certified": certified}, text)


def _how_to_start(site: Site, written: list[Path]) -> str:
    """The next step with the files of a broker: for one of one's own, for Debian's, and what
    mosquitto's user lacks.
    """
    from gateway.broker import mosquitto as broker_config

    folder = written[0].parent
    part = folder / broker_config.PART_FILE
    text = ""
    if written[0] != part:
        text = f"for a broker of your own: mosquitto -c {written[0]}\n"
    closed = broker_config.unreadable(folder)
    if closed:
        # nobody else may enter the data folder: the installed broker gets a folder of its own
        own = folder.resolve() == site.broker_folder.resolve()
        place = Path("/etc/mosquitto/tillstream") if own else folder.resolve()
        return (
            f"{text}for an installed one: its user {broker_config.DAEMON} cannot use {closed};"
            f" as root: {broker_config.install_line(place)}\n"
            f"then: till broker config --config {site.path} --folder {place}"
        )
    if folder.name != broker_config.INCLUDED:
        text += f"for an installed one, as root: ln -sf {part.resolve()} /etc/mosquitto/conf.d/\n"
    return text + "then, as root: systemctl restart mosquitto"


@contextmanager
def _enrolment(config: Path, who: str) -> Iterator[tuple[Site, Enrolment]]:
    from gateway import config as configuration
    from gateway.devices.enrolment import Enrolment, os_user

    site = configuration.load(config)
    with opened(site) as ledger:
        yield site, Enrolment(site, ledger, who or os_user(), clock_from_env().utc_ms())


def _tell(as_json: bool, identity: Identity, text: str) -> None:
    result = {
        "device": identity.device,
        "state": identity.state,
        "keys": identity.keys,
        "certificate": identity.certificate,
    }
    tell(as_json, result, printable(text, keep="\n"))


def _text(identity: Identity) -> str:
    certificate = f", certificate {identity.certificate}" if identity.certificate else ""
    return f"{identity.device}: key {identity.keys[-1]}{certificate}"


def _reload(site: Site) -> str:
    if not site.config.broker.tls:
        return ""
    return (
        f"\nnext: reload mosquitto (SIGHUP); where its files are not in {site.broker_folder}, first"
        " till broker config --folder DIR"
    )
