"""What each machine prints, as data: the reports that `report_stream` can read.

A grammar is a dict:
  evidence   how the wire is known; the weakest of its parts counts
  lines      (literal, role, columns) tuples, the longer literal of two alike first; the first that fits decides
  coins      the denominations that the machine can count, minor units
  identity   the letters whose numbers name a count batch on this machine
  sub_batch  True: a number "s" other than 0 marks a part of a batch, whose own report follows
  idle_ms    a gap this long ends a report
  answer     bytes to send after each report that ended; empty for none

Roles: S start, N number, T time, R row, U subtotal of the rows so far, G the machine's own total, F fee, C what the customer
gets (total less fee, never the total), O other value that is not cash and must be zero, X says nothing about money.
Columns: d denomination with two decimals, D the same or in whole units, p pieces, v value with two decimals; for N and S a
letter (r report, b batch, s sub-batch, g grand) and how many digits it has; E after the columns: this line ends the report.
"""

# Mach 9 user guide p. 76, figure 160 (one batch with the processing fee on). Unknown there: the columns under PRINT UNIT COUNT
# (taken as denomination, pieces, value: checked by arithmetic, refused otherwise) and what follows a tape without a fee.
MACH = {
    "evidence": "manual",
    "lines": (
        (b"BATCH ACCEPT", "S", ""),
        (b"TIME", "T", ""),
        (b"BATCH", "N", "b3"),
        (b"SUB", "N", "s2"),
        (b"GRAND", "N", "g2"),
        (b"TOTAL COIN", "U", "v"),
        (b"TOTAL", "G", "v"),
        (b"PROCESS FEE", "F", "v"),
        (b"CUST. TOTAL", "C", "vE"),
        (b"", "R", "dv"),
        (b"", "R", "dpv"),
    ),
    "coins": (1, 5, 10, 25, 50, 100),
    "identity": "bsg",
    "sub_batch": False,
    "idle_ms": 1500,
    "answer": b"",
}

# JetScan iFX i100 user guide p. 39 (AUDIT, date, ACCOUNT#) and p. 25 (the screen's columns DENOM, UNIT, VALUE and its total).
# The printed body is not published: its row and total lines are taken from the screen, hence "guess" for the whole.
JETSCAN = {
    "evidence": "guess",
    "lines": (
        (b"AUDIT:", "S", "r5-b4-s3"),
        (b"ACCOUNT#", "X", ""),
        (b"DENOM", "X", ""),
        (b"BATCH REPORT", "X", ""),
        (b"SUB-BATCH REPORT", "X", ""),
        (b"CHECK", "O", "pv"),
        (b"TICKET", "O", "pv"),
        (b"COUNT", "O", "pv"),
        (b"TOTAL", "G", "v"),
        (b"TOTAL", "G", "pv"),
        (b"", "R", "Dpv"),
        (b"", "T", ""),
    ),
    "coins": (100, 200, 500, 1000, 2000, 5000, 10000),
    "identity": "bs",
    "sub_batch": True,
    "idle_ms": 1500,
    "answer": b"",
}

GRAMMARS = {"mach": MACH, "jetscan": JETSCAN}
