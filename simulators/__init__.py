"""Simulated machines, the virtual board and the synthetic office. Imports protocol only, never
firmware or gateway.
"""
