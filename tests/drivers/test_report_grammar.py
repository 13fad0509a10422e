"""The line grammar in TOML: what comes with the project compiles, and what cannot be is refused by
key, value and next step.
"""

import importlib.util
import io
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.instruments.grammar import compile_line
from gateway.instruments.profiles import load_profile
from tests.drivers.bench import Line

LINES = [
    {"begins": "BATCH", "is": "numbers", "columns": "b4"},
    {"begins": "TOTAL COIN", "is": "subtotal", "columns": "value"},
    {"begins": "TOTAL", "is": "total", "columns": "value", "last": True},
    {"begins": "DIMES", "is": "row", "columns": "pieces value", "denomination": 10},
    {"begins": "STOP", "is": "stop"},
    {"begins": "STRAP", "is": "stop", "on_stop": "included"},
    {"begins": "", "is": "row", "columns": "denomination 'x' pieces", "repeat": True},
]
GOOD = {
    "mode": "line",
    "start": "REPORT",
    "denominations": [10, 25],
    "identity": "b",
    "line": LINES,
}


def with_line(number: int, **changes: object) -> dict:
    """GOOD with one line changed; a key that becomes None is left out."""
    line = {key: value for key, value in {**LINES[number], **changes}.items() if value is not None}
    return {**GOOD, "line": [*LINES[:number], line, *LINES[number + 1 :]]}


def test_a_grammar_is_compact():
    compiled = compile_line({**GOOD, "signs": ["$", "USD"], "answer": "06", "separator": ";"})

    assert compiled["lines"].split(b"\n") == [
        b"BATCH|N|b4", b"TOTAL COIN|U|v", b"TOTAL|GE|v", b"DIMES|R10|p v", b"STOP|Sr|",
        b"STRAP|Si|", b"|R+|d 'x p",
    ]  # fmt: skip
    assert (compiled["start"], compiled["signs"], compiled["answer"]) == (
        (b"REPORT", ""),
        (b"USD", b"$"),
        b"\x06",
    )


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ({**GOOD, "idle": 5}, "grammar: unknown key 'idle'; did you mean 'idle_ms'?"),
        ({key: GOOD[key] for key in GOOD if key != "start"}, "grammar lacks start; add it"),
        ({**GOOD, "mode": "frame"}, "mode = 'frame': want \"line\""),
        ({**GOOD, "start": ""}, "start = '': want the text that begins a report"),
        ({**GOOD, "start": "a|b"}, "start = 'a|b': want a text without |"),
        ({**GOOD, "start": "A,B", "separator": ","}, "start = 'A,B': want the first cell alone"),
        ({**GOOD, "start_numbers": "b"}, "start_numbers = 'b': want letter"),
        ({**GOOD, "start_numbers": "b4"}, "number 'b' stands twice"),
        ({**GOOD, "start_numbers": "s3"}, "number 's' is not in identity"),
        ({**GOOD, "separator": "x"}, "separator = 'x': want one of"),
        ({**GOOD, "signs": "$"}, "signs = '$': want a list of texts"),
        ({**GOOD, "signs": ["1"]}, "signs = ['1']: want texts of ASCII"),
        ({**GOOD, "denominations": []}, "denominations = []: want a list of minor units"),
        ({**GOOD, "denominations": [25, True]}, "want a list of minor units"),
        ({**GOOD, "denominations": [25, 25]}, "want each once"),
        ({**GOOD, "identity": "s"}, "identity = 's': wants b"),
        ({**GOOD, "identity": "bg"}, "identity = 'bg': no line gives 'g'"),
        ({**GOOD, "sub_batch": True}, "sub_batch = true: identity = 'b' has no s"),
        ({**GOOD, "batch_max": 0}, "batch_max = 0: want 1 to"),
        ({**GOOD, "idle_ms": True}, "idle_ms = True: want 50 to"),
        ({**GOOD, "answer": "6"}, "answer = '6': want up to 8 bytes in hex"),
        (
            {**GOOD, "on_stop": "recount"},
            "on_stop = 'recount': want one of included, excluded, recount_all",
        ),
        ({**GOOD, "line": LINES[:2]}, 'no line is = "row"'),
        ({**GOOD, "line": "x"}, "line = 'x': want [[grammar.line]] tables"),
        (with_line(0, is_="x"), "line 1: unknown key 'is_'; did you mean 'is'?"),
        (with_line(0, **{"is": "number"}), "line 1: is = 'number': want one of"),
        (with_line(0, columns="x9"), "line 1: columns = 'x9': want letter"),
        (
            with_line(1, columns="pices value"),
            "line 2: columns = 'pices value': no column 'pices'; did you mean 'pieces'?",
        ),
        (
            with_line(1, columns="denomination value"),
            "line 2: columns = 'denomination value': a line that is = 'subtotal' has no",
        ),
        (with_line(1, columns="value value_any"), "want each kind of column once"),
        (
            with_line(1, columns=None),
            "line 2: columns = '': a line that is = 'subtotal' needs pieces or value or value_any",
        ),
        (
            with_line(1, denomination=25),
            "line 2: denomination = 25: a line that is = 'subtotal' has none",
        ),
        (
            with_line(1, begins="TOTAL COIN", **{"is": "total"})
            | {"line": LINES[2:3] + LINES[1:2]},
            "stands after 'TOTAL'",
        ),
        (with_line(2, begins=""), 'line 3: begins = "": only a row or a time'),
        (
            with_line(3, denomination=20),
            "line 4: denomination = 20: want one of the grammar's denominations",
        ),
        (
            with_line(3, denomination=None),
            "line 4: columns = 'pieces value': want one denomination",
        ),
        (with_line(6, columns="denomination 'x y' pieces"), "want a quoted word without blanks"),
        (with_line(2, last="yes"), "line 3: last = 'yes': want true or false"),
    ],
)
def test_a_grammar_that_cannot_be_is_refused_by_key_value_and_next_step(table, why):
    with pytest.raises(ConfigError) as error:
        compile_line(table)

    assert why in str(error.value)


@pytest.mark.parametrize("name", ["mach", "jetscan", "jetsort", "columns", "csv"])
def test_the_report_that_a_profile_shows_is_read(name):
    """The layout in a profile's own comment, its remarks left out, is a report of that machine."""
    profile = load_profile(name)
    path = Path(__file__).parents[2] / "firmware" / "drivers" / "profiles" / f"{name}.toml"
    comment = [
        line for line in path.read_text().split("\n\n")[0].splitlines() if line.startswith("#   ")
    ]
    shown = [line[4:].partition("    ")[0].strip() for line in comment if "STOP" not in line]
    events = Line(name).send(("\r\n".join(shown) + "\r\n").encode())

    assert [event["kind"] for event in events] == ["tally"], events
    assert events[0]["evidence"] == profile.evidence
    assert shown[0].startswith(profile.start)


def test_the_twins_settings_are_those_of_the_profiles():
    spec = importlib.util.spec_from_file_location(
        "twin_reports", Path(__file__).parents[1] / "twin" / "drivers_reports.py"
    )
    assert spec and spec.loader
    twin = importlib.util.module_from_spec(spec)
    with redirect_stdout(io.StringIO()):
        spec.loader.exec_module(twin)

    assert {name: dict(load_profile(name).settings) for name in twin.SETTINGS} == twin.SETTINGS
