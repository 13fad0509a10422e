"""Who may speak: enrolled, approved, replaced, revoked, with who did it; and keys that are nowhere
but in their files.
"""

import json
import shutil
import sqlite3
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from gateway.broker import pki
from gateway.broker.process import MosquittoBroker
from gateway.clock import Clock
from gateway.config import Site, load
from gateway.delivery.ingest import Ingest
from gateway.delivery.outcomes import Rejected
from gateway.devices import keys as key_files
from gateway.devices.enrolment import Enrolment, events, os_user, revoked
from gateway.devices.keys import KeyStore
from gateway.errors import ConfigError, DataError, TryAgain, UsageError
from gateway.fleet.flash import Plan
from gateway.fleet.remote import Survey
from gateway.fleet.stage import stage
from gateway.store.ledger import Ledger
from tests.cli.bench import ROOT, init, till
from tests.delivery.bench import NOW_MS, SITE, Device
from tests.devices.bench import Client, ConfiguredBroker, a_site, serving


class Desk:
    """A site, its ledger, and people at the command line."""

    def __init__(self, folder: Path, tls: bool = True) -> None:
        self.site = a_site(folder, windows=1, tls=tls)
        text = self.site.path.read_text().replace('"w1"', '"w1", "w4"')
        self.site.path.write_text(text)
        self.site = load(self.site.path)
        self.ledger = Ledger(self.site.ledger)
        self.keys = KeyStore(self.site.keys)
        self.ingest = Ingest(self.ledger, self.keys, Clock(), SITE)

    def by(self, who: str) -> Enrolment:
        return Enrolment(self.site, self.ledger, who, NOW_MS)

    def said_of(self, device: Device) -> str:
        """Why the gateway refuses what a device says; "" when it does not."""
        device.say(1)
        self.ingest.commit([])  # the batch before: keys are looked at once a batch
        outcome = self.ingest.accept(*device.ev(len(device.said), len(device.said)))
        return outcome.reason if isinstance(outcome, Rejected) else ""

    def story(self, device: str) -> list[tuple[str, int, str]]:
        return [
            (row["event"], row["key_number"], row["who"]) for row in events(self.ledger, device)
        ]


@pytest.fixture
def desk(tmp_path: Path):
    made = Desk(tmp_path / "site")
    yield made
    made.ledger.close()


# --- enrolled, approved ---------------------------------------------------------------------------


def test_a_device_is_heard_once_two_people_let_it_in(desk: Desk) -> None:
    noted = desk.by("ann").enrol("w4")
    device = Device(desk.keys.current("w4"))
    before = desk.said_of(device)
    approved = desk.by("bob").approve("w4", noted.certificate[:16])
    after = desk.said_of(device)

    assert ("seal: w4 is enrolled and not approved yet; till device approve w4", "") == (
        before,
        after,
    )
    assert ("pending", "approved", (1,)) == (noted.state, approved.state, approved.keys)
    assert [("enrolled", 1, "ann"), ("approved", 1, "bob")] == desk.story("w4")
    assert ["waits for approval", "fingerprint compared"] == [
        row["text"] for row in events(desk.ledger, "w4")
    ]
    assert {noted.certificate} == {row["certificate"] for row in events(desk.ledger, "w4")}


def test_one_person_may_do_both_and_the_row_says_so(desk: Desk) -> None:
    desk.by("ann").enrol("w4")
    desk.by("ann").approve("w4")

    assert "fingerprint not compared, enrolled by the same" == events(desk.ledger, "w4")[-1]["text"]


def test_a_fingerprint_that_differs_or_is_short_lets_nobody_in(desk: Desk) -> None:
    noted = desk.by("ann").enrol("w4").certificate
    with pytest.raises(DataError, match="find out whose it is"):
        desk.by("bob").approve("w4", "0" * 64)
    with pytest.raises(UsageError, match="16 digits or more"):
        desk.by("bob").approve("w4", noted[:8])

    assert "pending" == desk.by("").identity("w4").state
    assert (
        "approved"
        == desk.by("bob")
        .approve("w4", ":".join(noted[at : at + 2].upper() for at in range(0, 64, 2)))
        .state
    )


