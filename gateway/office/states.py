"""The life of a drawer session, as a table. Marks of the pad and decisions of people drive the same
steps; the drawing in docs/reconciliation.md is made of it (`drawing`). Pure.

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
OPEN = "open"
SUSPENDED = "suspended"
COUNTED = "counted"
REOPENED = "reopened"
CLOSED = "closed"

# {state: {event: the state after it}}
TRANSITIONS: dict[str, dict[str, str]] = {
    ISSUED: {
        "sign_on": ISSUED, "opening_float": "opening_counted", "close": COUNTED, "declare": ISSUED,
    },
    "opening_counted": {
        "recount": "opening_counted", "drop": OPEN, "checkpoint": OPEN, "surprise": OPEN,
        "suspend": SUSPENDED, "end": "ended", "close": COUNTED, "declare": "opening_counted",
    },
    OPEN: {
        "drop": OPEN, "checkpoint": OPEN, "surprise": OPEN, "recount": OPEN, "suspend": SUSPENDED,
        "end": "ended", "close": COUNTED, "declare": OPEN,
    },
    SUSPENDED: {
        "resume": OPEN, "checkpoint": SUSPENDED, "surprise": SUSPENDED, "recount": SUSPENDED,
        "end": "ended", "close": COUNTED, "declare": SUSPENDED,
    },
    "ended": {
        "checkpoint": "ended", "surprise": "ended", "recount": "ended", "close": COUNTED,
        "declare": "ended",
    },
    COUNTED: {
        "recount": COUNTED, "declare": COUNTED, "stands": COUNTED,
        "balance": "balanced", "differ": "out_of_balance",
    },
    "balanced": {
        "recount": COUNTED, "declare": COUNTED, "stands": COUNTED, "review": "under_review",
    },
    "out_of_balance": {
        "recount": COUNTED, "declare": COUNTED, "stands": COUNTED, "review": "under_review",
    },
    "under_review": {"approve": "approved", "reject": "rejected"},
    "rejected": {"recount": COUNTED, "declare": COUNTED, "stands": COUNTED},
    "approved": {"finish": CLOSED},
    CLOSED: {"deposit": "deposited", "reopen": REOPENED},
    REOPENED: {"recount": COUNTED, "close": COUNTED, "declare": COUNTED, "stands": COUNTED},
    "deposited": {"credit": "credited"},
    "credited": {},
}  # fmt: skip
EVENTS = tuple(sorted({event for steps in TRANSITIONS.values() for event in steps}))
# From here to CLOSED and after it no count and no total changes the figures: a person looks at them
# or has signed them. What the pad states then is on record, and in no sum.
SETTLED = ("under_review", "approved", CLOSED, "deposited", "credited")


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


def drawing() -> str:
    """The table as the text of a Mermaid state diagram, steps that lead back to their state left
    out; then one line for each state with the events that it takes and stays in.
    """
    lines = ["stateDiagram-v2", f"    [*] --> {ISSUED}"]
    stays = []
    for state, steps in TRANSITIONS.items():
        after: dict[str, list[str]] = {}
        for event, target in steps.items():
            after.setdefault(target, []).append(event)
        own = after.pop(state, [])
        if own:
            stays.append(f"    {state} : {state} ({', '.join(own)})")
        lines += [f"    {state} --> {target}: {', '.join(by)}" for target, by in after.items()]
    return "\n".join([*lines, *stays, ""])
