"""The broker's wall: a second valid device tries every forbidden verb on the real mosquitto,
configured as till writes it.

w2 has a good certificate and a good key, and wants to be w1 or the gateway, to hear what is not for
it, or to do harm. After each attempt: nothing of it arrived at the gateway, and the ledger took
nothing. Where MQTT 5 gives a reason it is compared.
"""

import datetime
import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from gateway.broker import pki
from gateway.broker.process import PACKET_BYTES_MAX, MosquittoBroker
from gateway.clock import Clock
from gateway.config import Site
from gateway.delivery.ingest import Ingest
from gateway.delivery.outcomes import Rejected
from gateway.devices.enrolment import Enrolment
from gateway.devices.keys import KeyStore
from gateway.store.ledger import Ledger
from gateway.store.streams import record_counts
from protocol import topics
from tests.cli.bench import ROOT, till
from tests.delivery.bench import NOW_MS, SITE, Device
from tests.devices.bench import Client, ConfiguredBroker, a_site, connack, context, context_of

pytestmark = pytest.mark.skipif(
    not MosquittoBroker.is_installed(), reason="mosquitto is not on PATH: no broker with TLS"
)

REFUSED = "Not authorized"


class World:
    """A site, its broker, a spy with the gateway's own certificate, w1 as it should be, and what w2
    said.
    """

    def __init__(self, folder: Path, site: Site) -> None:
        self.folder = folder
        self.site = site
        self.keys = KeyStore(site.keys)
        self.ledger = Ledger(site.ledger)
        self.ingest = Ingest(self.ledger, self.keys, Clock(), SITE)
        self.gateway = Client(site, "gateway")
        self.w1 = Client(site, "w1")
        self.said: list[bytes] = []
        self._marks = 0
        for leaf in ("ev", "state"):
            assert self.gateway.subscribe(f"till/1/{SITE}/+/{leaf}") == "Granted QoS 1"

    def words_of_w2(self, topic: str) -> bytes:
        """A message under w2's own, good key, sealed for any topic."""
        device = Device(self.keys.current("w2"))
        device.say(len(self.said) + 1)
        ours = topic.split("/")[-1] if topic.startswith(f"till/1/{SITE}/w2/") else "ev"
        self.said.append(device.ev(1, len(device.said))[1] if ours == "ev" else device.state()[1])
        return self.said[-1]

    def mark(self) -> bytes:
        self._marks += 1
        return f"mark {self._marks}".encode()

    def arrived(self) -> list[tuple[str, bytes, bool]]:
        """What the gateway received until now: w1 speaks last, and a broker hands one subscriber
        all in its order.
        """
        mark = self.mark()
        assert self.w1.publish(f"till/1/{SITE}/w1/state", mark) == "Success"
        return self.gateway.wait_for(mark)

    def close(self) -> None:
        self.gateway.close()
        self.w1.close()
        self.ledger.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("site")
    site = a_site(folder, windows=4)
    kept = folder / "kept"
    kept.mkdir()
    for name in ("w3.pem", "w3.tls.key"):  # whoever stole them keeps them
        shutil.copy(site.keys / name, kept / name)
    with Ledger(site.ledger) as ledger:
        Enrolment(site, ledger, "test", NOW_MS).revoke("w3", "stolen")
    with ConfiguredBroker(site):
        made = World(folder, site)
        yield made
        made.close()


# --- verbs ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Verb:
    """What w2 tries, and what it is told."""

    name: str
    attempt: Callable[[World], str]
    told: str


def publish(topic: str, retain: bool = False) -> Callable[[World], str]:
    def attempt(world: World) -> str:
        with Client(world.site, "w2") as w2:
            return w2.publish(topic, world.words_of_w2(topic), retain)

    return attempt


def subscribe(topic: str) -> Callable[[World], str]:
    """mosquitto grants every subscription and filters what it hands out: what counts is what is
    heard.
    """

    def attempt(world: World) -> str:
        with Client(world.site, "w2") as w2:
            w2.subscribe(topic)
            w2.subscribe(f"till/1/{SITE}/w2/ack")
            for leaf in ("ack", "cmd"):
                world.gateway.publish(f"till/1/{SITE}/w1/{leaf}", b"for w1 alone")
            for leaf in ("ev", "state"):
                world.w1.publish(f"till/1/{SITE}/w1/{leaf}", b"of w1")
            mark = world.mark()
            world.gateway.publish(f"till/1/{SITE}/w2/ack", mark)
            heard = [(name, payload) for name, payload, _ in w2.wait_for(mark) if payload != mark]
        return f"heard {heard}"

    return attempt


