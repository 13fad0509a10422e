"""The decisions that a day's sessions are read with, and those that found no session."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from gateway.facts.decisions import Decision
from gateway.office.drawer import DrawerSession
from gateway.office.final import OpenPoint
from gateway.store.decisions import decisions
from gateway.store.engine import Db


def decisions_around(db: Db, business_date: str, window: str) -> list[Decision]:
    """Those on the sessions of a window that a day is read with: of its neighbours too, whose
    custody depends on them.
    """
    date = datetime.date.fromisoformat(business_date)
    days = datetime.timedelta(days=1)
    return decisions(db, (date - days).isoformat(), (date + days).isoformat(), window)


def unplaced(db: Db, business_date: str, sessions: Sequence[DrawerSession]) -> list[OpenPoint]:
    """Decisions on sessions of the day that are on none of them: the records that they name are not
    where they were, as after a backup was put back.
    """
    placed = {each.id for session in sessions for each in session.decisions}
    return [
        OpenPoint(
            "decision_without_session",
            each.window,
            f"decision {each.id} ({each.kind}, by {each.who}) is on a session that is not there",
        )
        for each in decisions(db, business_date, business_date)
        if each.first_seq and each.id not in placed
    ]
