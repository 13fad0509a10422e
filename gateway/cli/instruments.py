"""till instruments, decode, monitor and sim INSTRUMENT: a technician's tools for the machines that
count.

They alone may import the drivers and the simulators, and only when they are called.
"""

from __future__ import annotations

import copy
import functools
import importlib
import json
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from gateway.cli.app import FINDING, JsonOption, app, sim_app
from gateway.errors import DataError, TryAgain, Unavailable, UsageError

if TYPE_CHECKING:
    from gateway.instruments.capture import Burst
    from gateway.instruments.profiles import Profile

_QUARANTINES_SHOWN = 5
_READ_MS = 10  # how long a read of a port waits
_QUIET_MS = 30  # a silence this long ends a burst on the screen
_BURST_BYTES_MAX = 64

InstrumentOption = Annotated[
    str,
    typer.Option(
        "--instrument", "-i", help="Which machine: a name from till instruments, or a .toml file."
    ),
]
CurrencyOption = Annotated[str, typer.Option(help="What the machine counts, ISO 4217.")]


@app.command()
def instruments(as_json: JsonOption = False) -> None:
    """Every machine that a driver knows: how its wire is known, what it is, and what nobody has
    seen.
    """
    from gateway.instruments.capture import wire_text
    from gateway.instruments.profiles import all_profiles

    profiles = all_profiles()
    if as_json:
        names = ("name", "title", "driver", "counts", "evidence", "source", "unknown")
        print(
            json.dumps(
                [
                    {**{key: getattr(each, key) for key in names}, "wire": dict(each.wire)}
                    for each in profiles
                ],
                indent=2,
            )
        )
        return
    for each in profiles:
        print(f"{each.name}: {each.title}")
        print(f"  {each.driver}, {each.counts}, {wire_text(each.wire)}, evidence: {each.evidence}")
        print(f"  source: {each.source}")
        print(f"  unknown: {each.unknown}")


@app.command()
def decode(
    instrument: InstrumentOption,
    file: Annotated[
        str, typer.Argument(help="A capture, hex or raw bytes; - for standard input.")
    ] = "-",
    form: Annotated[
        str, typer.Option(help="What the file holds: auto, capture, hex or raw.")
    ] = "auto",
    currency: CurrencyOption = "USD",
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Say on standard error what went wrong on the line.")
    ] = False,
    as_json: JsonOption = False,  # it prints nothing else
) -> None:
    """What a driver makes of recorded bytes, as lines of JSON. Exit code 65 when bytes that claim
    money do not add up.
    """
    from gateway.instruments.capture import FORMS, read_bursts
    from gateway.instruments.playback import FINDINGS, as_json_line, overhears, play, told

    if form not in FORMS:
        raise UsageError(f"--form {form!r}: want one of {', '.join(FORMS)}")
    profile = _profile(instrument)
    bursts = read_bursts(_bytes_of(file), profile.wire, form)
    driver = _driver(profile, currency)
    if overhears(driver) and not any(burst.is_ours for burst in bursts):
        print(
            f"till: {profile.name} answers its host; without the host's bytes little can be said",
            file=sys.stderr,
        )
    refused: list[tuple[int, dict[str, Any]]] = []
    is_finding = False
    for at_ms, event in play(driver, bursts):
        print(as_json_line(at_ms, event), flush=True)
        if event["kind"] == "quarantine":
            refused.append((at_ms, event))
        is_finding |= event.get("condition") in FINDINGS
    if verbose:
        print(json.dumps(told(driver)), file=sys.stderr)
    if refused:
        shown = "; ".join(
            f"at {at} ms {each['reason']}: {each['raw'].hex(' ')}"
            for at, each in refused[:_QUARANTINES_SHOWN]
        )
        raise DataError(f"{file}: {len(refused)} not counted: {shown}")
    if is_finding:
        raise typer.Exit(FINDING)


