"""./run proof NAME [options]: which proofs there are, and each one's own options with --help."""

import importlib
import sys

PROOFS = (
    "world",
    "instruments",
    "fuzz",
    "tamper",
    "crash",
    "soak",
    "kill",
    "broker",
    "powercut",
    "reader",
    "workers",
    "backlog",
    "books",
)


def main() -> int:
    if len(sys.argv) < 2 or sys.argv[1] not in PROOFS:
        print(f"usage: ./run proof {'|'.join(PROOFS)} [options]", file=sys.stderr)
        return 64
    return importlib.import_module(f"tests.proof.{sys.argv[1]}").main(sys.argv[2:])


sys.exit(main())
