"""The process of one fuzzer: python -m tests.proof.fuzz_one PROFILE [libFuzzer options].

`./run proof fuzz` starts it.
"""

import sys

import atheris

with atheris.instrument_imports(include=["firmware.drivers", "protocol", "gateway"]):
    from firmware.drivers import (  # noqa: F401
        registry,
    )
    from tests.proof.fuzz import target

    run = target(sys.argv[1])

atheris.Setup([sys.argv[0], *sys.argv[2:]], run)
atheris.Fuzz()
