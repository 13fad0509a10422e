"""Exports read through a column map, in the tests of maps."""

import datetime
import io
import zoneinfo
from pathlib import Path

from gateway.facts.postings import COLUMNS
from gateway.incoming.column_map_file import load_map, map_from_text
from gateway.incoming.column_map_read import MappedFile, MappedRow, Office

SAMPLES = Path(__file__).parent / "maps"
ZONE = zoneinfo.ZoneInfo("America/Chicago")


def dating(cut_off: datetime.time | None):
    """From 16:00, or the map's own cut-off, the next day."""

    def business_date(at_ms: int) -> str:
        at = datetime.datetime.fromtimestamp(at_ms / 1000, ZONE)
        late = at.time() >= (cut_off or datetime.time(16))
        return (at.date() + datetime.timedelta(days=late)).isoformat()

    return business_date


OFFICE = Office(ZONE, dating)

HEAD = """
title = "Test"
source_system = "cis"
evidence = "test"
source = "test"
"""
PLAIN = (
    HEAD
    + """
[columns]
receipt_no = "Receipt"
window_id = "Window"
tender_type = "Paid by"
allocation_cents = "Amount"
account_no = "Account"
status = "State"
[codes.tender_type]
Cash = "cash"
Check = "check"
Visa = "card"
[codes.status]
OK = "posted"
VOID = "void"
[time]
fields = ["Date"]
formats = ["%m/%d/%Y %H:%M"]
[[total]]
at = "last row"
of = "Amount"
leave_out = ["void"]
"""
)
PLAIN_FILE = """\
Receipt,Window,Date,Paid by,Amount,Account,State
1001,w1,11/20/2026 10:00,Cash,50.00,38492-659,OK
1002,w1,11/20/2026 10:05,Check,84.27,10277-014,OK
1003,w2,11/20/2026 10:07,Visa,120.49,55120-310,OK
1004,w1,11/20/2026 10:30,Cash,20.00,38492-660,VOID
Total,,,,254.76,,
"""


class Read:
    """What a map makes of a file."""

    def __init__(self, column_map, data, office=OFFICE):
        data = data.encode() if isinstance(data, str) else data
        self.file = MappedFile(column_map, io.BytesIO(data), office, "export.csv")
        found = list(self.file.rows())
        self.rows = [each for each in found if isinstance(each, MappedRow)]
        self.refused = [each for each in found if not isinstance(each, MappedRow)]
        self.fault = self.file.fault()

    def of(self, *names):
        """The named columns of each row; "kind" too."""
        places = [COLUMNS.index(name) if name != "kind" else None for name in names]
        return [
            tuple(row.kind if at is None else row.texts[at] for at in places) for row in self.rows
        ]

    @property
    def told(self):
        """(line, column, reason) of each refusal."""
        return [(each.line, each.column, each.reason) for each in self.refused]


def read(toml, data, office=OFFICE):
    return Read(map_from_text(toml, Path("test.toml")), data, office)


def read_shipped(name, data=None):
    if data is None:
        data = sample(name)
    return Read(load_map(name), data)


def sample(name):
    return next(SAMPLES.glob(f"{name}.*")).read_bytes()
