"""What is odd about receipts that take others back (rules R09 and R10). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from gateway.money import format_cents
from gateway.office.drawer import DrawerSession, Remark
from gateway.office.tenders import NEVER_POSTED, RETURNED, VOID_AGAIN, Receipt, Tender


def void_remarks(session: DrawerSession, tenders: Sequence[Tender]) -> list[Remark]:
    """One remark for each thing that is wrong with a void of this session."""
    standing: dict[Receipt, list[Tender]] = {}
    for tender in tenders:
        if not tender.is_void:
            standing.setdefault(tender.receipt, []).append(tender)
    found = []
    for void in tenders:
        if void.is_void and void.void_of not in ("", void.receipt_no):
            found += list(_of(void, standing, session))
    return found


def _of(
    void: Tender, standing: Mapping[Receipt, Sequence[Tender]], session: DrawerSession
) -> Iterable[Remark]:
    named = f"receipt {void.receipt_no} takes back {void.void_of}"

    def remark(kind: str, text: str) -> Remark:
        return Remark(kind, void.posted_ms, f"{named} ({format_cents(void.face_cents)}) {text}")

    if void.outside == VOID_AGAIN:
        yield remark("voided_twice", "which was taken back before: it has no effect")
        return
    if void.outside == NEVER_POSTED:
        yield remark("void_of_unknown", "which was never posted: it has no effect")
        return
    target = standing.get(void.target, ())
    if target:
        same = [tender for tender in target if tender.tender_type == void.tender_type]
        if not same:
            told = ", ".join(sorted({tender.tender_type for tender in target}))
            yield remark("void_other_tender", f"as {void.tender_type}; it was paid by {told}")
        elif abs(void.face_cents) > abs(sum(tender.face_cents for tender in same)):
            amount = format_cents(sum(tender.face_cents for tender in same))
            yield remark("void_too_much", f"which was {amount}")
        if void.window_id not in {tender.window_id for tender in target}:
            yield remark("void_other_window", f"at window {void.window_id}")
    if not void.void_by and void.outside != RETURNED:  # the bank asks no supervisor
        yield remark("void_without_supervisor", "and names nobody who allowed it")
    closed_ms = session.closed_ms
    if closed_ms is not None and void.posted_ms >= closed_ms:
        yield remark(
            "void_after_close",
            f"after the closing count, posted by cashier {void.cashier_id or 'unknown'}",
        )
