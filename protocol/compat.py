"""The one place where the two interpreters differ for shared code."""

try:
    from micropython import const  # pyright: ignore[reportAssignmentType]
except ImportError:  # CPython: a constant is just its value

    def const(value):
        """The value itself; MicroPython's compiler folds it into the bytecode."""
        return value


try:
    from functools import cache  # pyright: ignore
except ImportError:
    cache = None


def remember(function):
    """A function that caches its answers on CPython: the gateway looks fields up a million times a
    day.

    On MicroPython it does not: a cache needs heap, and to find an answer again takes only 20
    microseconds.
    """
    return cache(function) if cache else function


class ProtocolError(ValueError):
    """Bytes or values that the protocol refuses. The text names the thing, the value and the
    limit.
    """
