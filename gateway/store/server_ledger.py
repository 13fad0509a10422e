"""A ledger on a PostgreSQL server: its tables made once, the server and the role looked at each
time it is opened, refused when either would lose what it says is committed, or show a site another
one's rows.
"""

from gateway.config import LedgerServer
from gateway.errors import (
    ConfigError,
    DataError,
    GatewayError,
    PermissionDenied,
    TryAgain,
    Unavailable,
)
from gateway.store.engine import ServerBusy, ServerError, is_damaged, is_forbidden, is_other_schema
from gateway.store.engine import rows as rows_of
from gateway.store.schema_version import is_known, migrations, schema_text, server_scripts
from gateway.store.server import SCHEMA, ServerDb

OLDEST_SERVER = 140_000  # of server_version_num: the oldest that its makers look after
# {setting: what it must be}: with any other value a power cut takes what was committed.
DURABLE = {"fsync": "on", "full_page_writes": "on"}
_MAKING = 0x54494C4C  # "TILL": who makes the tables holds this lock of the database


def open_server_ledger(address: LedgerServer, create: bool = True) -> ServerDb:
    """A connection to the site's ledger; with `create` the tables are made when the database has
    none.

    Raises Unavailable when the server does not answer, PermissionDenied when it lets us not in or
    not write, ConfigError for a server or a role that is not fit, DataError for another schema.
    """
    db = None
    try:
        db = ServerDb(address)
        _look_at_server(db)
        version = db.schema_version()
        if version == 0:
            if not create:
                raise ConfigError(
                    f"ledger {address}: the database has no ledger yet; start the gateway once, or"
                    " correct [ledger] url"
                )
            _bring_to_newest(db)
        elif is_known(db) and version < len(migrations()):
            _bring_to_newest(db)
        if not is_known(db) or db.schema_version() != len(migrations()):
            raise DataError(schema_text(db, address))
        _look_at_tables(db)
    except ServerError as error:
        trouble = _trouble(db, address, error)
        _close(db)
        raise trouble from error
    except GatewayError:
        _close(db)
        raise
    return db


def _close(db: ServerDb | None) -> None:
    if db is not None:
        db.close()


def _look_at_server(db: ServerDb) -> None:
    at = f"ledger {db.address}"
    settings = db.settings(*DURABLE, "server_version_num", "server_encoding", "synchronous_commit")
    for name, wanted in DURABLE.items():
        if settings[name] != wanted:
            raise ConfigError(
                f"{at}: the server has {name} = {settings[name]}, so a power cut could take what"
                f" was committed; set it to {wanted}"
            )
    if int(settings["server_version_num"]) < OLDEST_SERVER:
        raise ConfigError(f"{at}: PostgreSQL before {OLDEST_SERVER // 10_000}; use a newer server")
    if settings["server_encoding"] != "UTF8":
        raise ConfigError(
            f"{at}: the database has the encoding {settings['server_encoding']}; make one with"
            " createdb --encoding UTF8 --template template0"
        )
    [role] = rows_of(
        db,
        "SELECT rolname AS name, rolsuper OR rolbypassrls AS unbound FROM pg_roles"
        " WHERE rolname = current_user",
    )
    if role["unbound"]:
        raise ConfigError(
            f"{at}: the role {role['name']} is not bound by row security (superuser or BYPASSRLS),"
            " so it would mix the sites; make an ordinary role (docs/server.md) and name it in"
            " [ledger] url"
        )


def _bring_to_newest(db: ServerDb) -> None:
    """Make the tables, or change those of an earlier schema, for all sites of the database: one
    transaction, so one that is cut off has not happened. Its locks keep the gateways of all sites
    out meanwhile; the rows are not rewritten, one index is.
    """
    db.script(
        f"BEGIN; SELECT pg_advisory_xact_lock({_MAKING}); CREATE SCHEMA IF NOT EXISTS {SCHEMA}"
    )
    version = db.schema_version()
    for number, script in server_scripts():
        if number > version:  # or somebody else was faster
            db.script(script)
            db.script(f"UPDATE schema_version SET version = {number}")
    db.script("COMMIT")


def _look_at_tables(db: ServerDb) -> None:
    """Tables without the wall between the sites, or that a crash of the server empties."""
    open_ones = [
        str(row["name"])
        for row in rows_of(
            db,
            "SELECT relname AS name FROM pg_class WHERE relnamespace = to_regnamespace(?)"
            " AND relkind = 'r' AND relname <> 'schema_version' AND NOT (relrowsecurity AND"
            " relforcerowsecurity AND relpersistence = 'p' AND EXISTS (SELECT 1 FROM pg_policy"
            " WHERE polrelid = pg_class.oid AND polname = 'own_site')) ORDER BY relname",
            (SCHEMA,),
        )
    ]
    if open_ones:
        raise DataError(
            f"ledger {db.address}: table {', '.join(open_ones)}: row security is off, or it is"
            " unlogged: a person changed it; put it back as gateway/store/schema/postgres has it"
        )


def _trouble(db: ServerDb | None, address: LedgerServer, error: ServerError) -> GatewayError:
    """What the server's answer means for whoever opens the ledger."""
    at = f"ledger {address}: {error}"
    if error.refused_login:
        return PermissionDenied(
            f"{at}; put the password into ~/.pgpass (mode 600), or let the role in by pg_hba.conf"
        )
    if is_forbidden(error):
        return PermissionDenied(
            f"{at}; give the role the database (ALTER DATABASE ... OWNER TO), and name the server"
            " that can be written"
        )
    if db is None:
        return Unavailable(
            f"{at}; start the server, or correct [ledger] url; docs/server.md tells how to make"
            " role and database"
        )
    if is_damaged(error):
        return DataError(f"{at}; the server's disk is damaged: restore its backup")
    if is_other_schema(error):
        return DataError(schema_text(db, address, error))
    if isinstance(error, ServerBusy):
        return TryAgain(f"{at}; look at the server's log and start again")
    return DataError(at)
