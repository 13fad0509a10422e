"""The values of judged records: those of the decoder, whatever the record."""

import json
from pathlib import Path
from typing import Any

from hypothesis import given, settings

from gateway.facts.judged import fields_of
from protocol import records
from protocol.compat import ProtocolError
from tests.protocol.strategies import any_record

VECTORS = Path(__file__).parents[2] / "protocol" / "vectors"


def typed(fields: dict[str, Any]) -> list[tuple[str, Any, str]]:
    """Names in their order, values, and types down to the parts of a pair."""
    return [(name, value, repr(value)) for name, value in fields.items()]


def test_golden_records_have_the_values_of_the_decoder() -> None:
    rows = json.loads((VECTORS / "records.json").read_text())
    raws = [bytes.fromhex(row["hex"]) for row in rows if "hex" in row]

    assert len(raws) > 10
    for raw in raws:
        assert typed(records.decode_record(raw)) == typed(fields_of(raw))


@settings(max_examples=500, deadline=None)
@given(any_record())
def test_any_record_has_the_values_of_the_decoder(said: dict[str, Any]) -> None:
    try:
        raw = records.encode_record(said)
    except ProtocolError:  # too long
        return

    assert typed(records.decode_record(raw)) == typed(fields_of(raw))
