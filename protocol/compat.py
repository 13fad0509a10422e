"""The one place where the two interpreters differ for shared code."""

try:
    from micropython import const  # pyright: ignore[reportAssignmentType]
except ImportError:  # CPython: a constant is just its value

    def const(value):
        """The value itself; MicroPython's compiler folds it into the bytecode."""
        return value


try:
    from functools import cache as remember  # the gateway looks a field up a million times a day
except ImportError:

    def remember(function):
        """The function itself: a device has no heap for answers that it can find again in 20 microseconds."""
        return function


class ProtocolError(ValueError):
    """Bytes or values that the protocol refuses. The text names the thing, the value and the limit."""
