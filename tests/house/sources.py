"""The files that the laws of the house look at."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]


OURS = ("protocol", "firmware", "gateway", "simulators")


def sources(*packages: str) -> list[Path]:
    return sorted(path for package in packages for path in (ROOT / package).rglob("*.py"))


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()
