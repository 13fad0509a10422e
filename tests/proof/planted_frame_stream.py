"""Histories of the frame reader with the note counter that sends one frame a note, and the bugs
that they must find.

Our own restarts are left out: this machine numbers nothing, so a whole count that passes while
nobody listens leaves no trace. A count without its end frame is not stated, so its money must be
reported as money that may have passed. There is no case for the display stream: its profile knows
no field and credits nothing.
"""

from tests.proof.history import Case
from tests.proof.planted_report_stream import handed, hands, settle

LINE = ("noise", "drop_reply", "wrong_baud", "drop", "flip")
KNOBS = (
    "jam", "reject", "suspect", "double", "chain", "denomination_change", "batch_full",
    "stacker_full", "hopper_empty", "door_mid_count", "clear_silent", "power_loss", "truncate",
    "garble", "noise", "nuls", "wrong_baud", "gap",
)  # fmt: skip

CASES = [
    Case(
        profile="fddf", hands=hands, settle=settle, knobs=KNOBS, line_knobs=LINE, line_rate_max=40,
        make_simulator=handed, quiet_ms=3500, restarts=False,
    ),
]  # fmt: skip
PLANTED = [
    ("compares no sums",
     "def compare(self, pieces, value) -> None:",
     "def compare(self, *_):\n"
     "        return\n"
     "\n"
     "    def unused(self, pieces, value):"),
    ("states what it refused",
     "if batch.reason:\n"
     '            event["kind"] = "quarantine"',
     "if False:\n"
     '            event["kind"] = "quarantine"'),
    ("forgets an open count at the next start",
     'batch.refuse("a second start without an end; recount")\n'
     "                self._close(events)",
     "pass"),
    ("takes whole units for cents",
     'values["denomination"] * self._grammar["unit"]', 'values["denomination"]'),
]  # fmt: skip
