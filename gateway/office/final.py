"""Why a business day is not final: what somebody still has to bring, decide or count. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.money import format_cents
from gateway.office.reconcile import BALANCED, POSTED_ONLY, PROOF_MISSING, Reconciliation
from gateway.office.states import REOPENED


@dataclass(frozen=True)
class OpenPoint:
    """One reason. `window`: empty when it is of the whole day."""

    kind: str
    window: str
    text: str


def open_points(proofs: Sequence[Reconciliation], is_posted: bool, refused: int) -> list[OpenPoint]:
    """The reasons, those of the day first. `is_posted`: anything was posted for this day;
    `refused`: how many rows and files of it are refused and not settled.
    """
    found = []
    counted = [proof for proof in proofs if proof.session.groups]
    if counted and not is_posted:
        next_step = "what was delivered was refused" if refused else "import its posted file"
        text = f"nothing was posted for this day: {next_step}"
        found.append(OpenPoint("nothing_posted", "", text))
    if refused:
        text = f"{refused} refused {'row' if refused == 1 else 'rows or files'}: correct the export"
        found.append(OpenPoint("refused", "", f"{text} and import it again"))
    for proof in proofs:
        found += list(_of_session(proof))
    return found


def _of_session(proof: Reconciliation) -> Iterator[OpenPoint]:
    window, session = proof.session.device, proof.session

    def point(kind: str, text: str) -> OpenPoint:
        return OpenPoint(kind, window, text)

    if session.groups and session.close is None:
        yield point("not_closed", "its drawer was not closed")
    elif not session.groups:
        yield point("not_counted", "payments were posted and no drawer was counted")
    if session.state == REOPENED:
        yield point("reopened", "opened again: count or declare what was wrong")
    missing = [line.tender_type for line in proof.lines if line.status == PROOF_MISSING]
    if missing and session.close is not None:
        yield point("proof_missing", f"nobody declared: {', '.join(missing)}")
    if len(session.counts("close")) > 1:
        yield point("closed_again", "closed twice: a supervisor says which count stands")
    if proof.unknown:
        cents = sum(tender.face_cents for tender in proof.unknown)
        text = f"{_receipts(len(proof.unknown))} of unknown status, {format_cents(cents)}"
        yield point("unknown_posting", text)
    late = [tender for tender in proof.after_close if tender.net_cents or tender.is_void]
    if late:
        yield point("after_close", f"{_receipts(len(late))} posted after its closing count")
    differ = [
        f"{line.tender_type} {line.status}"
        for line in proof.lines
        if line.status not in (BALANCED, PROOF_MISSING, POSTED_ONLY)
    ]
    if differ:
        yield point("differs", ", ".join(differ))


def _receipts(count: int) -> str:
    return f"{count} receipt{'s' * (count != 1)}"