def connect(files: Callable[[World], tuple[Path, Path] | None]) -> Callable[[World], str]:
    def attempt(world: World) -> str:
        certificate, key = files(world) or (None, None)
        return connack(world.site, context(world.site, certificate, key))

    return attempt


def issued(world: World, name: str, made: pki.Issued) -> tuple[Path, Path]:
    certificate, key = world.folder / f"{name}.pem", world.folder / f"{name}.key"
    pki.write_issued(made, certificate, key)
    return certificate, key


def self_signed(world: World) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "w2")])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    )
    builder = (
        builder.serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=9))
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return issued(
        world,
        "self",
        pki.Issued(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM), pem),
    )


def of_another_ca(world: World) -> tuple[Path, Path]:
    other = pki.Authority(world.folder / "other-ca")
    other.create(SITE)  # with the very name of ours
    return issued(world, "other", other.issue_device("w2"))


def expired(world: World) -> tuple[Path, Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pki, "DEVICE_DAYS", -1)
        return issued(world, "expired", pki.Authority(world.site.ca).issue_device("w2"))


def in_another_name(world: World) -> str:
    """User name w1 with w2's certificate: the certificate counts, and w2 may not write there."""
    answer = connack(
        world.site, context_of(world.site, "w2"), client_id="w1", user="w1", password="secret"
    )
    with Client(world.site, "w2", client_id="w1", user="w1") as w2:
        topic = f"till/1/{SITE}/w1/ev"
        return f"{answer}, {w2.publish(topic, world.words_of_w2(topic))}"


def takeover(client_id: str) -> Callable[[World], str]:
    def attempt(world: World) -> str:
        with Client(world.site, "w2", client_id=client_id):
            world.arrived()  # both answered, so both are still there
            return f"gateway {world.gateway.said}, w1 {world.w1.said}"

    return attempt


def will(topic: str) -> Callable[[World], str]:
    def attempt(world: World) -> str:
        w2 = Client(world.site, "w2", will=(topic, world.words_of_w2(topic)))
        w2.cut()
        with Client(
            world.site, "w2"
        ):  # a connection that came after the cut: the broker has dealt with it
            return w2.said[0]

    return attempt


def oversize(world: World) -> str:
    topic = f"till/1/{SITE}/w2/ev"
    world.said.append(bytes(PACKET_BYTES_MAX))
    with Client(world.site, "w2") as w2:
        return w2.publish(topic, world.said[-1])


W1, OWN = f"till/1/{SITE}/w1", f"till/1/{SITE}/w2"
STILL_THERE = "gateway ['Success'], w1 ['Success']"
VERBS = [
    Verb("speak as w1", publish(f"{W1}/ev"), REFUSED),
    Verb("be alive as w1", publish(f"{W1}/state"), REFUSED),
    Verb("be alive as w1 for ever", publish(f"{W1}/state", retain=True), REFUSED),
    Verb("acknowledge to w1", publish(f"{W1}/ack"), REFUSED),
    Verb("command w1", publish(f"{W1}/cmd"), REFUSED),
    Verb("acknowledge to itself", publish(f"{OWN}/ack"), REFUSED),
    Verb("command itself", publish(f"{OWN}/cmd"), REFUSED),
    Verb("speak as a device named gateway", publish(f"till/1/{SITE}/gateway/ev"), REFUSED),
    Verb("speak as a device nobody enrolled", publish(f"till/1/{SITE}/w9/ev"), REFUSED),
    Verb("speak as the revoked one", publish(f"till/1/{SITE}/w3/ev"), REFUSED),
    Verb("speak at another site", publish("till/1/other/w2/ev"), REFUSED),
    Verb("speak in another version", publish(f"till/2/{SITE}/w2/ev"), REFUSED),
    Verb("use another leaf", publish(f"{OWN}/log"), REFUSED),
    Verb("speak below its own leaf", publish(f"{OWN}/ev/w1"), REFUSED),
    Verb("speak in an empty level", publish(f"till/1/{SITE}//ev"), REFUSED),
    Verb("speak anywhere", publish("x"), REFUSED),
    Verb("speak as the broker", publish("$SYS/broker/uptime"), REFUSED),
    Verb("hear w1's acknowledgements", subscribe(f"{W1}/ack"), "heard []"),
    Verb("hear w1's commands", subscribe(f"{W1}/cmd"), "heard []"),
    Verb("hear w1's records", subscribe(f"{W1}/ev"), "heard []"),
    Verb("hear w1's heartbeat", subscribe(f"{W1}/state"), "heard []"),
    Verb("hear everything", subscribe("#"), "heard []"),
    Verb("hear every device", subscribe(f"till/1/{SITE}/+/ack"), "heard []"),
    Verb("hear five levels", subscribe("+/+/+/+/+"), "heard []"),
    Verb("share what others hear", subscribe(f"$share/group/till/1/{SITE}/+/ev"), "heard []"),
    Verb("hear the broker", subscribe("$SYS/#"), "heard []"),
    Verb("connect without a certificate", connect(lambda world: None), "closed"),
    Verb("connect with a certificate of its own making", connect(self_signed), "closed"),
    Verb("connect with a certificate of another CA", connect(of_another_ca), "closed"),
    Verb("connect with an expired certificate", connect(expired), "closed"),
    Verb("connect with a revoked certificate",
         connect(lambda world: (world.folder / "kept" / "w3.pem",
                                world.folder / "kept" / "w3.tls.key")), "closed"),
    Verb("connect with the broker's own certificate",
         connect(lambda world: (world.site.broker_folder / "broker.pem",
                                world.site.broker_folder / "broker.key")), "closed"),
    Verb("connect without TLS", lambda world: connack(world.site, None), "closed"),
    Verb("connect without TLS as w1", lambda world: connack(world.site, None, "w1", "w1", "secret"),
         "closed"),
    Verb("log in as w1", in_another_name, f"accepted, {REFUSED}"),
    Verb("push w1 off the broker", takeover("w1"), STILL_THERE),
    Verb("push the gateway off the broker", takeover("gateway"), STILL_THERE),
    Verb("push the gateway off by its other name", takeover(f"till-gateway-{SITE}"), STILL_THERE),
    Verb("leave a will as w1", will(f"{W1}/state"), "Success"),
    Verb("leave a will of records as w1", will(f"{W1}/ev"), "Success"),
    Verb("send too much at once", oversize, "disconnected: Packet too large"),
]  # fmt: skip


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_a_second_valid_device_cannot(verb: Verb, world: World) -> None:
    before = record_counts(world.ledger.db)
    world.said.clear()

    told = verb.attempt(world)
    arrived = world.arrived()
    world.ingest.commit([world.ingest.accept(*message) for message in arrived])

    assert verb.told == told
    assert [] == [(topic, payload) for topic, payload, _ in arrived if payload in world.said]
    assert before == record_counts(world.ledger.db)


