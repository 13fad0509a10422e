"""Bugs in the office's rules that the generated days must find: (title, module, old, new)."""

BUGS: tuple[tuple[str, str, str, str], ...] = (
    (
        "change is forgotten",
        "intervals",
        "change = sum([tender.change_cents for tender in inside])",
        "change = 0",
    ),
    (
        "what is held over is not expected",
        "reconcile",
        'taken = posted["cash"] + held["cash"]',
        'taken = posted["cash"]',
    ),
    (
        "a returned check is taken from the drawer",
        "tenders",
        'return -1, RETURNED if is_earlier and row.tender_type in RETURNABLE else ""',
        'return -1, ""',
    ),
    (
        "a second void counts",
        "tenders",
        "return left[target] * tender.net_cents >= 0",
        "return False",
    ),
    (
        "a check tape that is run again is doubled",
        "sessions",
        "session.tapes[-1].replaced = True",
        "pass",
    ),
    (
        "a late receipt is expected",
        "reconcile",
        "late += placed.uncounted if closed else []",
        "late += []",
    ),
    (
        "over and short are netted",
        "reconcile",
        "if len(signs) > 1:",
        "if len(signs) > 2:",
    ),
    (
        "a checkpoint ends no interval",
        "intervals",
        "for group in session.counts(*WHOLE_DRAWER):",
        'for group in session.counts("opening_float", "close"):',
    ),
    (
        "custody by time only",
        "custody",
        "index = _by_cashier(sessions, tender, at, date_of)\n        if index is None:",
        "pass\n        index = at\n        if index is None:",
    ),
    (
        "the float as issued, not as counted",
        "intervals",
        "return opening.declared_cents if opening.counted_cents is None else opening.counted_cents",
        "return opening.declared_cents",
    ),
    (
        "the first count of a recount is used",
        "session_checks",
        "earlier.replaced = True",
        "group.replaced = True",
    ),
    (
        "no receipt goes over a count",
        "intervals",
        "if len(fitting) != 1:",
        "if True:",
    ),
    (
        "a drop that no machine counted is forgotten",
        "intervals",
        "(group.declared_cents or 0) if group.counted_cents is None else group.counted_cents",
        "group.counted_cents or 0",
    ),
    (
        "the second card batch replaces the first",
        "sessions",
        "session.declared_cents[tender] = before + value",
        "session.declared_cents[tender] = value",
    ),
    (
        "the clock's offset is left in",
        "intervals",
        "bisect_right(starts, tender.posted_ms - offset_ms)",
        "bisect_right(starts, tender.posted_ms)",
    ),
    (
        "what is held in is missing from the deposit",
        "deposit",
        "posted = totals_by_type((*own, *held_in))",
        "posted = totals_by_type(own)",
    ),
    (
        "what is held over is deposited today",
        "deposit",
        "parts.append(-line.held_over_cents)",
        "parts.append(0)",
    ),
    (
        "a void is a receipt",
        "tenders",
        "if _is_void(leg[0]):",
        "if _is_void(leg[0]) and leg[0].void_of:",
    ),
)
