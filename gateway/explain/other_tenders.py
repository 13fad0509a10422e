"""Candidate causes of a difference in checks, cards and the rest. Pure."""

from __future__ import annotations

from collections import Counter

from gateway.explain.causes import POSSIBLE, STRONG, Cause, amounts
from gateway.money import format_cents
from gateway.office.reconcile import Reconciliation


def unmatched_checks(proof: Reconciliation) -> tuple[list[int], list[int]]:
    """(amounts posted that no tape line has, amounts on the tape that no posting has), each lowest
    first.
    """
    posted = Counter(
        tender.tendered_cents
        for tender in (*proof.tenders, *proof.held_over)
        if tender.tender_type == "check" and tender.net_cents > 0
    )
    tape = Counter(proof.session.checks_cents() or [])
    return sorted((posted - tape).elements()), sorted((tape - posted).elements())


def check_causes(proof: Reconciliation, cents: int) -> list[Cause]:
    """No receipt is named while a tape is unfinished: what it lacks may still come. Nor where
    somebody declared a total by hand: that is no list.
    """
    if "check" in proof.session.by_hand:
        return []
    if not all(tape.is_finished for tape in proof.session.tapes):
        evidence = "a check tape has no total, or lines after its total"
        title = "The check tape is not finished"
        return [Cause("tape_unfinished", POSSIBLE, title, (evidence,), "Run the tape again")]
    missing, extra = unmatched_checks(proof)
    if on_tape := _not_checks(proof, extra, cents):
        return [on_tape]
    if len(missing) == 1 and not extra and missing[0] == -cents:
        return [_missing_check(proof, missing[0])]
    if len(missing) == 1 and len(extra) == 1 and extra[0] - missing[0] == cents:
        return [_misread_check(proof, missing[0], extra[0])]
    if len(extra) == 1 and not missing and extra[0] == cents:
        amount = format_cents(extra[0])
        return [
            Cause(
                "not_posted", STRONG, f"A check of {amount} taken and not posted",
                (f"the tape has {amount}, no posting has",),
                f"Find the check of {amount} and its account",
            )
        ]  # fmt: skip
    if missing or extra:
        evidence = (
            f"posted and not on the tape: {amounts(missing)}; on the tape and not posted:"
            f" {amounts(extra)}"
        )
        return [
            Cause(
                "check_list_differs",
                POSSIBLE,
                "The check tape and the postings differ",
                (evidence,),
                "Run the tape again",
            )
        ]
    return []


def _not_checks(proof: Reconciliation, extra: list[int], cents: int) -> Cause | None:
    """Money orders that the cashier ran on the tape with the checks, where none was declared."""
    orders = sorted(t.net_cents for t in proof.tenders if t.tender_type == "money_order")
    if not orders or orders != extra or sum(orders) != cents:
        return None
    if "money_order" in proof.session.declared_cents:
        return None
    evidence = f"the tape has {amounts(extra)} beyond the posted checks, as the posted money orders"
    return Cause(
        "money_order_on_tape", POSSIBLE, "Money orders run on the tape with the checks",
        (evidence,), "Declare the money orders by themselves and run the tape without them",
    )  # fmt: skip


def _missing_check(proof: Reconciliation, cents: int) -> Cause:
    amount = format_cents(cents)
    matches = [
        tender
        for tender in proof.tenders
        if tender.tender_type == "check" and tender.tendered_cents == cents
    ]
    evidence = f"every other posted check is on the tape, line by line; {amount} is not"
    check = f"Look for the check of {amount} in the batch"
    if len(matches) == 1:
        receipt = matches[0].receipt_no
        return Cause(
            "missing_check",
            STRONG,
            f"The check of receipt {receipt} is missing",
            (evidence,),
            check,
            receipt,
        )
    return Cause(
        "missing_check",
        POSSIBLE,
        f"One of {len(matches)} checks of {amount} is missing",
        (evidence,),
        check,
    )


def _misread_check(proof: Reconciliation, posted_cents: int, tape_cents: int) -> Cause:
    matches = [
        tender
        for tender in proof.tenders
        if tender.tender_type == "check" and tender.tendered_cents == posted_cents
    ]
    evidence = (
        f"posted {format_cents(posted_cents)}, the tape shows {format_cents(tape_cents)}; every"
        " other check agrees"
    )
    check = "Read the amount on the check itself"
    likeness = _digits_alike(posted_cents, tape_cents)
    if len(matches) == 1 and likeness:
        receipt = matches[0].receipt_no
        title = f"Receipt {receipt} and its check differ: {likeness}"
        return Cause("wrong_digit", STRONG, title, (evidence,), check, receipt)
    return Cause(
        "wrong_digit",
        POSSIBLE,
        "An amount keyed differently in posting and tape",
        (evidence,),
        check,
    )


def _digits_alike(left_cents: int, right_cents: int) -> str:
    """How two amounts resemble each other, as keying errors do; empty when they do not."""
    left, right = str(left_cents), str(right_cents)
    if len(left) == len(right):
        places = [index for index in range(len(left)) if left[index] != right[index]]
        if len(places) == 1:
            return "one digit"
        if len(places) == 2 and [left[index] for index in places] == [
            right[index] for index in reversed(places)
        ]:
            return "two digits swapped"
    short, long = sorted((left, right), key=len)
    if len(long) == len(short) + 1 and any(
        long[:index] + long[index + 1 :] == short for index in range(len(long))
    ):
        return "one digit too many or too few"
    return ""


def other_causes(proof: Reconciliation, tender_type: str, cents: int) -> list[Cause]:
    """Only a total is known of these: amounts alone name nobody."""
    fitting = sum(
        1 for t in proof.tenders if t.tender_type == tender_type and t.net_cents == abs(cents)
    )
    if not fitting:
        return []
    amount = format_cents(abs(cents))
    what = "posted and not in the declared total" if cents < 0 else "in the declared total twice"
    evidence = (
        f"{fitting} posted {tender_type} payments have exactly this amount; the total alone does"
        " not tell which"
    )
    check = f"Compare the terminal's batch detail with the postings of {amount}"
    return [
        Cause(
            "one_payment",
            POSSIBLE,
            f"A {tender_type} payment of {amount} {what}",
            (evidence,),
            check,
        )
    ]
