"""What the card processor and the bank deliver, as files: settlement.csv, a prior-day report
(BAI2), a statement (camt.053) and a file of returned payments (NACHA).

Written from the formats' own documents: docs/settlement-csv.md; "Cash Management Balance Reporting
Specifications" version 2 (BAI, 2005); ISO 20022 camt.053.001.02; the NACHA Operating Rules' file
layout. Totals, counts and hashes are those of what is in the file.
"""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

PROCESSOR, ACCOUNT = "acme", "0975312468"
BANK_ROUTE, OFFICE_ROUTE = "09100001", "12209999"  # eight digits; the ninth is the check digit
WIDTH, BLOCK = 94, 10
NSF, DEPOSITED, CARD_CREDIT = 555, 301, 165  # BAI2: returned item, commercial deposit, ACH credit
_WEIGHTS = (3, 7, 1, 3, 7, 1, 3, 7)


@dataclass(frozen=True)
class Settled:
    """One line of the processor's batch; cents with the sign of what the office gets."""

    batch: str
    line_no: int
    kind: str
    auth_code: str
    cents: int
    date: str
    brand: str = "visa"


@dataclass(frozen=True)
class Booked:
    """One movement on the office's account; cents with their sign."""

    code: int
    cents: int
    reference: str = ""
    text: str = ""


@dataclass(frozen=True)
class Returned:
    """One payment that comes back unpaid."""

    number: int  # of its trace, within the file
    cents: int
    reason: str
    customer_ref: str
    paid_on: str


def settlement_csv(lines: Sequence[Settled]) -> str:
    """settlement.csv, schema v1."""
    header = "processor,settlement_batch,line_no,kind,auth_code,amount_cents,settled_date"
    rows = [
        f"{PROCESSOR},{each.batch},{each.line_no},{each.kind},{each.auth_code},{each.cents},"
        f"{each.date},{each.brand if each.kind != 'fee' else ''},"
        for each in lines
    ]
    total = sum(each.cents for each in lines)
    control = f"#control,rows={len(lines)},amount_cents={total}"
    return "\n".join([f"{header},card_brand,reference", *rows, control, ""])


def bai2(date: str, lines: Sequence[Booked], account: str = ACCOUNT) -> str:
    """A prior-day report of one account: what was booked on `date`, made on the day after."""
    day = datetime.date.fromisoformat(date)
    made = (day + datetime.timedelta(days=1)).strftime("%y%m%d")
    details = [
        f"16,{each.code},{abs(each.cents)},Z,,{each.reference},{each.text or 'BOOKED'}"
        for each in lines
    ]
    # The control of an account sums the amounts of its records without their signs.
    total = sum(abs(each.cents) for each in lines)
    records = [
        f"01,{BANK_ROUTE}9,CITY,{made},0600,1,,,2/",
        f"02,CITY,{BANK_ROUTE}9,1,{day:%y%m%d},2359,USD,2/",
        f"03,{account},USD,015,{total},,/",
        *details,
        f"49,{total + total},{len(details) + 2}/",
        f"98,{total + total},1,{len(details) + 4}/",
        f"99,{total + total},1,{len(details) + 6}/",
    ]
    return "\n".join([*records, ""])


def camt053(date: str, lines: Sequence[Booked], account: str = ACCOUNT) -> str:
    """A statement of one account of one day."""
    opening = 1_000_000
    closing = opening + sum(each.cents for each in lines)
    name = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.02"
    parts = [
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{name}"><BkToCstmrStmt>',
        f"<GrpHdr><MsgId>M{date}</MsgId><CreDtTm>{date}T23:00:00Z</CreDtTm></GrpHdr>",
        f"<Stmt><Id>S{date}</Id><CreDtTm>{date}T23:00:00Z</CreDtTm>",
        f"<Acct><Id><Othr><Id>{account}</Id></Othr></Id><Ccy>USD</Ccy></Acct>",
        *(_balance(code, cents, date) for code, cents in (("OPBD", opening), ("CLBD", closing))),
        *(_entry(each, date) for each in lines),
        "</Stmt></BkToCstmrStmt></Document>\n",
    ]
    return "\n".join(parts)


