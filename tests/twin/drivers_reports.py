"""Reports of both machines through the report stream, whole and byte by byte, good and spoiled."""

from firmware.drivers.grammars import GRAMMARS
from firmware.drivers.report_stream import ReportStream

MACH = (
    b"BATCH ACCEPT\r\nTIME 09:15 09/21/2002\r\nBATCH 001\r\nSUB 00\r\nGRAND 00\r\n1.00 16.00\r\nTOTAL COIN 16.00\r\n"
    b"-- -- -- -- --\r\nTOTAL 16.00\r\nPROCESS FEE .80\r\nCUST. TOTAL 15.20\r\n"
)
JETSCAN = (
    b"AUDIT: 00007-0014-000\r\n01/31/2013 14:12:00\r\nACCOUNT# 396\r\nDENOM UNIT VALUE\r\n"
    b"$20 61 $1,220.00\r\n$1 17 $17.00\r\nTOTAL 78 $1,237.00\r\n\x1dVA\x03"
)


def show(title, events):
    print(title)
    for event in events:
        print("  ", [(name, event[name]) for name in sorted(event)])


def play(machine, parts):
    stream = ReportStream("counter", GRAMMARS[machine], "USD")
    now_ms = 0
    for title, data in parts:
        show(title, stream.feed(data, now_ms))
        now_ms += 5000
        show("gap", stream.poll(now_ms))
    single = ReportStream("counter", GRAMMARS[machine], "USD")
    events = []
    for _, data in parts:
        for byte in data:
            events.extend(single.feed(bytes((byte,)), now_ms))
        now_ms += 5000
        events.extend(single.poll(now_ms))
    print(len(events), "events byte by byte")


play(
    "mach",
    (
        ("batch 1", MACH),
        ("reprint", MACH),
        ("other content", MACH.replace(b"16.00", b"17.00").replace(b"15.20", b"16.20")),
        ("cut", MACH.replace(b"BATCH 001", b"BATCH 002")[:90]),
        ("noise in front of batch 4", b"\x91\xfe\x00\x81" + MACH.replace(b"BATCH 001", b"BATCH 004")),
        ("wrong total", MACH.replace(b"BATCH 001", b"BATCH 005").replace(b"\nTOTAL 16", b"\nTOTAL 61")),
    ),
)
play(
    "jetscan",
    (
        ("batch 14", JETSCAN),
        ("reprint", JETSCAN.replace(b"00007-", b"00008-")),
        (
            "day clear",
            JETSCAN.replace(b"00007-0014", b"00001-0001").replace(b"61 $1,2", b"56 $1,1").replace(b"78 $1,2", b"73 $1,1"),
        ),
        ("no such note", JETSCAN.replace(b"00007-0014", b"00002-0002").replace(b"$20", b"$21")),
        ("check", JETSCAN.replace(b"00007-0014", b"00003-0003").replace(b"TOTAL", b"CHECK 1 5.00\r\nTOTAL")),
    ),
)