def test_nobody_is_enrolled_twice_or_under_a_name_of_the_office(desk: Desk) -> None:
    desk.by("ann").enrol("w4")
    for device, reason in (
        ("w4", "till device approve w4"),
        ("w1", "till device replace w1"),
        ("gateway", "office's own"),
    ):
        with pytest.raises(ConfigError, match=reason):
            desk.by("ann").enrol(device)

    assert [] == desk.story("gateway")


def test_the_windows_of_a_new_site_are_let_in_at_once_and_on_record(tmp_path: Path) -> None:
    assert 0 == init(tmp_path, "--windows", 2, "--broker", "127.0.0.1:8883").returncode
    site = load(tmp_path / "till.toml")
    with Ledger(site.ledger) as ledger:
        rows = events(ledger)

    assert (True, False) == (site.config.broker.tls, site.config.broker.embedded)
    assert [("w1", "enrolled"), ("w1", "approved"), ("w2", "enrolled"), ("w2", "approved")] == [
        (row["device"], row["event"]) for row in rows
    ]
    assert {("made by till init", os_user(), 64)} == {
        (row["text"], row["who"], len(row["certificate"])) for row in rows
    }


# --- replaced, revoked ----------------------------------------------------------------------------


def test_a_revoked_device_is_refused_from_its_next_message_on(desk: Desk) -> None:
    device = Device(desk.keys.current("w1"))
    certificate = pki.load_certificate(desk.site.keys / "w1.pem")
    before = desk.said_of(device)
    identity = desk.by("ann").revoke("w1", "stolen")
    after = desk.said_of(device)

    assert ("", True) == (before, after.startswith("seal: "))
    assert ("revoked", (), "") == (identity.state, identity.keys, identity.certificate)
    assert pki.Authority(desk.site.ca).is_revoked(certificate)
    assert [] == [path.name for path in desk.site.keys.iterdir() if "w1" in path.name]
    assert ("revoked", 1, "ann") == desk.story("w1")[-1]
    assert [("device_revoked", "w1", "key 1 withdrawn by ann: stolen")] == [
        (row["kind"], row["device"], row["text"]) for row in desk.ledger.incidents()
    ]
    assert f"topic deny till/1/{SITE}/w1/#" in (desk.site.broker_folder / "acl").read_text()
    assert (desk.site.broker_folder / "crl.pem").read_bytes() == (
        desk.site.ca / "crl.pem"
    ).read_bytes()


def test_a_replaced_board_gets_a_new_number_and_the_old_one_is_refused(desk: Desk) -> None:
    old = Device(desk.keys.current("w1"))
    certificate = pki.load_certificate(desk.site.keys / "w1.pem")
    identity = desk.by("ann").replace("w1", "board died")
    new = Device(desk.keys.current("w1"), epoch=8)

    assert ("approved", (2,)) == (identity.state, identity.keys)
    assert ("", True) == (desk.said_of(new), desk.said_of(old).startswith("seal: "))
    assert [("revoked", 1, "ann"), ("replaced", 2, "ann")] == desk.story("w1")[-2:]
    assert pki.Authority(desk.site.ca).is_revoked(certificate)
    assert [] == revoked(desk.ledger)


def test_a_replacement_is_no_way_round_the_approval(desk: Desk) -> None:
    desk.by("ann").enrol("w4")
    with pytest.raises(ConfigError, match="was never approved"):
        desk.by("ann").replace("w4", "in a hurry")

    assert ("pending", [("enrolled", 1, "ann")]) == (
        desk.by("").identity("w4").state,
        desk.story("w4"),
    )


def test_a_number_is_never_given_twice(desk: Desk) -> None:
    numbers = []
    for _ in range(2):
        desk.by("ann").revoke("w1", "lost")
        desk.by("ann").enrol("w1")
        numbers += desk.by("bob").approve("w1").keys
    numbers += desk.by("ann").replace("w1", "board died").keys

    assert [2, 3, 4] == numbers
    assert "deny" not in (desk.site.broker_folder / "acl").read_text()


