"""policy.toml: the rules that ship, what a site changes, what it cannot, and the form that is kept
with a day.
"""

import datetime

import pytest

from gateway import config
from gateway.errors import ConfigError, DataError
from gateway.policy_file import (
    SHIPPED,
    canonical_text,
    closed_under,
    fingerprint,
    read_policy,
    shipped_policy,
)
from gateway.policy_tables import TITLES, Numbering

CHICAGO, FOUR = "America/Chicago", datetime.time(16)
INVARIANTS = ["R03", "R05", "R07", "R21", "R25"]


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "policy.toml"
        path.write_text(text)
        return path

    return write


def fails(path):
    with pytest.raises(ConfigError) as caught:
        read_policy(path)
    return str(caught.value).replace(str(path), "policy.toml")


def test_what_ships_has_every_rule_with_severity_and_source():
    policy = shipped_policy()

    assert [f"R{number:02d}" for number in range(1, 27)] == list(TITLES)
    assert INVARIANTS == [rule for rule in TITLES if policy.severity(rule) == "invariant"]
    assert [] == [rule for rule in TITLES if not getattr(policy, rule).source]
    assert Numbering() == policy.receipts["default"]


def test_a_site_states_what_differs_and_is_its_source(write):
    policy = read_policy(write("[R12]\nalarm_cents = 300000\n[R08.session]\nreason_cents = 100\n"))
    shipped = shipped_policy()

    assert (300_000, 150_000, "this site") == (
        policy.R12.alarm_cents, policy.R12.drop_advised_cents, policy.R12.source,
    )  # fmt: skip
    assert (100, 1, "this site") == (
        policy.R08.session.reason_cents, policy.R08.interval.reason_cents, policy.R08.source,
    )  # fmt: skip
    assert (shipped.R11, shipped.calendar) == (policy.R11, policy.calendar)


def test_a_site_that_names_its_source_keeps_it(write):
    text = '[R12]\nalarm_cents = 300000\nsource = "Ordinance 12-4"\n'

    assert "Ordinance 12-4" == read_policy(write(text)).R12.source


def test_without_a_file_what_ships_is_in_force(tmp_path):
    assert shipped_policy() == read_policy(tmp_path / "policy.toml")


@pytest.mark.parametrize("rule", INVARIANTS)
@pytest.mark.parametrize("severity", ["off", "note", "block"])
def test_an_invariant_cannot_be_switched_off(write, rule, severity):
    said = fails(write(f'[{rule}]\nseverity = "{severity}"\n'))

    assert said.startswith(f"policy.toml:2:12: {rule}.severity: this rule is an invariant")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('[R27]\nseverity = "note"', "1:2: unknown key 'R27'; did you mean 'R2"),
        ('[R01]\nseverity = "invariant"', "2:12: R01.severity: not one of block, flag, note, off"),
        ('[R01]\nseverity = "blok"', "2:12: R01.severity: not one of block, flag, note, off; did"),
        ("[R12]\nalarm_cents = 100", "1:2: R12: alarm_cents 100 is below drop_advised_cents"),
        ("[R12]\nalarm_cents = 2500.5", "2:15: R12.alarm_cents: not a whole number from 1"),
        ("[R08.session]\nreport_cents = 100", "1:2: R08.session: the steps go down: 1, 500, 100,"),
        ("[R08.session]\nreport = 1", "2:1: unknown key 'R08.session.report'; did you mean"),
        ('[R15]\ncut_off = "15:00"', "2:1: unknown key 'R15.cut_off'; the cut-off is the key cut"),
        ('[R17]\nprofile = "48h"', "2:11: R17.profile: not one of 24h, 24h-weekly, next-bus"),
        ("[R17]\nalert_percent = 101", "2:17: R17.alert_percent: not a whole number from 1 to 100"),
        ("[deadline.ours]\nhours = 24", "1:2: 'deadline.ours.source' is missing"),
        ('[deadline.a]\nhours = 1\nbusiness_days = 1\nsource = "x"', "1:2: deadline.a: say either"),
        ('[deadline.a]\nhours = 1\nsmall_cents = 5\nsource = "x"', "1:2: deadline.a: small_cents"),
        ('[deadline.a]\nhours = 1\nmonth_end = true\nsource = "x"', "1:2: deadline.a: month_end"),
        ('[calendar]\nweekend = ["sunday"]', "2:11: calendar.weekend: not one of mon, tue, wed"),
        (
            '[calendar]\nweekend = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]',
            "2:11: calendar.weekend: not a list of at most 6 values",
        ),
        ('[calendar]\nholidays = ["5th mon jan"]', "2:12: calendar.holidays: '5th mon jan' is not"),
        ('[calendar]\nholidays = ["feb 30"]', "2:12: calendar.holidays: 'feb 30': feb has no such"),
        ('[calendar]\nholidays = ["jul 4", "jul 4"]', "2:12: calendar.holidays: jul 4 is named"),
        ('[calendar]\nclosed = ["2026-02-30"]', "2:10: calendar.closed: '2026-02-30' is not a"),
        (
            '[calendar]\nclosed = ["2026-12-24"]\nopen = [2026-12-24]',
            "1:2: calendar: 2026-12-24 is both closed and open",
        ),
        ('[receipts.cis]\nscope = "drawer"', "2:9: receipts.cis.scope: not one of source, window"),
        ('[rounding]\ncash = "nickel"', '1:2: rounding: cash = "nickel" without an account'),
        ('[rounding]\ncash = "dime"', "2:8: rounding.cash: not one of none, nickel"),
        ("R12 = 5", "1:7: R12: not a table"),
        ("[R12\n", "1:5: "),
    ],
)
def test_each_kind_of_error_is_placed(write, text, place):
    assert fails(write(text)).startswith("policy.toml:" + place)


