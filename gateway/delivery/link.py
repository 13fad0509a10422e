"""The way to the broker: opened, kept, lost, and opened again with back-off. It never waits but in
`serve`, and there for the system alone.
"""

import select
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress

from gateway.delivery.connection import Connection, Hello
from gateway.delivery.mqtt import Message, MqttBroken
from gateway.delivery.wire import LineLost, NotReached, Wire
from gateway.errors import Unavailable

# Not parsed yet. What is beyond stays in the socket, and TCP holds the broker back.
BUFFER_BYTES_MAX = 262_144
# Answers that the broker does not read. Above it nothing more is read that would need answers.
UNSENT_BYTES_MAX = 262_144
RECONNECT_S = (1, 30)  # first and longest pause, doubled in between
REACH_MS = 10_000  # to be reached, TLS included; a broker that has not read for so long is lost


class Link:
    """One broker and at most one connection to it. `number` tells connections apart.

    `on_in()` is called when the broker has us subscribed, `on_lost(error, was_in)` when a
    connection ended or could not be made. Times are of `monotonic_ms`.
    """

    def __init__(
        self,
        address: tuple[str, int],
        secure: ssl.SSLContext | None,
        hello: Hello,
        on_in: Callable[[], None],
        on_lost: Callable[[Unavailable, bool], None],
    ) -> None:
        self.number = 0
        self._address, self._secure, self._hello = address, secure, hello
        self._on_in, self._on_lost = on_in, on_lost
        self._wire: Wire | None = None
        self._connection: Connection | None = None  # from the moment when the wire is open
        self.is_in = False  # subscribed
        self._moved_ms = self._moved_bytes = 0  # when the broker last took something, and how much
        self._pause_ms = 0
        self._next_ms = 0  # when the next attempt is due

    @property
    def connection(self) -> Connection | None:
        """The connection once the broker has let us in. It may bring messages of an earlier one
        before it has us subscribed.
        """
        there = self._connection
        return there if there is not None and there.is_let_in else None

    def serve(self, waker: socket.socket, timeout_ms: int, may_read: bool) -> None:
        """Wait up to `timeout_ms` for the broker or for a byte at `waker`, and do what is due.
        `may_read`: there is room for more messages.
        """
        now_ms = monotonic_ms()
        if self._wire is None:
            if now_ms >= self._next_ms:
                self._guarded(self._open)
            timeout_ms = min(timeout_ms, max(self._next_ms - now_ms, 1))
        wire, connection = self._wire, self._connection
        ready = select.poll()
        ready.register(waker, select.POLLIN)
        is_reading = False
        if wire is not None:
            is_reading = (
                may_read
                and len(wire.unsent) < UNSENT_BYTES_MAX
                and (connection is None or connection.buffered < BUFFER_BYTES_MAX)
            )
            ready.register(wire, wire.events(is_reading))
            if wire.has_more and is_reading:
                timeout_ms = 0
        found = dict(ready.poll(timeout_ms))
        if found.pop(waker.fileno(), 0):
            _drain(waker)
        if wire is not None:
            self._guarded(lambda: self._use(wire, found.get(wire.fileno(), 0), is_reading))

    def take(self, messages_max: int, bytes_max: int) -> list[Message]:
        """Messages that came, in their order; empty when there are no more whole ones."""
        taken: list[Message] = []
        if self._connection is not None:
            connection = self._connection

            def step() -> None:
                taken.extend(connection.take(messages_max, bytes_max))
                if connection.is_in and not self.is_in:
                    self.is_in = True
                    self._on_in()

            self._guarded(step)
            self.flush()
        return taken

    def flush(self) -> None:
        """Hand what is to be sent to the system, as much as it takes now."""
        if self._connection is not None and self._wire is not None:
            data = self._connection.pop_output(monotonic_ms())
            if data:
                wire = self._wire
                self._guarded(lambda: self._send(wire, data))

    def give_up(self, error: Unavailable) -> None:
        """End this connection for a reason of our own; the next attempt follows with back-off."""
        self._lost(error, is_at_fault=True)

    def end(self) -> None:
        """DISCONNECT and close, when there is a connection."""
        if self._connection is not None and self._wire is not None:
            self._connection.leave()
            self.flush()
        if self._wire is not None:
            self._wire.end()
        self._wire = self._connection = None
        self.is_in = False

    def _open(self) -> None:
        self.number += 1
        self._moved_ms, self._moved_bytes = monotonic_ms(), 0
        self._wire = Wire(*self._address, self._secure)

    def _use(self, wire: Wire, found: int, is_reading: bool) -> None:
        now_ms = monotonic_ms()
        if not wire.is_open and found:
            wire.advance()
        connection = self._connection
        if connection is None:
            if not wire.is_open:
                if now_ms - self._moved_ms >= REACH_MS:
                    raise NotReached(f"no connection within {REACH_MS // 1000} s")
                return
            connection = self._connection = Connection(self._hello, now_ms)
        if is_reading and (
            found & ~select.POLLOUT or wire.has_more or (found and wire.wants_write)
        ):
            data = wire.receive()
            if data:
                connection.feed(data, now_ms)
        elif found & ~(select.POLLOUT | select.POLLIN):
            raise LineLost("it closed the connection")
        connection.tick(now_ms, is_reading)
        self._send(wire, connection.pop_output(now_ms))
        if wire.unsent and now_ms - self._moved_ms >= REACH_MS:
            raise LineLost(f"it has read nothing for {REACH_MS // 1000} s")

    def _send(self, wire: Wire, data: bytes) -> None:
        was_empty = not wire.unsent
        wire.send(data)
        if was_empty or wire.sent_bytes != self._moved_bytes:
            self._moved_ms, self._moved_bytes = monotonic_ms(), wire.sent_bytes

    def _guarded(self, step: Callable[[], None]) -> None:
        try:
            step()
        except MqttBroken as error:
            self._lost(error, is_at_fault=True)
        except Unavailable as error:
            self._lost(error, is_at_fault=False)

    def _lost(self, error: Unavailable, is_at_fault: bool) -> None:
        was_in = self.is_in
        if self._wire is not None:
            self._wire.close()
        self._wire = self._connection = None
        self.is_in = False
        first_ms, longest_ms = (int(seconds * 1000) for seconds in RECONNECT_S)
        if was_in and not is_at_fault:  # it was a good connection: the next one may be, too
            self._pause_ms = 0
        self._pause_ms = min(max(self._pause_ms * 2, first_ms), longest_ms)
        self._next_ms = monotonic_ms() + self._pause_ms
        self._on_lost(error, was_in)


def _drain(waker: socket.socket) -> None:
    with suppress(BlockingIOError):
        while waker.recv(64):
            pass


def monotonic_ms() -> int:
    """A clock that only runs forward."""
    return time.monotonic_ns() // 1_000_000
