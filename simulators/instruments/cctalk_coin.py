"""A ccTalk coin acceptor: a coin passes two sensors and a gate, and its result waits in a buffer of
five events.

Source: ccTalk Generic Specification v4.7, part 2 (headers 184, 227 to 231) and part 3 (error codes
of coin acceptors; the dialogue of an SR5i). Assumed, because makers differ: times of the path;
inhibited after power-up by its mask, not by the master inhibit (the dialogue sends no 228); a coin
that left the gate and was never seen by the credit sensor (error 6) lies in the box as often as in
the tray.
"""

from collections.abc import Callable

from simulators.instruments.acceptor import AcceptorTruth, cents_of
from simulators.instruments.cctalk_wire import NAK, TOKEN, CctalkDevice
from simulators.instruments.faults import Faults
from simulators.instruments.machine import MachineError

US_COINS = ("US001A", "US005A", "US010A", "US025A", "US050A", "US100A", "......", "TK001A")
POSITIONS = 16
UNUSED = "......"

VALIDATE_MS = 120  # from the mouth to the sensor that knows coins
CREDIT_MS = 120  # from there through the gate to the credit sensor
RATTLE_MS = 25  # between the coins of a handful poured in at once

REJECTED, INHIBITED, VALIDATION_TIMEOUT, CREDIT_TIMEOUT, CLOSE_COIN, SENSOR_BLOCKED = (
    1,
    2,
    5,
    6,
    8,
    14,
)
ON_STRING, SLUG, INHIBITED_TYPE_1, LEVER = 20, 25, 128, 254


class CoinPath:
    """The metal: coins on their way in `truth`, and what happens to each. It knows no events and no
    wire.

    judge(cents) is asked at the first sensor and gives the error code of a coin that has to go
    back, or 0. tell(what, cents) hears what the sensors saw: "credit", or an error code.
    """

    def __init__(
        self,
        truth: AcceptorTruth,
        judge: Callable[[int], int],
        tell: Callable[[int | str, int], None],
    ) -> None:
        self.truth = truth
        self.jammed = False
        self._judge = judge
        self._tell = tell
        self._running: list[
            tuple[int, str, int, int]
        ] = []  # (when, at which sensor, cents, error code foreseen)

    def insert(self, cents: int, fate: int, now_ms: int, later_ms: int = 0) -> None:
        """A coin falls in; `fate` is the error code that it will come to whatever the host allows,
        or 0.
        """
        self.truth.insert(cents, now_ms)
        self._running.append((now_ms + later_ms + VALIDATE_MS, "validation", cents, fate))

    def move(self, now_ms: int, into_box: Callable[[], bool]) -> None:
        """Let the coins run; `into_box` says where one goes that the credit sensor missed."""
        while self._running and not self.jammed and min(self._running)[0] <= now_ms:
            coin = min(self._running)
            self._running.remove(coin)
            at, sensor, cents, fate = coin
            if sensor == "validation":
                self._validate(at, cents, fate)
            elif fate == CREDIT_TIMEOUT:
                self.truth.move(cents, "path", "box" if into_box() else "returned", at)
                self._tell(CREDIT_TIMEOUT, cents)
            elif fate == SENSOR_BLOCKED:
                self._running.append(coin)
                self.jammed = True
                self._tell(SENSOR_BLOCKED, cents)
            else:
                self.truth.move(cents, "path", "box", at)
                self._tell("credit", cents)

    def _validate(self, at: int, cents: int, fate: int) -> None:
        refusal = fate if fate not in (0, CREDIT_TIMEOUT, SENSOR_BLOCKED) else self._judge(cents)
        if refusal:
            self.truth.move(cents, "path", "returned", at)
            self._tell(refusal, cents)
        else:
            self._running.append((at + CREDIT_MS, "credit", cents, fate))

    def empty(self, now_ms: int) -> int:
        """Every coin on its way goes back: the return lever, a hand, or a gate without power.
        Returns how many.
        """
        coins, self._running = self._running, []
        self.jammed = False
        for _, _, cents, _ in coins:
            self.truth.move(cents, "path", "returned", now_ms)
        return len(coins)


