"""The marks of the cashier's pad: which take a value, what is refused, and the display's pages."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.drivers.ten_key import KEYS, VALUE_MAX
from protocol.records import decode_record, encode_record, limit_of
from tests.drivers.pad import MANUAL, Pad, tape


@pytest.mark.parametrize(
    ("keys", "marks"),
    [
        ("MARK 1 7 MARK", [("sign_on", 7)]),
        ("MARK 2 MARK", [("opening_float", None)]),
        ("MARK 2 1 5 000 MARK", [("opening_float", 15000)]),
        ("MARK 3 5 0 00 0 BS MARK", [("drop", 5000)]),
        ("MARK 4 MARK", [("checks_tape", None)]),
        ("MARK 5 MARK", [("close", None)]),
        ("MARK 6 MARK", [("recount", None)]),
        ("MARK 7 MARK", [("void_last_batch", None)]),
        ("MARK 8 MARK", [("checkpoint", None)]),
        ("MARK 9 MARK", [("done", None)]),
        ("MARK 0 1 2 3 4 MARK", [("card_total", 1234)]),
        ("MARK 3 0 MARK", [("drop", 0)]),
        ("MARK C MARK 5 MARK", [("close", None)]),
        ("MARK 5 C", []),
        ("MARK MARK", []),
        ("MARK 1 MARK", []),
        ("MARK 0 MARK", []),
        ("MARK GT ", []),
        ("MARK 3 . ", []),
        ("MARK 5 1", []),
        ("MARK 5 1 5 00 MARK", []),
        ("MARK 5 1 5 BS BS MARK", [("close", None)]),
        ("MARK 3 1 5 BS BS MARK", [("drop", None)]),
        ("MARK 1 7 BS MARK", []),
        ("MARK 3 BS 5 MARK", [("close", None)]),
        ("MARK 5 1 5 C MARK 9 MARK", [("done", None)]),
        ("MARK GT 5 MARK", [("close", None)]),
        ("MARK . MARK MARK + MARK", [("suspend", None), ("resume", None)]),
        ("MARK # 1 2 MARK MARK - MARK", [("surprise", 12), ("end", None)]),
        ("MARK # MARK MARK . 5 MARK", []),
        ("MARK 00 MARK", []),
        ("MARK 00 5 00 MARK", [("money_order", 500)]),
        ("MARK 000 7 MARK", [("other", 7)]),
        ("MARK BS MARK", []),
        ("MARK 3 1 5 . 5 MARK", []),
        ("MARK 3 1 5 . BS 00 MARK", [("drop", 1500)]),
        ("MARK 3 - 5 MARK", []),
        ("MARK 3 1 ADD MARK", []),
        ("MARK 3 " + "9 " * 14 + "MARK", []),
        ("MARK 3 " + "000 " * 9 + "5 MARK", []),
        ("MARK 3 0 0 0 5 MARK", [("drop", 5)]),
        (f"MARK 3 {' '.join(str(VALUE_MAX))} MARK", [("drop", VALUE_MAX)]),
        (f"MARK 3 {' '.join(str(VALUE_MAX + 1))} MARK", []),
        (f"MARK 3 {' '.join(str(VALUE_MAX + 1))} BS MARK", [("drop", (VALUE_MAX + 1) // 10)]),
        ("MARK <> <> <> <> 1 7 MARK", [("sign_on", 7)]),
        ("MARK 5 <> MARK", []),
        ("MARK MARK MARK 5 MARK", [("close", None)]),
    ],
)
def test_marks(keys, marks):
    pad = Pad()
    events = pad.keys(keys)

    assert [(event["mark"], event.get("value")) for event in events] == marks
    for event in events:
        record = dict(event, boot=1, uptime_ms=2)
        assert decode_record(encode_record(record)) == record


def test_every_mark_takes_a_value_as_the_manual_says():
    table = MANUAL.partition("| Key | Mark |")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in row.split("|")] for row in table.splitlines()[2:]]
    assert sorted(row[2].strip("`") for row in rows) == sorted(limit_of("mark"))
    for _, digit, name, value, *_ in rows:
        with_value, without = Pad(), Pad()
        taken = [each["mark"] for each in with_value.keys(f"MARK {digit} 1 5 00 MARK")]
        bare = [each["mark"] for each in without.keys(f"MARK {digit} MARK")]

        assert taken == ([name.strip("`")] if value else [])
        assert bare == ([] if "required" in value else [name.strip("`")])
        assert ("error" in dict(with_value.told())) == (not value)
        assert ("error" in dict(without.told())) == ("required" in value)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("MARK 5 1 5 00 MARK", "mark 5 close 1500 takes no value: key it again"),
        ("MARK 7 0 MARK", "mark 7 void_last_batch 0 takes no value: key it again"),
        ("MARK 1 MARK", "mark 1 sign_on needs a value: key it again"),
        ("MARK 0 MARK", "mark 0 card_total needs a value: key it again"),
        ("MARK 3 1 5 . 5 MARK", "mark 3 drop 15.5 takes digits only: key it again"),
        ("MARK 2 - 5 MARK", "mark 2 opening_float -5 takes digits only: key it again"),
        ("MARK 3 " + "9 " * 13 + "MARK", f"mark 3 drop {'9' * 13} is too high: key it again"),
        ("MARK MARK", "no mark: key it again"),
        ("MARK 00 MARK", "mark 00 money_order needs a value: key it again"),
        ("MARK GT MARK", "no mark: key it again"),
        ("MARK # MARK", "mark # surprise needs a value: key it again"),
    ],
)
def test_a_refused_mark_beeps_says_why_and_changes_nothing_else(keys, told):
    """A value keyed at close once cancelled it: its digits went to the adding machine and the last
    MARK began another mark, which swallowed the next keys.
    """
    pad = Pad()
    opened = pad.keys("MARK 3 MARK 1 2")
    pad.told()
    events = pad.keys(keys)
    signals = pad.told()

    assert [each["mark"] for each in opened] == ["drop"]
    assert events == []
    assert signals[-1] == ("error", told)
    assert tape(pad.keys("3 4 +")) == [("", 1234, "+")]
    assert [each["mark"] for each in pad.keys("MARK 5 MARK")] == ["close"]


def test_a_wrong_key_beeps_at_once_and_once():
    pad = Pad()
    pad.keys("MARK 5 1 5 00 BS BS BS BS 1")

    assert pad.told()[1:] == [
        ("", "mark 5 close"),
        ("error", "mark 5 close 1 takes no value"),
        ("", "mark 5 close 15 takes no value"),
        ("", "mark 5 close 1500 takes no value"),
        ("", "mark 5 close 150 takes no value"),
        ("", "mark 5 close 15 takes no value"),
        ("", "mark 5 close 1 takes no value"),
        ("", "mark 5 close"),
        ("error", "mark 5 close 1 takes no value"),
    ]


def taken(keys: list[str]) -> tuple | None:
    """What the manual makes of the keys between two MARKs: (key, value), None for refused."""
    digit, value = "", ""
    for key in keys:
        if key == "BS" and not value:
            digit = ""
        elif key == "BS":
            value = value[:-1]
        elif digit:
            value += key if key.isdigit() else key[0]
        elif key.isdigit() or key in ".+#-":
            digit = key
    needs = digit in ("0", "1", "00", "000", "#")
    if not digit or (needs and not value) or (value and not needs and digit not in "23"):
        return None
    if value and (not value.isdigit() or int(value) > VALUE_MAX):
        return None
    return digit, int(value) if value else None


@settings(max_examples=200)
@given(
    st.lists(
        st.sampled_from([*"01233456789", "00", *sorted(set(KEYS) - {"", "C", "MARK"})]),
        max_size=10,
    )
)
def test_whatever_is_keyed_between_two_marks_the_second_ends_it(keys):
    pad = Pad()
    events = pad.keys("7 MARK " + " ".join(keys) + " MARK")
    beep, text = pad.told()[-1]
    names = [*"1234567890", "00", "000", *".+#-"]
    digits = dict(zip(limit_of("mark"), names, strict=True))

    expected = taken(keys)
    assert [(digits[each["mark"]], each.get("value")) for each in events] == (
        [expected] if expected else []
    )
    assert (beep, "key it again" in text) == (("", False) if expected else ("error", True))
    assert [each["kind"] for each in pad.keys("MARK 9 MARK")] == ["mark"]
    assert tape(pad.keys("+")) == [("", 7, "+")]


def test_the_pages_show_every_mark_and_come_round():
    pad = Pad()
    pad.keys("MARK <> <> <> <> <> <> <> <>")
    pages = [text for _, text in pad.told()]

    assert pages == [
        "1 sign_on 2 opening_float <>",
        "3 drop 4 checks_tape <>",
        "5 close 6 recount <>",
        "7 void_last_batch 8 checkpoint <>",
        "9 done 0 card_total <>",
        "00 money_order 000 other <>",
        ". suspend + resume <>",
        "# surprise - end <>",
        "1 sign_on 2 opening_float <>",
    ]
    words = {word for page in pages for word in page.split() if len(word) > 2}
    assert words == {*limit_of("mark"), "000"}
    assert all(f"`{page}`" in MANUAL for page in pages)


def test_a_key_that_no_mark_has_shows_the_page_again_with_a_beep():
    pad = Pad()
    pad.keys("MARK <> GT ADD 5 BS")

    assert pad.told()[1:] == [
        ("", "3 drop 4 checks_tape <>"),
        ("error", "3 drop 4 checks_tape <>"),
        ("error", "3 drop 4 checks_tape <>"),
        ("", "mark 5 close"),
        ("", "1 sign_on 2 opening_float <>"),
    ]


def test_a_mark_with_a_key_lost_to_a_ghost_is_refused():
    """Without the lost key a drop of 1500 would be recorded as one of 150."""
    pad = Pad()
    pad.keys("MARK 3 1")
    pad.hold(["7", "8", "4", "5"], 100)
    pad.hold([], 60)

    assert pad.keys("0 0 MARK") == []
    assert pad.told()[-1][0] == "error"


def test_a_pad_that_lost_its_power_in_a_mark_has_forgotten_it():
    before, after = Pad(), Pad()

    assert before.keys("7 MARK 3 1 5") + after.keys("0 0 MARK C C") == []
    assert [event["mark"] for event in after.keys("MARK 5 MARK")] == ["close"]
    assert tape(after.keys("5 +")) == [("", 5, "+")]


def test_while_a_mark_is_keyed_nothing_goes_to_the_adding_machine():
    pad = Pad()
    events = pad.keys("1 2 MARK 3 9 9 MARK 3 4 +")

    assert [event["kind"] for event in events] == ["mark", "tape"]
    assert tape(events) == [("", 1234, "+")]


def test_a_mark_left_lying_is_cancelled():
    pad = Pad()
    pad.keys("MARK 3 5")
    pad.hold([], 61000)

    assert pad.told()[-1] == ("error", "too late: key it again")
    assert tape(pad.keys("7 +")) == [("", 7, "+")]
