"""What the back office knows of instruments: their profiles, the grammars that profiles hold,
captures of their wires, and how a new machine's report is learned (`learn/`).

May import: the ground files alone.
"""
