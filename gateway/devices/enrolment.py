"""The life of a device's identity: enrolled, approved, replaced, revoked; each step is a row of
device_event with who did it.

A device has a key (it seals its messages; the gateway judges by that alone) and, where the broker
speaks TLS, a certificate (it gets the device as far as the broker). Letting in is recorded before
it is done, shutting out is done before it is recorded; what was cut short is finished by giving the
command again. A number is never used for two keys of one device.
"""

import contextlib
import os
import pwd
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.broker import mosquitto as broker_config
from gateway.broker import pki
from gateway.config import Site
from gateway.devices.keys import (
    KeyStore,
    approve_key,
    create_key,
    destroy_keys,
    key_file,
    pending_file,
)
from gateway.errors import ConfigError, DataError, PermissionDenied, UsageError
from gateway.store.device_events import add_device_events, device_events
from gateway.store.incidents import add_incident
from gateway.store.ledger import Ledger

# of a fingerprint that somebody reads out: 64 bits, out of reach for whoever wants another such one
FINGERPRINT_DIGITS_MIN = 16


@dataclass(frozen=True)
class Identity:
    """What a device is to us. state: approved, pending, revoked or none; certificate: SHA-256 in
    hex, empty for none.
    """

    device: str
    state: str
    keys: tuple[int, ...]
    certificate: str


class Enrolment:
    """Changes of identities at one site, by one person, at one moment (Unix ms). Every method may
    be given again.
    """

    def __init__(self, site: Site, ledger: Ledger, who: str, now_ms: int) -> None:
        self._site = site
        self._ledger = ledger
        self._who = who
        self._now_ms = now_ms
        self._keys = KeyStore(site.keys)

    def enrol(self, device: str) -> Identity:
        """A new key and certificate that wait for approval. Raises ConfigError for a device that
        has them.
        """
        self._refuse_known(device)
        number = self._next_number(device)
        certificate = self._issue(device)
        self._note([(device, "enrolled", number, certificate, "waits for approval")])
        create_key(self._site.keys, device, number, pending=True)
        return self.identity(device)

    def enrol_all(self, devices: Sequence[str], text: str) -> None:
        """Enrol and approve those that have no key yet, in one go: for a site that is being
        made.
        """
        numbers = {
            device: self._next_number(device)
            for device in devices
            if self.identity(device).state in ("none", "revoked")
        }
        rows = []
        for device, number in numbers.items():
            certificate = self._issue(device)
            rows += [
                (device, event, number, certificate, text) for event in ("enrolled", "approved")
            ]
        self._note(rows)
        for device, number in numbers.items():
            create_key(self._site.keys, device, number)

    def approve(self, device: str, fingerprint: str = "") -> Identity:
        """Messages under the pending key are taken from now on.

        fingerprint   what the person at the board read out, the whole or its first digits; empty:
                      nobody compared
        Raises ConfigError when nothing is pending, DataError when the fingerprint is another one.
        """
        if not self._keys.is_pending(device):
            raise ConfigError(f"device {device}: nothing is pending; see till device list")
        number = self._keys.current(device).number
        certificate = self._certificate(device)
        if fingerprint:
            _compare(device, certificate, fingerprint)
        enrolled = [
            row["who"] for row in events(self._ledger, device) if row["event"] == "enrolled"
        ]
        text = "fingerprint compared" if fingerprint else "fingerprint not compared"
        self._note(
            [
                (
                    device,
                    "approved",
                    number,
                    certificate,
                    text + (", enrolled by the same" if self._who in enrolled[-1:] else ""),
                )
            ]
        )
        approve_key(self._site.keys, device)
        broker_config.refresh(self._site, revoked(self._ledger))
        return self.identity(device)

    def was_revoked(self, device: str) -> bool:
        """True when it was shut out before, whatever it is now."""
        return any(row["event"] == "revoked" for row in events(self._ledger, device))

    def revoke(self, device: str, reason: str) -> Identity:
        """Withdraw and destroy its keys, put its certificate on the revocation list. The gateway
        refuses its next message.
        """
        self._demand_known(device)
        number, certificate = self._shut_out(device)
        incident = ("device_revoked", f"key {number} withdrawn by {self._who}: {reason}")
        self._note([(device, "revoked", number, certificate, reason)], incident)
        broker_config.refresh(self._site, revoked(self._ledger))
        return self.identity(device)

    def replace(self, device: str, reason: str) -> Identity:
        """Its board is gone: the old key and certificate end, the next board gets new ones,
        approved like the old one was.
        """
        self._demand_known(device)
        has_key = key_file(self._site.keys, device).exists()
        if (
            not has_key and [row["event"] for row in events(self._ledger, device)][-1] == "enrolled"
        ):  # nobody approved the old one
            raise ConfigError(
                f"device {device}: was never approved; till device approve {device}, or revoke it"
                " and enrol again"
            )
        if self._site.config.broker.tls:
            pki.Authority(self._site.ca).certificate()  # before anything ends that has no successor
        number, certificate = self._shut_out(device)
        self._note([(device, "revoked", number, certificate, reason)])
        number, certificate = self._next_number(device), self._issue(device)
        self._note([(device, "replaced", number, certificate, reason)])
        create_key(self._site.keys, device, number)
        broker_config.refresh(self._site, revoked(self._ledger))
        return self.identity(device)

    def certify(self, devices: Sequence[str], text: str) -> list[str]:
        """Certificates for those devices with a key that have none, such as after TLS was switched
        on; the names of them.
        """
        missing = [
            device
            for device in devices
            if self.identity(device).state in ("approved", "pending")
            and not pki_files(self._site, device)[0].exists()
        ]
        self._note(
            [
                (device, "enrolled", self._keys.current(device).number, self._issue(device), text)
                for device in missing
            ]
        )
        return missing

    def identity(self, device: str) -> Identity:
        """What the device is now. Raises DataError or PermissionDenied when one of its files is not
        fit for use.
        """
        numbers = tuple(key.number for key in self._keys.all(device))
        if numbers:
            state = "approved"
        elif self._keys.is_pending(device):
            state, numbers = "pending", (self._keys.current(device).number,)
        else:
            state = "revoked" if device in revoked(self._ledger) else "none"
        return Identity(device, state, numbers, self._certificate(device))

    def _refuse_known(self, device: str) -> None:
        state = self.identity(device).state
        if state == "pending":
            raise ConfigError(f"device {device}: is enrolled; next: till device approve {device}")
        if state == "approved":
            raise ConfigError(
                f"device {device}: is approved; for a new board: till device replace {device}"
            )

    def _demand_known(self, device: str) -> None:
        """A file that is not fit for use is no reason to keep a device in."""
        has_key = (
            key_file(self._site.keys, device).exists()
            or pending_file(self._site.keys, device).exists()
        )
        if not has_key and [row["event"] for row in events(self._ledger, device)][-1:] in (
            [],
            ["revoked"],
        ):
            raise ConfigError(
                f"device {device}: has no key; see till device list, or make one: till device enrol"
                f" {device}"
            )

    def _next_number(self, device: str) -> int:
        used = [int(row["key_number"]) for row in events(self._ledger, device)]
        with contextlib.suppress(DataError, PermissionDenied):  # then the events have to tell
            used += [key.number for key in self._keys.all(device)]
            used += [self._keys.current(device).number] if self._keys.is_pending(device) else []
        return max(used, default=0) + 1

    def _issue(self, device: str) -> str:
        """A new certificate of the device on disk; its fingerprint, "" where the broker speaks no
        TLS.
        """
        if device in pki.RESERVED_NAMES:
            raise ConfigError(
                f"device {device!r}: a name of the office's own; choose another for the window"
            )
        if not self._site.config.broker.tls:
            return ""
        certificate, key = pki_files(self._site, device)
        if certificate.exists():  # of an enrolment that was cut short: nobody else shall hold it
            pki.Authority(self._site.ca).revoke(pki.load_certificate(certificate))
        pki.write_issued(pki.Authority(self._site.ca).issue_device(device), certificate, key)
        return self._certificate(device)

    def _certificate(self, device: str) -> str:
        path = pki_files(self._site, device)[0]
        return pki.fingerprint(pki.load_certificate(path)) if path.exists() else ""

    def _shut_out(self, device: str) -> tuple[int, str]:
        """(number, certificate) of what ended."""
        number = self._next_number(device) - 1
        destroy_keys(self._site.keys, device)
        path = pki_files(self._site, device)[0]
        if not path.exists():  # there never was one, or an earlier attempt came this far
            return number, next(
                (str(row["certificate"]) for row in reversed(events(self._ledger, device))), ""
            )
        certificate = pki.load_certificate(path)
        pki.Authority(self._site.ca).revoke(certificate)
        path.unlink()
        return number, pki.fingerprint(certificate)

    def _note(
        self,
        rows: Sequence[tuple[str, str, int, str, str]],
        incident: tuple[str, str] | None = None,
    ) -> None:
        """Rows of (device, event, key_number, certificate, text), and an incident of (kind, text),
        in one transaction.
        """
        with self._ledger.transaction() as db:
            add_device_events(db, self._now_ms, self._who, rows)
            if incident is not None:
                add_incident(db, incident[0], rows[0][0], incident[1], self._now_ms)


