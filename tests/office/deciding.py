"""Short ways to write decisions in tests. Time in minutes after the day's start."""

from gateway.facts.decisions import Decision, canonical
from gateway.office.sessions import drawer_sessions
from tests.office.rows import DAY, DAY_MS, MINUTE_MS


class Decided:
    """Decisions on the first session of a tape, as somebody makes them one after the other."""

    def __init__(self, window="w1", epoch=1, seq=1):
        self.key, self.rows = (DAY, window, epoch, seq), []

    def add(self, minute, kind, reason="", who="kim", **content):
        at_ms = DAY_MS + int(minute * MINUTE_MS)
        row = Decision(
            len(self.rows) + 1, at_ms, who, "supervisor", kind, *self.key, canonical(content),
            reason,
        )  # fmt: skip
        self.rows.append(row)
        return self

    def closed(self, minute):
        """As the close makes it."""
        for kind in ("differ", "review", "approve", "finish"):
            self.add(minute, kind)
        return self


def only(tape, decided=None):
    (session,) = drawer_sessions(tape.rows, decisions=decided.rows if decided else ())
    return session


def kinds(session):
    return [remark.kind for remark in session.remarks]
