"""Likely causes of an over or short, pure: arithmetic and timed evidence in words. `rank.py:
explain()` is the door.

May import: office and what office may import.
"""
