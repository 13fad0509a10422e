"""The life of a drawer session, as a table. Marks of the pad drive the first line, decisions of
people the rest. Pure.

    issued -> opening_counted -> open <-> suspended
                                  |
                                 ended -> counted -> balanced | out_of_balance
    counted (again) <- rejected <- under_review -> approved -> closed -> deposited -> credited
    reopened <- closed

A count of a drop or in mid-shift leaves it open. A drawer may be counted without being ended first:
the pad has no mark for that. A step that the table does not have is refused, with the reason.
"""

from __future__ import annotations

ISSUED = "issued"  # somebody signed on, or something happened at the window; no float counted yet
COUNTED = "counted"
CLOSED = "closed"

# {state: {event: the state after it}}
TRANSITIONS: dict[str, dict[str, str]] = {
    ISSUED: {"sign_on": ISSUED, "opening_float": "opening_counted", "close": COUNTED},
    "opening_counted": {
        "recount": "opening_counted", "drop": "open", "checkpoint": "open", "suspend": "suspended",
        "end": "ended", "close": COUNTED,
    },
    "open": {
        "drop": "open", "checkpoint": "open", "recount": "open", "suspend": "suspended",
        "end": "ended", "close": COUNTED,
    },
    "suspended": {"resume": "open", "checkpoint": "suspended", "end": "ended", "close": COUNTED},
    "ended": {"checkpoint": "ended", "close": COUNTED},
    COUNTED: {"recount": COUNTED, "balance": "balanced", "differ": "out_of_balance"},
    "balanced": {"recount": COUNTED, "review": "under_review"},
    "out_of_balance": {"recount": COUNTED, "review": "under_review"},
    "under_review": {"approve": "approved", "reject": "rejected"},
    "rejected": {"recount": COUNTED},
    "approved": {"finish": CLOSED},
    CLOSED: {"deposit": "deposited", "reopen": "reopened"},
    "reopened": {"recount": COUNTED, "close": COUNTED},
    "deposited": {"credit": "credited"},
    "credited": {},
}  # fmt: skip
EVENTS = tuple(sorted({event for steps in TRANSITIONS.values() for event in steps}))


def next_state(state: str, event: str) -> str | None:
    """The state after an event; None where it is refused (see `refusal`)."""
    return TRANSITIONS[state].get(event)


def refusal(state: str, event: str) -> str:
    """Why the event is refused in this state, and where it would be right."""
    allowed = [name for name, steps in TRANSITIONS.items() if event in steps]
    told = ", ".join(name.replace("_", " ") for name in allowed)
    return (
        f"{event.replace('_', ' ')} is refused: the session is {state.replace('_', ' ')}; it would"
        f" be right in: {told}"
    )
