"""Several statements about one row: which one stands whatever came first, and what is kept and
listed of the others. The cases are from public reports of users of other systems; each test's name
says the case.
"""

from itertools import permutations

import pytest

from gateway.facts.postings import Posting
from gateway.incoming.posted_file import import_posted
from gateway.incoming.posted_row import Rules
from gateway.store.ledger import Ledger
from gateway.store.postings import changes, postings_between, unsettled, windows_posted
from tests.incoming.bench import changed, row, text_of
from tests.incoming.conftest import NOW_MS

DAY = "2026-11-20"
NOON, EVENING = "noon.csv", "evening.csv"
OTHER = row("R2", amount=6000)


def stands(ledger, window="w1", day=DAY):
    return [
        (item.receipt_no, item.status, item.allocation_cents)
        for item in postings_between(ledger.db, window, day, 0, 0)
    ]


STATES = {
    "pending at noon, posted in the evening": ("unknown", "posted", "posted"),
    "pending at noon, void in the evening": ("unknown", "void", "void"),
    "posted at noon, void in place in the evening": ("posted", "void", "void"),
    "posted at noon, reversed in place in the evening": ("posted", "reversed", "reversed"),
}


@pytest.mark.parametrize("case", STATES)
@pytest.mark.parametrize("order", [(NOON, EVENING), (EVENING, NOON), ("both in one file",)])
def test_what_is_known_stands_whatever_came_first(ledger, post, case, order) -> None:
    early, late, right = STATES[case]
    rows = {NOON: [row("R1", status=early)], EVENING: [row("R1", status=late), OTHER]}
    rows["both in one file"] = rows[EVENING] + rows[NOON]
    for name in order:
        result = post(text_of(rows[name]), name)
        assert ("posted", 0) == (result.state, result.refused), result.shown

    assert [("R1", right, 5000), ("R2", "posted", 6000)] == stands(ledger)
    [change] = changes(ledger.db, DAY)
    assert {early, late} == {change.earlier.posting.status, change.later.posting.status}
    assert ("status",) == change.differs
    assert [] == unsettled(ledger.db, DAY, 0, 1)


def test_a_change_names_files_lines_and_times_of_both_statements(ledger, post) -> None:
    post(text_of([OTHER, row("R1", status="unknown")]), NOON)
    post(text_of([row("R1", fund="504-sewer")]), EVENING)

    [change] = changes(ledger.db, DAY)

    assert (NOON, 3, NOW_MS) == (
        change.earlier.file, change.earlier.file_line, change.earlier.imported_ms,
    )  # fmt: skip
    assert (EVENING, 2, NOW_MS + 1_000) == (
        change.later.file, change.later.file_line, change.later.imported_ms,
    )  # fmt: skip
    assert ("fund", "status") == change.differs
    assert change.later_stands


def test_a_version_that_takes_knowledge_back_is_kept_and_does_not_stand(ledger, post) -> None:
    post(text_of([row("R1", status="void")]), "a.csv")
    post(text_of([row("R1")]), "b.csv")
    post(text_of([row("R1", status="unknown")]), "c.csv")

    assert [("R1", "void", 5000)] == stands(ledger)
    told = changes(ledger.db, DAY)
    assert [("b.csv", False), ("c.csv", False)] == [
        (each.later.file, each.later_stands) for each in told
    ]
    assert {"a.csv"} == {each.earlier.file for each in told}


def test_an_amount_corrected_in_place_stands_and_is_listed(ledger, post) -> None:
    post(text_of([row("R1", amount=5000)]), "first.csv")
    result = post(text_of([row("R1", amount=5100)]), "second.csv")

    assert (1, 0) == (result.added, result.refused)
    assert ["line 2: 1 rows say otherwise"] == [note[:28] for note in result.notes]
    assert [("R1", "posted", 5100)] == stands(ledger)
    [change] = changes(ledger.db, DAY)
    assert ("tender_amount_cents", "allocation_cents") == change.differs