def test_a_damaged_key_file_keeps_nobody_in(desk: Desk) -> None:
    (desk.site.keys / "w1.key").write_text("no key at all")

    assert "revoked" == desk.by("ann").revoke("w1", "damaged").state
    assert ("revoked", 1, "ann") == desk.story("w1")[-1]


@pytest.mark.parametrize("verb", ["revoke", "replace"])
def test_what_the_full_disk_cut_short_is_finished_by_doing_it_again(
    desk: Desk, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = Device(desk.keys.current("w1"))

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Enrolment, "_note", full)
        with pytest.raises((sqlite3.OperationalError, TryAgain)):
            getattr(desk.by("ann"), verb)("w1", "stolen")
    shut_out = desk.said_of(old)
    identity = getattr(desk.by("ann"), verb)("w1", "stolen")

    assert shut_out.startswith("seal: ")
    assert {"revoke": "revoked", "replace": "approved"}[verb] == identity.state
    assert [("revoked", 1, "ann")] == [row for row in desk.story("w1") if row[0] == "revoked"]


def test_a_rotation_that_began_before_does_not_bring_a_revoked_key_back(desk: Desk) -> None:
    held = desk.keys.all("w1")
    desk.by("ann").replace("w1", "stolen")

    with pytest.raises(ConfigError, match="withdrawn meanwhile"):
        desk.keys.write("w1", [*held, key_files.DeviceKey("w1", 2, bytes(32))])
    assert [2] == [key.number for key in desk.keys.all("w1")]
    assert bytes(32) != desk.keys.current("w1").secret


def test_a_device_without_tls_has_a_key_and_no_certificate(tmp_path: Path) -> None:
    desk = Desk(tmp_path, tls=False)
    enrolled = desk.by("ann").enrol("w4")
    with pytest.raises(ConfigError, match="no certificate to compare"):
        desk.by("bob").approve("w4", "0" * 16)
    approved = desk.by("bob").approve("w4")
    revoked_one = desk.by("ann").revoke("w4", "closed")
    desk.ledger.close()

    assert ["pending", "approved", "revoked"] == [
        each.state for each in (enrolled, approved, revoked_one)
    ]
    assert [] == [path.name for path in desk.site.data.rglob("*.pem")]


# --- the command line -----------------------------------------------------------------------------


def test_the_list_tells_state_key_and_certificate(desk: Desk) -> None:
    desk.by("ann").enrol("w4")
    listed = {
        row["device"]: row
        for row in json.loads(till("device", "list", "--json", "--config", desk.site.path).stdout)
    }
    text = till("device", "list", "--config", desk.site.path).stdout

    assert [("approved", [1]), ("pending", [1])] == [
        (listed[name]["state"], listed[name]["keys"]) for name in ("w1", "w4")
    ]
    assert (
        pki.fingerprint(pki.load_certificate(desk.site.keys / "w4.pem"))
        == listed["w4"]["certificate"]
    )
    assert (
        f"w4: pending, key 1, certificate {listed['w4']['certificate']}, never seen, 0 records"
        in text
    )


def damage_expired(site: Site) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pki, "DEVICE_DAYS", 29)
        pki.write_issued(
            pki.Authority(site.ca).issue_device("w1"),
            site.keys / "w1.pem",
            site.keys / "w1.tls.key",
        )
    return "w1.pem: ends in 2"  # 28 or 29 days: a second may pass


def damage_revoked(site: Site) -> str:
    pki.Authority(site.ca).revoke(pki.load_certificate(site.keys / "gateway.pem"))
    return "certificate of gateway: revoked"


def damage_mode(site: Site) -> str:
    (site.keys / "w1.tls.key").chmod(0o644)
    return "w1.tls.key: readable by others; chmod 600 it"


def damage_folder(site: Site) -> str:
    site.ca.chmod(0o755)
    return "ca: open to others; chmod 700 it"


def damage_acl(site: Site) -> str:
    (site.broker_folder / "acl").unlink()
    return "acl: no ACL for mosquitto; till broker config writes it"


