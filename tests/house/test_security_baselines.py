"""The tables of docs/baselines.md say what is so: every row judged, every test there, every count
right.
"""

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from tests.house.sources import ROOT

VERDICTS = ("met", "partly", "not met", "not applicable")
TESTS = ROOT / "tests"
PAGES = ("docs/baselines.md", "SECURITY.md")
SECTIONS = {
    "ETSI EN 303 645 V3.1.3 (2024-09)": 78,
    "NISTIR 8259A (2020)": 22,
    "IEC 62443-4-2:2019, up to SL 2": 57,
}
_NAMED = re.compile(r"`(\w+/test_\w+\.py)::(\w+)`")


def sections(text: str) -> dict[str, str]:
    """{title: text} of each part with a heading of the second level."""
    parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def rows_of(section: str) -> list[dict[str, str]]:
    """The rows of its one table, by the names in its head."""
    lines = [
        line.strip().strip("|").split("|") for line in section.splitlines() if line.startswith("|")
    ]
    head = [cell.strip() for cell in lines[0]]
    return [dict(zip(head, (cell.strip() for cell in cells), strict=True)) for cells in lines[2:]]


def baselines() -> dict[str, list[dict[str, str]]]:
    return {
        title: rows_of(text)
        for title, text in sections((ROOT / "docs" / "baselines.md").read_text()).items()
    }


@cache
def functions(path: Path) -> frozenset[str]:
    """The names of the test functions of a file."""
    if not path.is_file():
        return frozenset()
    return frozenset(
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and node.name.startswith("test_")
    )


def faults(row: dict[str, str]) -> list[str]:
    """What is wrong with a row; empty for a good one."""
    found = [f"{name} is empty" for name, text in row.items() if not text]
    verdict, named = row["Verdict"], _NAMED.findall(row["Test"])
    if verdict not in VERDICTS:
        found.append(f"verdict {verdict!r}")
    if verdict in ("met", "partly") and not named:
        found.append(f"{verdict} and names no test")
    if _NAMED.sub("", row["Test"]).replace("<br>", "") not in ("", "none"):
        found.append(f"something else than tests: {row['Test']}")
    if len(row["How"].split()) < 2 and verdict != "met":
        found.append(f"{verdict} without a reason")
    return found


def test_the_page_has_its_baselines_whole():
    tables = baselines()

    assert {title: len(rows) for title, rows in tables.items()} == SECTIONS
    for title, rows in tables.items():
        numbers = [next(iter(row.values())) for row in rows]
        assert len(set(numbers)) == len(numbers), title


@pytest.mark.parametrize("title", SECTIONS)
def test_every_row_has_a_verdict_and_a_test_or_a_reason(title):
    wrong = [
        f"{next(iter(row.values()))}: {fault}"
        for row in baselines()[title]
        for fault in faults(row)
    ]

    assert wrong == []


def test_the_rule_sees_a_planted_row():
    good = {
        "Element": "X 1",
        "In short": "y",
        "Verdict": "met",
        "How": "so",
        "Test": "`house/test_tidy.py::test_x`",
    }

    assert faults(good) == []
    assert [bool(faults({**good, **change})) for change in (
        {"Verdict": "fully"}, {"Test": "none"}, {"In short": ""},
        {"Verdict": "not met", "How": "no", "Test": "none"}, {"Test": "`test_tidy.py`"},
        {"Test": ""},
    )] == [True] * 6  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
def test_every_test_named_on_the_page_exists(page):
    named = _NAMED.findall((ROOT / page).read_text())
    gone = sorted(
        {f"{file}::{name}" for file, name in named if name not in functions(TESTS / file)}
    )

    assert len(named) >= 10
    assert gone == []


@pytest.mark.parametrize("title", SECTIONS)
def test_the_counts_on_the_page_are_those_of_its_rows(title):
    text = sections((ROOT / "docs" / "baselines.md").read_text())[title]
    stated = re.search(
        r"^(\d+) rows: (\d+) met, (\d+) partly, (\d+) not met, (\d+) not applicable\.$",
        text,
        re.MULTILINE,
    )
    counts = Counter(row["Verdict"] for row in rows_of(text))

    assert stated is not None
    assert [int(number) for number in stated.groups()] == [
        len(rows_of(text)),
        *(counts[verdict] for verdict in VERDICTS),
    ]


def test_what_is_mandatory_and_not_met_is_said_above_its_table():
    text = sections((ROOT / "docs" / "baselines.md").read_text())[
        "ETSI EN 303 645 V3.1.3 (2024-09)"
    ]
    found = [
        row["Provision"]
        for row in rows_of(text)
        if row["Status"].startswith("M") and row["Verdict"] == "not met"
    ]

    assert f"Mandatory and not met: {', '.join(found)}." in text


# --- SECURITY.md ----------------------------------------------------------------------------------

SAID = {
    "Report a vulnerability": ("privately", "7 days", "14 days", "90 days"),
    "Supported versions": ("newest",),
    "What is protected": ("once", "another's name"),
    "Where trust ends": (
        "machine",
        "board",
        "USB",
        "network",
        "broker",
        "gateway",
        "ledger",
        "posted",
        "auditor",
    ),
    "Threats": ("test_", "./run proof"),
    "What is not protected": ("secure element", "Traffic", "cashier", "root", "USB"),
    "Keys": ("till init", "till flash", "0600", "till device rotate", "backup"),
    "Shut a device out": ("till device revoke",),
    "After an incident": ("till audit verify", "till verify"),
    "Retire a board": ("erase",),
    "Data of persons": ("account", "cashier number", "card"),
    "Set up safely": ("till check", "8883"),
    "Dependencies and updates": ("hash", "requirements.lock"),
}


def test_the_security_page_says_what_it_must():
    page = sections((ROOT / "SECURITY.md").read_text())
    parts = {title: " ".join(text.split()) for title, text in page.items()}
    missing = {
        title: [word for word in words if word not in parts.get(title, "")]
        for title, words in SAID.items()
        if any(word not in parts.get(title, "") for word in words)
    }

    assert missing == {}


def test_the_security_page_invents_no_address():
    text = (ROOT / "SECURITY.md").read_text()

    assert re.findall(r"[\w.+-]+@[\w-]+\.\w+", text) == []
    assert re.findall(r"https?://\S+", text) == []
