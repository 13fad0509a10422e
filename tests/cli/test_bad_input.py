"""The world's errors, through the real command: one clear message, the right exit code, no
traceback, nothing broken.

A message names the thing, the value and the next step. What a command found out about a file is
told on standard error, so that standard output stays what a program may read.
"""

import os
import pty
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.broker.process import EmbeddedBroker, free_port
from tests.cli.bench import ROOT, command, environment, init, till, without_privilege
from tests.fleet.bench import wait_until
from tests.incoming.bench import control, row, text_of

GOOD_ROWS = [row("R1"), row("R2", amount=6000, change=1000)]
PLACE = ("--site", "city", "--zone", "America/Chicago")
Prepare = Callable[[Path], list[object]]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site that was just set up, with a day posted."""
    folder = tmp_path_factory.mktemp("template")
    assert init(folder, "--windows", 2, "--broker", f"127.0.0.1:{free_port()}").returncode == 0
    (folder / "good.csv").write_text(text_of(GOOD_ROWS))
    assert till("import", folder / "good.csv", "--config", folder / "till.toml").returncode == 0
    return folder


@pytest.fixture
def site(template: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of it to be spoiled; what was shut is opened again, so that it can be cleared away."""
    folder = tmp_path / "site"
    shutil.copytree(template, folder)
    yield folder
    for path in (folder, *folder.rglob("*")):
        if path.is_dir():
            path.chmod(0o700)


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def edit(path: Path, old: str, new: str) -> Path:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path


def rows_of(site: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(site / "data" / "ledger.db")) as db:
        return db.execute(query).fetchall()