def test_every_error_comes_at_once_with_the_next_step(write):
    said = fails(write('[R12]\nalarm_cents = "a"\n[R23]\nper_month = 0\n'))

    assert said.endswith(
        "2 errors in policy.toml; correct the file and run till policy --check policy.toml"
    )


# --- till.toml and policy.toml --------------------------------------------------------------------

SITE = 'site = "city-hall"\nzone = "America/Chicago"\nwindows = ["w1"]\n'


def test_the_policy_beside_till_toml_is_the_sites(tmp_path):
    (tmp_path / "till.toml").write_text(SITE)
    (tmp_path / "policy.toml").write_text("[R11]\nno_sale_openings = 9\n")

    assert 9 == config.load(tmp_path / "till.toml").config.policy.R11.no_sale_openings


def test_a_policy_table_of_till_toml_is_refused_with_the_lines_to_move(tmp_path):
    (tmp_path / "till.toml").write_text(
        SITE + "workers = 99\n[policy]\nreason_cents = 100\nno_sale_openings_max = 5\n"
    )
    with pytest.raises(ConfigError) as caught:
        config.load(tmp_path / "till.toml")
    said = str(caught.value).partition("till.toml:5:2: ")[2]
    lines = [line.strip() for line in said.splitlines()]

    assert "[policy] stands in policy.toml beside this file now; move it there as:" == lines[0]
    assert [
        "[R08.interval]", "reason_cents = 100", "[R08.session]", "reason_cents = 100", "[R11]",
        "no_sale_openings = 5",
    ] == lines[3:9]  # fmt: skip
    assert "workers: " in str(caught.value)

    (tmp_path / "till.toml").write_text(SITE)
    (tmp_path / "policy.toml").write_text("\n".join(lines[3:9]))
    moved = config.load(tmp_path / "till.toml").config.policy

    assert (100, 100, 5) == (
        moved.R08.interval.reason_cents,
        moved.R08.session.reason_cents,
        moved.R11.no_sale_openings,
    )


# --- the form that is kept ------------------------------------------------------------------------


def test_the_kept_text_reads_back_whole(write):
    policy = read_policy(
        write(
            '[receipts."CIS \\"old\\""]\nprefix = "R\\t"\n[calendar]\nclosed = ["2026-12-24"]\n'
            '[R12]\nalarm_cents = 300000\nsource = "Ordinance \\u007f 12"\n'
            '[deadline.ours]\nhours = 48\nsource = "Ordinance 3"\n'
        )
    )
    kept = closed_under(canonical_text(policy, CHICAGO, FOUR))

    assert (policy, CHICAGO, FOUR) == (kept.policy, kept.zone.key, kept.cut_off)


def test_equal_policies_have_one_fingerprint_and_other_figures_another(write):
    one = read_policy(write("[R12]\nalarm_cents = 300000\n[R23]\nper_month = 2\n"))
    other_order = read_policy(write("[R23]\nper_month = 2\n\n[R12]\nalarm_cents = 300_000 # x\n"))
    texts = [
        canonical_text(policy, CHICAGO, FOUR) for policy in (one, other_order, shipped_policy())
    ]
    later = canonical_text(one, CHICAGO, datetime.time(17))

    assert fingerprint(texts[0]) == fingerprint(texts[1])
    assert 3 == len({fingerprint(text) for text in (*texts, later)})


def test_a_rule_that_a_kept_text_does_not_name_is_off_for_its_day():
    text = canonical_text(shipped_policy(), CHICAGO, FOUR)
    before, _, after = text.partition("\n[R23]")
    kept = closed_under(before + "\n" + after[after.index("\n[R24]") :]).policy

    assert ("off", "block", "invariant") == (
        kept.severity("R23"), kept.severity("R24"), kept.severity("R25"),
    )  # fmt: skip


@pytest.mark.parametrize("text", ["", "x", "[office]\nzone = 5\n", SHIPPED.read_text()])
def test_a_text_that_was_never_a_kept_policy_is_refused(text):
    with pytest.raises(DataError, match="policy kept with a day: not readable"):
        closed_under(text)
