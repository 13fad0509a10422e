"""A proved day as plain data (`day_report.py`), and its writers: terminal, CSV, HTML. All say the
same figures; none decides anything.

May import: day, explain, office, facts and the ground files.
"""