def test_the_same_row_again_changes_nothing(ledger, post) -> None:
    for name in ("a.csv", "b.csv", "c.csv"):
        post(text_of([row("R1", status="unknown" if name == "a.csv" else "posted"),
                      row("R2", cashier_id=name[0])]), name)  # fmt: skip

    rows = [row("R1", status="unknown"), row("R2", cashier_id="a")]
    result = post(text_of(rows) + "\n", "again.csv")

    assert (0, 2, 0) == (result.added, result.known, result.refused)
    assert ["posted", "posted"] == [status for _, status, _ in stands(ledger)]
    assert 3 == len(changes(ledger.db, DAY))


def test_a_receipt_that_moved_to_another_day_stands_there_alone(ledger, post) -> None:
    post(text_of([row("R1", status="unknown")]), NOON)
    post(text_of([row("R1", business_date="2026-11-21")]), EVENING)

    assert ([], [("R1", "posted", 5000)]) == (stands(ledger), stands(ledger, day="2026-11-21"))
    assert [] == windows_posted(ledger.db, DAY)
    assert 1 == len(changes(ledger.db, DAY)) == len(changes(ledger.db, "2026-11-21"))


# --- one number, two receipts ---------------------------------------------------------------------

AT_W2 = row("R1", amount=6000, window_id="w2", session_id="s2")
NEXT_DAY = row(
    "R1", amount=7000, posted_at="2026-11-21T09:00:00-06:00", business_date="2026-11-21",
    account_no="100-7",
)  # fmt: skip
NEXT_DAY_W2 = changed(NEXT_DAY, window_id="w2", account_no="100-8")
COLLISIONS = {
    "at each window": ([AT_W2], "window"),
    "each day": ([NEXT_DAY], "day"),
    "at each window and each day": ([AT_W2, NEXT_DAY, NEXT_DAY_W2], "window-day"),
}


@pytest.mark.parametrize("together", [True, False], ids=["in one file", "in two files"])
@pytest.mark.parametrize("case", COLLISIONS)
def test_numbers_that_start_again_are_told_with_the_setting_that_cures_it(
    ledger, post, case, together
) -> None:
    others, scope = COLLISIONS[case]
    if together:
        results = [post(text_of([row("R1"), *others]))]
    else:
        results = [post(text_of([each]), f"{n}.csv") for n, each in enumerate([row("R1"), *others])]

    refused = [reason for result in results for _, reason in result.shown]
    assert len(others) + together == len(refused)
    assert any(f'receipt_scope = "{scope}"' in reason for reason in refused), refused
    assert all(reason.startswith("receipt_no: receipt R1 line 1") for reason in refused)
    assert stands(ledger) == ([] if together else [("R1", "posted", 5000)])


@pytest.mark.parametrize("together", [True, False], ids=["in one file", "in two files"])
@pytest.mark.parametrize("case", COLLISIONS)
def test_with_the_setting_all_of_them_are_posted(ledger, post, case, together) -> None:
    others, scope = COLLISIONS[case]
    rows, rules = [row("R1"), *others], Rules(receipt_scope=scope)
    files = [rows] if together else [[each] for each in rows]
    for number, content in enumerate(files):
        assert 0 == post(text_of(content), f"{number}.csv", rules).refused
    for number, content in enumerate(files):
        assert 0 == post(text_of(content) + "\n", f"again{number}.csv", rules).added

    found = [
        item
        for window, day in {(each[4], each[3]) for each in rows}
        for item in postings_between(ledger.db, window, day, 0, 0)
    ]
    assert sorted(int(each[9]) for each in rows) == sorted(
        item.tender_amount_cents for item in found
    )


def test_the_very_file_is_posted_when_the_setting_that_was_named_is_set(ledger, post) -> None:
    content = text_of([row("R1"), AT_W2, row("R2", service="steam")])
    rules = Rules(receipt_scope="window")
    assert (0, 3) == (
        (first := post(content, rules=Rules(services=("water",)))).added,
        first.refused,
    )

    again = post(content, rules=Rules(services=("water",)))
    scoped = post(content, rules=Rules("window", services=("water",)))
    whole, after = post(content, rules=rules), post(content, rules=rules)

    assert (0, 3) == (again.added, again.refused)
    assert (2, 0, 1) == (scoped.added, scoped.known, scoped.refused)
    assert (1, 2, 0) == (whole.added, whole.known, whole.refused)
    assert "already" == after.state
    assert [] == unsettled(ledger.db, DAY, 0, 1 << 60)
    assert [] == ledger.verify()


