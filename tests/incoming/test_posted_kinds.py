"""Kinds, tenders and signs: what an office does besides taking payments. The cases are from public
reports of users of other systems.
"""

import pytest

from gateway.facts.postings import COLUMNS, KINDS, TENDERS
from gateway.incoming.posted_row import RowError, Rules, parse_row
from gateway.store.postings import postings_between
from tests.incoming.bench import control, row, text_of

DAY = "2026-11-20"


def with_kinds(rows_and_kinds, end=""):
    """A file of schema v2: the column `kind` after the others."""
    rows = [cells for cells, _ in rows_and_kinds]
    lines = [",".join([*COLUMNS, "kind"])]
    lines += [",".join([*cells, kind]) for cells, kind in rows_and_kinds]
    return "\n".join([*lines, control(rows), end])


def posted(ledger):
    return [
        (item.receipt_no, item.kind, item.tender_type, item.tender_amount_cents, item.change_cents,
         item.allocation_cents)
        for item in postings_between(ledger.db, "w1", DAY, 0, 0)
    ]  # fmt: skip


BARE = {"account_no": "", "service": "", "fund": ""}
KINDS_SEEN = [
    (row("R1", amount=5000), "payment", 5000),
    (row("F1", amount=-3000), "refund", -3000),
    (row("I1", amount=2000, **BARE), "paid_in", 2000),
    (row("O1", amount=-1500, **BARE), "paid_out", -1500),
    (row("L1", amount=10000, **BARE), "loan", 10000),
    (row("L2", amount=-4000, **BARE), "loan", -4000),
]


def test_every_kind_is_posted_with_its_sign_and_the_sums_are_kept(ledger, post) -> None:
    moved = [row("C1", 1, amount=0, allocation=-700), row("C1", 2, amount=0, allocation=700)]
    rows = [(cells, kind) for cells, kind, _ in KINDS_SEEN] + [
        (each, "correction") for each in moved
    ]

    result = post(with_kinds(rows))

    assert ("posted", 8, 0) == (result.state, result.added, result.refused), result.shown
    found = posted(ledger)
    assert sorted((cents, kind) for _, kind, cents in KINDS_SEEN) == sorted(
        (cents, kind) for _, kind, _, cents, _, _ in found if kind != "correction"
    )
    assert sum(cents for *_, cents in KINDS_SEEN) == sum(each[5] for each in found)
    assert KINDS.keys() == {each[1] for each in found}


def test_a_file_without_kinds_and_one_with_empty_kinds_say_the_same(ledger, post) -> None:
    rows = [row("R1"), row("R2", amount=100)]
    post(text_of(rows))

    result = post(
        with_kinds([(cells, kind) for cells in rows for kind in ("", "payment")]), "2.csv"
    )

    assert (0, 4, 0) == (result.added, result.known, result.refused), result


def test_the_kind_may_stand_in_any_column(ledger, post) -> None:
    lines = with_kinds([(row("F1", amount=-3000), "refund")]).splitlines()
    turned = [
        line if line.startswith("#") else ",".join([line.split(",")[-1], *line.split(",")[:-1]])
        for line in lines
    ]

    assert 1 == post("\n".join(turned)).added
    assert [("F1", "refund", "cash", -3000, 0, -3000)] == posted(ledger)


WRONG_SIGNS = [
    (row("R1", amount=3000), "refund", "tender_amount_cents: the sign of a refund is 0 or less"),
    (row("R1", amount=-3000), "paid_in", "tender_amount_cents: the sign of a paid_in is 0 or more"),
    (
        row("R1", amount=3000),
        "paid_out",
        "tender_amount_cents: the sign of a paid_out is 0 or less",
    ),
    (row("R1", amount=100), "correction", "tender_amount_cents: not 0 on a correction"),
    (row("R1", amount=-3000), "payment", "negative on a row that takes nothing back"),
    (row("R1", amount=100, change=5), "loan", "change_cents: on a loan"),
    (row("R1"), "gift", "kind: 'gift' is not one of payment, refund"),
    (row("R1", amount=-3000, void_of="R1"), "refund", "void_of: the receipt itself"),
]


@pytest.mark.parametrize(("cells", "kind", "said"), WRONG_SIGNS)
def test_a_sign_that_its_kind_cannot_have_is_refused(cells, kind, said) -> None:
    with pytest.raises(RowError) as caught:
        parse_row([*cells, kind])

    assert said in str(caught.value)


@pytest.mark.parametrize("tender", TENDERS)
def test_every_tender_can_be_posted(tender, ledger, post) -> None:
    assert 1 == post(text_of([row("R1", tender_type=tender)])).added


def test_a_negative_allocation_takes_its_part_of_a_receipt(ledger, post) -> None:
    """80.00 in cash pays 100.00 less a credit of 20.00."""
    credit = {"service": "electric", "fund": "501-electric"}
    rows = [
        row("R1", 1, amount=8000, allocation=10000),
        row("R1", 2, amount=8000, allocation=-2000, **credit),
    ]

    result = post(text_of(rows))

    assert (2, 0) == (result.added, result.refused)
    assert 8000 == sum(each[5] for each in posted(ledger))


