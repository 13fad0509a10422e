"""What can go wrong in the back office, one class for each thing a caller does differently.

The exit codes are those of sysexits.h, so that scripts and service managers can tell "try again"
from "ask a person". Every text names the thing, the value and the next step.
"""


class GatewayError(Exception):
    """Base of all of them; 70 is EX_SOFTWARE: nobody foresaw it."""

    exit_code = 70


class UsageError(GatewayError):
    """The command line was wrong."""

    exit_code = 2


class DataError(GatewayError):
    """A file holds what it must not: corrupt ledger, malformed postings (EX_DATAERR)."""

    exit_code = 65


class LedgerBroken(DataError):
    """The ledger contradicts itself while it is in use, or its file was taken away: nothing may be
    acknowledged from it.
    """


class Unavailable(GatewayError):
    """A service we need does not answer (EX_UNAVAILABLE)."""

    exit_code = 69


class TryAgain(GatewayError):
    """It failed now and may work later: disk full, ledger locked (EX_TEMPFAIL)."""

    exit_code = 75


class PermissionDenied(GatewayError):
    """The operating system refused (EX_NOPERM)."""

    exit_code = 77


class ConfigError(GatewayError):
    """The configuration says something that cannot be (EX_CONFIG)."""

    exit_code = 78
