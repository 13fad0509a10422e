"""Every ledger that is opened is opened here, whichever engine has it."""

from pathlib import Path

from gateway.config import LedgerServer
from gateway.errors import ConfigError
from gateway.store.engine import Db
from gateway.store.ledger_file import open_ledger


def opened(place: Path | LedgerServer, create: bool = True) -> Db:
    """A connection to a ledger, checked and of this program's schema; with `create` it is made when
    there never was one. Raises what ledger_file.py and server_ledger.py say.
    """
    if isinstance(place, Path):
        return open_ledger(place, create)
    try:
        from gateway.store.server_ledger import open_server_ledger
    except ImportError as error:
        raise ConfigError(
            f"ledger {place}: the driver of PostgreSQL is not installed ({error}); pip install"
            " 'tillstream[postgres]'"
        ) from error
    return open_server_ledger(place, create)
