"""One business day out of the ledger: which records and postings belong together, and every drawer
session proved (`prove.py: prove_day()`).

May import: store, office, explain, facts, incoming and the ground files.
"""