def test_a_certificate_for_a_wildcard_or_for_the_office_is_never_made(world: World) -> None:
    for name in ("+", "#", "w1/ev", "W1", "", "gateway", "watch", "broker"):
        with pytest.raises(Exception, match="device"):
            pki.Authority(world.site.ca).issue_device(name)


def test_what_flash_looks_on_with_cannot_speak(world: World) -> None:
    told = []
    for leaf in ("ev", "state", "ack", "cmd"):
        with Client(world.site, "watch") as watch:
            told.append(watch.publish(f"{W1}/{leaf}", b"x"))

    assert [REFUSED] * 4 == told


# --- what the broker lets through -----------------------------------------------------------------


def test_its_own_records_arrive_and_are_taken(world: World) -> None:
    before = world.ledger.head()[0]
    device = Device(world.keys.current("w2"), epoch=21)
    device.say(1)
    topic, sealed, _ = device.ev(1, 1)
    with Client(world.site, "w2") as w2:
        told = w2.publish(topic, sealed)
    arrived = world.arrived()
    world.ingest.commit([world.ingest.accept(*message) for message in arrived])

    assert ("Success", [(topic, sealed, False)], before + 1) == (
        told,
        arrived,
        world.ledger.head()[0],
    )


def test_its_own_records_are_refused_when_the_broker_kept_them(world: World) -> None:
    before = world.ledger.head()
    topic = f"{OWN}/ev"
    world.gateway.unsubscribe(f"till/1/{SITE}/+/ev")
    with Client(world.site, "w2") as w2:
        w2.publish(topic, world.words_of_w2(topic), retain=True)
        world.gateway.subscribe(f"till/1/{SITE}/+/ev")
        arrived = world.arrived()
        w2.publish(topic, b"", retain=True)  # nothing stays behind for the next test
    world.arrived()
    outcomes = [world.ingest.accept(*message) for message in arrived]
    world.ingest.commit(outcomes)

    assert [(topic, True)] == [(name, retained) for name, _, retained in arrived]
    assert ["ev: retained"] == [
        outcome.reason for outcome in outcomes if isinstance(outcome, Rejected)
    ]
    assert before == world.ledger.head()


