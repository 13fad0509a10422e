"""Reports of three machines through the report stream, whole and byte by byte, good and spoiled."""

from firmware.drivers.report_stream import ReportStream

# What staging renders of the profiles, so that both interpreters read the same; compared with them
# in another test.
SETTINGS = {
    "mach": {
        "start": (b"BATCH ACCEPT", ""),
        "lines": (
            b"TIME|T|\nBATCH|N|b3\nSUB|N|s2\nGRAND|N|g2\nTOTAL COIN|U|v\n"
            b"TOTAL|G|v\nPROCESS FEE|F|v\nCUST. TOTAL|CE|v\n|R|d v\n|R|d p v"
        ),
        "coins": (1, 5, 10, 25, 50, 100),
        "signs": (b"$",),
        "separator": b"",
        "identity": "bsg",
        "batch_max": 999,
        "sub_batch": False,
        "idle_ms": 700,
        "answer": b"",
        "evidence": "manual",
    },
    "jetscan": {
        "start": (b"AUDIT:", "r5-b4-s3"),
        "lines": (
            b"ACCOUNT#|X|\nDENOM|X|\nBATCH REPORT|X|\nSUB-BATCH REPORT|X|\nCHECK|O|p v\n"
            b"TICKET|O|p v\nCOUNT|O|p v\nTOTAL|G|v\nTOTAL|G|p v\n|R|D p v\n|T|"
        ),
        "coins": (100, 200, 500, 1000, 2000, 5000, 10000),
        "signs": (b"$",),
        "separator": b"",
        "identity": "bs",
        "batch_max": 9999,
        "sub_batch": True,
        "idle_ms": 700,
        "answer": b"",
        "evidence": "guess",
    },
    "csv": {
        "start": (b"BATCH", "b0"),
        "lines": b"TIME|T|\nDENOMINATION|X|\nSUSPECT|Q3|p\nSTOP|Sr|x p\nTOTAL|GE|p v\n|R|D p v",
        "coins": (1, 5, 10, 25, 50, 100, 200, 500, 1000, 2000, 5000, 10000),
        "signs": (b"USD", b"$"),
        "separator": b",",
        "identity": "b",
        "batch_max": 9999,
        "sub_batch": False,
        "idle_ms": 700,
        "answer": b"",
        "evidence": "guess",
    },
}

MACH = (
    b"BATCH ACCEPT\r\nTIME 09:15 09/21/2002\r\nBATCH 001\r\nSUB 00\r\nGRAND 00\r\n1.00"
    b" 16.00\r\nTOTAL COIN 16.00\r\n-- -- -- -- --\r\nTOTAL 16.00\r\nPROCESS FEE .80\r\nCUST. TOTAL"
    b" 15.20\r\n"
)
JETSCAN = (
    b"AUDIT: 00007-0014-000\r\n01/31/2013 14:12:00\r\nACCOUNT# 396\r\nDENOM UNIT VALUE\r\n"
    b"$20 61 $1,220.00\r\n$1 17 $17.00\r\nTOTAL 78 $1,237.00\r\n\x1dVA\x03"
)
CSV = (
    b"BATCH,14\r\nTIME,2026-11-20"
    b' 14:12:00\r\nDENOMINATION,PIECES,VALUE\r\n20.00,61,"1,220.00"\r\n1.00,17,17.00\r\n'
    b'SUSPECT,2\r\nTOTAL,78,"1,237.00"\r\n'
)


def show(title, events):
    print(title)
    for event in events:
        print("  ", [(name, event[name]) for name in sorted(event)])


def play(machine, parts):
    stream = ReportStream("counter", SETTINGS[machine], "USD")
    now_ms = 0
    for title, data in parts:
        show(title, stream.feed(data, now_ms))
        now_ms += 5000
        show("gap", stream.poll(now_ms))
    show("totals", [stream.faults(), stream.snapshot()])
    single = ReportStream("counter", SETTINGS[machine], "USD")
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
        (
            "noise in front of batch 4",
            b"\x91\xfe\x00\x81" + MACH.replace(b"BATCH 001", b"BATCH 004"),
        ),
        (
            "wrong total",
            MACH.replace(b"BATCH 001", b"BATCH 005").replace(b"\nTOTAL 16", b"\nTOTAL 61"),
        ),
    ),
)
play(
    "jetscan",
    (
        ("batch 14", JETSCAN),
        ("reprint", JETSCAN.replace(b"00007-", b"00008-")),
        (
            "day clear",
            JETSCAN.replace(b"00007-0014", b"00001-0001")
            .replace(b"61 $1,2", b"56 $1,1")
            .replace(b"78 $1,2", b"73 $1,1"),
        ),
        ("no such note", JETSCAN.replace(b"00007-0014", b"00002-0002").replace(b"$20", b"$21")),
        (
            "check",
            JETSCAN.replace(b"00007-0014", b"00003-0003").replace(
                b"TOTAL", b"CHECK 1 5.00\r\nTOTAL"
            ),
        ),
    ),
)
play(
    "csv",
    (
        ("batch 14", CSV),
        ("reprint", CSV),
        ("stopped", CSV.replace(b"BATCH,14", b"BATCH,15").replace(b"SUSPECT,2", b"STOP,DOUBLE,1")),
        ("mach on the wrong cable", MACH),
        ("batch 17", CSV.replace(b"BATCH,14", b"BATCH,17")),
    ),
)
