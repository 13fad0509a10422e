"""Where the two interpreters and their shared folder are."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


LIB = ROOT / "tests" / "twin" / "lib"


MICROPYTHON = Path(sys.executable).with_name("micropython")


HEAP = "heapsize=190K"
