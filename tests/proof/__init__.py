"""Proofs that anyone can replay from a seed: ./run proof NAME. The tests run a small part of each.

instruments   driver, lossy line and machine in virtual time: nothing twice, nothing lost silently
fuzz          coverage-guided bytes for every driver: no exception, bounded, only encodable events
tamper        an insider edits one row of a ledger: the verification says so
crash         the power goes at any write of the ledger: no acknowledged row is missing
books         generated office days, whose truth is known: the books say the same to the cent
soak          real firmware, broker and gateway on a bad network: every count is in the ledger once
"""
