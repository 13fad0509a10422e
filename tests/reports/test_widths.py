"""No figure, status or name is cut off on a narrow terminal or in a pipe."""

import io
import os
import pty
import re
import subprocess

import pytest
from rich.console import Console

from gateway.cli.boards_table import show_boards
from gateway.config import Config
from gateway.day.prove import Day, ProvedSession
from gateway.explain.rank import explain
from gateway.fleet.boards import load_revisions
from gateway.money import format_cents
from gateway.office.deposit import deposit_of
from gateway.office.reconcile import reconcile
from gateway.office.sessions import drawer_sessions
from gateway.office.tenders import tenders_of
from gateway.reports.day_report import day_report
from gateway.reports.day_terminal import print_day
from gateway.reports.words import difference, marked, shown
from simulators.demo_view import NEWS, View
from tests.cli.bench import ROOT, command, environment
from tests.office.rows import DAY, Tape, posting

CONFIG = Config(site="city-hall", zone="America/Chicago", windows=("w1",))
WIDTHS = (40, 80, 200)
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
MILLION = 123_456_789  # 1,234,567.89


@pytest.fixture(scope="module")
def report():
    """A day with large amounts, both ways, in every tender; funds and a cashier with long names."""
    tape = Tape().mark(0, "sign_on", 987_654_321_012).count(1, "opening_float", 20000)
    (session,) = drawer_sessions(tape.count(90, "close", 3 * MILLION).rows)
    funds = ("503-water [and wastewater] of the whole county", "x" * 60)
    postings = [posting("R1", 10, 4 * MILLION - 20000, fund=funds[0])]
    tenders = ("check", "card", "money_order", "other")
    for number, tender in enumerate(tenders, 2):
        postings.append(
            posting(f"R{number}", 10 + number, number * MILLION, tender=tender, fund=funds[1])
        )
    proved = reconcile(session, tenders_of(postings), DAY)
    proofs = [ProvedSession(proved, explain(proved))]
    return day_report(
        Day(DAY, 0, 1, proofs, deposit_of([proved]), [], [], [], [], 41, bytes(32)), CONFIG
    )


def figures(report):
    """Every amount, status and name of the report that its terminal form has a place for."""
    found = [f"cashier {report['sessions'][0]['cashier']}"]
    for session in report["sessions"]:
        found.append(marked(session["status"]))
        for line in session["tenders"]:
            found += [
                line["tender"],
                format_cents(line["posted_cents"]),
                shown(line["expected_cents"]),
                shown(line["counted_cents"]),
                difference(line["over_short_cents"]),
                marked(line["status"]) + (f", wants: {line['wants']}" if line["wants"] else ""),
            ]
        for variance in session["variances"]:
            found.append(f"{variance['tender']} {difference(variance['over_short_cents'])} in ")
    deposit = report["deposit"]
    found += [format_cents(line["cents"]) for line in deposit["funds"]]
    found += [word for line in deposit["funds"] for word in line["fund"].split()]
    for key in ("funds_cents", "tenders_cents", "deposit_cents"):
        found.append(shown(deposit[key]))
    return [*found, difference(deposit["over_short_cents"]), "Status", "Over/short"]


@pytest.mark.parametrize("is_terminal", [True, False])
@pytest.mark.parametrize("width", WIDTHS)
def test_every_figure_of_a_large_day_is_whole(report, width, is_terminal):
    out = io.StringIO()
    print_day(report, Console(file=out, width=width, force_terminal=is_terminal, color_system=None))
    text = out.getvalue()

    assert "\N{MINUS SIGN}1,234,567.89" in text
    assert 5 == len(report["sessions"][0]["tenders"])
    assert [] == [figure for figure in figures(report) if figure not in text]
    assert ELLIPSIS not in text


@pytest.mark.parametrize("width", WIDTHS)
def test_every_value_of_the_boards_is_whole(width):
    every = load_revisions()
    for name in (None, *every):
        out = io.StringIO()
        show_boards(name, console=Console(file=out, width=width))
        text = out.getvalue()

        assert ELLIPSIS not in text
        boards = every.values() if name is None else [every[name]]
        wanted = [word for group in boards for word in (group[0].name, *group[0].usb_ids)]
        assert [] == [word for word in wanted if word not in text]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    "arguments", [("boards", "show"), ("boards", "show", "rpi-pico-w"), ("instruments",)]
)
def test_a_pipe_and_a_terminal_of_that_width_say_the_same_words(arguments, width):
    """The commands as they are run: into a pipe, and on a terminal."""
    narrow = {**environment(), "COLUMNS": str(width), "TERM": "xterm"}
    piped = subprocess.run(command(*arguments), env=narrow, capture_output=True, cwd=ROOT)
    on_terminal = run_on_terminal(command(*arguments), narrow)

    assert 0 == piped.returncode
    assert ELLIPSIS not in piped.stdout.decode() + on_terminal
    assert piped.stdout.decode().split() == on_terminal.split()


def run_on_terminal(arguments, env):
    """What a command prints on a pseudo-terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(arguments, stdin=theirs, stdout=theirs, env=env, cwd=ROOT):
        os.close(theirs)
        said = b""
        try:
            while data := os.read(ours, 4096):
                said += data
        except OSError:  # how Linux says that the other end is closed
            pass
    os.close(ours)
    return re.sub(r"\x1b\[[0-9;]*m", "", said.decode())


@pytest.mark.parametrize("width", WIDTHS)
def test_the_demos_view_shows_its_newest_line_whole(width):
    view = View(3)
    for number in range(NEWS):
        view.say("", f"{number}: waiting until the ledger has all of them, -1,234,567.89 in sum")
    view.heard("w1", "print 1,234,567.89 in a very long line that the display of no board could")
    out = io.StringIO()
    Console(file=out, width=width).print(view._render())
    words = out.getvalue().replace("│", " ").split()

    assert {"0:", f"{NEWS - 1}:", "-1,234,567.89", "1,234,567.89"} <= set(words)
    assert NEWS == words.count("-1,234,567.89")
    assert ELLIPSIS not in out.getvalue()
