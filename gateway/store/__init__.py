"""All SQL, and nothing else: a module for each family of tables, each with functions that ask a
question of the office's own language (`open_stream`, `bodies_from`, `add_incident`).

`ledger.py` opens the file and holds transactions; `ledger_file.py` makes, checks and migrates it;
`verify.py` recomputes what can be recomputed; `backup.py` copies it and puts a copy back.
May import: facts and the ground files. Rules of the office or of delivery do not belong here.
"""
