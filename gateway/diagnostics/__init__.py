"""What `till check` looks at. Each check says what it found or raises an error with the next step.

May import: every room but the commands. Nobody but the commands imports it.
"""
