"""Whether a broker would let the gateway in, found out without disturbing a gateway that runs.

A broker gives a client id to one connection at a time, and the last one wins. So we never send a
CONNECT in the gateway's own name: it would push the running gateway off. Where the broker takes the
client id from the certificate (gateway/broker/mosquitto.py), another client id needs another
certificate; `watch` is taken, by a till flash that may be waiting for its board. Hence `check`, a
certificate for this alone.

  without TLS   CONNECT under a client id of our own, until CONNACK
  with TLS      1. the gateway's certificate, up to the end of the handshake. Then one PINGREQ,
                   which no broker takes before a CONNECT: it closes, and a broker that refuses the
                   certificate says so by an alert of TLS in its place
                2. the certificate `check`: CONNECT until CONNACK

Each connection takes at most LOOK_MS, whatever the other side does. (How long the system takes to
look up a host name is the system's.)
"""

import os
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress

from gateway.errors import ConfigError, GatewayError, PermissionDenied, Unavailable

LOOK_MS = 3_000
KEEPALIVE_S = 30
# MQTT 3.1.1, section 3.2.2.3
_REFUSALS = {
    1: "it does not speak MQTT 3.1.1",
    2: "it refuses the client id",
    3: "it is not ready; look at its log",
    4: "it wants a user name and password",
    5: "not authorised",
}
_EXPIRED, _OTHER_CA, _OTHER_NAME = (10,), (18, 19, 20, 21), (62, 64)  # X509_V_ERR_* of OpenSSL
_CONNACK = 0x20
_PINGREQ = b"\xc0\x00"
_DISCONNECT = b"\xe0\x00"
Files = Mapping[str, str]  # ca_file, cert_file, key_file: see pki.client_files


def look(host: str, port: int, site: str, gateway: Files | None, check: Files | None) -> None:
    """Returns when the broker would let the gateway in. `gateway`, `check`: the two certificates,
    None where the broker speaks no TLS.

    Raises Unavailable for what listens there or does not, ConfigError for certificates that do not
    fit, PermissionDenied when we are refused.
    """
    if gateway is not None:
        with _Look(host, port, gateway) as link:
            link.show_certificate()
    with _Look(host, port, check) as link:
        link.connect(f"till-check-{site}-{os.getpid()}")


