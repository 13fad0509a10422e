"""Proof towards an outsider: the signed tree head of each business day, and the check of a ledger
against printed ones (`offline.py`).

May import: facts, store, incoming and the ground files.
"""
