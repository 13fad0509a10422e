"""Drawers that somebody opened and closed, short to write."""

from tests.office.rows import Tape


def opened(*, float_cents=20000, device="w1", cashier=7, issued=None):
    return (
        Tape(device)
        .mark(480, "sign_on", cashier)
        .count(481, "opening_float", float_cents, value=issued)
    )


def closed(cents=25000, **more):
    """A float of 200.00, one sale of 50.00, a close."""
    return opened(**more).opening(600).count(900, "close", cents)
