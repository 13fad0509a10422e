"""A slice of ./run proof fuzz: every parser of bytes that others write."""

import importlib.util

import pytest

from gateway.instruments.profiles import profile_names
from tests.proof.fuzz import fuzz
from tests.proof.fuzz_parsers import parsers

# Counts, not seconds: what is tried must not depend on how busy the machine is.
INPUTS = 500
INPUTS_OF_SLOW = 60  # a millisecond each, so many of them instrumented
SLOW = {*profile_names(), "device", "posted-file", "accept", "reader"}
NAMES = [*profile_names(), *parsers()]


@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="atheris has no wheel for this machine"
)
def test_no_bytes_make_a_parser_fall_over() -> None:
    inputs_of = {name: INPUTS_OF_SLOW if name in SLOW else INPUTS for name in NAMES}
    results = list(fuzz(inputs_of, 0, at_once=2))
    print("\n".join("{parser}: {inputs} inputs".format(**result) for result in results))

    assert "" == "".join(result["said"] for result in results)
    assert NAMES == [result["parser"] for result in results]
    assert all(result["inputs"] >= inputs_of[result["parser"]] for result in results)