@app.command()
def monitor(
    port: Annotated[str, typer.Argument(help="Serial port, or a pseudo-terminal.")],
    instrument: InstrumentOption,
    record: Annotated[
        Path | None,
        typer.Option(readable=False, help="File to keep the bytes in, for till decode."),
    ] = None,
    listen: Annotated[
        bool, typer.Option("--listen", help="Send nothing: another host is on the wire.")
    ] = False,
    accept: Annotated[
        bool, typer.Option("--accept", help="Let an acceptor take money; no ledger will hold it.")
    ] = False,
    currency: CurrencyOption = "USD",
    as_json: JsonOption = False,
) -> None:
    """Show what is on a machine's wire and what its driver makes of it, until Ctrl-C."""
    serial = importlib.import_module("serial")

    profile = _profile(instrument)
    wire: Mapping[str, Any] = (
        {"bits": 8, "parity": "none", "stop": 1}
        if str(Path(port).resolve()).startswith("/dev/pts/")
        else profile.wire
    )
    driver = _driver(profile, currency)
    if listen:
        driver.overhear(b"", 0)
    else:
        driver.allow(accept)
    stopped: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: stopped.append(number))
    try:
        line = serial.Serial(
            port, profile.wire["baud"], wire["bits"], wire["parity"][0].upper(), wire["stop"],
            timeout=_READ_MS / 1000
        )  # fmt: skip
    except (OSError, ValueError) as error:
        raise Unavailable(
            f"{port}: does not open ({error}); is it the port, and does another program use it?"
        ) from error
    try:
        kept = record.open("w", encoding="ascii") if record else None
    except OSError as error:
        raise TryAgain(f"{record}: {error.strerror}; name another file with --record") from error
    watch = _Watch(kept, as_json)
    with line:
        watch.begin(profile, port)
        try:
            while not stopped:
                _turn(line, driver, watch, listen)
        except OSError as error:
            raise Unavailable(f"{port}: {error}; is its cable in?") from error
        finally:
            watch.end(driver)


def _turn(line: Any, driver: Any, watch: _Watch, listen: bool) -> None:
    """One read, what the driver makes of it, and what it has to send."""
    data = line.read(max(1, line.in_waiting))
    now_ms = watch.now_ms()
    if data:
        watch.bytes_seen(now_ms, data, False)
    watch.told(now_ms, driver.feed(data, now_ms) if data else [])
    watch.told(now_ms, driver.poll(now_ms))
    answer = driver.pop_output()
    if answer and not listen:
        line.write(answer)
        watch.bytes_seen(now_ms, answer, True)
    watch.quiet(now_ms)


