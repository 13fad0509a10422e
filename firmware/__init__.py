"""Device code only: the firmware of a counter controller. Imports protocol and nothing else of
ours.
"""
