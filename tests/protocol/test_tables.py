"""The tables of protocol/records.py agree with themselves and with what is generated from them."""

import importlib.util
from pathlib import Path

from protocol import records

ROOT = Path(__file__).parents[2]


def generator():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_files_are_current():
    stale = {path.name for path, text in generator().files().items() if path.read_text() != text}

    assert stale == set(), "run ./run tables"


def test_field_names_are_unique():
    names = [spec[0] for spec in records.fields().values()]

    assert len(names) == len(set(names))


def test_every_kind_is_in_both_tables():
    assert set(records.limit_of("kind")) == set(records.kinds())


def test_every_field_belongs_to_a_kind_and_no_kind_names_another():
    used = {"kind", "boot", "uptime_ms", "utc_ms"}
    for must, may in records.kinds().values():
        assert set(must) & set(may) == set()
        used |= set(must) | set(may)

    assert {spec[0] for spec in records.fields().values()} == used