# --- the table ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """What somebody does wrong, and what he is told. `prepare` spoils a site and returns the
    arguments of the command.
    """

    name: str
    prepare: Prepare
    exit_code: int
    # parts of standard error, the place of the site written as SITE, a line of a .toml as LINE
    said: tuple[str, ...]
    lines: int = 1
    privileged: bool = True


def posted(content: str | bytes) -> Prepare:
    return lambda site: ["import", write(site, "posted.csv", content)]


def boards(old: str, new: str) -> Prepare:
    def prepare(site: Path) -> list[object]:
        return [
            "boards",
            "show",
            "--boards",
            edit(Path(shutil.copy(ROOT / "boards.toml", site / "boards.toml")), old, new),
        ]

    return prepare


def shut(name: str, *arguments: str, mode: int = 0o500) -> Prepare:
    """A folder or file of the site has other permissions: a folder may be read and not written."""

    def prepare(site: Path) -> list[object]:
        (site / name).chmod(mode)
        return [each.replace("SITE", str(site)) for each in arguments]

    return prepare


def no_key(*arguments: str, folder_mode: int = 0o700) -> Prepare:
    def prepare(site: Path) -> list[object]:
        (site / "data" / "keys" / "w1.key").unlink()
        return shut("data/keys", *arguments, mode=folder_mode)(site)

    return prepare


def unknown_key(site: Path) -> list[object]:
    edit(site / "till.toml", "[broker]", "[broker]\nhots = 'x'\n")
    return ["verify"]


def no_config(site: Path) -> list[object]:
    (site / "till.toml").unlink()
    return ["verify"]


def no_folder(site: Path) -> list[object]:
    shutil.rmtree(site / "data")
    return ["import", site / "good.csv"]


BIGGER = control([*GOOD_ROWS, row("R3")])
CASES = [
    Case("posted: the control total differs", posted(text_of(GOOD_ROWS, last=BIGGER)), 65,
         ("posted.csv: nothing posted: control total rows: the control line says 3, the rows give"
          " 2; export the day again",)),
    Case("posted: cut short", posted(text_of(GOOD_ROWS, last="")), 65,
         ("posted.csv: nothing posted: no control line at the end: the file was cut short",)),
    Case("posted: another file", posted("date,amount\n2026-11-20,5\n"), 65,
         ("SITE/posted.csv:1: column 1 is 'date', expected 'receipt_no'; see docs/posted-csv.md",)),
    Case("posted: a binary file", posted(bytes(range(256)) * 40), 65,
         ("SITE/posted.csv:1: column 1 is something else, expected 'receipt_no'; see"
          " docs/posted-csv.md",)),
    Case("posted: not there", lambda site: ["import", site / "none.csv"], 2,
         ("SITE/none.csv: no such file; name the file to import",)),
    Case("posted: not readable", shut("good.csv", "import", "SITE/good.csv", mode=0), 77,
         ("SITE/good.csv: not readable; give the gateway's user access",), privileged=False),
    Case("boards: unknown key", boards("debounce_ms", "debounce_msec"), 78,
         ("boards.toml:LINE:1: unknown key 'debounce_msec'", "did you mean 'debounce_ms'?"),
         lines=3),
    Case("boards: one pin twice", boards("pin = 13\n", "pin = 33\n"), 78,
         ("boards.toml:LINE:1: wesp32 rev 7: pin 33 of drawer.pin is also instrument.bills.tx",
          "    pin = 33\n    ^"), lines=6),
    Case("boards: a broken file", boards("[board.window]", "[board.window"), 78,
         ("SITE/boards.toml: not TOML: Expected ']'", ", column 14)")),
    Case("boards: not there", lambda site: ["boards", "show", "--boards", site / "none.toml"], 78,
         ("SITE/none.toml",)),
    Case("boards: no such board", lambda site: ["boards", "show", "wesp23"], 2,
         ("'wesp23'", "did you mean 'wesp32'?")),
    Case("till.toml: unknown key", unknown_key, 78,
         ("SITE/till.toml:LINE:1: unknown key 'broker.hots'; did you mean 'host'?",
          "correct the file and run till check"), lines=4),
    Case("till.toml: not readable", shut("till.toml", "verify", mode=0), 77,
         ("SITE/till.toml: not readable; run as its owner or give yourself access",),
         privileged=False),
    Case("init: folder not writable", shut(".", "init", "SITE/new", *PLACE), 77,
     ("SITE/new", "run as its owner"), privileged=False),
    Case("init: no site and no zone", lambda site: ["init", site / "new"], 2,
     ("missing: --site NAME (a-z, 0-9 and '-', such as city-hall) and --zone ZONE (the office's,",
      )),
    Case("init: no zone", lambda site: ["init", site / "new", "--site", "city"], 2,
     ("missing: --zone ZONE (the office's, such as America/Chicago",)),
    Case("init: not a site",
     lambda site: ["init", site / "new", "--site", "City Hall", *PLACE[2:]], 2,
     ("--site: ", "nothing was written")),
    Case("init: not a zone",
     lambda site: ["init", site / "new", *PLACE[:2], "--zone", "Chicago"], 2,
     ("--zone: not a time zone such as America/Chicago", "nothing was written")),
    Case("init: no such port", lambda site: ["init", site / "new", *PLACE, "--broker", "h:0"], 2,
     ("--broker: not a whole number from 1 to 65535", "nothing was written")),
    Case("init: not a host", lambda site: ["init", site / "new", *PLACE, "--broker", "ü:8883"], 2,
     ("--broker: 'ü' is no host name or IP address",)),
    Case("till.toml: not there", no_config, 78,
         ("SITE/till.toml", "till init")),
    Case("flash: the port is not there", lambda site: ["flash", "w1", "--port", "/dev/tty-none"],
         69, ("port /dev/tty-none: not there; plug the board in, or name one of these: ",)),
    Case("flash: no board", lambda site: ["flash", "w1", "--serial-number", "none"], 69,
         ("no board found: plug one in",)),
    Case("flash: no such board", lambda site: ["flash", "w1", "--board", "wesp23"], 2,
         ("board 'wesp23': not declared; did you mean 'wesp32'?",)),
    Case("flash: no such window", lambda site: ["flash", "w9"], 2,
         ("device 'w9': not one of w1, w2; add it to windows",)),
    Case("stage: a key that others may read",
         shut("data/keys/w1.key", "stage", "w1", "--out", "SITE/tree", mode=0o644), 77,
         ("data/keys/w1.key: readable by others; chmod 600 it",)),
    Case("stage: no key", no_key("stage", "w1", "--out", "SITE/tree"), 78,
         ("device w1: no key in SITE/data/keys; make one: till device enrol w1",)),
    Case("enrol: there is a key", lambda site: ["device", "enrol", "w1"], 78,
         ("device w1: is approved; for a new board: till device replace w1",)),
    Case("approve: nothing is pending", lambda site: ["device", "approve", "w1"], 78,
         ("device w1: nothing is pending; see till device list",)),
    Case("revoke: nobody we know", lambda site: ["device", "revoke", "w9", "--reason", "lost"], 78,
         ("device w9: has no key; see till device list, or make one: till device enrol w9",)),
    Case("broker config: no TLS", lambda site: ["broker", "config"], 78,
         ("SITE/till.toml: [broker] has no TLS; set embedded = false, tls = true and port = 8883"
          " first",)),
    Case("data folder: not there", no_folder, 77, ("folder SITE/data does not exist; make it",)),
    Case("data folder: not writable", shut("data", "import", "SITE/good.csv"), 77,
         ("ledger SITE/data/ledger.db: Permission denied; give the gateway's user the folder"
          " SITE/data",), privileged=False),
    Case("serve: data folder not writable", shut("data", "serve"), 77,
         ("ledger SITE/data/ledger.db: Permission denied; give the gateway's user the folder"
          " SITE/data",), privileged=False),
    Case("enrol: folder not writable", no_key("device", "enrol", "w1", folder_mode=0o500), 77,
         ("keys/w1.key.pending: Permission denied; run as the owner of SITE/data/keys",),
         privileged=False),
    Case("report: folder not writable", shut(".", "report", "--html", "--out", "SITE/day.html"), 77,
         ("SITE/day.html: Permission denied; run as its owner or give yourself access",),
         privileged=False),
    Case("report: the disk is full", lambda site: ["report", "--html", "--out", "/dev/full"], 75,
         ("/dev/full: No space left on device; the report is not whole",)),
    Case("report: not a date", lambda site: ["report", "--date", "20.11.2026"], 2,
         ("date '20.11.2026': not a date such as 2026-11-20",)),
    Case("demo: folder of somebody else", lambda site: ["demo", "--data", site], 69,
         ("demo folder SITE: holds files that no demo made; name another one with --data",)),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_error_is_told_once_with_its_next_step(case: Case, site: Path) -> None:
    arguments = case.prepare(site)
    if arguments[-1] == "/dev/full" and not os.path.exists("/dev/full"):
        pytest.skip("only Linux has a full disk to try")
    config = [] if arguments[0] in ("boards", "demo", "init") else ["--config", site / "till.toml"]

    done = till(*arguments, *config, privileged=case.privileged)

    said = re.sub(r"\.toml:\d+:", ".toml:LINE:", done.stderr.replace(str(site), "SITE"))
    assert (case.exit_code, "") == (done.returncode, done.stdout), said
    assert said.startswith("till")
    assert [] == [part for part in case.said if part not in said], said
    assert case.lines == len(said.splitlines()), said


# --- what needs more than a row -------------------------------------------------------------------


def test_bad_rows_are_told_by_line_and_nothing_is_lost(site: Path) -> None:
    rows = [
        row("N1"),
        row("N2", status="lost"),
        row("R1", amount=7000, window_id="w2"),
        row("N3", tender_amount_cents="1.005"),
        row("N4"),
    ]
    stated = "#control,rows=5,tender_cents=22000,change_cents=0,allocation_cents=27000"
    path = write(site, "mixed.csv", text_of(rows, last=stated))

    done = till("import", path, "--config", site / "till.toml")

    assert (1, "mixed.csv: 2 rows new, 0 known, 3 refused\n") == (
        done.returncode,
        done.stdout,
    ), done.stderr
    kept = rows_of(site, "SELECT file_line, reason FROM posting_quarantine ORDER BY file_line")
    told = [line.strip() for line in done.stderr.splitlines()]
    assert [f"mixed.csv:{line}: {reason}" for line, reason in kept] == told
    assert [3, 4, 5] == [line for line, _ in kept]


def test_the_ledger_of_a_full_disk_is_whole_and_the_import_can_be_repeated(site: Path) -> None:
    rows = [row(f"F{number}") for number in range(2_000)]
    path = write(site, "big.csv", text_of(rows))
    arguments = ("import", path, "--config", site / "till.toml")
    bytes_max = (site / "data" / "ledger.db").stat().st_size + 50_000
    code = (  # a file may not grow beyond it: writing fails as it does on a full disk
        f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({bytes_max}, {bytes_max}))\n"
        "import sys; from gateway.cli import main; main()"
    )
    full = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=180,
    )

    assert (75, "") == (full.returncode, full.stdout), full.stderr
    assert (
        "big.csv: nothing posted, the ledger answered: disk I/O error; free it or its disk and"
        " import again" in full.stderr
    )
    assert 1 == len(full.stderr.splitlines())
    assert 0 == till("verify", "--config", site / "till.toml").returncode
    assert [(2,)] == rows_of(site, "SELECT count(*) FROM posting")
    assert "2000 rows new" in till(*arguments).stdout


def test_a_port_that_nobody_knows_gets_no_byte(site: Path) -> None:
    ours, theirs = pty.openpty()
    try:
        done = till("flash", "w1", "--port", os.ttyname(theirs), "--config", site / "till.toml")
        os.set_blocking(ours, False)
        with pytest.raises(BlockingIOError):
            os.read(ours, 1)
    finally:
        os.close(ours)
        os.close(theirs)

    assert (2, "") == (done.returncode, done.stdout)
    assert (
        "not recognised, no USB id is known; it was not opened, since it may be an instrument"
        in done.stderr
    )


def test_check_says_what_is_amiss_and_what_to_do(site: Path) -> None:
    shutil.rmtree(site / "data" / "keys")
    (site / "data").chmod(0o500)
    done = till("check", "--config", site / "till.toml", privileged=False)

    said = done.stdout.replace(str(site), "SITE")
    assert (1, "") == (done.returncode, done.stderr)
    assert (
        "✗ data folder: folder SITE/data: not writable; give it to the user that runs till serve"
        in said
    )
    assert "✗ keys: device w1: no key in SITE/data/keys; make one: till device enrol w1" in said
    assert "✗ broker: nothing answers at 127.0.0.1:" in said
    assert "start the broker or correct [broker]" in said


@contextmanager
def serving(site: Path) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """`till serve`, and its standard error so far, line by line."""
    lines: list[str] = []
    arguments = command("serve", "--config", site / "till.toml")
    with subprocess.Popen(
        arguments, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        reader = threading.Thread(target=lambda: lines.extend(process.stderr), daemon=True)
        reader.start()
        try:
            yield process, lines
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
            reader.join(5)


def test_serve_waits_for_a_broker_that_is_away_and_says_so_once(site: Path) -> None:
    port = int(
        till("check", "--show", "--config", site / "till.toml")
        .stdout.partition("port = ")[2]
        .split()[0]
    )
    with serving(site) as (process, lines):
        wait_until(lambda: any(line.startswith("broker_absent") for line in lines))
        with socket.create_server(
            ("127.0.0.1", port)
        ) as server:  # the second attempt finds something that is no broker
            server.settimeout(20)
            server.accept()[0].close()
        with EmbeddedBroker(port):
            assert process.stdout is not None
            ready = process.stdout.readline()

    assert ready.startswith("ready site=city-hall")
    assert 0 == process.returncode
    assert [f"broker_absent broker 127.0.0.1:{port}: nothing answers "] == [
        line.partition("(Connection refused)")[0]
        for line in lines
        if line.startswith("broker_absent")
    ]
    assert "start it, or set [broker] host and port" in "".join(lines)


def test_serve_says_who_has_its_port(site: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        folder = site.with_name("embedded")
        assert 0 == init(folder).returncode
        edit(folder / "till.toml", "port = 1883", f"port = {port}")
        done = till("serve", "--config", folder / "till.toml")

    assert (69, "") == (done.returncode, done.stdout)
    assert (
        f"till: broker iotcore: port {port} is in use; stop the other program or choose another"
        " port\n" == done.stderr
    )


def test_these_tests_are_not_above_permissions(tmp_path: Path) -> None:
    """Root's children would write everywhere: the table above would prove nothing."""
    tmp_path.chmod(0o500)
    code = f"open({str(tmp_path / 'file')!r}, 'w')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        preexec_fn=without_privilege,
        capture_output=True,
        text=True,
        timeout=180,
    )
    tmp_path.chmod(0o700)

    assert "PermissionError" in done.stderr
