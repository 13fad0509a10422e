"""The bank's statement in camt.053: what it says, and that a spoiled one counts as nothing.

Elements and their order are those of the public message definition camt.053.001.02.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.incoming.bank_camt import read_camt053
from gateway.incoming.bank_file import BankFileError
from gateway.incoming.bank_xml import ELEMENTS_MAX

XMLNS = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.02"
BOOKED = "<Sts>BOOK</Sts><BookgDt><Dt>2026-11-20</Dt></BookgDt>"


def amount(cents, tag="Amt"):
    return f'<{tag} Ccy="USD">{abs(cents) // 100}.{abs(cents) % 100:02d}</{tag}>'


def side(cents):
    return f"<CdtDbtInd>{'CRDT' if cents >= 0 else 'DBIT'}</CdtDbtInd>"


def balance(kind, cents):
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{kind}</Cd></CdOrPrtry></Tp>{amount(cents)}{side(cents)}"
        "<Dt><Dt>2026-11-20</Dt></Dt></Bal>"
    )


def entry(cents, more="", booked=BOOKED, code="<BkTxCd><Prtry><Cd>DEP</Cd></Prtry></BkTxCd>"):
    reversal, details = (more, "") if more.startswith("<Rvsl") else ("", more)
    return f"<Ntry>{amount(cents)}{side(cents)}{reversal}{booked}{code}{details}</Ntry>"


def detail(cents):
    return f"<TxDtls><AmtDtls><TxAmt>{amount(cents)}</TxAmt></AmtDtls></TxDtls>"


def statement(*entries, opening=10_000, closing=47_956, number="S1", summary="", balances=None):
    shown = balance("OPBD", opening) + balance("CLBD", closing) if balances is None else balances
    return (
        f"<Stmt><Id>{number}</Id><Acct><Id><Othr><Id>0975312468</Id></Othr></Id><Ccy>USD</Ccy>"
        f"</Acct>{shown}{summary}{''.join(entries)}</Stmt>"
    )


def document(*statements, xmlns=XMLNS):
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{xmlns}"><BkToCstmrStmt>\n'
        "<GrpHdr><MsgId>M1</MsgId><CreDtTm>2026-11-20T10:20:21-06:00</CreDtTm></GrpHdr>\n"
        + "\n".join(statements)
        + "\n</BkToCstmrStmt></Document>\n"
    )


DEPOSIT = entry(42_956, f"<NtryDtls>{detail(32_956)}{detail(10_000)}</NtryDtls>")
RETURNED = entry(-5_000, "<RvslInd>true</RvslInd>")
GOOD = document(statement(DEPOSIT, RETURNED))


def read(text, **options):
    return read_camt053(text if isinstance(text, bytes) else text.encode(), "camt.xml", **options)


def told(text, **options):
    with pytest.raises(BankFileError) as caught:
        read(text, **options)
    assert "camt.xml" in str(caught.value)
    return caught.value.where, caught.value.reason


def amounts(text):
    return [line.amount_cents for line in read(text).lines]


# --- what a sound statement says ------------------------------------------------------------------


def test_an_entry_is_one_line_and_keeps_its_parts():
    line = read(GOOD).lines[0]

    assert (42_956, (32_956, 10_000)) == (line.amount_cents, line.parts)
    assert ("0975312468", "2026-11-20", "DEP") == (line.account, line.date, line.type_code)


def test_a_reversal_has_its_own_sign_and_is_a_return():
    """The balances prove the sign: 100.00 + 429.56 - 50.00 = 479.56."""
    line = read(GOOD).lines[1]

    assert (-5_000, True) == (line.amount_cents, line.is_return)


def test_a_reversal_of_a_debit_is_a_credit_and_no_return():
    back = document(statement(entry(700, "<RvslInd>true</RvslInd>"), opening=0, closing=700))

    assert [(700, False)] == [(line.amount_cents, line.is_return) for line in read(back).lines]


@pytest.mark.parametrize(
    "spelt",
    [
        GOOD.replace("<", "<n:").replace("<n:/", "</n:").replace("<n:?", "<?")
        .replace("xmlns=", "xmlns:n="),
        GOOD.replace("UTF-8", "UTF-16").encode("utf-16"),
        GOOD.replace("UTF-8", "ISO-8859-1").encode("latin-1"),
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n", ""),
        "\ufeff" + GOOD,
        GOOD.replace("001.02", "001.08").replace("<Sts>BOOK</Sts>", "<Sts><Cd>BOOK</Cd></Sts>"),
        GOOD.replace("<Dt>2026-11-20</Dt></BookgDt>",
                     "<DtTm>2026-11-20T23:30:00-06:00</DtTm></BookgDt>"),
        GOOD.replace("<Ntry>", "<!-- <Ntry> --><Ntry>"),
        GOOD.replace("<RvslInd>true", "<RvslInd> 1"),
        GOOD.replace("OPBD", "PRCD"),
        GOOD.replace("429.56", "0429.56"),
    ],
    ids=["prefix", "utf-16", "latin-1", "crlf", "one-line", "byte-order-mark", "version-8",
         "date-and-time", "comments", "one-for-true", "previous-closing", "zero-in-front"],
)  # fmt: skip
def test_the_same_statement_spelt_otherwise_says_the_same(spelt):
    assert read(GOOD) == read(spelt)


def test_details_without_amounts_do_not_count_the_entry_again():
    without = document(statement(
        entry(42_956, "<NtryDtls><TxDtls/><TxDtls/></NtryDtls>"), RETURNED
    ))  # fmt: skip

    assert [42_956, -5_000] == amounts(without)
    assert () == read(without).lines[0].parts


def test_details_less_charges_need_not_sum_to_their_entry():
    text = document(statement(
        entry(900, f"<Chrgs/><NtryDtls>{detail(1_000)}</NtryDtls>"), opening=0, closing=900
    ))  # fmt: skip

    assert [900] == amounts(text)


def test_a_pending_entry_is_told_and_in_no_line():
    pending = entry(100, booked=BOOKED.replace("BOOK", "PDNG"))
    found = read(document(statement(DEPOSIT, pending, RETURNED)))

    assert [42_956, -5_000] == [line.amount_cents for line in found.lines]
    assert (2,) == found.not_booked


def test_an_overdrawn_account_has_negative_balances():
    text = document(statement(entry(100), opening=-5_000, closing=-4_900))

    assert [100] == amounts(text)


def test_pages_and_accounts_of_one_file_are_read_in_order():
    pages = [
        statement(entry(100), balances=balance("OPBD", 0) + balance("ITBD", 100)).replace(
            "</Id><Acct>", "</Id><StmtPgntn><PgNb>1</PgNb></StmtPgntn><Acct>"
        ),
        statement(entry(200), balances=balance("ITBD", 100) + balance("CLBD", 300)).replace(
            "</Id><Acct>", "</Id><StmtPgntn><PgNb>2</PgNb></StmtPgntn><Acct>"
        ),
        statement(entry(-5), opening=5, closing=0, number="S2").replace("0975312468", "77"),
    ]

    assert [(100, "0975312468", 1), (200, "0975312468", 2), (-5, "77", 3)] == [
        (line.amount_cents, line.account, line.record_no) for line in read(document(*pages)).lines
    ]


def test_an_iban_is_an_account_too():
    iban = GOOD.replace("<Othr><Id>0975312468</Id></Othr>", "<IBAN>CH9300762011623852957</IBAN>")

    assert "CH9300762011623852957" == read(iban).lines[0].account


def test_totals_may_count_the_pending_entries_or_not():
    pending = entry(100, booked=BOOKED.replace("BOOK", "PDNG"))
    for count in (2, 3):
        summary = f"<TxsSummry><TtlNtries><NbOfNtries>{count}</NbOfNtries></TtlNtries></TxsSummry>"
        assert 2 == len(amounts(document(statement(DEPOSIT, RETURNED, pending, summary=summary))))


def test_totals_alone_vouch_for_a_statement_without_balances():
    summary = (
        "<TxsSummry><TtlNtries><NbOfNtries>2</NbOfNtries><Sum>479.56</Sum></TtlNtries></TxsSummry>"
    )

    assert 2 == len(amounts(document(statement(DEPOSIT, RETURNED, summary=summary, balances=""))))


def test_texts_references_and_codes_come_along():
    full = entry(
        100,
        "<AcctSvcrRef>BANK9</AcctSvcrRef><NtryDtls><TxDtls><Refs><EndToEndId>BAG00123</EndToEndId>"
        "</Refs><RmtInf><Ustrd>DEPOSIT  4111111111111111</Ustrd></RmtInf></TxDtls></NtryDtls>",
        code="<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>CNTR</Cd><SubFmlyCd>CDPT</SubFmlyCd></Fmly>"
        "</Domn></BkTxCd>",
    )
    line = read(document(statement(full, opening=0, closing=100))).lines[0]

    assert ("BAG00123", "BANK9", "PMNT/CNTR/CDPT") == (
        line.reference, line.bank_reference, line.type_code,
    )  # fmt: skip
    assert "4111" not in line.text


def test_an_unpaid_check_is_a_return_by_its_code():
    code = "<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>RCHQ</Cd><SubFmlyCd>UPCQ</SubFmlyCd></Fmly></Domn>"
    text = document(statement(entry(-100, code=code + "</BkTxCd>"), opening=100, closing=0))

    assert read(text).lines[0].is_return


# --- what a spoiled one says ----------------------------------------------------------------------

SUMMARY = (
    "<TxsSummry><TtlNtries><NbOfNtries>2</NbOfNtries><Sum>479.56</Sum><TtlNetNtryAmt>379.56"
    "</TtlNetNtryAmt></TtlNtries><TtlCdtNtries><NbOfNtries>1</NbOfNtries><Sum>429.56</Sum>"
    "</TtlCdtNtries><TtlDbtNtries><NbOfNtries>1</NbOfNtries><Sum>50.00</Sum></TtlDbtNtries>"
    "</TxsSummry>"
)
SUMMED = document(statement(DEPOSIT, RETURNED, summary=SUMMARY))
DTD = '?>\n<!DOCTYPE Document [<!ENTITY a "aaaaaaaaaa">]>'
LAUGHS = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))

SPOILED = {
    # balances and totals
    "closing-balance": (GOOD, "479.56", "479.57", "control total of the closing balance"),
    "opening-balance": (GOOD, ">100.00</Amt><CdtDbtInd>CRDT", ">100.00</Amt><CdtDbtInd>DBIT",
                        "closing balance"),
    "entry-amount": (GOOD, '">50.00', '">5.00', "closing balance"),
    "entry-sign": (GOOD, "50.00</Amt><CdtDbtInd>DBIT", "50.00</Amt><CdtDbtInd>CRDT", "closing"),
    "entry-lost": (GOOD, RETURNED, "", "closing balance"),
    "entry-doubled": (GOOD, RETURNED, RETURNED + RETURNED, "closing balance"),
    "booked-shown-as-pending": (GOOD, "<Sts>BOOK", "<Sts>PDNG", "closing balance"),
    "no-balances-and-no-totals": (GOOD, balance("OPBD", 10_000), "", "nobody can tell"),
    "details-do-not-sum": (GOOD, "329.56", "329.65", "its details"),
    "count-of-entries": (SUMMED, "<NbOfNtries>2", "<NbOfNtries>3", "count of entries"),
    "sum-of-entries": (SUMMED, "<Sum>479.56", "<Sum>479.65", "control total of entries"),
    "net-of-entries": (SUMMED, "379.56", "379.65", "net"),
    "count-of-credits": (SUMMED, "<TtlCdtNtries><NbOfNtries>1", "<TtlCdtNtries><NbOfNtries>2",
                         "TtlCdtNtries"),
    "sum-of-debits": (SUMMED, "<Sum>50.00", "<Sum>50.01", "TtlDbtNtries"),
    "count-that-is-none": (SUMMED, "<NbOfNtries>2", "<NbOfNtries>two", "count"),
    # amounts
    "three-decimals": (GOOD, '">50.00', '">50.000', "two places"),
    "negative": (GOOD, '">50.00', '">-50.00', "no sign"),
    "comma": (GOOD, '">50.00', '">50,00', "12.50"),
    "exponent": (GOOD, '">50.00', '">5E1', "12.50"),
    "not-a-number": (GOOD, '">50.00', '">NaN', "12.50"),
    "amount-empty": (GOOD, '">50.00', '">', "12.50"),
    "amount-in-words": (GOOD, '">50.00', '">fifty', "12.50"),
    "digits-that-are-not-ascii": (GOOD, '">50.00', '">\N{ARABIC-INDIC DIGIT FIVE}0.00', "12.50"),
    "amount-of-a-continent": (GOOD, '">50.00', '">' + "9" * 18, "12.50"),
    "amount-missing": (GOOD, amount(5_000), "", "Amt is missing"),
    "amount-twice": (GOOD, amount(5_000), amount(5_000) * 2, "2 times"),
    "other-currency": (GOOD, 'Ccy="USD">50.00', 'Ccy="EUR">50.00', "USD"),
    "no-currency": (GOOD, ' Ccy="USD">50.00', ">50.00", "USD"),
    "other-currency-of-the-account": (GOOD, "<Ccy>USD", "<Ccy>MXN", "USD"),
    # forms
    "direction-missing": (GOOD, "<CdtDbtInd>DBIT</CdtDbtInd>", "", "CdtDbtInd is missing"),
    "direction-unknown": (GOOD, "DBIT", "DEBIT", "neither CRDT nor DBIT"),
    "reversal-unknown": (GOOD, "<RvslInd>true", "<RvslInd>yes", "RvslInd"),
    "status-missing": (GOOD, "<Sts>BOOK</Sts>", "", "status"),
    "day-missing": (GOOD, "<BookgDt><Dt>2026-11-20</Dt></BookgDt>", "", "any day"),
    "day-that-is-none": (GOOD, "<BookgDt><Dt>2026-11-20", "<BookgDt><Dt>2026-11-31", "date"),
    "day-in-american": (GOOD, "<BookgDt><Dt>2026-11-20", "<BookgDt><Dt>11/20/2026", "date"),
    "account-missing": (GOOD, "<Othr><Id>0975312468</Id></Othr>", "", "no number"),
    "no-statement": (GOOD, statement(DEPOSIT, RETURNED), "", "no statement"),
    "statement-twice": (GOOD, statement(DEPOSIT, RETURNED), statement(DEPOSIT, RETURNED) * 2,
                        "twice"),
    "entry-of-another-namespace": (GOOD, "<Ntry>", '<Ntry xmlns="urn:x">', "closing balance"),
    # other documents
    "camt-052": (GOOD.replace("BkToCstmrStmt", "BkToCstmrAcctRpt"), "camt.053", "camt.052",
                 "camt.052"),
    "camt-054": (GOOD.replace("BkToCstmrStmt", "BkToCstmrDbtCdtNtfctn"), "camt.053", "camt.054",
                 "camt.054"),
    "another-namespace": (GOOD, XMLNS, "urn:x", "no camt.053"),
    "no-namespace": (GOOD, f' xmlns="{XMLNS}"', "", "no camt.053"),
    "a-page-of-the-web": (GOOD, GOOD, "<html><body/></html>", "no camt.053"),
    # XML
    "cut": (GOOD, "</Stmt>", "", "well-formed"),
    "doubled": (GOOD, GOOD, GOOD + GOOD, "well-formed"),
    "two-documents": (GOOD, "</Document>", "</Document><Document/>", "well-formed"),
    "entity-unknown": (GOOD, "DEP", "&bomb;", "well-formed"),
    "entity-declared": (GOOD, "?>", DTD, "document type"),
    "entities-that-multiply": (GOOD, "?>", f'?><!DOCTYPE D [<!ENTITY a0 "ha">{LAUGHS}]>',
                               "document type"),
    "entity-of-a-file": (GOOD, "?>", '?><!DOCTYPE D [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
                         "document type"),
    "document-type-elsewhere": (GOOD, "?>", '?><!DOCTYPE D SYSTEM "http://127.0.0.1/x.dtd">',
                                "document type"),
    "too-deep": (GOOD, "DEP", "<a>" * 60 + "</a>" * 60, "levels"),
    "too-many-elements": (GOOD, "DEP", "<a/>" * (ELEMENTS_MAX + 1), "elements"),
    "a-tag-without-end": (GOOD, "<Ntry>", "<Ntry " + " ".join(f'a{n}=""' for n in range(200_000))
                          + ">", "a tag"),
    "a-comment-without-end": (GOOD, "<Ntry>", f"<!--{'x' * 200_000}--><Ntry>", "a comment"),
    "a-text-without-end": (GOOD, "DEP", "D" * 100_000, "characters"),
    "nul": (GOOD, "DEP", "D\0P", "well-formed"),
    "another-encoding": (GOOD, "UTF-8", "UTF-16", "well-formed"),
    "encoding-unknown": (GOOD, "UTF-8", "KLINGON-1", "encoding"),
}  # fmt: skip


@pytest.mark.parametrize("case", SPOILED)
def test_a_spoiled_statement_counts_as_nothing_and_says_where(case):
    text, old, new, reason = SPOILED[case]
    assert old in text

    found = told(text.replace(old, new, 1))

    assert reason in found[1]
    assert found[0].startswith("line ")


def test_a_reason_names_the_statement_and_the_entry():
    assert "line 4, statement 1, entry 2" == told(GOOD.replace('">50.00', '">50.000'))[0]


def test_a_document_type_hidden_in_utf_16_is_refused():
    hidden = GOOD.replace("?>", DTD, 1).replace("UTF-8", "UTF-16").encode("utf-16")

    assert "document type" in told(hidden)[1]


def test_a_large_statement_is_read():
    entries = [entry(n) for n in range(1, 5_001)]
    text = document(statement(*entries, opening=0, closing=sum(range(1, 5_001))))

    assert list(range(1, 5_001)) == amounts(text)


def test_bytes_that_are_not_what_the_encoding_says_are_refused():
    assert "well-formed" in told(GOOD.encode().replace(b"DEP", b"D\x92P"))[1]


def test_a_refusal_shows_no_text_of_the_file():
    where, reason = told(GOOD.replace('">50.00', '">JANE DOE 0975312468'))

    assert "JANE" not in where + reason
    assert "0975312468" not in where + reason


@pytest.mark.parametrize(
    "content", [b"", b"  ", b"PK\x03\x04" + b"\0" * 200, b"01,1/\n", b"<" * 99]
)
def test_what_is_no_document_at_all_is_refused_by_name(content):
    assert told(content)[1]


@given(st.data())
def test_no_single_change_of_a_byte_moves_money_unseen(data):
    at = data.draw(st.integers(0, len(SUMMED) - 1))
    spoiled = bytearray(SUMMED.encode())
    spoiled[at] = data.draw(st.integers(0, 255))
    try:
        found = [line.amount_cents for line in read(bytes(spoiled)).lines]
    except BankFileError:
        return
    assert [42_956, -5_000] == found


@given(st.binary(max_size=400) | st.text(alphabet='<>/ &;!DOCUMENT[]"=?x', max_size=400))
def test_no_bytes_end_in_another_error(content):
    try:
        read(content)
    except BankFileError as error:
        assert error.reason
