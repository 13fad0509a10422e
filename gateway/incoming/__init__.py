"""What others deliver, read and judged: the cashiering system's posted files, vendors' exports
through column maps, the card processor's settlement, the bank's reports and its returned items.

Bad input is told with its line and reason and kept in quarantine, never dropped.
May import: facts, store and the ground files.
"""
