"""till session: every pair of state and event through the command; who may decide what; what is on
record after a refusal; and that no count stops being blind.
"""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import sessions
from gateway.clock import CLOCK_FILE_ENV
from gateway.facts.decisions import REFUSED, Decision, canonical
from gateway.office.states import TRANSITIONS, refusal
from gateway.store.decisions import add_decision, decisions
from gateway.store.ledger import Ledger
from tests.cli.bench import clock_at, till
from tests.day.bench import EVENING_MS, OfficeDay
from tests.office.rows import DAY, Tape, posting

TOML = """site = "city"
zone = "America/Chicago"
windows = ["w1", "w2"]
data = "data"
[people]
kim = { role = "supervisor", cashier = 12 }
jo = { role = "supervisor" }
lee = { role = "cashier", cashier = 8 }
pat = { role = "supervisor", cashier = 7 }
"""
# {state: decisions that lead there from a drawer that was counted, or what else}
AFTER_A_CLOSE = {
    "counted": (), "balanced": ("balance",), "out_of_balance": ("differ",),
    "under_review": ("differ", "review"), "rejected": ("differ", "review", "reject"),
    "approved": ("differ", "review", "approve"),
    "closed": ("differ", "review", "approve", "finish"),
    "reopened": ("differ", "review", "approve", "finish", "reopen"),
    "deposited": ("differ", "review", "approve", "finish", "deposit"),
    "credited": ("differ", "review", "approve", "finish", "deposit", "credit"),
}  # fmt: skip
BEFORE_A_CLOSE = {
    "issued": (), "opening_counted": (), "open": (), "suspended": ("suspend",), "ended": ("end",),
}  # fmt: skip
ASKED = {
    "suspend": (), "resume": (), "surprise": (), "end": (),
    "declare": ("card", "95.00"), "recount": ("250.00",), "stands": ("2",),
    "reopen": ("--second", "jo"),
}  # fmt: skip


def tape_of(state):
    tape = Tape().mark(480, "sign_on", 7)
    if state == "issued":
        return tape.opening(482)  # somebody has come: it is a session
    tape.count(481, "opening_float", 20000)
    if state == "open":
        tape.count(600, "checkpoint", 20000)
    if state in AFTER_A_CLOSE:
        tape.count(1000, "close", 25000).count(1010, "close", 24970)
    return tape


class Site:
    """A site folder with a day in its ledger, and the command in this process."""

    def __init__(self, folder: Path, tape: Tape):
        folder.mkdir()
        self.folder = folder
        self.office = OfficeDay(folder / "data", tape)
        (folder / "till.toml").write_text(TOML)
        self.clock = clock_at(folder / "clock", EVENING_MS)

    def decided(self, *kinds):
        """Decisions as the close will make them."""
        (found,) = self.run("list")["sessions"]
        with Ledger(self.folder / "data" / "ledger.db") as ledger:
            for kind in kinds:
                with ledger.transaction() as db:
                    key = (DAY, found["window"], 7, 1)
                    add_decision(
                        db,
                        Decision(
                            0, EVENING_MS, "kim", "supervisor", kind, *key, canonical({}), "said"
                        ),
                    )  # fmt: skip

    def invoke(self, *words, **more):
        options = ["--date", DAY, "--config", str(self.folder / "till.toml")]
        env = {CLOCK_FILE_ENV: str(self.clock)}
        return CliRunner().invoke(sessions.session_app, [*words, *options], env=env, **more)

    def run(self, *words):
        done = self.invoke(*words, "--json")
        assert done.exception is None, done.exception
        return json.loads(done.stdout)

    def refused(self, *words):
        done = self.invoke(*words)
        assert done.exception is not None
        return done.exception

    def on_record(self):
        with Ledger(self.folder / "data" / "ledger.db") as ledger:
            assert [] == ledger.verify()
            return decisions(ledger.db, DAY, DAY)


@pytest.fixture(scope="module", params=TRANSITIONS)
def in_state(request, tmp_path_factory):
    site = Site(tmp_path_factory.mktemp("site") / "one", tape_of(request.param))
    site.decided(*{**BEFORE_A_CLOSE, **AFTER_A_CLOSE}[request.param])
    return request.param, site


