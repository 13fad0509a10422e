"""The way of a message from the broker into the ledger and of its answer back: the loop
(`service.py`), the gate (`ingest.py`), and what becomes of a batch (`recording.py`).

Here it is decided; how it is written down is in store/.
May import: facts, store, devices and the ground files.
"""
