"""docs/maps.md: its worked example is read as the page says, and it names every key and map."""

import re
from pathlib import Path

from gateway.incoming import column_map
from gateway.incoming.column_map_file import map_names
from gateway.toml_tables import fields_of
from tests.incoming.mapping import read

PAGE = (Path(__file__).parents[2] / "docs/maps.md").read_text()


def test_the_worked_example_is_read_as_the_page_says():
    [export] = re.findall(r"```csv\n(.*?)```", PAGE, re.DOTALL)
    toml = next(
        each for each in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL) if "title" in each
    )
    found = read(toml, export)

    assert ([], "") == (found.told, found.fault)
    assert [
        ("R-1", "w1", "cash", "10000", "4200", "5800", "posted"),
        ("R-2", "w1", "check", "8427", "0", "8427", "posted"),
        ("R-3", "w2", "cash", "2000", "0", "2000", "void"),
    ] == found.of(
        "receipt_no", "window_id", "tender_type", "tender_amount_cents", "change_cents",
        "allocation_cents", "status",
    )  # fmt: skip
    assert [(6, 14227, 14227)] == [
        (each.line, each.stated, each.found) for each in found.file.controls
    ]


def test_the_page_names_every_key_and_every_map():
    tables = [getattr(column_map, name) for name in dir(column_map) if name.endswith("Table")]
    keys = {key for each in [*tables, column_map.ColumnMap] for key in fields_of(each)}

    assert [] == sorted(key for key in keys if not re.search(rf"\b{key}\b", PAGE))
    assert [] == [name for name in map_names() if f"`{name}`" not in PAGE]
