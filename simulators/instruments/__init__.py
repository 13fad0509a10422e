"""Simulated machines, written from the makers' manuals: each is a state machine, separate from its
wire.

machine       what every desk counter does: hopper, count, stops, batches, its own clock, the ledger of what really passed
faults        the seeded knobs: which fault strikes which batch, and what it does to the bytes
truth, hands  where each piece is, what no report tells of; what a person does, as a line of text
jetsort       JetSort 2000, a guess        printers, display  text layouts of ours, streams of frames
coin_sorter   Glory Mach audit tape        bill_counter  Cummins JetScan iFX i100 batch report
drawer        solenoid, level pin, bounce  ten_key       5x5 key matrix, ghosts, bounce, what a cashier keys

Time comes in as `now_ms`; nothing here sleeps, reads a clock or opens a file. Imports nothing of
ours but its neighbours.
"""
