"""The values of a record whose bytes were judged: what `protocol.records.decode_record` gives, in
a tenth of its time.

The decoder is slow because it judges. Bytes that it has taken, or that a pattern has (`events.py`),
are in the strict subset of protocol/cbor.py and keep every limit of the wire dictionary. Of those a
general decoder reads the same values, and only names are left to be given. It must never meet bytes
that nobody judged: it takes what the strict decoder refuses.
"""

from functools import lru_cache
from typing import Any

import cbor2

from protocol import records as wire

_SPECS = wire.fields()
_NAMES = {number: name for number, (name, _, _) in _SPECS.items()}
_CHOICES = {
    number: (None, *limit)  # they are numbered from 1
    for number, (_, type_name, limit) in _SPECS.items()
    if type_name == "choice"
}
_PAIRS = {number for number, (_, type_name, _) in _SPECS.items() if type_name == "pairs"}


_SHAPES_KEPT = 512


def fields_of(raw: bytes) -> dict[str, Any]:
    """{field name: value} of a record that the decoder or a pattern has taken."""
    found = cbor2.loads(raw)
    names, choices, pairs = _shape_of(tuple(found))
    fields: dict[str, Any] = dict(zip(names, found.values(), strict=True))
    for name, names_of in choices:
        fields[name] = names_of[fields[name]]
    for name in pairs:
        fields[name] = [(left, right) for left, right in fields[name]]
    return fields


@lru_cache(maxsize=_SHAPES_KEPT)
def _shape_of(
    numbers: tuple[int, ...],
) -> tuple[list[str], list[tuple[str, tuple[str | None, ...]]], list[str]]:
    """(names of the fields, those that are a choice with their choices, those that are pairs) of
    records with these fields.
    """
    return (
        [_NAMES[number] for number in numbers],
        [(_NAMES[number], _CHOICES[number]) for number in numbers if number in _CHOICES],
        [_NAMES[number] for number in numbers if number in _PAIRS],
    )
