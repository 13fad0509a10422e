"""Hypothesis prints the seed of a failure and keeps no database, so that a run depends on nothing but the code."""

from hypothesis import HealthCheck, settings

settings.register_profile("till", deadline=None, database=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("till")
