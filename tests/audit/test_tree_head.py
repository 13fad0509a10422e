"""The day's signed tree head: when it is made, that it extends the last one, and that its key stays
where it is.
"""

import base64
import datetime
import json
import logging
import re
import threading
from pathlib import Path

import pytest

from gateway.audit.keeper import QUIET_MS, Keeper, due
from gateway.audit.signed_note import TreeHead, VerifierKey, find_notes, open_note
from gateway.audit.tree_head import SignedTreeHead, make, new_key, signer, stored
from gateway.business_day import ended_business_date
from gateway.clock import Clock
from gateway.config import Config
from gateway.day.prove import prove_day
from gateway.errors import ConfigError, DataError, PermissionDenied
from gateway.facts.chain import content_of, frame
from gateway.reports.day_csv import to_csv
from gateway.reports.day_html import to_html
from gateway.reports.day_report import day_report, to_json
from tests.audit.bench import DAY, ZONE, at
from tests.audit.reference import merkle_tree_hash
from tests.cli.bench import init, till
from tests.delivery.bench import SITE, Office
from tests.store.bench import kept, rechain, without_triggers

CUT_OFF = datetime.time(16, 0)
HOUR_MS = 3_600_000


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """Five messages between ten and eleven in the morning."""
    made = Office(tmp_path)
    device = made.device()
    device.say(40)
    for number in range(5):
        made.clock.now_ms = at(10, number)
        made.take(device.ev(number + 1, number + 1))
    made.windows = {"w1": device}
    return made


def say(office: Office, first: int, last: int) -> None:
    office.take(office.windows["w1"].ev(first, last))


@pytest.mark.must("CP-2", "CP-4")
def test_a_checkpoint_signs_size_and_merkle_root_of_the_very_bytes_of_the_chain(
    office: Office,
) -> None:
    made = make(office.ledger, office.folder, SITE, DAY, at(17))

    root = merkle_tree_hash(
        [
            content_of("till/1/city/", frame(each.received_ms, each.device, "ev", each.sealed), [])
            for each in kept(office.ledger.db)
        ]
    )
    key = VerifierKey.parse((office.folder / "checkpoint.vkey").read_text())
    assert f"till/{SITE}\n5\n{base64.b64encode(root).decode()}\n" == open_note(made.note, key)
    assert (5, root, at(17)) == (made.n, made.root, made.made_ms)
    assert [made] == stored(office.ledger.db)
    assert made.note == (office.folder / "checkpoint.txt").read_text()


@pytest.mark.must("CP-1")
def test_one_business_day_has_one_checkpoint(office: Office) -> None:
    made = make(office.ledger, office.folder, SITE, DAY, at(17))
    say(office, 6, 6)

    assert made == make(office.ledger, office.folder, SITE, DAY, at(18))
    assert 7 == make(office.ledger, office.folder, SITE, "2026-11-21", at(17, day=21)).n


@pytest.mark.must("CP-8")
def test_the_table_of_checkpoints_is_append_only(office: Office) -> None:
    make(office.ledger, office.folder, SITE, DAY, at(17))

    for statement in ("UPDATE checkpoint SET n = 4", "DELETE FROM checkpoint"):
        with pytest.raises(Exception, match="append-only"):
            office.ledger.db.execute(statement)


def spoil(office: Office, *statements: str) -> None:
    with without_triggers(office.ledger.db):
        for statement in statements:
            office.ledger.db.execute(statement)


def rebuilt(office: Office) -> None:
    """An insider's edit, with every later head recomputed."""
    edited(office)
    with without_triggers(office.ledger.db):
        rechain(office.ledger.db)


def edited(office: Office) -> None:
    spoil(office, "UPDATE entry SET content = later(content, 1) WHERE n = 2")


def cut(office: Office) -> None:
    spoil(office, "DELETE FROM segment WHERE n >= 5", "DELETE FROM entry WHERE n >= 5")


def listed_anew(office: Office) -> None:
    spoil(office, "UPDATE checkpoint SET root = zeroblob(32)")


def signed_by_nobody(office: Office) -> None:
    spoil(
        office,
        "UPDATE checkpoint SET note = replace(note, char(10) || '5' || char(10), char(10) || '4' ||"
        " char(10))",
    )


def forgotten(office: Office) -> None:
    """The list and the ledger are rebuilt together; checkpoint.txt is left."""
    rebuilt(office)
    spoil(office, "DELETE FROM checkpoint")