@pytest.mark.parametrize("event", ASKED)
def test_every_event_in_every_state_is_taken_or_refused_with_its_reason(in_state, event, tmp_path):
    state, site = in_state
    copy = tmp_path / "copy"
    shutil.copytree(site.folder, copy)
    site = Site.__new__(Site)
    site.folder, site.clock = copy, copy / "clock"
    before = site.run("show", "w1")
    more = ["--reason", "said"] if event in ("declare", "recount", "stands", "reopen") else []
    words = [event, "w1", *ASKED[event], "--by", "kim", *more]
    after = TRANSITIONS[state].get(event)

    assert state == before["state"]
    if after is not None:
        assert after == site.run(*words)["state"] == site.run("show", "w1")["state"]
        assert ("kim", event) == (site.on_record()[-1].who, site.on_record()[-1].kind)
        return
    error = site.refused(*words)
    last, now = site.on_record()[-1], site.run("show", "w1")

    assert (refusal(state, event), 2) == (str(error), error.exit_code)
    assert (REFUSED, event, state) == (last.kind, last.told["asked"], last.told["state"])
    for name in ("state", "counts", "declared", "suspended", "hand_overs"):
        assert before[name] == now[name]


@pytest.fixture
def closed(tmp_path):
    site = Site(tmp_path / "site", tape_of("closed"))
    site.decided(*AFTER_A_CLOSE["closed"])
    return site


@pytest.mark.parametrize(
    ("by", "second", "why"),
    [
        ("kim", "kim", "one person, two are wanted"),
        ("kim", "pat", "pat had this drawer"),
        ("pat", "kim", "pat had this drawer"),
        ("lee", "kim", "lee is no supervisor"),
        ("kim", "lee", "lee is no supervisor"),
        ("kim", "max", "max is not in [people]"),
        ("max", "kim", "max is not in [people]"),
    ],
)
def test_a_session_is_opened_again_by_two_supervisors_that_are_not_its_cashier(
    closed, by, second, why
):
    words = ("reopen", "w1", "--by", by, "--second", second, "--reason", "wrong drawer")
    error = closed.refused(*words)
    last = closed.on_record()[-1]

    assert (77, True) == (error.exit_code, why in str(error))
    assert (REFUSED, by, second, str(error), "wrong drawer") == (
        last.kind, last.who, last.told["second"], last.told["why"], last.reason,
    )  # fmt: skip
    assert "closed" == closed.run("show", "w1")["state"]


def test_who_posted_receipts_of_a_drawer_does_not_open_it_again(tmp_path):
    site = Site(tmp_path / "site", tape_of("closed"))
    site.office.post([posting("R1", 600, 5000, cashier_id="JO")])
    site.decided(*AFTER_A_CLOSE["closed"])
    words = ("reopen", "w1", "--by", "kim", "--second", "jo", "--reason", "why")

    assert "jo had this drawer" in str(site.refused(*words))


def test_a_reopening_keeps_the_figures_from_before_on_every_form_of_the_report(closed):
    closed.office.post([posting("R1", 600, 5500)])
    closed.run("reopen", "w1", "--by", "kim", "--second", "jo", "--reason", "bag found")
    closed.run("recount", "w1", "255.00", "--by", "lee", "--reason", "bag found")
    config = ("--config", closed.folder / "till.toml", "--date", DAY)
    forms = [till("report", *config, *form).stdout for form in ((), ("--csv",), ("--html",))]
    (session,) = json.loads(till("report", *config, "--json").stdout)["sessions"]

    figures = session["before_reopening"][0]["figures"]
    assert [("cash", 25500, 25000, -500)] == [
        (f["tender"], f["expected_cents"], f["counted_cents"], f["over_short_cents"])
        for f in figures
    ]
    assert ("counted", "balanced") == (session["state"], session["status"])
    for form in forms:
        assert "cash expected 255.00, counted 250.00, \N{MINUS SIGN}5.00" in form
        assert "close 250.00 machine, does not stand" in form
        assert "close recount 255.00 by hand by lee" in form
        assert "2026-11-21 06:00:00 reopen, by kim and jo (bag found)" in form


@pytest.mark.parametrize("kind", ["surprise", "stands"])
def test_who_had_the_drawer_neither_surprises_it_nor_says_which_close_stands(tmp_path, kind):
    site = Site(tmp_path / "site", tape_of("counted" if kind == "stands" else "open"))
    more = ("2", "--reason", "why") if kind == "stands" else ()
    error = site.refused(kind, "w1", *more, "--by", "pat")

    assert (77, f"{kind}: pat had this drawer; ask somebody else") == (error.exit_code, str(error))


@pytest.mark.parametrize(("number", "why"), [("1", "closed once"), ("3", "is not one of 2")])
def test_only_a_count_that_is_there_stands(tmp_path, number, why):
    tape = Tape().mark(480, "sign_on", 7).count(481, "opening_float", 20000)
    tape.count(1000, "close", 25000)
    if number == "3":
        tape.count(1010, "recount", 25100).count(1020, "close", 24970)
    site = Site(tmp_path / "site", tape)
    error = site.refused("stands", "w1", number, "--by", "kim", "--reason", "why")

    assert (2, True) == (error.exit_code, why in str(error))


