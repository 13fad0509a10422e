"""A slice of ./run proof fuzz: every parser of bytes that others write."""

import importlib.util

import pytest

from gateway.instruments.profiles import profile_names
from tests.proof.fuzz import fuzz
from tests.proof.fuzz_parsers import parsers

# Counts, not seconds: what is tried must not depend on how busy the machine is.
INPUTS = 2_500
INPUTS_OF_SLOW = 250  # a millisecond each, so many of them instrumented
SLOW = [*profile_names(), "device", "posted-file", "accept", "reader"]
FAST = [name for name in parsers() if name not in SLOW]


@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="atheris has no wheel for this machine"
)
@pytest.mark.parametrize(
    ("names", "inputs"), [(SLOW, INPUTS_OF_SLOW), (FAST, INPUTS)], ids=["slow", "fast"]
)
def test_no_bytes_make_a_parser_fall_over(names: list[str], inputs: int) -> None:
    results = list(fuzz(names, inputs, 0, at_once=2))
    print("\n".join("{parser}: {inputs} inputs".format(**result) for result in results))

    assert "" == "".join(result["said"] for result in results)
    assert len(names) == len(results)
    assert all(result["inputs"] >= inputs for result in results)