def test_a_credit_that_is_applied_stands_beside_the_bill(ledger, post) -> None:
    rows = [row("R1", 1, amount=5000, allocation=5500), row("R1", 2, amount=5000, allocation=-500)]

    assert 0 == post(text_of(rows)).refused
    assert 5000 == sum(each[5] for each in posted(ledger))


@pytest.mark.parametrize("tender", ["check", "card", "money_order"])
def test_change_from_a_check_and_cash_back_on_a_card_are_posted(tender, ledger, post) -> None:
    """100.00 pays a bill of 80.00; 20.00 in cash go out."""
    post(text_of([row("R1", amount=10000, change=2000, tender_type=tender)]))

    assert [("R1", "payment", tender, 10000, 2000, 8000)] == posted(ledger)


def test_cash_back_may_be_a_leg_of_its_own(ledger, post) -> None:
    rows = [row("R1", 1, amount=10000, allocation=8000, tender_type="check"),
            row("R1", 2, amount=0, change=2000, allocation=0, tender_id="T2")]  # fmt: skip

    assert (2, 0) == (post(text_of(rows)).added, 0)
    assert 8000 == sum(each[3] - each[4] for each in posted(ledger))


def test_a_refund_names_its_receipt_or_none(ledger, post) -> None:
    rows = [(row("F1", amount=-3000), "refund"), (row("F2", amount=-10, void_of="R9"), "refund")]

    assert 2 == post(with_kinds(rows)).added


# --- services and funds ---------------------------------------------------------------------------


@pytest.mark.parametrize("service", ["stormwater", "bus passes", "business-licences", "Permit 7"])
def test_a_service_beyond_the_utilities_is_posted_and_told(service, ledger, post) -> None:
    result = post(text_of([row("R1"), row("R2", service=service, fund="505-storm")]))

    assert (2, 0) == (result.added, result.refused)
    [note] = result.notes
    assert note.startswith("line 3: service ")
    assert "[posted] services" in note


def test_a_service_that_is_not_in_the_declared_list_is_refused(ledger, post) -> None:
    rules = Rules(services=("water", "stormwater"))
    rows = [row("R1"), row("R2", service="stormwater"), row("R3", service="steam")]

    result = post(text_of(rows), rules=rules)

    assert (2, 1, []) == (result.added, result.refused, result.notes)
    [(line, reason)] = result.shown
    assert (4, True) == (line, "'steam' is not in [posted] services" in reason)


def test_money_that_nobody_has_assigned_is_in_suspense(ledger, post) -> None:
    post(text_of([row("R1", fund=""), row("R2", fund="", service="", account_no="")]))

    found = postings_between(ledger.db, "w1", DAY, 0, 0)
    assert [("", "suspense")] * 2 == [(each.fund, each.fund_name) for each in found]


# --- accounts -------------------------------------------------------------------------------------

LONG = "4111111111111111"


def test_an_account_number_that_looks_like_a_card_can_be_declared(ledger, post) -> None:
    refused = post(text_of([row("R1", account_no=LONG)]))
    assert "[posted] long_accounts = true" in refused.shown[0][1]

    declared = post(
        text_of([row("R1", account_no=LONG)]) + "\n", "b.csv", Rules(long_accounts=True)
    )
    elsewhere = post(
        text_of([row("R2", account_no=LONG, source_ref=LONG)]), "c.csv", Rules(long_accounts=True)
    )

    assert (1, 0) == (declared.added, declared.refused)
    assert "source_ref: looks like a card number" in elsewhere.shown[0][1]


# --- leading zeros --------------------------------------------------------------------------------


def test_receipts_that_lost_their_leading_zeros_are_no_new_ones(ledger, post) -> None:
    rows = [row("000123"), row("000124", amount=6000)]
    post(text_of(rows))

    result = post(text_of([row("123"), row("124", amount=6000), row("000125")]), "resaved.csv")

    assert (1, 2) == (result.added, result.refused)
    assert "receipt_no: 123 is the known 000123 but for leading zeros" in result.shown[0][1]
    assert ["000123", "000124", "000125"] == [receipt for receipt, *_ in posted(ledger)]


def test_the_file_as_it_was_is_no_second_payment_of_the_spoilt_one(ledger, post) -> None:
    post(text_of([row("123")]), "resaved.csv")
    result = post(text_of([row("000123"), row("000999", account_no="7")]))

    assert (1, 1) == (result.added, result.refused)
    assert ["000999", "123"] == [receipt for receipt, *_ in posted(ledger)]


def test_an_account_that_lost_its_leading_zeros_is_refused_and_not_shown(ledger, post) -> None:
    post(text_of([row("R1", account_no="00041237")]))

    result = post(text_of([row("R2", account_no="41237"), row("R3", account_no="41238")]), "b.csv")

    assert (1, 1) == (result.added, result.refused)
    assert "account_no: it is a known one but for leading zeros" in result.shown[0][1]
    assert "41237" not in repr(result)
