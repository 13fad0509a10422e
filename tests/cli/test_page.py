"""docs/cli.md against the command: every command and option is on the page, everything on the page
is there, and it works.
"""

import argparse
import json
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import pytest
import typer

from gateway import config
from gateway.broker.process import free_port
from gateway.cli import AREAS
from gateway.cli.app import app
from gateway.cli.running import parser
from gateway.toml_tables import fields_of
from tests.cli.bench import ROOT, command, environment, init, till
from tests.fleet.bench import wait_until

PAGE = (ROOT / "docs" / "cli.md").read_text()
EVERYWHERE = {"--config", "--json", "--help"}
# no site is needed
AT_THE_BENCH = {"instruments", "instrument learn", "decode", "monitor", "sim instrument"}


def on_the_page() -> dict[str, set[str]]:
    """{command: its options} of the tables; a command may have several rows."""
    found: dict[str, set[str]] = {}
    for usage, text in re.findall(
        r"^\| `till ([^`]+)` \| (.*) \|$", PAGE.replace("\\|", "/"), re.MULTILINE
    ):
        name = " ".join(
            word for word in usage.partition("[")[0].split() if re.fullmatch(r"[a-z]+", word)
        )
        found.setdefault(name, set()).update(re.findall(r"--[a-z-]+", usage + " " + text))
    return found


def in_the_app() -> dict[str, set[str]]:
    """{command: its options} as typer has them; those of serve are argparse's."""
    for area in AREAS:
        import_module(f"gateway.cli.{area}")
    top = typer.main.get_command(app)
    found = {}
    for name, each in top.commands.items():
        inner = getattr(each, "commands", None)
        for full, one in (
            {f"{name} {sub}": one for sub, one in inner.items()}.items()
            if inner
            else {name: each}.items()
        ):
            found[full] = {
                option
                for parameter in one.params
                for option in parameter.opts
                if option.startswith("--")
            }
    found["serve"] = {
        option
        for action in parser()._actions
        if action.help != argparse.SUPPRESS
        for option in action.option_strings
        if option.startswith("--")
    }
    return found


def test_every_command_is_on_the_page_and_every_one_on_the_page_is_there() -> None:
    assert sorted(in_the_app()) == sorted(on_the_page())


def test_every_option_on_the_page_is_there() -> None:
    real = in_the_app()

    assert {} == {
        name: gone
        for name, options in on_the_page().items()
        if (gone := options - real[name] - EVERYWHERE)
    }


def test_every_command_takes_a_configuration_and_prints_json_but_those_the_page_names() -> None:
    real = in_the_app()

    assert {"init", "boards show", "demo", "sim office", *AT_THE_BENCH} == {
        name for name, options in real.items() if "--config" not in options
    }
    assert {"sim board", "sim instrument"} == {
        name for name, options in real.items() if "--json" not in options
    }


def test_every_key_of_till_toml_is_on_the_page_with_its_default() -> None:
    rows = re.findall(
        r"^\| (`[a-z_.`, ]+`) \| ([^|]+) \|", PAGE.partition("## till.toml")[2], re.MULTILINE
    )
    told = {key: default for keys, default in rows for key in re.findall(r"[a-z_.]+", keys)}
    tables = {
        "": config.Config, "broker.": config.Broker, "ledger.": config.LedgerTable,
        "posted.": config.Posted,
    }  # fmt: skip
    real = {
        prefix + name: is_required
        for prefix, table in tables.items()
        for name, is_required in fields_of(table).items()
        if f"{name}." not in tables
    }

    assert sorted(real) == sorted(told)
    assert {name for name, is_required in real.items() if is_required} == {
        name for name, default in told.items() if default.startswith("none: ")
    }


# --- the session of docs/flashing.md --------------------------------------------------------------


