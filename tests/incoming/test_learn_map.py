"""A map proposed from a sample: what adds up is claimed, what does not is asked."""

import datetime
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import ConfigError, DataError
from gateway.incoming.learn_map import learn
from tests.incoming.mapping import PLAIN_FILE, read, sample
from tests.incoming.test_column_map_kinds import MASS_PAYMENT_FILE, PROOF_LIST_FILE


def learned(text, name="export.csv"):
    return learn(text if isinstance(text, bytes) else text.encode(), name)


def asked(found, part):
    return [each for each in found.asked if part in each]


def test_a_plain_export_with_its_total_needs_nobody():
    found = learned(PLAIN_FILE)

    assert (True, 4, 0, "") == (found.fits, found.rows, found.refused, found.fault)
    assert () == found.asked
    again = read(found.text, PLAIN_FILE)
    assert [("1001", "cash", "5000"), ("1002", "check", "8427")] == again.of(
        "receipt_no", "tender_type", "allocation_cents"
    )[:2]
    assert "void" == again.of("status")[-1][0]
    assert again.file.map.has_total


def test_wide_tenders_change_and_grand_total_are_found_by_their_sums():
    found = learned(PROOF_LIST_FILE)

    assert found.fits
    assert "Cash + Check + Credit Card - Change = Total in each of 5 rows" in found.said
    assert asked(found, "Station total")
    assert [("R-1", "cash", "10000", "4200", "5800")] == read(found.text, PROOF_LIST_FILE).of(
        "receipt_no", "tender_type", "tender_amount_cents", "change_cents", "allocation_cents"
    )[:1]


def test_a_tender_less_its_change_is_the_amount():
    text = (
        "Receipt,Window,Date,Type,Tendered,Given back,Paid\n"
        "1,w1,11/20/2026 10:00,Cash,100.00,42.00,58.00\n"
        "2,w1,11/20/2026 10:01,Check,84.27,0.00,84.27\n"
        "3,w1,11/20/2026 10:02,Cash,20.00,0.50,19.50\n"
    )
    found = learned(text)

    assert "Tendered - Given back = Paid in each of 3 rows" in found.said
    assert [("10000", "4200", "5800")] == read(found.text, text).of(
        "tender_amount_cents", "change_cents", "allocation_cents"
    )[:1]


def test_a_total_that_does_not_add_up_is_not_claimed():
    found = learned(PLAIN_FILE.replace("254.76", "245.76"))

    assert not any("is a total" in each for each in found.said)
    assert asked(found, "line 6 says total, and the rows do not sum to it")
    assert "\n[[total]]" not in found.text


def test_three_receipts_that_happen_to_add_up_are_receipts():
    text = (
        "Receipt,Window,Date,Type,Amount\n1,w1,2026-11-20 10:00,Cash,10.00\n"
        "2,w1,2026-11-20 10:01,Cash,20.00\n3,w1,2026-11-20 10:02,Cash,30.00\n"
    )
    found = learned(text)

    assert 3 == found.rows
    assert asked(found, "[[total]]: no line")


@pytest.mark.parametrize("day", [5, 12])
def test_a_date_that_reads_in_two_ways_is_asked(day):
    text = PLAIN_FILE.replace("11/20/2026", f"11/{day:02d}/2026")
    found = learned(text)

    assert asked(found, "%m/%d/%Y %H:%M or %d/%m/%Y %H:%M read every row")
    assert not found.fits
    with pytest.raises(ConfigError, match="formats: missing"):
        read(found.text, text)


def test_whole_numbers_may_be_cents_or_dollars_and_are_asked():
    text = "".join(line.replace(".00,", "00,").replace(".27,", "27,").replace(".49,", "49,")
                   .replace(".76,", "76,") + "\n" for line in PLAIN_FILE.splitlines())  # fmt: skip

    assert asked(learned(text), "Whole numbers may be cents or dollars")


def test_columns_with_the_same_amounts_are_asked():
    lines = PLAIN_FILE.splitlines()
    text = "\n".join([lines[0] + ",Net", *(line + "," + line.split(",")[4] for line in lines[1:])])
    found = learned(text + "\n")

    assert asked(found, "the same amounts in every row of the sample: Amount, Net")


def test_different_texts_are_not_yet_a_receipt_number():
    found = learned(sample("navusoft-lockbox-3"))

    assert asked(found, "[columns] receipt_no: field1 could be it")
    assert "# receipt_no = ?" in found.text


def test_a_total_in_the_first_row_is_found_wherever_it_stands():
    found = learned(sample("navusoft-lockbox-3"))

    assert "line 1 is a total: its rows sum to it (field4)" in found.said
    assert 'at = "first row"\ncell = "1"\nof = "field4"' in found.text


def test_a_total_in_the_line_before_the_header_is_found_and_says_which_column_is_the_amount():
    found = learned(sample("gotransverse-lockbox"))

    assert "line 1 has a total that the rows sum to" in found.said
    assert "amount: Amount, which the vendor's own total sums" in found.said
    assert 'at = "line"\nline = 1\ncell = "5"\nof = "Amount"' in found.text


def test_an_unknown_word_is_commented_out_and_not_guessed():
    found = learned(PLAIN_FILE.replace("Visa", "Barter"))

    assert '# "Barter" = ?' in found.text
    assert asked(found, "[codes.tender_type]: say what 1 other texts of Paid by mean")
    assert (3, 1) == (found.rows, found.refused)


def test_what_rests_on_a_name_alone_says_so():
    assert 'window_id = "Window"  # by its name alone' in learned(PLAIN_FILE).text


