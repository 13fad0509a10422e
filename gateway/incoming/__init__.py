"""What others deliver, read and judged: the cashiering system's posted files, and vendors' exports
through column maps. (The card terminal's settlement and the bank's lines belong here too.)

Bad input is told with its line and reason and kept in quarantine, never dropped.
May import: facts, store and the ground files.
"""