def damage_swapped(site: Site) -> str:
    shutil.copy(site.keys / "gateway.tls.key", site.keys / "w1.tls.key")
    return "w1.tls.key: not the key of "


@pytest.mark.parametrize(
    "damage",
    [damage_expired, damage_revoked, damage_mode, damage_folder, damage_acl, damage_swapped],
    ids=lambda each: each.__name__,
)
def test_check_finds_what_is_wrong_with_certificates(desk: Desk, damage) -> None:
    desk.by("ann").enrol("w4")
    config = ("--config", desk.site.path)
    fine = till("check", *config).stdout
    expected = damage(desk.site)
    found = till("check", *config).stdout

    assert "✓ certificates: CA, broker, gateway and 2 windows in order" in fine
    assert "✗ certificates: " in found
    assert expected in found


def test_broker_config_renews_for_another_host_and_leaves_the_ca_alone(
    desk: Desk, tmp_path: Path
) -> None:
    config = ("--config", desk.site.path)
    ca = (desk.site.ca / "ca.pem").read_bytes()
    broker = (desk.site.broker_folder / "broker.pem").read_bytes()
    same = till("broker", "config", *config)
    unchanged = (desk.site.broker_folder / "broker.pem").read_bytes()
    desk.site.path.write_text(desk.site.path.read_text() + 'server_name = "till.city"\n')
    moved = till("broker", "config", "--folder", tmp_path / "etc", *config)
    renewed = pki.load_certificate(tmp_path / "etc" / "broker.pem")

    assert (0, 0) == (same.returncode, moved.returncode), same.stderr + moved.stderr
    assert broker == unchanged
    assert ["127.0.0.1", "till.city"] == pki.hosts_of(renewed)
    assert (
        ca == (desk.site.ca / "ca.pem").read_bytes() == (tmp_path / "etc" / "ca.pem").read_bytes()
    )
    assert {
        "mosquitto.conf", "tillstream.conf", "acl", "ca.pem", "crl.pem", "broker.pem", "broker.key",
    } == {path.name for path in (tmp_path / "etc").iterdir()}  # fmt: skip
    assert 0o600 == (tmp_path / "etc" / "broker.key").stat().st_mode & 0o777


def test_the_embedded_broker_and_tls_do_not_go_together(tmp_path: Path) -> None:
    assert 0 == init(tmp_path, "--windows", 1).returncode
    path = tmp_path / "till.toml"
    path.write_text(path.read_text().replace("tls = false", "tls = true"))
    done = till("check", "--config", path)

    assert 78 == done.returncode
    assert (
        "the embedded broker has no TLS; set embedded = false and run till broker config, or tls ="
        " false" in done.stderr
    )


# --- the board ------------------------------------------------------------------------------------


def test_a_staged_board_has_its_certificates_beside_site_json_and_in_no_hash(
    desk: Desk, tmp_path: Path
) -> None:
    done = till("stage", "w1", "--out", tmp_path / "tls", "--config", desk.site.path)
    site = json.loads((tmp_path / "tls" / "site.json").read_text())
    plain = {name: value for name, value in site.items() if name not in ("tls", "server_name")}
    private = {
        name: (tmp_path / "tls" / name).read_bytes()
        for name in ("ca.der", "device.der", "device_key.der")
    }
    staged = stage("unix", None, tmp_path / "again", site, certificates=private)
    without = stage("unix", None, tmp_path / "plain", plain)

    assert (0, True, "127.0.0.1") == (
        done.returncode,
        site["tls"],
        site["server_name"],
    ), done.stderr
    assert {0o600} == {
        (tmp_path / "tls" / name).stat().st_mode & 0o777 for name in (*private, "site.json")
    }
    assert without.hash == staged.hash
    assert {*private, "site.json"} == set(staged.private)
    assert [] == [name for name in staged.files if name in staged.private]
    facts, seen = {}, {**staged.files, **staged.private, "device.der": "another"}
    assert ([], [], ["device.der"]) == tuple(
        vars(Plan.between(staged, Survey(facts, seen))).values()
    )
    assert ["ca.der", "device.der", "device_key.der"] == Plan.between(
        without, Survey(facts, seen)
    ).remove


