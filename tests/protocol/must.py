"""How a table of test cases names the statements of docs/protocol.md that it proves: one case, one
id.
"""

from typing import Any

import pytest


def proves(statement: str, *values: Any) -> Any:
    """A parameter set for `parametrize` that proves one statement; `values` are the test's
    arguments.
    """
    return pytest.param(*(values or (statement,)), id=statement, marks=pytest.mark.must(statement))


def proves_each(*statements: str) -> list[Any]:
    """One parameter set a statement, whose only argument is its id."""
    return [proves(statement) for statement in statements]
