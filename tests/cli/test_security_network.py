"""What listens, what is spoken to, and what two sites have in common: nothing but the code."""

import ast
import asyncio
import re
from pathlib import Path

from gateway.broker.process import HOST
from gateway.config import Config
from gateway.devices.keys import KeyStore
from tests.cli.bench import init
from tests.cli.serving import ESTABLISHED, LISTEN, children_of, serving, sockets_of
from tests.firmware.bench import PATIENCE, Office, bench, staged
from tests.house.sources import OURS, ROOT, name_of, sources, tree_of


def test_two_sites_have_no_key_in_common(tmp_path):
    for name in ("one", "two"):
        assert init(tmp_path / name, "--windows", 3).returncode == 0
    keys = [
        KeyStore(tmp_path / name / "data" / "keys").current(window).secret
        for name in ("one", "two")
        for window in ("w1", "w2", "w3")
    ]

    assert len(set(keys)) == 6
    assert [len(key) for key in keys] == [32] * 6
    assert min(len(set(key)) for key in keys) > 16, (
        "no pattern: 32 random bytes hold about 30 different ones"
    )


def test_nothing_listens_but_the_own_broker_on_this_machine(tmp_path):
    assert init(tmp_path, "--windows", 1).returncode == 0
    with serving(tmp_path) as gateway:
        sockets = sockets_of(gateway.pids)
        port = gateway.port

    assert [local for state, local, _ in sockets if state == LISTEN] == [f"{HOST}:{port}"]
    assert {state for state, _, _ in sockets} == {LISTEN, ESTABLISHED}, "no datagram socket either"


def test_the_gateway_speaks_to_its_broker_and_to_nobody_else(tmp_path):
    """No telemetry, no update check, no name server: both ends of every connection are the gateway
    and its own broker.
    """
    assert init(tmp_path, "--windows", 1).returncode == 0
    with serving(tmp_path) as gateway:
        sockets = sockets_of(gateway.pids)
        broker = f"{HOST}:{gateway.port}"
    ours = {local for _, local, _ in sockets}

    assert broker in {remote for _, _, remote in sockets}
    assert [remote for _, _, remote in sockets if remote and remote not in ours] == []


def test_a_board_listens_on_nothing_and_speaks_to_its_broker_alone(tmp_path):
    office = Office(tmp_path).open()

    async def look() -> list[tuple[str, str, str]]:
        tree = staged(tmp_path, office.broker.port, office.key.secret.hex())
        window = bench(tmp_path, tree)
        try:
            assert await window.start(PATIENCE)
            async with asyncio.timeout(PATIENCE):
                while not office.kinds("boot"):
                    await asyncio.sleep(1 / 50)
            return sockets_of(children_of(window.board.pid))
        finally:
            await window.stop()

    try:
        sockets = asyncio.run(look())
    finally:
        office.close()

    assert [(state, remote) for state, _, remote in sockets] == [
        (ESTABLISHED, f"{HOST}:{office.broker.port}")
    ]


def test_a_default_configuration_opens_nothing_to_the_network():
    config = Config(site="city", zone="America/Chicago", windows=("w1",))

    assert (config.broker.host, config.broker.embedded) == ("127.0.0.1", True)


# --- no secret in the sources ---------------------------------------------------------------------

_SECRET_NAME = re.compile(r"(?i)(^|_)(password|passwd|secret|token|key_hex|private_key|api_key)$")
_KEY_TEXT = re.compile(r"[0-9a-fA-F]{64}|-----BEGIN [A-Z ]*PRIVATE KEY-----")


def secrets_in(tree: ast.AST) -> list[tuple[int, str]]:
    """(line, what) of text or bytes that is given to a name of a secret, or that has the form of a
    key.
    """
    found = []
    for node in ast.walk(tree):
        pairs = []
        if isinstance(node, ast.Assign):
            pairs = [(target, node.value) for target in node.targets]
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            pairs = [(node.target, node.value)]
        elif isinstance(node, ast.keyword):
            pairs = [(ast.Name(node.arg or ""), node.value)]
        elif isinstance(node, ast.Dict):
            pairs = [
                (ast.Name(str(key.value)), value)
                for key, value in zip(node.keys, node.values, strict=True)
                if isinstance(key, ast.Constant)
            ]
        for target, value in pairs:
            name = target.id if isinstance(target, ast.Name) else getattr(target, "attr", "")
            is_text = (
                isinstance(value, ast.Constant)
                and isinstance(value.value, (str, bytes))
                and value.value
            )
            if is_text and _SECRET_NAME.search(name):
                found.append((value.lineno, name))
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and _KEY_TEXT.search(node.value)
        ):
            found.append((node.lineno, "text in the form of a key"))
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, bytes)
            and len(node.value) == 32
        ):
            found.append((node.lineno, "32 bytes"))
    return found


def test_no_secret_is_in_what_ships():
    found = [
        f"{name_of(path)}:{line} {what}"
        for path in sources(*OURS)
        for line, what in secrets_in(tree_of(path))
    ]
    others = [
        path for path in (ROOT / "boards.toml", *(ROOT / "examples").rglob("*")) if path.is_file()
    ]

    assert found == []
    assert [name_of(path) for path in others if _KEY_TEXT.search(path.read_text())] == []


def test_the_rule_sees_a_planted_secret():
    planted = [
        "PASSWORD = 'till'", "site = {'key_hex': 'ab'}", "connect(password='x')",
        "self.api_key = b'1'", "secret: str = 'y'", f"k = '{'ab' * 32}'",
        f"k = {bytes(range(32))!r}", "pem = '-----BEGIN PRIVATE KEY-----'",
    ]  # fmt: skip

    assert [code for code in planted if not secrets_in(ast.parse(code))] == []
    assert (
        secrets_in(
            ast.parse("password = None\nkey_hex = key.hex()\nkeyword = 'secret'\npassword = ''")
        )
        == []
    )


def test_the_board_and_the_gateway_import_nothing_that_calls_home():
    away = {
        "urllib",
        "http",
        "requests",
        "httpx",
        "aiohttp",
        "smtplib",
        "ftplib",
        "xmlrpc",
        "webbrowser",
        "urequests",
    }
    found = []
    for path in sources(*OURS):
        for node in ast.walk(tree_of(path)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found += [
                f"{name_of(path)}:{node.lineno} {name}"
                for name in names
                if name.split(".")[0] in away and name != "urllib.parse"  # texts alone
            ]

    assert found == []
    assert Path(ROOT / "firmware").is_dir()
