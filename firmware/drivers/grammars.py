"""What each machine prints, as data: the reports that `report_stream` can read.

A grammar is a dict:
  evidence   how the wire is known; the weakest of its parts counts
  start      (literal, columns) of the line that begins a report
  lines      literal|role|columns, one a line, the longer literal of two alike first; the first that fits decides (one bytes
             object: as tuples the two grammars took 3.5 KB more of a heap of 120)
  coins      the denominations that the machine can count, minor units
  batch_max  the highest batch number; the next one is 0 or 1
  identity   the letters whose numbers name a count batch on this machine
  sub_batch  True: a number "s" other than 0 marks a part of a batch, whose own report follows
  idle_ms    a gap this long ends a report; assumed: a cashier waits for it, a printer that pauses longer is quarantined
  answer     bytes to send after each report that ended; empty for none

Roles: N number, T time, R row, U subtotal of the rows so far, G the machine's own total, F fee, C what the customer
gets (total less fee, never the total), O other value that is not cash and must be zero, X says nothing about money.
Columns: d denomination with two decimals, D the same or in whole units, p pieces, v value with two decimals; for numbers
a letter (r report, b batch, s sub-batch, g grand) and how many digits it has; E after the columns: this line ends the report.
"""

# Mach 9 user guide p. 76, figure 160 (one batch with the processing fee on). Unknown there: the columns under PRINT UNIT COUNT
# (taken as denomination, pieces, value: checked by arithmetic, refused otherwise) and what follows a tape without a fee.
MACH = {
    "evidence": "manual",
    "start": (b"BATCH ACCEPT", ""),
    "lines": (
        b"TIME|T|\n"
        b"BATCH|N|b3\n"
        b"SUB|N|s2\n"
        b"GRAND|N|g2\n"
        b"TOTAL COIN|U|v\n"
        b"TOTAL|G|v\n"
        b"PROCESS FEE|F|v\n"
        b"CUST. TOTAL|C|vE\n"
        b"|R|dv\n"
        b"|R|dpv"
    ),
    "coins": (1, 5, 10, 25, 50, 100),
    "batch_max": 999,
    "identity": "bsg",
    "sub_batch": False,
    "idle_ms": 700,
    "answer": b"",
}

# JetScan iFX i100 user guide p. 39 (AUDIT, date, ACCOUNT#) and p. 25 (the screen's columns DENOM, UNIT, VALUE and its total).
# The printed body is not published: its row and total lines are taken from the screen, hence "guess" for the whole.
JETSCAN = {
    "evidence": "guess",
    "start": (b"AUDIT:", "r5-b4-s3"),
    "lines": (
        b"ACCOUNT#|X|\n"
        b"DENOM|X|\n"
        b"BATCH REPORT|X|\n"
        b"SUB-BATCH REPORT|X|\n"
        b"CHECK|O|pv\n"
        b"TICKET|O|pv\n"
        b"COUNT|O|pv\n"
        b"TOTAL|G|v\n"
        b"TOTAL|G|pv\n"
        b"|R|Dpv\n"
        b"|T|"
    ),
    "coins": (100, 200, 500, 1000, 2000, 5000, 10000),
    "batch_max": 9999,
    "identity": "bs",
    "sub_batch": True,
    "idle_ms": 700,
    "answer": b"",
}

GRAMMARS = {"mach": MACH, "jetscan": JETSCAN}
