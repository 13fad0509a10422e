"""A TCP connection to the broker, with TLS or without, that never waits: bytes in, bytes out.

  reaching --TCP is there--> greeting (TLS only) --handshake done--> open

mosquitto sends each message as a TLS record of its own, and `recv` gives one record: `receive`
reads on until there is nothing left, or every message would be a transaction of its own.
"""

import errno
import os
import select
import socket
import ssl
from contextlib import suppress

from gateway.errors import Unavailable

RECEIVE_BYTES_MAX = 131_072  # about what one `receive` gives
END_MS = 500  # how long an orderly end waits for the other side to have read
# the other side has said its last word: told while we do not read, where the system knows it
_GONE = getattr(select, "POLLRDHUP", 0)
_RECORD_BYTES_MAX = 16_384  # the longest record of TLS


class LineLost(Unavailable):
    """The connection could not be made, or it ended. The text says why, not where."""


class NotReached(LineLost):
    """The connection could not be made: nobody is there, or nobody that we may speak to."""


class Wire:
    """One connection. Every call returns at once; what cannot be sent yet waits in `unsent`."""

    def __init__(self, host: str, port: int, secure: ssl.SSLContext | None) -> None:
        """Begins to connect. Raises NotReached when the name is not known or nobody is there."""
        self._host, self._secure = host, secure
        self._socket: socket.socket | None = None
        self._greeting: ssl.SSLSocket | None = None  # while the handshake lasts
        self.wants_write = True  # it is what the handshake, or reading through TLS, waits for
        self.is_open = False
        self.has_more = False  # `receive` stopped at its limit: the system may not tell of the rest
        self.unsent = bytearray()
        self.sent_bytes = 0
        try:
            self._addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise NotReached(f"host name not known ({error.strerror})") from error
        self._reach_next("no address")

    def fileno(self) -> int:
        """For poll()."""
        return self._there().fileno()

    def events(self, is_reading: bool) -> int:
        """What poll() should tell of."""
        if not self.is_open:
            return select.POLLOUT if self.wants_write else select.POLLIN
        wanted = select.POLLIN if is_reading else _GONE
        return wanted | (select.POLLOUT if self.unsent or (self.wants_write and is_reading) else 0)

    def advance(self) -> None:
        """The next step towards `is_open`, once poll() told of something. Raises NotReached."""
        if self._greeting is None:
            code = self._there().getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                self._reach_next(os.strerror(code))
                return
        if self._secure is None:
            self._opened()
            return
        try:
            if self._greeting is None:
                self._socket = self._greeting = self._secure.wrap_socket(
                    self._there(), server_hostname=self._host, do_handshake_on_connect=False
                )
            self._greeting.do_handshake()
        except ssl.SSLWantReadError:
            self.wants_write = False
        except ssl.SSLWantWriteError:
            self.wants_write = True
        except OSError as error:
            raise NotReached(f"no TLS connection: {_reason(error)}") from error
        else:
            self._opened()

    def receive(self) -> bytes:
        """What has arrived, up to about RECEIVE_BYTES_MAX; b"" when nothing has.

        Raises LineLost when the other side closed, or the connection broke.
        """
        there = self._there()
        chunks: list[bytes] = []
        size, wanted = 0, RECEIVE_BYTES_MAX if self._secure is None else _RECORD_BYTES_MAX
        self.has_more = self.wants_write = False
        try:
            while size < RECEIVE_BYTES_MAX:
                chunk = there.recv(wanted)
                if not chunk:
                    if chunks:  # what it said before is taken first
                        break
                    raise LineLost("it closed the connection")
                chunks.append(chunk)
                size += len(chunk)
                if self._secure is None:
                    break
            else:
                self.has_more = True
        except (BlockingIOError, ssl.SSLWantReadError):
            pass
        except ssl.SSLWantWriteError:
            self.wants_write = True
        except OSError as error:
            raise LineLost(_reason(error)) from error
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def send(self, data: bytes) -> None:
        """Send what goes now and keep the rest. Raises LineLost when the connection broke."""
        self.unsent += data
        self.flush()

    def flush(self) -> None:
        """Send on. Raises LineLost when the connection broke."""
        there = self._there()
        try:
            while self.unsent and self.is_open:
                count = there.send(self.unsent)
                self.sent_bytes += count
                del self.unsent[:count]
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            pass
        except OSError as error:
            raise LineLost(self._last_word() or _reason(error)) from error

    def _last_word(self) -> str:
        """Why the other side closed, where it said so before: by an alert of TLS."""
        try:
            while self._there().recv(_RECORD_BYTES_MAX):
                pass
        except (ssl.SSLEOFError, ssl.SSLWantReadError):
            return ""
        except ssl.SSLError as error:
            return _reason(error)
        except OSError:
            return ""
        return ""

    def end(self) -> None:
        """Close, and give the other side END_MS to read what was sent: a close with bytes that we
        have not read would throw that away.
        """
        ready = select.poll()
        with suppress(OSError, LineLost):
            ready.register(self, select.POLLOUT)
            while self.unsent and self.is_open and ready.poll(END_MS):
                self.flush()
            self._there().shutdown(socket.SHUT_WR)
            ready.modify(self, select.POLLIN)
            while ready.poll(END_MS) and self._there().recv(RECEIVE_BYTES_MAX):
                pass
        self.close()

    def close(self) -> None:
        """Close at once. Safe to call twice."""
        if self._socket is not None:
            self._socket.close()

    def _there(self) -> socket.socket:
        assert self._socket is not None
        return self._socket

    def _opened(self) -> None:
        self.is_open = True
        self.wants_write = False

    def _reach_next(self, why: str) -> None:
        while self._addresses:
            family, kind, protocol, _, address = self._addresses.pop(0)
            self.close()
            self._socket = socket.socket(family, kind, protocol)
            self._socket.setblocking(False)
            # an answer must not wait for the receipt of the one before
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            code = self._socket.connect_ex(address)
            if code in (0, errno.EINPROGRESS):
                return
            why = os.strerror(code)
        self.close()
        raise NotReached(f"nothing answers ({why})")


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLEOFError):
        return "it closed the connection"
    return (isinstance(error, ssl.SSLError) and error.reason) or error.strerror or str(error)