class Program:
    """A command that keeps running, and what it printed so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        assert process.stdout is not None
        self._reader = threading.Thread(
            target=self.lines.extend, args=(process.stdout,), daemon=True
        )
        self._reader.start()

    def wait_for(self, text: str) -> str:
        wait_until(
            lambda: any(text in line for line in self.lines) or self.process.poll() is not None
        )
        found = [line for line in self.lines if text in line]
        assert found, "".join(self.lines)
        return found[0]

    def type(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()


@contextmanager
def running(*arguments: object) -> Iterator[Program]:
    process = subprocess.Popen(
        command(*arguments),
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield Program(process)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site whose embedded broker has a port of its own."""
    assert init(tmp_path, "--windows", 1).returncode == 0
    path = tmp_path / "till.toml"
    path.write_text(path.read_text().replace("port = 1883", f"port = {free_port()}"))
    return path


def test_a_window_is_flashed_counts_and_is_in_the_ledger(site: Path) -> None:
    here = ("--config", site)
    with (
        running("serve", "--follow", *here) as gateway,
        running("sim", "board", "w1", *here) as bench,
    ):
        gateway.wait_for("ready site=city-hall")
        bench.wait_for("flash it with: till flash w1")
        planned = till("flash", "w1", "--dry-run", *here)
        flashed = till("flash", "w1", *here)
        boot = json.loads(gateway.wait_for('"kind":"boot"'))
        bench.type("mark opening_float 4000")
        bench.type("bills 20.00x2")
        tally = json.loads(gateway.wait_for('"kind":"tally"'))
        refused = till("flash", "w1", *here)

    assert (0, 0) == (gateway.process.returncode, bench.process.returncode), "".join(
        [*gateway.lines, *bench.lines]
    )
    assert not any("Traceback" in line for line in [*gateway.lines, *bench.lines])
    assert (0, 0) == (planned.returncode, flashed.returncode), flashed.stderr
    assert "would copy" in planned.stdout
    assert "copied" in flashed.stdout
    assert ("w1", "w1", [[2000, 2]]) == (boot["device"], tally["device"], tally["rows"])
    assert (75, True) == (refused.returncode, "its drawer session is open since" in refused.stderr)
    assert 0 == till("verify", *here).returncode
    assert 0 == till("check", "--all", *here).returncode
    (listed,) = json.loads(till("device", "list", "--json", *here).stdout)
    assert ([1], 0, 0, 0) == (
        listed["keys"],
        listed["duplicates"],
        listed["rejected"],
        listed["missing"],
    )


def test_a_window_that_is_added_gets_its_key(site: Path) -> None:
    site.write_text(site.read_text().replace('"w1"', '"w1", "w2"'))
    made = till("device", "enrol", "w2", "--who", "ann", "--config", site)
    approved = till("device", "approve", "w2", "--who", "bob", "--config", site)

    assert (0, "enrolled w2: key 1\nnext, by somebody else: till device approve w2\n") == (
        made.returncode,
        made.stdout,
    )
    assert (0, "approved w2: key 1\n") == (
        approved.returncode,
        approved.stdout.partition("next")[0],
    )
    assert 0 == till("stage", "w2", "--out", site.parent / "tree", "--config", site).returncode


def test_a_synthetic_day_is_imported_whole(site: Path, tmp_path: Path) -> None:
    assert (
        0
        == till("sim", "office", "--seed", 5, "--windows", 1, "--out", tmp_path / "day").returncode
    )
    done = till("import", tmp_path / "day" / "posted.csv", "--config", site)

    assert (0, True) == (done.returncode, " 0 known, 0 refused" in done.stdout)
    assert {"earlier.csv", "posted.csv", "plan.json", "truth.json"} == {
        path.name for path in (tmp_path / "day").iterdir()
    }


def test_the_boards_are_shown_one_or_all() -> None:
    one = till("boards", "show", "wesp32", "--json")
    every = till("boards", "show")

    assert [("wesp32", False)] * 2 == [
        (board["name"], board["tried"]) for board in json.loads(one.stdout)
    ]
    assert (0, True) == (every.returncode, "w5500-evb-pico" in every.stdout)