def test_fields_of_a_fixed_width_are_parted_where_every_line_is_blank():
    found = learned(sample("rms-receipts"), "rms.txt")

    assert 'format = "fixed"' in found.text
    assert asked(found, "[fields]: the positions are those that are blank")
    assert "field3: %Y%m%d reads every row, and no other format does" in found.said


def test_fields_that_touch_are_not_parted_by_a_guess():
    found = learned(MASS_PAYMENT_FILE, "mass.txt")

    assert not found.fits
    assert asked(found, "decimals") and asked(found, "no column has a date")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace(",", ";"), "delimiter ;"),
        (lambda text: text.replace(",", "\t"), "delimiter tab"),
        (lambda text: text.replace(",", "|"), "delimiter |"),
        (lambda text: text.encode("utf-16"), "encoding: utf-16"),
        (lambda text: text.replace("\n", "\r"), "delimiter ,"),
        (lambda text: "City of Example\n\n" + text, "1 lines stand before it"),
    ],
)
def test_every_writing_of_an_export_is_learned(change, said):
    found = learned(change(PLAIN_FILE))

    assert any(said in each for each in found.said)
    assert found.fits


def test_a_field_that_goes_over_several_lines_is_learned():
    lines = PLAIN_FILE.splitlines()
    text = "\n".join(
        [lines[0] + ",Note", lines[1] + ',"two\nlines"', *(x + "," for x in lines[2:])]
    )
    found = learned(text + "\n")

    assert "line_breaks = true" in found.text
    assert found.fits


def test_a_tender_of_each_row_beside_another_is_not_taken_for_change():
    text = (
        "Receipt,Window,Date,Cash,Check,Total\n1,w1,2026-11-20 10:00,10.00,0.00,10.00\n"
        "2,w1,2026-11-20 10:01,0.00,20.00,20.00\n3,w1,2026-11-20 10:02,5.00,7.00,12.00\n"
    )

    assert "Cash + Check = Total in each of 3 rows" in learned(text).said


def test_a_fee_that_is_taken_off_is_no_tender():
    text = (
        "Receipt,Window,Date,Card,Fee,Net\n1,w1,2026-11-20 10:00,10.00,-0.30,9.70\n"
        "2,w1,2026-11-20 10:01,0.00,0.00,0.00\n3,w1,2026-11-20 10:02,5.00,-0.20,4.80\n"
    )
    found = learned(text)

    assert not any("Card + Fee" in each for each in (*found.said, *found.asked))
    assert asked(found, "no sum of columns is another column")


def test_bytes_that_are_not_utf_8_are_asked():
    found = learned(PLAIN_FILE.encode().replace(b"38492-659", b"O\x92Brien"))

    assert asked(found, "encoding: not utf-8")
    assert found.fits


@pytest.mark.parametrize("data", [b"", b"one line\n", b"a\nb\n", b"abc\nabd\nabe\n"])
def test_a_sample_without_a_table_is_refused_with_the_next_step(data):
    with pytest.raises(DataError, match="name an export|write \\[fields\\] by hand"):
        learn(data, "x.csv")


# --- laws -----------------------------------------------------------------------------------------


@st.composite
def exports(draw):
    """(text, rows, whether its total is right, whether a day is over 12)"""
    chance = random.Random(draw(st.integers(0, 10**6)))
    count = draw(st.integers(3, 12))
    style = draw(st.sampled_from(["%m/%d/%Y %H:%M", "%Y-%m-%d %H:%M:%S", "%d/%m/%Y %H:%M"]))
    day = draw(st.integers(1, 28))
    start = datetime.datetime(2026, 11, day, 8, 0)
    is_right = draw(st.booleans())
    rows, total = [], 0
    for index in range(count):
        tendered = chance.randint(1, 99_999)
        change = chance.choice([0, chance.randint(0, tendered)])
        at = start + datetime.timedelta(minutes=index)
        tender = chance.choice(["Cash", "Check"]) if index else "Cash"
        rows.append((str(1000 + index), at, tender, tendered, change))
        total += tendered - change
    lines = ["Receipt,Window,Date,Type,Tendered,Change,Amount"]
    for number, at, tender, tendered, change in rows:
        money = ",".join(f"{cents // 100}.{cents % 100:02d}"
                         for cents in (tendered, change, tendered - change))  # fmt: skip
        lines.append(f"{number},w1,{at.strftime(style)},{tender},{money}")
    shown = total if is_right else total + 9
    lines.append(f"Total,,,,,,{shown // 100}.{shown % 100:02d}")
    return "\n".join(lines) + "\n", rows, is_right, day > 12 or style.startswith("%Y")


@settings(max_examples=60, deadline=None)
@given(exports())
def test_nothing_is_claimed_that_does_not_add_up(export):
    text, rows, is_right, is_certain = export
    found = learned(text)

    assert is_right == ("\n[[total]]" in found.text)
    assert is_certain == ("\nformats = " in found.text)
    for each in found.said:
        if " - Change = Amount" in each:
            assert any(change for *_, change in rows)
    if found.fits and "change_cents" in found.text:
        assert [
            (number, str(tendered), str(change), str(tendered - change))
            for number, _, _, tendered, change in rows
        ] == read(found.text, text).of(
            "receipt_no", "tender_amount_cents", "change_cents", "allocation_cents"
        )


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400))
def test_bytes_of_any_kind_are_learned_or_refused(data):
    try:
        found = learn(data, "x.csv")
    except DataError:
        return

    assert found.text.startswith("# Proposed by till import --learn")