@pytest.mark.must("CP-6", "CP-7")
@pytest.mark.parametrize("what", [rebuilt, edited, cut, listed_anew, signed_by_nobody, forgotten])
def test_what_does_not_extend_the_last_one_is_an_incident_and_no_signature(
    office: Office, what
) -> None:
    made = make(office.ledger, office.folder, SITE, DAY, at(17))
    what(office)
    before = stored(office.ledger.db)

    for _ in range(2):
        with pytest.raises(DataError, match="call the auditor"):
            make(office.ledger, office.folder, SITE, "2026-11-21", at(17, day=21))

    assert before == stored(office.ledger.db)
    assert made.note == (office.folder / "checkpoint.txt").read_text()
    assert ["checkpoint_refused"] == office.incident_kinds()


def test_a_restored_ledger_goes_on_under_a_new_key_and_that_is_an_incident(office: Office) -> None:
    old = make(office.ledger, office.folder, SITE, DAY, at(17))
    rebuilt(office)
    spoil(office, "DELETE FROM checkpoint")

    key = new_key(office.folder, SITE, office.ledger, at(9, day=21))
    made = make(office.ledger, office.folder, SITE, "2026-11-21", at(17, day=21))

    [retired] = office.folder.glob("checkpoint-*.vkey")
    assert str(TreeHead(f"till/{SITE}", made.n, made.root)) == open_note(made.note, key.verifier)
    assert open_note(old.note, VerifierKey.parse(retired.read_text())).startswith(
        f"till/{SITE}\n5\n"
    )
    assert ["checkpoint_key"] == office.incident_kinds()


def test_a_restore_to_before_what_was_signed_says_so(tmp_path: Path) -> None:
    assert 0 == init(tmp_path, "--site", SITE, "--windows", 1).returncode
    config = ("--config", tmp_path / "till.toml")
    site = Office(tmp_path / "data")
    device = site.device("w2")
    device.say(2)
    site.take(device.ev(1, 1))
    assert 0 == till("backup", tmp_path / "early.db", *config).returncode
    site.take(device.ev(2, 2))
    make(site.ledger, tmp_path / "data", SITE, DAY, at(17))
    site.ledger.close()

    done = till("restore", tmp_path / "early.db", "--replace", *config)

    assert (0, 1) == (done.returncode, done.stdout.count("till checkpoint --new-key")), done.stderr
    assert "a tree head covers 3 entries" in done.stdout


# --- the key


