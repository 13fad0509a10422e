"""A planted bug finds its place whatever the layout of the source, and finds it once."""

import ast

import pytest

from tests.house.planting import holds, planted

SOURCE = """def answer(self, key, name):
    if self.conflict:
        # another board has our key
        return False
    with self.flash:
        self.write(_ACK, self.acked)
    text = self.ask(
        "a rather long question "
        "to the board",
        (key, name),
    )
    return text
"""


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('self.ask("a rather long question to the board", (key, name))', "None", "text = None"),
        ("(key, name,)", "()", "(),"),
        ("    if self.conflict:\n        return False", "    if False:\n        return", "return"),
        ("self.write(_ACK, self.acked)", "pass", "        pass"),
        ("        self.write(_ACK, self.acked)\n", "        pass\n        pass\n", "        pass"),
    ],
)
def test_a_bug_finds_its_place_in_any_layout(old: str, new: str, line: str) -> None:
    changed = planted(SOURCE, old, new, "here")

    assert holds(SOURCE, old)
    assert not holds(changed, old)
    assert any(each.endswith(line) for each in changed.splitlines())


def test_a_bug_moves_with_the_depth_of_its_place() -> None:
    deeper = planted(
        SOURCE, "    self.write(_ACK, self.acked)\n", "    if key:\n        pass\n", ""
    )
    less_deep = planted(
        SOURCE, "            text = self.ask(", "            pass\n            text = tuple(", ""
    )

    assert "    with self.flash:\n        if key:\n            pass\n    text" in deeper
    assert "acked)\n    pass\n    text = tuple(\n" in less_deep


def test_a_bug_without_a_place_of_its_own_is_refused() -> None:
    for old in ("self.writ", "rite(_ACK, self.acked)", "self.gone", "self"):
        with pytest.raises(AssertionError, match="the journal: 'self|the journal: 'rite"):
            planted(SOURCE, old, "None", "the journal")


def test_a_bug_that_is_no_python_is_refused() -> None:
    with pytest.raises(AssertionError, match="here: 'pass pass' makes no Python"):
        planted(SOURCE, "self.write(_ACK, self.acked)", "pass pass", "here")


def test_what_is_not_replaced_stays_as_it_is() -> None:
    changed = planted(SOURCE, "return False", "return True", "here")

    assert SOURCE.replace("return False", "return True") == changed
    assert ast.dump(ast.parse(SOURCE)) != ast.dump(ast.parse(changed))
