"""Values that stand on record, without a behaviour that needs a table: records of devices, what the
hash chain covers (`chain.py`), postings of the cashiering system, lines of card processor and bank.

May import: protocol, and nothing of the gateway but the ground files.
"""