def test_the_key_is_private_and_in_no_log_nor_error(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        key = signer(office.folder, SITE)
        make(office.ledger, office.folder, SITE, DAY, at(17))
    path = office.folder / "checkpoint.key"
    path.write_text(key.secret_text()[:-3])
    with pytest.raises(DataError) as caught:
        signer(office.folder, SITE)

    said = caplog.text + str(caught.value) + repr(key)
    assert 0o600 == path.stat().st_mode & 0o777
    assert key.secret_text()[40:60] not in said
    assert key.secret.hex() not in said


@pytest.mark.must("CP-9")
def test_a_key_that_others_can_read_is_not_used(office: Office) -> None:
    signer(office.folder, SITE)
    (office.folder / "checkpoint.key").chmod(0o640)

    with pytest.raises(PermissionDenied, match="chmod 600"):
        signer(office.folder, SITE)


@pytest.mark.must("CP-10")
def test_a_lost_key_is_not_made_again_silently(office: Office) -> None:
    make(office.ledger, office.folder, SITE, DAY, at(17))
    (office.folder / "checkpoint.key").unlink()
    (office.folder / "checkpoint.txt").unlink()

    with pytest.raises(ConfigError, match="--new-key"):
        make(office.ledger, office.folder, SITE, "2026-11-21", at(17, day=21))


def test_the_key_of_another_site_is_refused(office: Office) -> None:
    signer(office.folder, "elsewhere")

    with pytest.raises(ConfigError, match="belongs to till/elsewhere"):
        signer(office.folder, SITE)


# --- when


@pytest.mark.parametrize(
    ("now_ms", "expected"),
    [
        (at(15, 59), None),  # the day before had nothing of its own
        (at(16, 0), DAY),
        (at(23, 59), DAY),
        (at(9, day=21), DAY),  # the gateway was off overnight
        (at(17, day=21), "2026-11-21"),
    ],
)
def test_it_is_due_once_the_cut_off_has_passed(
    office: Office, now_ms: int, expected: str | None
) -> None:
    assert expected == due(office.ledger.db, now_ms, ZONE, CUT_OFF)


def test_the_counts_of_the_closing_are_waited_for(office: Office) -> None:
    office.clock.now_ms = at(16, 10)
    say(office, 6, 6)

    assert None is due(office.ledger.db, at(16, 20), ZONE, CUT_OFF)
    assert DAY == due(office.ledger.db, at(16, 20), ZONE, CUT_OFF, quiet_ms=0)
    assert DAY == due(office.ledger.db, at(16, 10) + QUIET_MS, ZONE, CUT_OFF)


def test_a_day_that_brought_nothing_new_wants_none(office: Office) -> None:
    make(office.ledger, office.folder, SITE, DAY, at(17))

    assert None is due(office.ledger.db, at(17, day=22), ZONE, CUT_OFF)
    assert None is due(office.ledger.db, at(16, day=20), ZONE, CUT_OFF)


def test_an_empty_ledger_wants_none(tmp_path: Path) -> None:
    assert None is due(Office(tmp_path).ledger.db, at(17), ZONE, CUT_OFF)


def test_both_nights_of_the_clock_change_have_their_dates() -> None:
    november, march = (
        at(15, 59, day=1),
        int(datetime.datetime(2026, 3, 8, 16, tzinfo=ZONE).timestamp()) * 1000,
    )

    assert ("2026-10-31", "2026-11-01") == (
        ended_business_date(november, ZONE, CUT_OFF),
        ended_business_date(november + 60_000, ZONE, CUT_OFF),
    )
    assert ("2026-03-07", "2026-03-08") == (
        ended_business_date(march - 1, ZONE, CUT_OFF),
        ended_business_date(march, ZONE, CUT_OFF),
    )


def test_a_running_gateway_makes_it_and_says_a_failure_once(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    keeper = Keeper(office.folder / "ledger.db", office.folder, SITE, ZONE, CUT_OFF, office.clock)
    office.clock.now_ms = at(16, 30)
    made = keeper.look(office.ledger)
    edited(office)
    say(office, 6, 6)
    office.clock.now_ms = at(16, 30, day=21)
    with caplog.at_level(logging.ERROR):
        assert [None, None] == [keeper.look(office.ledger), keeper.look(office.ledger)]

    assert isinstance(made, SignedTreeHead)
    assert (DAY, 5) == (made.business_date, made.n)
    assert 1 == len(caplog.records)
    assert "the chain is broken at entry 2" in caplog.text


def test_the_keeper_ends_with_the_gateway(office: Office) -> None:
    stop = threading.Event()
    stop.set()

    Keeper(office.folder / "ledger.db", office.folder, SITE, ZONE, CUT_OFF, office.clock).run(stop)

    assert [] == stored(office.ledger.db)


# --- on paper


def test_every_form_of_the_day_report_carries_the_note(office: Office) -> None:
    made = make(office.ledger, office.folder, SITE, DAY, at(17))
    config = Config(site=SITE, zone="America/Chicago", windows=("w1",))
    report = day_report(prove_day(office.ledger, config, DAY), config)

    page = to_html(report)
    assert made.note == json.loads(to_json(report))["checkpoint"]["note"]
    assert made.note in to_csv(report)
    assert [made.note] == find_notes(re.sub(r"<[^>]*>", "", page))
    assert "over the first 5 entries, made 17:00:00" in page


def test_a_day_without_one_says_nothing_of_it(office: Office) -> None:
    config = Config(site=SITE, zone="America/Chicago", windows=("w1",))
    report = day_report(prove_day(office.ledger, config, DAY), config)

    assert None is report["checkpoint"]
    assert "checkpoint" not in to_html(report) + to_csv(report)


def test_the_command_makes_it_prints_it_and_prints_it_again(tmp_path: Path) -> None:
    assert 0 == init(tmp_path, "--windows", 1).returncode
    config = ("--config", tmp_path / "till.toml")
    early = till("checkpoint", *config)
    site = Office(tmp_path / "data")
    site.clock.now_ms = Clock().utc_ms() - 48 * HOUR_MS
    device = site.device("w2")
    device.say(1)
    site.take(device.ev(1, 1))
    site.ledger.close()

    first, again = till("checkpoint", *config), till("checkpoint", *config)
    told = json.loads(till("checkpoint", "--json", *config).stdout)
    dated, undated = (
        till("checkpoint", "--date", date, *config)
        for date in (told["business_date"], "2020-01-01")
    )

    key = VerifierKey.parse((tmp_path / "data" / "checkpoint.vkey").read_text())
    assert (75, "") == (early.returncode, early.stdout)
    assert "nothing to sign yet" in early.stderr
    assert open_note(first.stdout, key).startswith("till/city-hall\n2\n")
    assert first.stdout == again.stdout == told["note"]
    assert (first.stdout, 2) == (dated.stdout, undated.returncode)
    assert 0o600 == (tmp_path / "data" / "checkpoint.key").stat().st_mode & 0o777