def test_a_changed_setting_posts_nothing_a_second_time(ledger, post) -> None:
    rows = [row("R1"), row("R2")]
    post(text_of(rows))

    result = post(text_of(rows) + "\n", "again.csv", Rules(receipt_scope="window"))
    back = post(text_of([*rows, row("R3")]), "back.csv", Rules(receipt_scope="window"))
    again = post(text_of([row("R3")]), "r3.csv")

    assert (0, 2) == (result.added, result.known)
    assert (1, 2) == (back.added, back.known)
    assert (0, 1) == (again.added, again.known)


def test_one_number_twice_on_one_day_at_one_window_is_refused_without_advice(ledger, post) -> None:
    post(text_of([row("R1")]), "a.csv")
    result = post(
        text_of([row("R1", posted_at="2026-11-20T15:00:00-06:00", account_no="2")]), "b.csv"
    )

    [(_, reason)] = result.shown
    assert "let the export give each receipt its own" in reason
    assert "receipt_scope" not in reason


def test_a_file_that_says_a_row_in_two_ways_posts_neither_and_the_rest_of_it(ledger, post) -> None:
    rows = [row("R1", 1), row("R1", 1, account_no="100-2"), row("R1", 2), row("R2")]

    result = post(text_of(rows))

    assert ("posted", 1, 3) == (result.state, result.added, result.refused)
    assert [("R2", "posted", 5000)] == stands(ledger)


def test_a_version_that_is_given_twice_in_one_file_is_one_version(ledger, post) -> None:
    rows = [row("R1", status="unknown"), row("R1"), row("R1"), row("R1", status="unknown")]

    result = post(text_of(rows))

    assert ("posted", 2, 2, 0) == (result.state, result.added, result.known, result.refused)
    assert [("R1", "posted", 5000)] == stands(ledger)


# --- sources --------------------------------------------------------------------------------------


def test_a_source_spelt_in_capitals_is_the_same_system(ledger, post) -> None:
    post(text_of([row("R1", source_system="cis")]))
    result = post(
        text_of([row("R1", source_system="CIS"), row("R2", source_system="Cis")]), "b.csv"
    )

    assert (1, 1, 0) == (result.added, result.known, result.refused)
    spelt = {item.source_system for item in postings_between(ledger.db, "w1", DAY, 0, 0)}
    assert {"cis"} == spelt
    assert [] == result.notes


def test_a_source_that_was_never_seen_before_is_told(ledger, post) -> None:
    assert [] == post(text_of([row("R1")])).notes
    [note] = post(text_of([row("R1", source_system="cis2")]), "b.csv").notes

    assert "'cis2' was never seen before, known: cis" in note


# --- the order of imports -------------------------------------------------------------------------


def test_every_order_of_the_files_of_a_day_leaves_the_same(tmp_path) -> None:
    files = {
        "noon.csv": [row("R1", status="unknown"), row("R2", amount=100)],
        "evening.csv": [row("R1"), row("R2", amount=100), row("R3")],
        "night.csv": [row("R3", status="void"), row("R1")],
    }
    found = []
    for number, order in enumerate(permutations(files)):
        with Ledger(tmp_path / f"{number}.db") as ledger:
            for name in order:
                (tmp_path / name).write_text(text_of(files[name]))
                assert "posted" == import_posted(ledger.db, tmp_path / name, NOW_MS).state
            found.append([each.values() for each in postings_between(ledger.db, "w1", DAY, 0, 0)])
            assert [] == ledger.verify()

    assert [found[0]] * 6 == found
    assert ["posted", "posted", "void"] == [Posting(*values).status for values in found[0]]
