"""The rules of the office, pure: rows in, values out. Drawer sessions, tenders, intervals, the
deposit; the calendar, and R01 to R26 over the facts of a day.

May import: facts and the ground files that have no effects: money, business_day, config and the
policy. No store, no clock, no file, no log.
"""