def test_a_revoked_window_is_not_staged(desk: Desk, tmp_path: Path) -> None:
    desk.by("ann").revoke("w1", "stolen")
    done = till("stage", "w1", "--out", tmp_path / "tree", "--config", desk.site.path)

    assert (78, True) == (done.returncode, "till device enrol w1" in done.stderr)


# --- keys are nowhere but in their files ----------------------------------------------------------


def secrets_of(site: Site) -> list[bytes]:
    """Every private key of a site as it could turn up: raw, hex, base64 lines of PEM."""
    found = []
    for path in site.data.rglob("*.key*"):
        text = path.read_text()
        if "PRIVATE KEY" in text:
            found += [
                line.encode() for line in text.splitlines() if line and not line.startswith("-")
            ]
            number = pki.load_key(path).private_numbers().private_value.to_bytes(32, "big")
        elif path.suffix == ".key" and path.parent.name == "keys" or path.suffix == ".pending":
            number = bytes.fromhex(text.split()[1])
        else:
            continue
        found += [number, number.hex().encode(), number.hex().upper().encode()]
    return found


@pytest.mark.skipif(
    not MosquittoBroker.is_installed(), reason="mosquitto is not on PATH: no broker with TLS"
)
def test_keys_are_in_no_log_output_command_line_or_ledger(desk: Desk, tmp_path: Path) -> None:
    site, config = desk.site, ("--config", desk.site.path)
    told = [till("device", "enrol", "w4", *config)]
    pending = Device(desk.keys.current("w4"), epoch=9)
    pending.say(1)
    told.append(till("stage", "w4", "--out", tmp_path / "tree", *config))
    kept = secrets_of(site)
    lines: list[bytes] = []
    said: list[str] = []
    with ConfiguredBroker(site) as broker, serving(site, said) as gateway, Client(site, "w4") as w4:
        w4.subscribe(f"till/1/{SITE}/w4/ack")
        topic, sealed, _ = pending.ev(1, 1)
        w4.publish(topic, sealed)
        told.append(till("device", "approve", "w4", *config))
        deadline = time.monotonic() + 10
        while not w4.arrived and time.monotonic() < deadline:
            w4.publish(topic, sealed)
        acknowledged = pending.open_ack(*w4.arrived[0][:2])
        lines += [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in (broker.pid, gateway)]
        told += [
            till(*arguments, *config) for arguments in (("device", "list"), ("check",), ("verify",))
        ]
        # damaged: the error names the line, not its text
        (site.keys / "w1.key").write_text("1 " + "ab" * 31 + "\n")
        told.append(till("check", *config))
        told.append(till("device", "replace", "w1", "--reason", "damaged", *config))
    kept += secrets_of(site)
    haystack = [text.encode() for done in told for text in (done.stdout, done.stderr)] + lines
    haystack += [
        *(text.encode() for text in said),
        (site.broker_folder / "mosquitto.log").read_bytes(),
    ]
    haystack += [path.read_bytes() for path in site.data.glob("ledger.db*")]

    assert 1 == acknowledged["high_water"]
    assert b"not approved yet; till device approve w4" in said[-1].encode()
    assert len(kept) > 30
    assert [] == [secret for secret in kept if any(secret in text for text in haystack)]
    assert not any(b"ab" * 16 in text for text in haystack)


def test_keys_are_in_no_wheel_that_is_built_beside_them(desk: Desk, tmp_path: Path) -> None:
    uv = Path(sys.executable).with_name("uv")
    build = [uv, "build", "--wheel", "--no-build-isolation", "--quiet", "-o", tmp_path, ROOT]
    subprocess.run(build, check=True, capture_output=True, timeout=180)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        names = wheel.namelist()
        content = b"".join(wheel.read(name) for name in names)

    assert [] == [
        name
        for name in names
        if name.endswith((".key", ".pem", ".der", ".pending", "site.json", "till.toml"))
    ]
    assert b"-----BEGIN" not in content
    assert [] == [secret for secret in secrets_of(desk.site) if secret in content]