def test_without_the_acl_all_of_it_arrives_and_the_seal_alone_refuses_it(tmp_path: Path) -> None:
    """The control: the table above can fail, and the gateway does not need the broker's wall."""
    site = a_site(tmp_path)
    open_config = site.broker_folder / "open.conf"
    text = (site.broker_folder / "mosquitto.conf").read_text()
    open_config.write_text(
        "\n".join(line for line in text.splitlines() if not line.startswith("acl_file"))
    )
    with ConfiguredBroker(site, open_config):
        world = World(tmp_path, site)
        tried = [f"{W1}/{leaf}" for leaf in ("ev", "state")]
        with Client(site, "w2") as w2:
            told = [w2.publish(topic, world.words_of_w2(topic)) for topic in tried]
        arrived = world.arrived()
        outcomes = [world.ingest.accept(*message) for message in arrived]
        world.ingest.commit(outcomes)
        recorded = record_counts(world.ledger.db)
        world.close()

    assert (["Success"] * 2, tried) == (told, [topic for topic, _, _ in arrived])
    assert ["seal: kid b'w2.1' does not belong to device w1"] * 2 == [
        outcome.reason for outcome in outcomes if isinstance(outcome, Rejected)
    ]
    assert {} == recorded


@pytest.mark.parametrize("leaf", topics.LEAVES)
def test_the_gateway_refuses_every_topic_of_another_under_a_good_key(
    world: World, leaf: str
) -> None:
    topic = f"{W1}/{leaf}"
    outcome = world.ingest.accept(topic, world.words_of_w2(topic), False)

    assert isinstance(outcome, Rejected)
    assert "" == outcome.device


# --- revocation while it is connected -------------------------------------------------------------


def test_a_revoked_device_is_refused_at_once_and_by_the_broker_once_it_has_read_its_files_again(
    tmp_path: Path,
) -> None:
    site = a_site(tmp_path)
    stolen = context_of(site, "w2")
    device = Device(KeyStore(site.keys).current("w2"))
    device.say(2)
    broker = ConfiguredBroker(site)
    with broker, Ledger(site.ledger) as ledger:
        ingest = Ingest(ledger, KeyStore(site.keys), Clock(), SITE)
        with Client(site, "gateway") as gateway, Client(site, "w2") as w2:
            first = ingest.accept(*device.ev(1, 1))
            ingest.commit([first])
            Enrolment(site, ledger, "ann", NOW_MS).revoke("w2", "stolen")
            second = ingest.accept(*device.ev(2, 2))
            os.kill(broker.pid, signal.SIGHUP)
            for _ in range(2):  # the broker's loop has been through
                gateway.publish(f"{W1}/ack", b"x")
            live = w2.publish(f"{OWN}/ev", b"x")
        anew = connack(site, stolen)
        good = connack(site, context_of(site, "w1"))

    assert (False, True) == (isinstance(first, Rejected), isinstance(second, Rejected))
    assert (REFUSED, "closed", "accepted") == (live, anew, good)


def reload(broker: ConfiguredBroker, site: Site) -> None:
    """SIGHUP, and the broker's loop has been through twice: then it has read its files."""
    os.kill(broker.pid, signal.SIGHUP)
    assert ["accepted"] * 2 == [connack(site, context_of(site, "gateway")) for _ in range(2)]


def test_a_reload_alone_makes_the_broker_read_the_revocation_list(tmp_path: Path) -> None:
    """Without the ACL, so that it is the list that refuses; twice within a second, so that no date
    in the list decides which one counts.
    """
    site = a_site(tmp_path, windows=3)
    file = site.broker_folder / "list.conf"
    text = (site.broker_folder / "mosquitto.conf").read_text()
    file.write_text("".join(f"{line}\n" for line in text.splitlines() if "acl_file" not in line))
    stolen = {name: context_of(site, name) for name in ("w1", "w2", "w3")}
    broker = ConfiguredBroker(site, file)
    seen = []
    with broker, Ledger(site.ledger) as ledger:
        for name in ("w2", "w3"):
            Enrolment(site, ledger, "ann", NOW_MS).revoke(name, "stolen")
            seen.append(connack(site, stolen[name]))
            reload(broker, site)
            seen.append(connack(site, stolen[name]))
        seen.append(connack(site, stolen["w1"]))

    assert ["accepted", "closed"] * 2 + ["accepted"] == seen


def test_every_text_says_to_reload_and_none_to_restart(tmp_path: Path) -> None:
    site = a_site(tmp_path)
    done = till("device", "revoke", "w2", "--reason", "stolen", "--config", site.path)
    pages = ((ROOT / name).read_text() for name in ("SECURITY.md", "docs/enrolment.md"))
    texts = [done.stdout, (site.broker_folder / "mosquitto.conf").read_text(), *pages]

    for text in texts:
        plain = " ".join(text.split())
        assert re.search(r"(?i)reload[^.]*SIGHUP", plain), plain
        # a new listener needs `systemctl restart`; a revocation does not
        assert not re.search(r"(?i)(?<!systemctl )restart (the )?(mosquitto|broker)", plain)