def events(ledger: Ledger, device: str | None = None) -> list[dict[str, Any]]:
    """The device_event rows, oldest first: id, at_ms, device, event, key_number, certificate, who,
    text.
    """
    return device_events(ledger.db, device)


def revoked(ledger: Ledger) -> list[str]:
    """Names of the devices that were shut out and not let in again."""
    last = {str(row["device"]): row["event"] for row in events(ledger)}
    return sorted(device for device, event in last.items() if event == "revoked")


def pki_files(site: Site, device: str) -> tuple[Path, Path]:
    """Where certificate and TLS key of a device are."""
    return site.keys / f"{device}.pem", site.keys / f"{device}.tls.key"


def os_user() -> str:
    """Who runs this, by the operating system and not by the environment."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def _compare(device: str, certificate: str, told: str) -> None:
    digits = told.replace(":", "").replace(" ", "").lower()
    if len(digits) < FINGERPRINT_DIGITS_MIN:
        raise UsageError(f"fingerprint {told!r}: give {FINGERPRINT_DIGITS_MIN} digits or more")
    if not certificate:
        raise ConfigError(
            f"device {device}: has no certificate to compare, the broker speaks no TLS; leave"
            " --fingerprint out"
        )
    if not certificate.startswith(digits):
        raise DataError(
            f"device {device}: its certificate's fingerprint is"
            f" {certificate[:FINGERPRINT_DIGITS_MIN]}..., told was"
            f" {digits[:FINGERPRINT_DIGITS_MIN]}...; it is not approved: find out whose it is, then"
            f" till device revoke {device}"
        )