class CoinAcceptor(CctalkDevice):
    """Address 2, six coins of the United States and a token; `do("insert 0.25", now_ms)`."""

    supported = ("jam", "reject", "suspect", "power_loss", "burst", "wrap", "fish", "swap")
    verbs = {
        "insert AMOUNT": "drop a coin in (0.25 or 25c), or: insert token",
        "handful N": "pour N coins in at once",
        "clear": "take a stuck coin out",
        "lever": "press the return lever",
        "string": "pull the last credited coin out again",
        **CctalkDevice.verbs,
    }
    texts = {
        245: b"Coin Acceptor",
        246: b"Money Controls",
        244: b"SR5i",
        241: b"CRS-F1-V1.09",
        192: b"STD01   ",
        4: bytes((1, 4, 2)),
        249: bytes((2, 20)),  # poll every 20 x 10 ms
        232: bytes((0,)),  # self-check: no fault
    }

    def __init__(
        self, faults: Faults | None = None, setup: str = "", *, address: int = 2, crc: bool = False,
        serial: int = 12345678, ids: tuple[str, ...] = US_COINS,
    ) -> None:  # fmt: skip
        """`ids`: six characters for each position; US025A is 25 of the smallest unit, TK a token,
        ...... not programmed.
        """
        self.ids = (*ids, *[UNUSED] * (POSITIONS - len(ids)))
        self.positions = {_cents(each): at for at, each in enumerate(self.ids, 1) if each != UNUSED}
        super().__init__(faults, setup, address, crc, serial)
        self.path = CoinPath(self.truth, self._judge, self._tell)
        self._fishing: list[int] = []  # coins on a string, credited a moment ago
        self._now_ms = 0
        if setup == "jammed":
            self._inhibits = b"\xff\xff"
            self.path.insert(next(iter(self.positions)), SENSOR_BLOCKED, -CREDIT_MS - VALIDATE_MS)
            self.path.move(0, bool)
            self._inhibits = bytes(2)

    def insert(self, cents: int, now_ms: int) -> None:
        """Drop one coin in; what the seed has in store for it is drawn here."""
        if self.path.jammed:
            raise MachineError("CoinAcceptor: a coin is stuck; clear it first")
        if self.state == "off":
            raise MachineError("CoinAcceptor: without power a coin falls straight back")
        drawn = self.faults.draw(self.supported)
        random = self.faults.random
        fate = 0
        if "jam" in drawn:
            fate = random.choice((SENSOR_BLOCKED, CREDIT_TIMEOUT))
        elif "reject" in drawn:
            fate = random.choice((REJECTED, VALIDATION_TIMEOUT, CLOSE_COIN))
        elif "suspect" in drawn:
            fate = SLUG
        elif "fish" in drawn:
            self._fishing.append(cents)
        self.path.insert(cents, fate, now_ms)
        if "burst" in drawn:
            for number in range(1, random.randrange(7, 13)):
                self.path.insert(
                    random.choice([each for each in self.positions if each]),
                    0,
                    now_ms,
                    number * RATTLE_MS,
                )
        self._strike_power(drawn, now_ms)

    def do(self, line: str, now_ms: int) -> None:
        """What a person does; MachineError says what would be understood."""
        verb, _, rest = line.strip().partition(" ")
        if verb == "insert":
            self.insert(
                TOKEN if rest == "token" and TOKEN in self.positions else self._coin(rest), now_ms
            )
        elif verb == "handful" and rest.isdecimal():
            for _ in range(min(int(rest), 50)):
                self.insert(
                    self.faults.random.choice([each for each in self.positions if each]), now_ms
                )
        elif line == "clear":
            self.path.empty(now_ms)
        elif line == "lever":
            self.path.empty(now_ms)
            if self.state != "off":
                self.events.add(0, LEVER)
        elif line == "string":
            self._pull_out(now_ms)
        else:
            super().do(line, now_ms)

    def _coin(self, word: str) -> int:
        return cents_of(word, [each for each in self.positions if each])

    def _pull_out(self, now_ms: int) -> None:
        last = [cents for _, what, cents in self.truth.log if what == "box"]
        if not last or not self.truth.box[last[-1]]:
            raise MachineError("CoinAcceptor: no credited coin within reach")
        self.truth.move(last[-1], "box", "fished", now_ms)
        if self.state != "off":
            self.events.add(0, ON_STRING)

    # how the electronics react

    def _judge(self, cents: int) -> int:
        if not self._master:
            return INHIBITED
        position = self.positions[cents]
        return 0 if self._is_enabled(position) else INHIBITED_TYPE_1 + position - 1

    def _tell(self, what: int | str, cents: int) -> None:
        if what != "credit":
            assert isinstance(what, int)
            self.events.add(0, what)
            return
        self.events.add(self.positions[cents], 1)  # sorter path 1
        self.truth.credited[cents] += 1
        if cents in self._fishing:
            self._fishing.remove(cents)
            self._pull_out(self._now_ms)

    def _move(self, now_ms: int) -> None:
        self._now_ms = now_ms
        self.path.move(now_ms, lambda: self.faults.random.random() < 0.5)

    def _lose_power(self, now_ms: int) -> None:
        self.path.empty(now_ms)
        self._fishing.clear()

    def _start(self) -> None:
        super()._start()
        self._master = 1

    # headers of coin acceptors

    def _commands(self) -> dict[int, Callable[[bytes, int], bytes | int | None]]:
        return {
            **super()._commands(),
            184: self._coin_id,
            229: lambda _data, _now: self.events.read(),
        }

    def _coin_id(self, data: bytes, _now_ms: int) -> bytes | int:
        if len(data) != 1 or not 1 <= data[0] <= POSITIONS:
            return NAK
        return self.ids[data[0] - 1].encode()


def _cents(coin_id: str) -> int:
    """25 of US025A, 0 of a token."""
    return int(coin_id[2:5]) if coin_id[2:5].isdecimal() and not coin_id.startswith("TK") else TOKEN
