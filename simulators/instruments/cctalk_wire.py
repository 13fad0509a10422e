"""ccTalk as a slave speaks it: frames with either checksum, the buffer of five events, the device's
identity, its power.

Source: ccTalk Generic Specification v4.7, parts 1 to 3 (public domain). What it leaves to the
maker, and was chosen here: a reply follows after 5 ms; a header that the device does not know gets
no answer; wrong data gets NAK.
"""

from collections import Counter, deque
from collections.abc import Callable, Sequence

from simulators.instruments.acceptor import PLACES, AcceptorTruth
from simulators.instruments.faults import PERMILLE, Faults
from simulators.instruments.machine import MachineError

HOST = 1
# between two bytes of a frame; after a longer pause the buffer is dropped, and nothing more
GAP_MS = 50
REPLY_MS = 5
ACK, NAK, BUSY = 0, 5, 6  # headers of a reply without data; ACK is the reply header 0
EVENTS_MAX = 5
TOKEN = 0  # cents: a piece that is not cash
BLINK_MS = (60, 150)  # a brown-out that hides between two polls
OUTAGE_MS = (400, 3000)


def checksum(body: bytes) -> int:
    """The byte that makes the sum of all of them 0 modulo 256."""
    return -sum(body) & 0xFF


def crc16(data: bytes) -> int:
    """CRC-CCITT: polynomial 0x1021, start 0, most significant bit first."""
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


def frame(target: int, source: int, header: int, data: bytes = b"", crc: bool = False) -> bytes:
    """One frame; in the CRC form the low half of the CRC stands where the source address would."""
    if crc:
        check = crc16(bytes((target, len(data), header)) + data)
        return bytes((target, len(data), check & 0xFF, header)) + data + bytes((check >> 8,))
    body = bytes((target, len(data), source, header)) + data
    return body + bytes((checksum(body),))


class EventBuffer:
    """The last five events, newest first, and a counter: 0 after power-up alone, then 1 to 255 and
    1 again.
    """

    def __init__(self) -> None:
        self.counter = 0
        self.events: deque[tuple[int, int]] = deque(maxlen=EVENTS_MAX)

    def add(self, a: int, b: int) -> None:
        self.counter = self.counter % 255 + 1
        self.events.appendleft((a, b))

    def clear(self) -> None:
        self.counter = 0
        self.events.clear()

    def read(self) -> bytes:
        """The eleven bytes of a reply."""
        pairs = [*self.events, *[(0, 0)] * (EVENTS_MAX - len(self.events))]
        return bytes((self.counter, *(byte for pair in pairs for byte in pair)))