class _Look:
    """One connection with a deadline."""

    def __init__(self, host: str, port: int, files: Files | None) -> None:
        self._host, self._port, self._files = host, port, files
        self._where = f"{host}:{port}"
        self._deadline_ms = _now_ms() + LOOK_MS
        self._link: socket.socket | None = None

    def __enter__(self) -> "_Look":
        try:
            self._link = socket.create_connection((self._host, self._port), LOOK_MS / 1000)
        except socket.gaierror as error:
            raise Unavailable(
                f"{self._where}: host name not known ({error.strerror}); correct [broker]"
            ) from error
        except TimeoutError as error:
            raise Unavailable(
                f"{self._where}: no answer within {LOOK_MS} ms; is the host up, and its port open?"
            ) from error
        except OSError as error:
            raise Unavailable(
                f"nothing answers at {self._where}; start the broker or correct [broker]"
            ) from error
        if self._files is not None:
            try:
                self._link = self._secured(self._link, self._files)
            except BaseException:
                self.close()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._link is not None:
            self._link.close()

    def show_certificate(self) -> None:
        """Raises PermissionDenied when the broker refuses the certificate."""
        try:
            self._send(_PINGREQ)
            self._receive(1)
        except ssl.SSLEOFError:
            return
        except (ssl.SSLError, ConnectionError) as error:
            raise self._refused(error) from error

    def connect(self, client_id: str) -> None:
        """CONNECT, and CONNACK with "accepted"; then DISCONNECT."""
        name = client_id.encode()
        body = (
            b"\0\4MQTT\4\2" + KEEPALIVE_S.to_bytes(2, "big") + len(name).to_bytes(2, "big") + name
        )
        answer = b""
        try:
            self._send(bytes([0x10, len(body)]) + body)
            while len(answer) < 4:
                more = self._receive(4 - len(answer))
                answer += more
                if not more or answer[0] != _CONNACK:
                    break
        except ssl.SSLEOFError:
            pass
        except ssl.SSLError as error:
            raise self._refused(error) from error
        except ConnectionError:
            pass
        if not answer:
            raise Unavailable(
                f"{self._where}: it closed the connection without an answer; is it an MQTT broker,"
                f" and does it speak {'no ' if self._files is None else ''}TLS there?"
            )
        if len(answer) < 4 or answer[:2] != bytes([_CONNACK, 2]):
            raise Unavailable(
                f"{self._where}: something answers that is no MQTT broker ({answer!r}); correct"
                " [broker] host and port"
            )
        if answer[3]:
            why = _REFUSALS.get(answer[3], f"return code {answer[3]}")
            raise PermissionDenied(
                f"{self._where}: the broker does not let us in: {why}; correct its configuration"
            )
        with suppress(OSError):
            self._send(_DISCONNECT)

    def _secured(self, plain: socket.socket, files: Files) -> ssl.SSLSocket:
        context = ssl.create_default_context(cafile=files["ca_file"])
        context.load_cert_chain(files["cert_file"], files["key_file"])
        plain.settimeout(self._left_s())
        try:
            return context.wrap_socket(plain, server_hostname=self._host)
        except ssl.SSLCertVerificationError as error:
            raise ConfigError(f"{self._where}: {_fault_of(error)}") from error
        except TimeoutError as error:
            raise self._silent() from error
        except (ssl.SSLEOFError, ConnectionError) as error:
            raise Unavailable(
                f"{self._where}: it closed the connection at the greeting of TLS; is it an MQTT"
                " broker that speaks TLS?"
            ) from error
        except ssl.SSLError as error:
            if _is_alert(error):
                raise self._refused(error) from error
            raise Unavailable(
                f"{self._where}: what listens there speaks no TLS; correct [broker] port, or the"
                " broker's configuration"
            ) from error

    def _send(self, data: bytes) -> None:
        assert self._link is not None
        self._link.settimeout(self._left_s())
        try:
            self._link.sendall(data)
        except TimeoutError as error:
            raise self._silent() from error
        except (ssl.SSLEOFError, ConnectionError):
            pass  # it closed already: what it said before, an alert perhaps, is still to be read

    def _receive(self, count: int) -> bytes:
        assert self._link is not None
        self._link.settimeout(self._left_s())
        try:
            return self._link.recv(count)
        except TimeoutError as error:
            raise self._silent() from error

    def _left_s(self) -> float:
        return max(self._deadline_ms - _now_ms(), 1) / 1000

    def _silent(self) -> GatewayError:
        return Unavailable(
            f"{self._where}: something listens there and gives no whole answer within {LOOK_MS} ms;"
            " is it an MQTT broker?"
        )

    def _refused(self, error: OSError) -> GatewayError:
        assert self._files is not None
        reason = getattr(error, "reason", None) or error.strerror or "connection reset"
        return PermissionDenied(
            f"{self._where}: the broker refuses {self._files['cert_file']} ({reason}); give it the"
            " files that till broker config writes, and reload it"
        )


def _is_alert(error: ssl.SSLError) -> bool:
    """OpenSSL names what the other side said TLSV1_ALERT_..., SSLV3_ALERT_... and the like."""
    return "_ALERT_" in (error.reason or "")


def _fault_of(error: ssl.SSLCertVerificationError) -> str:
    code = error.verify_code
    if code in _EXPIRED:
        return "the broker's certificate is past its end; till broker config renews it"
    if code in _OTHER_CA:
        return (
            "the broker's certificate is of another CA; is it this site's broker? its files come"
            " from till broker config"
        )
    if code in _OTHER_NAME:
        return (
            "the broker's certificate is for another host name; correct [broker] host, then till"
            " broker config"
        )
    return f"the broker's certificate is not good ({error.verify_message}); till broker config"


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000
