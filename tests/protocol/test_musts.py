"""Every statement of docs/protocol.md has an id and a test, and no test names a statement that is
not there.

A test names what it proves by `@pytest.mark.must("SEAL-3")`, or by one case a statement
(tests/protocol/must.py). Whether it would fail without the statement is for its author to try:
break the code, see it fail.
"""

import ast
import json
import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "protocol.md"
STATEMENT = re.compile(r"- \[([A-Z]+-\d+)\] \S")
WORDS = re.compile(r"\b(MUST|SHALL|REQUIRED)\b")  # of RFC 2119; this page says MUST


def statements() -> list[tuple[int, str]]:
    """(line number, line) of the sections, whose statements count; what stands before the first one
    tells how to read them.
    """
    lines = PAGE.read_text().splitlines()
    first = lines.index(next(line for line in lines if line.startswith("## ")))
    return list(enumerate(lines, 1))[first:]


def ids_of_the_page() -> list[str]:
    return [found[1] for _, line in statements() if (found := STATEMENT.match(line))]


def named_in(source: str) -> set[str]:
    """The ids that a test file's marks and cases name; a mark without a literal id is an error of
    the test.
    """
    named = set()
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        function = ast.unparse(node.func)
        if function not in ("pytest.mark.must", "proves", "proves_each"):
            continue
        ids = node.args[:1] if function == "proves" else node.args
        assert ids and all(
            isinstance(each, ast.Constant) and isinstance(each.value, str) for each in ids
        ), ast.unparse(node)
        named |= {each.value for each in ids}
    return named


def ids_of_the_tests() -> dict[str, set[str]]:
    """{test file: ids}"""
    paths = sorted((ROOT / "tests").rglob("test_*.py"))
    return {
        str(path.relative_to(ROOT)): named_in(path.read_text())
        for path in paths
        if path != Path(__file__)
    }


def test_every_statement_has_a_test() -> None:
    proven = set().union(*ids_of_the_tests().values())

    assert [] == [each for each in ids_of_the_page() if each not in proven]


def test_no_test_names_a_statement_that_is_not_there() -> None:
    known = set(ids_of_the_page())

    assert {} == {
        name: sorted(ids - known) for name, ids in ids_of_the_tests().items() if ids - known
    }


def test_no_id_stands_twice() -> None:
    assert [] == [each for each, count in Counter(ids_of_the_page()).items() if count > 1]


def test_what_must_hold_stands_alone_after_its_id() -> None:
    """One MUST a statement, one statement a line: who reads a failing id knows what does not
    hold.
    """
    wrong = [
        f"line {number}: {line}"
        for number, line in statements()
        if len(WORDS.findall(line)) != (1 if STATEMENT.match(line) else 0)
    ]

    assert [] == wrong


@pytest.mark.parametrize(
    "planted",
    ["pytest.mark.must()", "pytest.mark.must(SEAL)", "proves(name, 1)", "proves_each(*names)"],
)
def test_a_mark_that_names_nothing_is_refused(planted: str) -> None:
    with pytest.raises(AssertionError):
        named_in(planted)


def test_the_page_has_its_three_hundred_statements() -> None:
    """Fewer would mean that some were lost, or were put together into one that is harder to
    test.
    """
    assert len(ids_of_the_page()) >= 300


def test_the_hostile_table_stays_whole() -> None:
    """At least 120 inputs, no two alike, each with the reason for which it must be refused (CONF-4
    tries them).
    """
    rows = json.loads((ROOT / "protocol" / "vectors" / "hostile.json").read_text())

    assert len(rows) >= 120
    assert [] == [row["name"] for row in rows if not row["reason"]]
    assert (
        len(rows)
        == len({row["name"] for row in rows})
        == len({(row["what"], row["hex"]) for row in rows})
    )
