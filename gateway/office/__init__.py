"""The rules of the office, pure: rows in, values out. Drawer sessions, tenders, intervals, the
deposit, and what the policy wants for a difference.

May import: facts, money, business_day and config. No store, no clock, no file, no log.
"""
