"""Hypothesis prints the seed of a failure and keeps no database, so a run depends only on the
code.
"""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "till",
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("till")


def pytest_collection_modifyitems(items):
    """`-k SEAL-3` finds the tests that prove a statement of docs/protocol.md by its id."""
    for item in items:
        for mark in item.iter_markers("must"):
            item.extra_keyword_matches.update(mark.args)
