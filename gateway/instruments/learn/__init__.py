"""From a capture of a machine that nobody knows to a grammar that reads its reports: lines, words,
readings that add up, the shape of a report. `learning.py: learn()` is the door.

May import: what instruments may import.
"""
