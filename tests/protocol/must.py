"""How a table of test cases names the statements of docs/protocol.md that it proves: each case has
one id.
"""

from typing import Any

import pytest


def proves(statement: str, *values: Any) -> Any:
    """A parameter set for `parametrize` that proves one statement; `values` are the test's
    arguments.
    """
    return pytest.param(*(values or (statement,)), id=statement, marks=pytest.mark.must(statement))


def proves_each(*statements: str) -> list[Any]:
    """One parameter set for each statement; its only argument is the id."""
    return [proves(statement) for statement in statements]