class CctalkDevice:
    """What every acceptor on the bus does; a subclass adds its mechanism (`_move`, `_lose_power`)
    and headers (`_commands`).
    """

    supported: tuple[str, ...] = ()
    setups: tuple[str, ...] = ("power_off", "jammed", "near_wrap", "swapped")
    verbs: dict[str, str] = {
        "power off": "pull its plug",
        "power on": "put the plug back",
        "swap": "screw another one in",
        "busy N": "answer the next N commands BUSY",
        "nak N": "answer the next N commands NAK",
    }
    texts: dict[int, bytes] = {}  # header: what it answers
    inhibit_bytes = 2

    def __init__(
        self, faults: Faults | None, setup: str, address: int, crc: bool, serial: int
    ) -> None:
        if setup and setup not in self.setups:
            raise MachineError(
                f"{type(self).__name__}: unknown setup {setup!r}, want one of"
                f" {', '.join(self.setups)}"
            )
        self.faults = faults or Faults()
        self.address = address
        self.crc = crc
        self.serial = serial + (setup == "swapped")
        self.truth = AcceptorTruth()
        self.events = EventBuffer()
        self.state = "idle"
        self.busy_permille = 0  # how often a command is answered BUSY or NAK and not obeyed
        self._unwilling: deque[int] = deque()  # the next answers, whatever is asked
        self._heard = bytearray()
        self._heard_ms = 0
        self._replies: deque[tuple[int, bytes]] = deque()
        self._output = bytearray()
        self._on_at: int | None = None  # when the power comes back by itself
        self._start()
        if setup == "near_wrap" or self.faults.permille.get("wrap") or self.faults.draw(("wrap",)):
            self.faults.struck["wrap"] += 1
            for _ in range(EVENTS_MAX):  # it refused pieces before anybody listened
                self.events.add(0, self._refusal)
            self.events.counter = 255 - self.faults.random.randrange(12)
        if setup == "power_off":
            self.state = "off"

    _refusal = 1  # event code of a refused piece

    # what happens on the line

    def receive(self, data: bytes, now_ms: int) -> None:
        """Bytes of the host or, on a shared line, of a neighbour."""
        if self.state == "off":
            return
        self._drop_stale(now_ms)
        for byte in data:
            self._heard.append(byte)
            self._heard_ms = now_ms
            if len(self._heard) > 1 and len(self._heard) == 5 + self._heard[1]:
                heard = bytes(self._heard)
                self._heard.clear()
                self._take(heard, now_ms)

    def poll(self, now_ms: int) -> None:
        """Time passes for the mechanism and the wire."""
        if self._on_at is not None and now_ms >= self._on_at:
            self.power_on(now_ms)
        if self.state == "off":
            return
        self._drop_stale(now_ms)
        self._move(now_ms)
        while self._replies and self._replies[0][0] <= now_ms:
            self._output += self._replies.popleft()[1]

    def pop_output(self) -> bytes:
        """The bytes sent since the last call."""
        sent = bytes(self._output)
        self._output.clear()
        return sent

    # what a person or the mains does

    def power_off(self, now_ms: int, back_at: int | None = None) -> None:
        """Everything in its memory is gone. The mechanism decides where the pieces go that were on
        their way.
        """
        if self.state != "off":
            self._lose_power(now_ms)
            self.state = "off"
            for each in (self._heard, self._replies, self._output):
                each.clear()
        self._on_at = back_at

    def power_on(self, now_ms: int) -> None:
        self._on_at = None
        if self.state == "off":
            self.state = "idle"
            self._start()
            self._wake(now_ms)

    def swap(self, now_ms: int, back_at: int | None = None) -> None:
        """Another device of the same type is screwed in."""
        self.power_off(now_ms, back_at)
        self.serial += 1

    def do(self, line: str, now_ms: int) -> None:
        """What a person does: one of `verbs`."""
        verb, _, rest = line.strip().partition(" ")
        if verb == "power" and rest in ("off", "on"):
            self.power_off(now_ms) if rest == "off" else self.power_on(now_ms)
        elif verb == "swap" and not rest:
            self.swap(now_ms, now_ms + OUTAGE_MS[1])
        elif verb in ("busy", "nak") and rest.isdecimal():
            self.refuse(BUSY if verb == "busy" else NAK, min(int(rest), 99))
        else:
            raise MachineError(
                f"{type(self).__name__}: {line!r} is not understood; it takes"
                f" {', '.join(self.verbs)}"
            )

    def true_pieces(self) -> Counter[int]:
        """What the ledger should hold: cash that was kept for good, without tokens."""
        return _cash(self.truth)

    def refuse(self, header: int, times: int = 1) -> None:
        """The next commands are answered BUSY or NAK and not obeyed."""
        self._unwilling.extend([header] * times)

    def _strike_power(self, drawn: set[str], now_ms: int) -> None:
        """The power fails for a moment, or the device is exchanged: visible for a host that polls,
        or hidden between two polls.
        """
        random = self.faults.random
        if "swap" in drawn:
            self.swap(now_ms, now_ms + random.randrange(1000, 5000))
        elif "power_loss" in drawn:
            self.power_off(now_ms, now_ms + random.randrange(*random.choice((BLINK_MS, OUTAGE_MS))))

    # frames

    def _drop_stale(self, now_ms: int) -> None:
        if self._heard and now_ms - self._heard_ms > GAP_MS:
            self._heard.clear()

    def _take(self, heard: bytes, now_ms: int) -> None:
        """A frame of the right length: obey it if it is ours and whole, otherwise be silent."""
        target, length = heard[0], heard[1]
        if self.crc:
            check = crc16(heard[:2] + heard[3:-1])
            whole = heard[2] == check & 0xFF and heard[-1] == check >> 8
            source = HOST
        else:
            whole = sum(heard) & 0xFF == 0
            source = heard[2]
        if not whole or target != self.address:
            return
        header, data = heard[3], heard[4 : 4 + length]
        answer = self._answer(header, data, now_ms)
        if isinstance(answer, int):
            self._reply(source, answer, b"", now_ms)
        elif answer is not None:
            self._reply(source, 0, answer, now_ms)

    def _reply(self, target: int, header: int, data: bytes, now_ms: int) -> None:
        self._replies.append(
            (now_ms + REPLY_MS, frame(target, self.address, header, data, self.crc))
        )

    def _answer(self, header: int, data: bytes, now_ms: int) -> bytes | int | None:
        """Data of the reply, or the header of a reply without data, or None for silence."""
        command = self._commands().get(header)
        if header not in self.texts and command is None:
            return None
        if self._unwilling:
            return self._unwilling.popleft()
        if (
            self.busy_permille
            and self.faults.permille
            and self.faults.random.randrange(PERMILLE) < self.busy_permille
        ):
            return self.faults.random.choice((BUSY, NAK))
        return self.texts[header] if command is None else command(data, now_ms)

    def _commands(self) -> dict[int, Callable[[bytes, int], bytes | int | None]]:
        """{header: what obeys it}."""
        return {
            254: lambda _data, _now: ACK,
            242: lambda _data, _now: self.serial.to_bytes(3, "little"),
            231: self._modify_inhibits,
            230: lambda _data, _now: bytes(self._inhibits),
            228: self._modify_master,
            227: lambda _data, _now: bytes((self._master,)),
            1: self._reset,
        }

    def _modify_inhibits(self, data: bytes, _now_ms: int) -> int:
        if len(data) != self.inhibit_bytes:
            return NAK
        self._inhibits = data
        return ACK

    def _modify_master(self, data: bytes, _now_ms: int) -> int:
        if len(data) != 1:
            return NAK
        self._master = data[0] & 1
        return ACK

    def _reset(self, _data: bytes, now_ms: int) -> int | None:
        """A software reset: the ACK goes out first."""
        self._reply(HOST, ACK, b"", now_ms)
        waiting = list(self._replies)
        self._lose_power(now_ms)
        self._start()
        self._wake(now_ms)
        self._replies = deque(waiting)
        return None

    def _is_enabled(self, position: int) -> bool:
        """Whether the inhibit mask lets this position through: bit 0 of its first byte is position
        1, 1 is accept.
        """
        return bool(self._inhibits[(position - 1) // 8] >> (position - 1) % 8 & 1)

    def _start(self) -> None:
        """Memory as it is after power-up: no event, every piece inhibited."""
        self.events.clear()
        self._inhibits = bytes(self.inhibit_bytes)
        self._master = 0

    # what a mechanism adds

    def _move(self, now_ms: int) -> None:
        raise NotImplementedError

    def _lose_power(self, now_ms: int) -> None:
        raise NotImplementedError

    def _wake(self, now_ms: int) -> None:
        """What a mechanism does with a piece that it finds at power-up."""


class CctalkBus:
    """Several devices on one data line: each hears everything, and two that talk at once pull each
    other's bits down.
    """

    def __init__(self, **devices: CctalkDevice) -> None:
        self.devices = devices
        self.supported = tuple({knob: 0 for each in devices.values() for knob in each.supported})
        self.setups: tuple[str, ...] = ()
        self.verbs = {
            f"{name} {verb}": text
            for name, each in devices.items()
            for verb, text in each.verbs.items()
        }
        self._output = bytearray()

    def receive(self, data: bytes, now_ms: int) -> None:
        for each in self.devices.values():
            each.receive(data, now_ms)

    def poll(self, now_ms: int) -> None:
        sent = []
        for each in self.devices.values():
            each.poll(now_ms)
            said = each.pop_output()
            if said:
                sent.append((each, said))
        for device, said in sent:
            for each in self.devices.values():
                if each is not device:
                    each.receive(said, now_ms)
        self._output += _collide([said for _, said in sent])

    def pop_output(self) -> bytes:
        sent = bytes(self._output)
        self._output.clear()
        return sent

    def do(self, line: str, now_ms: int) -> None:
        """`coin insert 0.25`: the device's name, then what is done to it."""
        name, _, rest = line.partition(" ")
        if name not in self.devices:
            raise MachineError(f"{name!r} is not on this line; there are {', '.join(self.devices)}")
        self.devices[name].do(rest, now_ms)

    @property
    def truth(self) -> AcceptorTruth:
        """Where the pieces of all of them are."""
        whole = AcceptorTruth()
        for each in self.devices.values():
            for place in ("inserted", *PLACES, "credited", "forgotten"):
                getattr(whole, place).update(getattr(each.truth, place))
        return whole

    def true_pieces(self) -> Counter[int]:
        """The cash in the boxes of all of them."""
        return _cash(self.truth)


def _cash(truth: AcceptorTruth) -> Counter[int]:
    taken = truth.box + truth.fished
    del taken[TOKEN]
    return taken


def _collide(bursts: Sequence[bytes]) -> bytes:
    """Open collector: a 0 wins over a 1."""
    whole = bytearray(b"\xff" * max((len(each) for each in bursts), default=0))
    for burst in bursts:
        for at, byte in enumerate(burst):
            whole[at] &= byte
    return bytes(whole)
