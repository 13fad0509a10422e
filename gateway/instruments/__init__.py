"""What the back office knows of instruments: their profiles, the grammars that profiles hold,
captures of their wires.
"""
