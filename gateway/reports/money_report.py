"""What the processor and the bank say of a day, as plain data, and in lines that terminal and page
share.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.day.money import CardSide, Money
from gateway.money import format_cents, format_signed
from gateway.office.bank_credits import CreditFinding
from gateway.office.cards import FINAL, CardFinding
from gateway.office.returned import ReturnEntry

Json = dict[str, Any]


def money_report(money: Money) -> Json:
    """The section of the day's report. None: never imported."""
    return {
        "cards": _cards(money.cards) if money.cards else None,
        "returned": {
            "file_imported": money.returns_imported,
            "entries": [_entry(each) for each in money.returned.entries] if money.returned else [],
            "cash_only": [
                {"account": account, "dates": list(dates)}
                for account, dates in (money.returned.cash_only if money.returned else {}).items()
            ],
        },
        "bank": {
            "until": money.bank.until,
            "findings": [_credit(each) for each in money.bank.findings],
        } if money.bank else None,
        "refused": list(money.refused),
        "rules": [
            {"rule": each.rule, "severity": each.severity, "kind": each.kind, "text": each.text}
            for each in money.rules
        ],
    }  # fmt: skip


def _cards(side: CardSide) -> Json:
    found = side.findings
    return {
        "until": side.until,
        "age_days": side.age_days,
        "posted_cents": sum(
            each.payment.amount_cents
            for each in found
            if each.payment and each.payment.is_effective
        ),
        "settled_cents": sum(each.line.amount_cents for each in found if each.line),
        "final": sum(each.kind in FINAL for each in found),
        "findings": [_card(each, side) for each in found if each.kind not in ("matched", "voided")],
        "batches": [
            {
                "processor": each.processor, "batch": each.settlement_batch,
                "settled_date": each.settled_date, "gross_cents": each.gross_cents,
                "fees_cents": each.fees_cents, "net_cents": each.net_cents,
            }
            for each in side.batches
        ],
    }  # fmt: skip


def _card(found: CardFinding, side: CardSide) -> Json:
    payment, line = found.payment, found.line
    return {
        "kind": found.kind,
        "window": payment.window_id if payment else "",
        "receipt_no": payment.receipt_no if payment else None,
        "auth_code": payment.auth_code if payment else line.auth_code if line else "",
        "posted_cents": payment.amount_cents if payment and payment.is_effective else None,
        "settled_cents": line.amount_cents if line else None,
        "difference_cents": found.difference_cents,
        "line": f"{line.processor} {line.settlement_batch} {line.line_no}" if line else None,
        "settled_date": line.settled_date if line else None,
        "origin_receipt_no": found.origin.receipt_no if found.origin else None,
        "carried": f"{found.carry.who}: {found.carry.reason}" if found.carry else None,
        "blocks": side.blocks(found),
    }


def _entry(entry: ReturnEntry) -> Json:
    event, original = entry.event, entry.original
    return {
        "kind": event.kind,
        "source": event.source,
        "date": event.date,
        "amount_cents": event.amount_cents,
        "reason_code": event.reason_code,
        "why": entry.why,
        "is_open": entry.is_open,
        "receipt_no": original.receipt_no if original else None,
        "receipt_date": original.business_date if original else None,
        "basis": entry.basis,
        "funds": [{"fund": fund, "cents": cents} for fund, cents in entry.funds],
        "receivables": [{"account": name, "cents": cents} for name, cents in entry.receivables],
        "change_cents": entry.change_cents,
        "fee_cents": entry.fee_cents,
        "other_split": entry.other_split,
    }


def _credit(found: CreditFinding) -> Json:
    return {
        "kind": found.kind,
        "deposits": [
            {"deposit": each.deposit_id, "date": each.date, "cents": each.amount_cents}
            for each in found.deposits
        ],
        "lines": [
            {"date": each.date, "cents": each.amount_cents, "type_code": each.type_code,
             "text": each.text}
            for each in found.lines
        ],
        "difference_cents": found.difference_cents,
        "basis": found.basis,
        "possible": found.is_possible,
        "waited_days": found.waited_days,
        "alert": found.is_alert,
    }  # fmt: skip


# --- in words -------------------------------------------------------------------------------------


def money_words(section: Json) -> list[tuple[str, list[str]]]:
    """(heading, lines) of each part, for whoever reads."""
    return [
        ("Card settlement", list(_card_words(section["cards"]))),
        ("Returned items", list(_return_words(section["returned"]))),
        ("Bank", list(_bank_words(section["bank"]))),
        ("Refused, in no sum", [
            f"{each['file']}:{each['line']}: {each['reason']}" for each in section["refused"]
        ]),
        ("Rules", [f"{each['rule']} {each['severity']}: {each['text']}"
                   for each in section["rules"]]),
    ]  # fmt: skip


