"""The values of a record whose bytes were judged: what `protocol.records.decode_record` gives, in
an eighth of its time.

The decoder is slow because it judges. Bytes that it has taken, or that a pattern has (`events.py`),
are in the strict subset of protocol/cbor.py and keep every limit of the wire dictionary. Of those a
general decoder reads the same values, and only names are left to be given. It must never meet bytes
that nobody judged: it takes what the strict decoder refuses.
"""

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


def fields_of(raw: bytes) -> dict[str, Any]:
    """{field name: value} of a record that the decoder or a pattern has taken."""
    fields = {}
    for number, value in cbor2.loads(raw).items():
        if number in _CHOICES:
            value = _CHOICES[number][value]
        elif number in _PAIRS:
            value = [(left, right) for left, right in value]
        fields[_NAMES[number]] = value
    return fields
