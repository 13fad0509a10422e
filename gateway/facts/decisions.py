"""What a person decided: who, when, of which drawer session, and why. Values on record; what they
mean for the books is in gateway/office.

The session is named by its first record (window, epoch, seq): numbers and times of a session may
move when late records arrive, this does not. A decision on a whole window or day has 0 and 0, one
on the whole office an empty window too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

REFUSED = "refused"  # kind of what somebody wanted and did not get; content: asked, state, why


class Decision(NamedTuple):
    """One decision. `id` is its place in the order of decisions, from 1; 0: not on record yet."""

    id: int
    at_ms: int
    who: str  # a login name, see gateway/config.py
    role: str  # of that person when it was decided; empty where nobody said
    kind: str  # an event of gateway/office/states.py, `refused`, or a kind without a state
    business_date: str
    window: str
    epoch: int
    first_seq: int
    content: str  # canonical JSON, see below
    reason: str  # in the person's words; may be empty

    @property
    def told(self) -> dict[str, Any]:
        """The content as values."""
        values: dict[str, Any] = json.loads(self.content)
        return values


def canonical(content: Mapping[str, Any]) -> str:
    """The one JSON text of a content: keys sorted, no blanks, ASCII. Raises TypeError for a float:
    money is whole cents.
    """
    _refuse_floats(content)
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _refuse_floats(value: object) -> None:
    if isinstance(value, float):
        raise TypeError("a decision holds no float")
    inner = value.values() if isinstance(value, Mapping) else value
    if isinstance(inner, list | tuple) or isinstance(value, Mapping):
        for each in inner:  # type: ignore[attr-defined]
            _refuse_floats(each)
