"""The back office: ingest, ledger, reconciliation, reports, and the `till` command. Imports
protocol.
"""