def test_the_close_that_stands_is_what_the_day_is_proved_with(tmp_path):
    site = Site(tmp_path / "site", tape_of("counted"))
    site.office.post([posting("R1", 600, 5000)])
    config = ("--config", site.folder / "till.toml", "--date", DAY)
    before = till("reconcile", *config)
    site.run("stands", "w1", "1", "--by", "kim", "--reason", "the second one was a mistake")
    after = till("reconcile", *config)

    assert (1, 0) == (before.returncode, after.returncode)
    assert "w1: closed twice: a supervisor says which count stands" in before.stdout
    assert "close 249.70 machine, does not stand" in after.stdout


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("declare", "w1", "cash", "1.00", "--by", "kim", "--reason", "x"), "cash is counted"),
        (("declare", "w1", "gold", "1.00", "--by", "kim", "--reason", "x"), "not one of check"),
        (("declare", "w1", "card", "1.005", "--by", "kim", "--reason", "x"), "two places"),
        (("recount", "w1", "five", "--by", "kim", "--reason", "x"), "not an amount"),
        (("recount", "w1", "5", "--by", "Kim Lee", "--reason", "x"), "not a login name"),
        (("recount", "w1", "5", "--by", "kim", "--reason", " "), "say why"),
        (("recount", "w1", "5", "--by", "kim", "--reason", "4111111111111111"), "card number"),
        (("recount", "w1", "5", "--by", "kim", "--reason", "a\nb"), "one line"),
        (("recount", "w1", "5", "--by", "kim", "--reason", "x" * 201), "at most 200"),
        (("suspend", "w9", "--by", "kim"), "not one of w1, w2"),
        (("suspend", "w2", "--by", "kim"), "nothing was recorded there"),
        (("suspend", "w1", "--by", "kim", "--session", "4"), "not one of 1"),
    ],
)
def test_a_command_that_names_nothing_sound_is_a_usage_error_and_on_no_record(tmp_path, words, why):
    site = Site(tmp_path / "site", tape_of("open"))
    error = site.refused(*words)

    assert (2, True) == (error.exit_code, why in str(error)), error
    assert "4111" not in str(error)
    assert [] == site.on_record()


def test_no_command_shows_what_is_expected_in_a_drawer(tmp_path):
    site = Site(tmp_path / "site", tape_of("open"))
    site.office.post([posting("R1", 610, 12345)])
    shown = [
        site.invoke(*words).stdout
        for words in (
            ("list",), ("show", "w1"), ("show", "w1", "--json"),
            ("surprise", "w1", "300.00", "--by", "kim"), ("suspend", "w1", "--by", "kim"),
            ("resume", "w1", "--by", "kim"), ("end", "w1", "--by", "kim"),
        )
    ]  # fmt: skip

    for text in shown:
        assert text
        for expected in ("123.45", "323.45", "23.45", "12345", "32345", "expected"):
            assert expected not in text


def test_people_read_what_was_counted_and_decided(tmp_path):
    site = Site(tmp_path / "site", tape_of("open"))
    words = ("declare", "w1", "card", "95.00", "--by", "lee", "--reason", "slip lost")
    said = site.invoke(*words).stdout
    lines = site.invoke("show", "w1").stdout.splitlines()

    assert "w1 session 1 of 2026-11-20: declare, now open (decision 1)\n" == said
    assert "w1 session 1, cashier 7: open" == lines[0]
    assert "  count: 08:01:00 opening float 200.00 machine" in lines
    assert [line for line in lines if "card 95.00 by hand by lee (slip lost)" in line]
    assert [line for line in lines if "declare, by lee (slip lost)" in line]


def test_the_command_line_ends_with_the_exit_code_and_one_sentence(tmp_path):
    site = Site(tmp_path / "site", tape_of("open"))
    options = ("--date", DAY, "--config", site.folder / "till.toml")
    illegal = till("session", "resume", "w1", "--by", "kim", *options, clock=site.clock)
    forbidden = till("session", "surprise", "w1", "--by", "pat", *options, clock=site.clock)
    done = till("session", "suspend", "w1", "--by", "lee", *options, clock=site.clock)

    assert (2, 77, 0) == (illegal.returncode, forbidden.returncode, done.returncode)
    assert "till: resume is refused: the session is open; it would be right in: suspended\n" == (
        illegal.stderr
    )
    assert [REFUSED, REFUSED, "suspend"] == [each.kind for each in site.on_record()]
