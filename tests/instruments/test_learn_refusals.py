"""What cannot be learned is refused with what a technician needs to know; what he says is taken."""

import pytest

from gateway.instruments.capture import Burst
from gateway.instruments.learn.learning import learn, profile_text, settings_of
from gateway.instruments.learn.lines import LearnRefusal, heard
from gateway.instruments.learn.read import Told
from tests.instruments.bench import money, replay, stated


def tape(
    number: int, rows: list[str], total: str, head: str = "COUNT REPORT", foot: str = ""
) -> bytes:
    return "\r\n".join([head, f"BATCH {number:03d}", *rows, f"TOTAL {total}", foot, ""]).encode()


def pair(rows: list[str], total: str, others: list[str], other_total: str) -> bytes:
    return tape(1, rows, total) + tape(2, others, other_total)


def refusal_of(data: bytes, told: Told | None = None) -> LearnRefusal:
    with pytest.raises(LearnRefusal) as caught:
        learn(data, replay, told=told)
    return caught.value


ONE_EACH = pair(["20.00 20.00", "5.00 5.00"], "25.00", ["10.00 10.00"], "10.00")
WHOLE = pair(["1 5 5"], "5", ["5 1 5"], "5")


@pytest.mark.parametrize(
    ("data", "why", "text"),
    [
        (b"", "empty", "no printed line"),
        (tape(1, ["20.00 5 100.00"], "100.00"), "one report", "no two reports"),
        (pair(["20.00 5 100.00"], "100.00", ["20.00 5 100.00"], "110.00"), "adds up",
         "no reading of rows and total adds up"),
        (ONE_EACH, "ambiguous", "denomination value (total 2500, 1000 cents)"),
        (WHOLE, "ambiguous", "readings add up"),
        (pair(["20,00 5 100,00"], "100,00", ["5,00 3 15,00"], "15,00"), "decimal comma",
         "decimal comma"),
        (pair(["3.00 5 15.00"], "15.00", ["3.00 2 6.00"], "6.00"), "adds up", "no reading"),
    ],
)  # fmt: skip
def test_a_capture_that_says_too_little_or_too_much_is_refused(data, why, text):
    refusal = refusal_of(data)

    assert (why, True) == (refusal.why, text in str(refusal)), refusal


def test_what_was_counted_settles_two_readings():
    data = pair(["20 5 100"], "100", ["20 3 60"], "60")
    learned = learn(data, replay, told=Told(counted=(((2000, 5),), ((2000, 3),))))

    assert [(((2000, 5),), 10000), (((2000, 3),), 6000)] == learned.reports


def test_a_technician_says_which_column_is_which():
    learned = learn(ONE_EACH, replay, told=Told(columns="denomination value"))

    assert [2500, 1000] == [total for _, total in learned.reports]


def test_two_reports_of_one_denomination_are_learned_and_a_third_may_hold_others():
    learned = learn(pair(["20.00 5 100.00"], "100.00", ["20.00 7 140.00"], "140.00"), replay)
    third = tape(3, ["50.00 2 100.00", ".25 4 1.00"], "101.00")

    assert [([(5000, 2), (25, 4)], 10100)] == stated(settings_of(learned.table), third)


def test_a_total_that_equals_the_only_row_is_still_the_total():
    learned = learn(
        pair(["20.00 100.00"], "100.00", ["20.00 100.00", "5.00 10.00"], "110.00"), replay
    )

    assert ["start", "numbers", "row", "total"] == [role for _, _, role, _ in learned.lines]


def test_two_numbers_that_count_up_are_refused_until_one_is_named():
    data = b"".join(
        tape(
            number,
            [f"CYCLE {number + 70}", f"20.00 {number} {20 * number}.00"],
            f"{20 * number}.00",
        )
        for number in (3, 4)
    )

    assert "two batch numbers" == refusal_of(data.replace(b"BATCH", b"TURN")).why
    told = Told(roles=(("TURN", "batch"),))
    learned = learn(data.replace(b"BATCH", b"TURN"), replay, told=told)
    assert {"begins": "TURN", "is": "numbers", "columns": "b3"} in learned.table["line"]


def test_value_rows_say_that_a_changed_denomination_goes_unseen():
    learned = learn(
        pair(["20.00 100.00", "5.00 15.00"], "115.00", ["10.00 100.00"], "100.00"), replay
    )

    assert learned.unseen > 0
    assert any(
        "would leave the total right and a denomination wrong" in each for each in learned.unknown
    )


def test_a_fee_and_a_days_total_are_not_the_total():
    reports = [
        tape(number, [f".25 {money(total)}", f"TOTAL COIN {money(total)}"], money(total), "COIN",
             f"PROCESS FEE {money(fee)}\r\nCUST. TOTAL {money(total - fee)}\r\nDAY TOTAL"
             f" {money(5000 * number)}")
        for number, total, fee in ((1, 1600, 80), (2, 400, 20))
    ]  # fmt: skip
    learned = learn(b"".join(reports).replace(b"COIN\r\nB", b"COIN TAPE\r\nB"), replay)
    roles = {spec["begins"]: spec["is"] for spec in learned.table["line"] if spec["begins"]}

    assert {
        "TOTAL": "total",
        "TOTAL COIN": "subtotal",
        "PROCESS FEE": "fee",
        "CUST. TOTAL": "customer_total",
    } == {begins: roles[begins] for begins in ("TOTAL", "TOTAL COIN", "PROCESS FEE", "CUST. TOTAL")}
    assert "what 'DAY TOTAL' states is not checked" in learned.unknown


def test_a_capture_file_gives_bytes_and_silences():
    bursts = [Burst(10, b"AB"), Burst(12, b"\x06", is_ours=True), Burst(2000, b"CC")]

    assert (b"ABCC", [2]) == heard(bursts)


def test_the_profile_says_where_it_comes_from():
    learned = learn(pair(["20.00 5 100.00"], "100.00", ["5.00 3 15.00"], "15.00"), replay)
    text = profile_text(learned, 'A "fast" counter', "capture two.txt, 2026-11-23", {"baud": 9600})

    assert 'title = "A \\"fast\\" counter"\ndriver = "report_stream"' in text
    assert 'evidence = "capture"\nsource = "capture two.txt, 2026-11-23"' in text
