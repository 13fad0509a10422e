"""Simulated machines, written from the makers' manuals: state machines, separate from their wires.

machine       what every desk counter does: keys, batches, reports, its own clock
piece_path    how its pieces move: hopper, path, bins, and what strikes them there
truth, hands  where each piece is, what no report tells of; what a person does, as a line of text
faults        the seeded knobs: which fault strikes which batch, and what it does to the bytes
coin_sorter   Glory Mach audit tape          bill_counter  Cummins JetScan iFX i100 batch report
jetsort       JetSort 2000, a guess          printers, display  text layouts, streams of frames
drawer        solenoid, level pin, bounce    ten_key       5x5 key matrix, ghosts, bounce

Time comes in as `now_ms`; nothing here sleeps, reads a clock or opens a file. Imports nothing of
ours but its neighbours.
"""
