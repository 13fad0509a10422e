"""till on a site whose ledger moves to a PostgreSQL server."""

from pathlib import Path

from gateway.delivery.presence import Running, hold
from gateway.store.ledger import Ledger
from tests.cli.bench import init, till
from tests.store.server import Server


def test_a_site_moves_to_a_server_and_every_command_goes_on(server: Server, tmp_path: Path) -> None:
    init(tmp_path)
    config = ("--config", tmp_path / "till.toml")
    with Ledger(tmp_path / "data" / "ledger.db") as ledger:
        ledger.incident("told", "", "of the file", 1)
    url = server.database()

    with hold(tmp_path / "data", Running.here()):
        assert 75 == till("ledger", "move", "--to", url, *config).returncode
    assert 2 == till("ledger", "move", "--to", "postgresql://a:secret@h/d", *config).returncode
    moved = till("ledger", "move", "--to", url, *config)
    assert (0, True) == (moved.returncode, f'write url = "{url}"' in moved.stdout)
    toml = tmp_path / "till.toml"
    toml.write_text(toml.read_text() + f'\n[ledger]\nurl = "{url}"\n')

    assert "of the file" in till("incidents", *config).stdout
    assert 0 == till("verify", *config).returncode
    assert "synchronous_commit on, fsync on" in till("check", *config).stdout
    assert 65 == till("ledger", "move", "--to", url, *config).returncode
    assert 0 == till("backup", tmp_path / "copy.db", *config).returncode
    told = till("audit", "verify", *config)
    assert (2, True) == (told.returncode, "till backup FILE" in told.stderr)