class _Watch:
    """Screen and file of a monitor. Bytes that follow each other closely are one burst on the
    screen.
    """

    def __init__(self, file: IO[str] | None, as_json: bool) -> None:
        self._file = file
        self._as_json = as_json
        self._began_ns = time.monotonic_ns()
        self._burst: Burst | None = None
        self._last_ms = 0

    def now_ms(self) -> int:
        return (time.monotonic_ns() - self._began_ns) // 1_000_000

    def begin(self, profile: Profile, port: str) -> None:
        from datetime import UTC, datetime

        from gateway.instruments.capture import header

        text = header(profile.name, profile.wire, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
        self._write(text)
        if not self._as_json:
            print(f"{text} on {port}; end with Ctrl-C", flush=True)

    def bytes_seen(self, at_ms: int, data: bytes, is_ours: bool) -> None:
        from gateway.instruments.capture import Burst

        burst = Burst(at_ms, data, is_ours)
        self._write(str(burst))
        before = self._burst
        if before and (before.is_ours != is_ours or len(before.data) >= _BURST_BYTES_MAX):
            self._show()
            before = None
        self._burst = Burst(before.at_ms, before.data + data, is_ours) if before else burst
        self._last_ms = at_ms

    def told(self, at_ms: int, events: list[dict[str, Any]]) -> None:
        from gateway.instruments.playback import as_json_line, as_text

        if events:
            self._show()
        for event in events:
            print(
                as_json_line(at_ms, event) if self._as_json else f"  {as_text(event)}", flush=True
            )

    def quiet(self, now_ms: int) -> None:
        if self._burst and now_ms - self._last_ms > _QUIET_MS:
            self._show()

    def end(self, driver: Any) -> None:
        from gateway.instruments.playback import told

        self._show()
        summary = told(driver)
        print(
            json.dumps(summary)
            if self._as_json
            else f"faults: {summary['faults']}\nstate: {summary['snapshot']}",
            flush=True,
        )
        if self._file:
            self._file.close()

    def _show(self) -> None:
        burst, self._burst = self._burst, None
        if burst and not self._as_json:
            print(burst, flush=True)

    def _write(self, text: str) -> None:
        if self._file:
            self._file.write(text + "\n")
            self._file.flush()


# --- simulators -----------------------------------------------------------------------------------


class SimGroup(TyperGroup):
    """`till sim NAME` for every simulated instrument is `till sim instrument NAME`."""

    def list_commands(self, ctx: Any) -> list[str]:
        from simulators.instruments.registry import SIMULATORS

        return [*(name for name in super().list_commands(ctx) if name != "instrument"), *SIMULATORS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        from simulators.instruments.registry import SIMULATORS

        found = super().get_command(ctx, cmd_name)
        base = super().get_command(ctx, "instrument")
        if found is not None or cmd_name not in SIMULATORS or base is None or base.callback is None:
            return found
        named = copy.copy(base)
        named.name = cmd_name
        named.hidden = False
        named.params = [each for each in base.params if each.name != "name"]
        named.callback = functools.partial(base.callback, name=cmd_name)
        named.help = named.short_help = f"A simulated {cmd_name} on a pseudo-terminal."
        return named


sim_app.info.cls = SimGroup


@sim_app.command("instrument", hidden=True)
def sim_instrument(
    name: Annotated[str, typer.Argument(help="Which machine, as till sim --help lists them.")],
    pty: Annotated[
        bool, typer.Option("--pty", help="On a pseudo-terminal, whose path is printed.")
    ] = False,
    setup: Annotated[str, typer.Option(help="State to start in.")] = "",
    faults: Annotated[str, typer.Option(help="What goes wrong, in permille: jam=20,drop=1.")] = "",
    seed: Annotated[int, typer.Option(help="Which faults, and which acts with --auto.")] = 1,
    echo: Annotated[bool, typer.Option("--echo", help="The host hears its own bytes.")] = False,
    auto: Annotated[bool, typer.Option("--auto", help="The machine is used by itself.")] = False,
) -> None:
    """Play a machine in real time; lines of standard input say what a person does (help, quit)."""
    from gateway.instruments.profiles import load_profile

    if not pty:
        raise UsageError(f"sim {name}: say --pty; it is the only wire that a simulator has")
    bench = importlib.import_module("simulators.instruments.bench_line")
    registry = importlib.import_module("simulators.instruments.registry")
    if name not in registry.SIMULATORS:
        raise UsageError(f"sim {name}: no such machine; there are {', '.join(registry.SIMULATORS)}")
    baud = load_profile(name).wire["baud"]
    try:
        line = bench.BenchLine(name, baud, setup, bench.rates_of(faults), seed, echo)
    except ModuleNotFoundError as error:
        raise Unavailable(f"sim {name}: {error.name} is not there; update the package") from error
    except ValueError as error:
        raise UsageError(f"sim {name}: {error}") from error
    bench.serve(line, auto)


# --- shared ---------------------------------------------------------------------------------------


def _profile(name: str) -> Profile:
    from gateway.errors import ConfigError
    from gateway.instruments.profiles import load_profile

    try:
        return load_profile(name)
    except ConfigError as error:
        raise (error if name.endswith(".toml") else UsageError(str(error))) from error


def _driver(profile: Profile, currency: str) -> Any:
    from firmware.drivers.registry import driver_for

    if len(currency) != 3 or not currency.isupper():
        raise UsageError(f"--currency {currency!r}: want three capital letters, such as USD")
    try:
        return driver_for(profile.driver)(profile.name, dict(profile.settings), currency)
    except ModuleNotFoundError as error:
        raise Unavailable(
            f"{profile.name}: {error.name} is not there; update the package"
        ) from error


def _bytes_of(file: str) -> bytes:
    from gateway.instruments.capture import FILE_BYTES_MAX

    if file == "-":
        data = sys.stdin.buffer.read(FILE_BYTES_MAX + 1)
    else:
        path = Path(file)
        if not path.is_file():
            raise UsageError(f"{file}: no such file; name a capture, or - for standard input")
        data = path.read_bytes()
    if len(data) > FILE_BYTES_MAX:
        raise DataError(f"{file}: more than {FILE_BYTES_MAX} bytes; cut it")
    return data