def _balance(code: str, cents: int, date: str) -> str:
    kind = f"<Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>"
    return f"<Bal>{kind}{_amount(cents)}<Dt><Dt>{date}</Dt></Dt></Bal>"


def _entry(each: Booked, date: str) -> str:
    is_return = each.code == NSF
    reversal = "<RvslInd>true</RvslInd>" if is_return else ""
    reference = f"<NtryRef>{each.reference}</NtryRef>" if each.reference else ""
    return (
        f"<Ntry>{reference}{_amount(each.cents)}{reversal}<Sts>BOOK</Sts>"
        f"<BookgDt><Dt>{date}</Dt></BookgDt><ValDt><Dt>{date}</Dt></ValDt>"
        f"<BkTxCd><Prtry><Cd>{each.code}</Cd></Prtry></BkTxCd>"
        f"<AddtlNtryInf>{each.text or 'BOOKED'}</AddtlNtryInf></Ntry>"
    )


def _amount(cents: int) -> str:
    units, rest = divmod(abs(cents), 100)
    way = "CRDT" if cents >= 0 else "DBIT"
    return f'<Amt Ccy="USD">{units}.{rest:02}</Amt><CdtDbtInd>{way}</CdtDbtInd>'


def nacha_returns(date: str, items: Sequence[Returned]) -> str:
    """A file of returned debits, as the office's bank sends it on `date`."""
    day = datetime.date.fromisoformat(date)
    bank, office = BANK_ROUTE + _check_digit(BANK_ROUTE), OFFICE_ROUTE + _check_digit(OFFICE_ROUTE)
    records = [
        f"101 {office} {bank}{day:%y%m%d}0600A{WIDTH:03}{BLOCK}1{'CITY UTILITIES':<23}"
        f"{'FIRST BANK':<23}{'':<8}"
    ]
    for number, item in enumerate(items, 1):
        records += _batch(number, item, day)
    cents, entries = sum(item.cents for item in items), 2 * len(items)
    blocks = -(-(len(records) + 1) // BLOCK)
    routes = int(OFFICE_ROUTE) * len(items) % 10**10
    records.append(f"9{len(items):06}{blocks:06}{entries:08}{routes:010}{cents:012}{0:012}{'':<39}")
    records += ["9" * WIDTH] * (-len(records) % BLOCK)
    return "\n".join([*records, ""])


def _batch(number: int, item: Returned, day: datetime.date) -> list[str]:
    """The records of one returned debit, in a batch of its own."""
    paid = datetime.date.fromisoformat(item.paid_on)
    trace = f"{OFFICE_ROUTE}{item.number:07}"
    company = "1234567890"
    return [
        f"5225{'CITY UTILITIES':<16}{'':<20}{company}ARC{'UTIL PMT':<10}{paid:%y%m%d}{paid:%y%m%d}"
        f"{day.timetuple().tm_yday:03}1{BANK_ROUTE}{number:07}",
        f"626{OFFICE_ROUTE}{_check_digit(OFFICE_ROUTE)}{'123456789':<17}{item.cents:010}"
        f"{item.customer_ref:<15}{'PAYER':<22}  1{trace}",
        f"799{item.reason}{BANK_ROUTE}{item.number:07}{'':<6}{OFFICE_ROUTE}{'':<44}{trace}",
        f"8225{2:06}{int(OFFICE_ROUTE):010}{item.cents:012}{0:012}{company}{'':<19}{'':<6}"
        f"{BANK_ROUTE}{number:07}",
    ]


def _check_digit(route: str) -> str:
    total = sum(int(char) * weight for char, weight in zip(route, _WEIGHTS, strict=True))
    return str(-total % 10)
