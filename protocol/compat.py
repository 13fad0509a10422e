"""The one place where the two interpreters differ for shared code."""

try:
    from micropython import const  # pyright: ignore[reportAssignmentType]
except ImportError:  # CPython: a constant is just its value

    def const(value):
        """The value itself; MicroPython's compiler folds it into the bytecode."""
        return value


class ProtocolError(ValueError):
    """Bytes or values that the protocol refuses. The text names the thing, the value and the limit."""
