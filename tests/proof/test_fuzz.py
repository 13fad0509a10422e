"""A slice of ./run proof fuzz: a minute over all parsers of machine bytes."""

import importlib.util
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.instruments.profiles import profile_names
from tests.proof.fuzz import fuzz
from tests.proof.fuzz_parsers import parsers

SECONDS = 60


@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="atheris has no wheel for this machine"
)
def test_no_bytes_make_a_parser_fall_over() -> None:
    names = [*profile_names(), *parsers()]
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda name: fuzz(name, 1 << 30, SECONDS // len(names)), names))
    print("\n".join(f"{result['parser']}: {result['inputs']} inputs" for result in results))

    assert "" == "".join(result["said"] for result in results)
    assert all(result["inputs"] > 100 for result in results)