def _card_words(cards: Json | None) -> Iterator[str]:
    if cards is None:
        yield "not imported: what the cashiers declared decides"
        return
    yield (
        f"posted {format_cents(cards['posted_cents'])}, settled"
        f" {format_cents(cards['settled_cents'])}; settlements are here up to {cards['until']}"
    )
    for each in cards["findings"]:
        what = f"receipt {each['receipt_no']}" if each["receipt_no"] else f"line {each['line']}"
        text = f"{each['kind'].replace('_', ' ')}: {what}, code {each['auth_code'] or 'none'}"
        text += "".join(
            f", {name} {format_cents(each[key])}"
            for name, key in (("posted", "posted_cents"), ("settled", "settled_cents"))
            if each[key] is not None
        )
        if each["origin_receipt_no"]:
            text += f", of receipt {each['origin_receipt_no']}"
        if each["kind"] == "posted_not_settled":
            text += f", {cards['age_days']} days old"
            text += "" if each["blocks"] or each["carried"] else ": no longer waited for"
        if each["carried"]:
            text += f"; carried by {each['carried']}"
        yield text
    for each in cards["batches"]:
        yield (
            f"batch {each['processor']} {each['batch']} of {each['settled_date']}:"
            f" {format_cents(each['gross_cents'])}, fees {format_cents(each['fees_cents'])}"
        )


def _return_words(returned: Json) -> Iterator[str]:
    if not returned["file_imported"]:
        yield "the bank's return file: not imported"
    for each in returned["entries"]:
        text = f"{each['kind']} {format_cents(each['amount_cents'])} on {each['date']}"
        text += f" ({each['source']}{' ' if each['reason_code'] else ''}{each['reason_code']})"
        if each["receipt_no"]:
            text += f": receipt {each['receipt_no']} of {each['receipt_date']}"
        if each["why"]:
            text += f"; {each['why'].replace('_', ' ')}"
        text += "".join(
            f"; {line['fund']} {format_signed(line['cents'])}" for line in each["funds"]
        )
        if each["fee_cents"]:
            text += f"; fee {format_cents(each['fee_cents'])}"
        yield text
    for each in returned["cash_only"]:
        yield f"account {each['account']} pays in cash only: returned on {', '.join(each['dates'])}"


def _bank_words(bank: Json | None) -> Iterator[str]:
    if bank is None:
        yield "not imported: nobody knows whether the deposit was credited"
        return
    yield f"the bank has reported up to {bank['until']}"
    for each in bank["findings"]:
        sent = " and ".join(
            f"deposit {part['deposit']} {format_cents(part['cents'])}" for part in each["deposits"]
        )
        booked = " and ".join(
            f"{part['date']} {format_signed(part['cents'])} {part['text']}".rstrip()
            for part in each["lines"]
        )
        told = "; ".join(part for part in (sent, booked) if part)
        text = f"{each['kind'].replace('_', ' ')}: {told}"
        if each["difference_cents"] and each["lines"] and each["deposits"]:
            text += f"; differs by {format_signed(each['difference_cents'])}"
        if each["kind"] in ("missing", "waiting"):
            text += f"; no credit {each['waited_days']} business days after it"
        yield text + ("; possible" if each["possible"] else "")


def money_rows(section: Json) -> Iterator[Json]:
    """The rows of the CSV form."""
    cards, bank = section["cards"], section["bank"]
    if cards is None:
        yield {"section": "card", "status": "not imported"}
    for each in cards["findings"] if cards else []:
        yield {
            "section": "card", "window": each["window"], "status": each["kind"],
            "item": each["receipt_no"] or each["line"], "posted_cents": each["posted_cents"],
            "counted_cents": each["settled_cents"], "over_short_cents": each["difference_cents"],
            "text": each["auth_code"],
        }  # fmt: skip
    if not section["returned"]["file_imported"]:
        yield {"section": "returned item", "status": "not imported"}
    for each in section["returned"]["entries"]:
        split = "; ".join(f"{line['fund']} {line['cents']}" for line in each["funds"])
        yield {
            "section": "returned item", "item": each["receipt_no"], "status": each["why"] or
            each["kind"], "posted_cents": each["amount_cents"], "text": split,
        }  # fmt: skip
    for each in section["returned"]["cash_only"]:
        dates = ", ".join(each["dates"])
        yield {"section": "cash only", "item": each["account"], "text": dates}
    if bank is None:
        yield {"section": "bank", "status": "not imported"}
    for each in bank["findings"] if bank else []:
        yield {
            "section": "bank", "status": each["kind"],
            "item": " ".join(part["deposit"] for part in each["deposits"]),
            "expected_cents": sum(part["cents"] for part in each["deposits"]),
            "counted_cents": sum(part["cents"] for part in each["lines"]),
            "over_short_cents": each["difference_cents"],
        }  # fmt: skip
    for each in section["refused"]:
        item = f"{each['file']}:{each['line']}"
        yield {"section": "refused", "item": item, "status": each["kind"], "text": each["reason"]}
    for each in section["rules"]:
        yield {"section": "rule", "item": each["rule"], "status": each["severity"],
               "text": each["text"]}  # fmt: skip
