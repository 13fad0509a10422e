"""Who may speak, and what is asked of them: keys, enrolment, commands, and the list of devices as a
person reads it.

May import: store, broker and the ground files.
"""
