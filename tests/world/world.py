"""One history: windows that count, a broker, a gateway, an attacker and faults, in virtual
milliseconds, all from one seed.

The truth is the piles of money: each is counted until a beep (or the display after a power cut)
says that it is kept. The oracle checks every answer of the gateway (is it committed?) and every
record that it accepts (did that device say it?). At the end, when all is repaired, each pile must
be in the ledger once, or in something that a person was told, and never twice.
"""

import random
import shutil
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gateway.delivery import ingest, recording
from gateway.delivery.ingest import Ingest
from gateway.devices.keys import KeyStore, key_file
from gateway.errors import TryAgain
from gateway.files import write_private
from gateway.store.ledger import Ledger
from protocol import packing
from tests.world import oracle
from tests.world.core import Core, Cut
from tests.world.log import Log
from tests.world.parts import Board, OldSeals, Pile
from tests.world.places import Place
from tests.world.wires import Wires

SITE = "city"
# how long it may take until everything is in the ledger, once nothing is broken any more
HEAL_MS = 900_000
PENDING = 16
DST_UTC_MS = 1_793_516_340_000  # 2026-11-01 06:59 UTC: a minute before Chicago's clocks go back
SPRING_UTC_MS = 1_772_956_740_000  # 2026-03-08 07:59 UTC: a minute before they go forward
# at most so many messages in one commit, and how long the gateway gathers them, ms
BATCHES = ((1, 50), (8, 50), (64, 500), (512, 50), (512, 500), (512, 4000))
QUARANTINE_ROWS = 40, 80  # the caps of this world's gateway
TURN_MS = 400  # the firmware sends one every 10 ms; the delays of a line hide the difference


class World(Wires):
    """`run` plays the history of a seed; `faults` (drawn from it) may be cut down to a part for a
    smaller example.
    """

    def __init__(
        self, seed: int, folder: Path, place: Place, keep: list[int] | None = None,
        trace: bool = False, focus: Sequence[str] = (),
    ) -> None:  # fmt: skip
        super().__init__(random.Random(seed), trace)
        self.seed = seed
        self.folder = folder
        self.place = place
        self.keep = keep
        self.focus = focus
        self.struck: Counter[str] = Counter()
        # {(device, epoch, seq): {record: boards that held it}}
        self.said: dict[tuple[str, int, int], dict[bytes, set[int]]] = {}
        self.script: list[list[Any]] = []  # of the first board, for the other interpreter
        self.healed_ms = 0
        # (device, epoch) of which a person was told that two boards spoke
        self.excused: set[tuple[str, int]] = set()
        # (device, epoch) of lives that were wiped before the ledger knew of them
        self.unheard: set[tuple[str, int]] = set()
        # (device, epoch): the highest mark that any ledger ever committed
        self.promised: dict[tuple[str, int], int] = {}
        # device: number of the newest key that it was ever given
        self.numbers: Counter[str] = Counter()
        self.reads = packing.VERSION  # of the gateway's program; 0: of before version 2
        self.log = Log()  # of this ledger, as far as the oracle has read it
        self.gateway_up = True
        self.hung_ms = 0  # the gateway's machine stands still until then
        self.has_backup = False
        self.turn_due = False
        self.crash = ""  # where the gateway is killed in its next turn
        # statements of the gateway from now on until one fails, and how many fail
        self.failing: list[int] = []
        # (device, epoch) of streams that a person released since they last spoke: what was held and
        # refused of the device until then
        self.released: dict[tuple[str, int], tuple[int, int]] = {}
        self.wiped: set[str] = set()
        self.clones: set[str] = set()
        self.read: list[
            tuple[str, str]
        ] = []  # (kind, device) of incidents that a person read in a ledger that is gone
        self.closed: dict[
            tuple[str, int], int
        ] = {}  # (device, epoch): high_water of tails that such a ledger reported

    # ---- set-up

    def build(self) -> None:
        rng = self.rng
        self.drop = rng.choice((0, 0, rng.randrange(51)))
        self.double = rng.choice((0, 0, rng.randrange(41)))
        self.flip = rng.choice((0, 0, 0, rng.randrange(11)))
        self.delay = rng.choice((5, 50, 500, 3000))
        if self.focus:
            self.drop, self.delay = rng.choice((20, 40)), rng.choice((5, 500))
        self.limits = {
            "window_records": rng.choice((4, 16, 64)),
            "heartbeat_ms": rng.choice((2000, 5000, 15000)), "resend_ms": rng.choice((800, 4000)),
        }  # fmt: skip
        self.batch_max, self.gather_ms = rng.choice(BATCHES)
        self.clock.base_ms = rng.choice((1_790_000_000_000, DST_UTC_MS, SPRING_UTC_MS))
        if self.clock.base_ms != 1_790_000_000_000:
            self.struck["dst night"] += 1
        self.ends = rng.choice((10_000, 20_000, 60_000))
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "keys").mkdir(parents=True, mode=0o700)
        self.keys = KeyStore(self.folder / "keys")
        self.place.begin(self.folder)
        self.open_gateway()
        for number in range(1 if rng.random() < 0.9 else rng.choice((2, 3))):
            self.add_board(f"w{number + 1}")
        for board in self.boards:
            self.power_on(board)
            self.at(rng.randrange(1000), self.cashier, board)
            self.at(rng.randrange(250), self.turn, board)

    def add_board(self, name: str) -> Board:
        secret = self.rng.randbytes(32)
        self.give_key(name, 1, secret)
        core = Core(SITE, name, secret, 1, self.limits, self.rng.choice((3, 4, 4, 8)), PENDING)
        core.is_old = len(self.boards) % 3 == 2
        board = Board(name, core, len(self.boards), skew=self.rng.choice((1000, 999, 1001)))
        if not self.boards:
            self.script.append(
                ["new", [SITE, name, secret, 1, self.limits, len(core.flash.content), PENDING]]
            )
        self.boards.append(board)
        return board

    def open_gateway(self) -> None:
        self.ledger = Ledger.open(self.place.address, create=False)
        self.ingest = self.gate(self.ledger, self.keys)
        self.witness = self.place.witness()
        self.gateway_up = True

    def gate(self, ledger: Ledger, keys: KeyStore) -> Ingest:
        """The gate of a gateway that runs the program of now."""
        made = Ingest(ledger, keys, self.clock, SITE)
        made.observers.append(lambda record: oracle.recorded(self, record))
        if not self.reads:
            made._seals = OldSeals(keys, SITE)
        return made

    def set_program(self, version: int) -> None:
        """What the gateway's program reads from now on; 0: it is the one of before version 2."""
        self.reads = version
        ingest.VERSION = version

    def close_gateway(self) -> None:
        self.gateway_up = False
        self.ledger.close()
        self.witness.close()

    def give_key(self, name: str, number: int, secret: bytes) -> None:
        """Let a device in under this key alone."""
        self.numbers[name] = number
        write_private(key_file(self.folder / "keys", name), f"{number} {secret.hex()}\n".encode())

    # ---- a board

    def do(self, board: Board, name: str, *args: Any) -> Any:
        """Call the device's core. For the first board the answer goes into the script. After a cut
        the board has no power.
        """
        logged = board.number == 0
        try:
            answer = getattr(board.core, name)(*args)
        except Cut:
            if logged:
                self.script.append([name, list(args), "cut"])
            self.note(f"{board.name} power cut inside {name}")
            self.learn(board)
            self.power_off(board)
            raise
        if logged:
            self.script.append([name, list(args), answer])
        if name in ("count", "keep", "power_on"):
            self.learn(board)
        return answer

    def learn(self, board: Board) -> None:
        """Note what the journal holds now: only what it ever held may reach the ledger."""
        journal = board.core.journal
        if journal is None:
            return
        if board.learnt == (journal.epoch, journal.last_seq):
            return
        epoch, known = board.learnt
        if epoch != journal.epoch:
            known = 0
        for seq in range(max(known + 1, journal.lowest_kept), journal.last_seq + 1):
            body = journal.read(seq)
            if body is not None:
                self.said.setdefault((board.name, journal.epoch, seq), {}).setdefault(
                    body, set()
                ).add(board.number)
        board.learnt = (journal.epoch, journal.last_seq)

    def power_on(self, board: Board) -> None:
        if board.is_powered or board.is_gone:
            return
        epoch = self.rng.randrange(1, 1 << 32)
        cut_in, torn = (
            (self.rng.randrange(1, 6), self.rng.randrange(513))
            if self.rng.random() < 0.05 and not self.healed
            else (0, 0)
        )
        board.booted_ms = self.now
        try:
            _, boot, last, shown = self.do(board, "power_on", epoch, cut_in, torn)
        except Cut:
            self.struck["power cut while starting"] += 1
            self.at(self.rng.randrange(100, 3000), self.power_on, board)
            return
        board.is_powered = True
        board.refused = 0
        oracle.started(board)
        self.note(f"{board.name} boot {boot} seq {last} shows {shown!r}")
        pile = board.piles[-1] if board.piles else None
        if pile and not pile.taken and pile.tries and f" {pile.tries[-1]} " in f"{shown} ":
            self.confirm(board, pile)  # the cashier reads that it was kept
        self.at(self.rng.randrange(500), self.connect, board)

    def power_off(self, board: Board) -> None:
        board.is_powered = False
        self.disconnect(board)
        self.at(self.rng.randrange(100, 5000), self.power_on, board)

    def cashier(self, board: Board) -> None:
        """Counts now and then; at the end only until the last pile is kept."""
        if board.is_gone or (self.healed and (not board.piles or board.piles[-1].taken)):
            return
        self.count(board)
        self.at(self.rng.randrange(500, 1500 if self.healed else 6000), self.cashier, board)

    def count(self, board: Board) -> None:
        """Count the pile on the table again if it was not confirmed, or a new one."""
        if board.is_powered and not board.is_gone:
            pile = board.piles[-1] if board.piles else None
            if pile is None or pile.taken:
                if self.healed:
                    return
                pile = Pile(
                    board.number, self.rng.choice((1, 25, 100, 2000)), self.rng.randrange(1, 99)
                )
                board.piles.append(pile)
            batch = f"{board.number}-{len(board.piles)}-{len(pile.tries)}"
            pile.tries.append(batch)
            self.counts["counts"] += 1
            try:
                beeps = self.do(
                    board, "count", batch, pile.cents, pile.pieces, board.uptime(self.now)
                )
            except Cut:
                beeps = []
            if "ok" in beeps:
                self.confirm(board, pile)
            elif beeps:
                self.counts["refused"] += 1
                board.refused += 1

    def crowd(self, board: Board, many: int) -> None:
        """So many small piles on so many instruments at the same time; a refused pile is counted by
        hand.
        """
        if not board.is_powered or board.is_gone or not board.piles:
            return
        piles = [
            Pile(board.number, 25, 1, [f"{board.number}-{len(board.piles) + number}-c"])
            for number in range(many)
        ]
        board.piles[:0] = piles
        try:
            waited, beeps = self.do(
                board, "crowd", [pile.tries[0] for pile in piles], 25, board.uptime(self.now)
            )
        except Cut:
            return
        if waited > PENDING:
            raise oracle.Broken(
                f"I7: {waited} records wait on {board.name}, the limit is {PENDING}"
            )
        journal = board.core.journal
        taken = [pile for pile, beep in zip(piles, beeps, strict=True) if beep == "ok"]
        for seq, pile in enumerate(taken, journal.last_seq - len(taken) + 1):
            pile.taken, pile.epoch, pile.seq = pile.tries[0], journal.epoch, seq
        board.refused += len(piles) - len(taken)

    def confirm(self, board: Board, pile: Pile) -> None:
        pile.taken = pile.tries[-1]
        journal = board.core.journal
        pile.epoch, pile.seq = journal.epoch, journal.last_seq
        self.note(f"{board.name} takes pile {pile.taken} as seq {pile.seq}")

    def turn(self, board: Board) -> None:
        """What the firmware's tasks do now and then: housekeeping and the link."""
        if board.is_gone:
            return
        if board.is_powered:
            try:
                oracle.obeyed(board, self.do(board, "keep", board.uptime(self.now)))
                self.send(board)
            except Cut:
                pass
        self.at(TURN_MS, self.turn, board)

    def send(self, board: Board) -> None:
        if not board.is_connected:
            return
        uplink = board.core.uplink
        for topic, sealed, retain in self.do(
            board, "poll", self.now & 0x3FFFFFFF, board.uptime(self.now)
        ):
            self.sealed.add((topic, sealed))
            self.line(board, self.publish, topic, sealed, retain)
        # twice: a late answer may lower `acked` for a moment, and an answer for a copy for longer
        is_exact = not self.counts["restored"] and board.name not in self.clones
        if is_exact and uplink._sent - board.core.journal.acked > 2 * self.limits["window_records"]:
            raise oracle.Broken(
                f"I7: {board.name} has {uplink._sent - board.core.journal.acked} records under way"
            )

    # ---- the gateway

    def wake(self) -> None:
        if not self.turn_due and self.gateway_up and self.broker_up:
            self.turn_due = True
            self.at(self.rng.randrange(1, self.gather_ms), self.gateway_turn)

    def gateway_turn(self) -> None:
        from tests.world.storage_faults import statements_fail

        self.turn_due = False
        if not self.gateway_up or not self.broker_up or not self.queue:
            return
        if self.now < self.hung_ms:
            self.at(self.hung_ms - self.now, self.wake)
            return
        arrived = self.queue[: self.batch_max]
        batch = [self.ingest.accept(*message) for message in arrived]
        oracle.let_in(self, arrived, batch)
        if self.crash == "before commit":
            self.crash = ""
            self.kill_gateway()
            return
        inside, self.crash = self.crash == "inside", "" if self.crash == "inside" else self.crash
        failing = self.failing
        if inside:  # after so many steps the engine is stopped, whatever it is doing
            failing = self.place.stop(self.ledger.db, self.rng.randrange(1, 300)) or failing
        try:
            with statements_fail(self.ledger.db, failing):
                answers = self.ingest.commit(batch)
        except TryAgain:
            if inside:
                self.counts["killed inside"] += 1
                self.kill_gateway()
                return
            self.counts["storage failed"] += 1
            self.at(1000, self.wake)
            return
        self.place.go_on(self.ledger.db)
        self.counts["commits"] += 1
        oracle.durable(self, batch, answers)
        if self.crash == "behind commit":
            self.crash = ""
            self.kill_gateway()
            return
        del self.queue[: len(arrived)]
        for topic, sealed in answers:
            self.answer(topic, sealed)
        if self.queue:
            self.wake()

    def kill_gateway(self) -> None:
        self.note("gateway killed")
        self.close_gateway()
        self.at(self.rng.randrange(200, 8000), self.start_gateway)

    def start_gateway(self) -> None:
        if self.gateway_up:
            return
        self.open_gateway()
        self.ledger.check_start(self.clock.utc_ms())
        self.queue.extend((topic, sealed, True) for topic, sealed in self.retained.items())
        self.wake()

    # ---- the whole

    def run(self) -> list[str]:
        """The history; what is wrong with it, [] for nothing."""
        from tests.world.mending import heal

        self.set_program(packing.VERSION)
        caps = recording.QUARANTINE_ROWS, recording.QUARANTINE_ROWS_SEALED
        # so that a short history gets there
        recording.QUARANTINE_ROWS, recording.QUARANTINE_ROWS_SEALED = QUARANTINE_ROWS
        try:
            return self.history(heal)
        except Exception as error:  # any exception is a failure with a seed
            at = traceback.extract_tb(error.__traceback__)[-1]
            return [f"{type(error).__name__}: {error} ({Path(at.filename).name}:{at.lineno})"]
        finally:
            recording.QUARANTINE_ROWS, recording.QUARANTINE_ROWS_SEALED = caps
            self.set_program(packing.VERSION)
            if self.gateway_up:
                self.close_gateway()

    def history(self, heal: Callable[["World"], None]) -> list[str]:
        self.build()
        self.draw()
        for at_ms, name, dice in self.plan:
            self.at(at_ms, self.strike, name, dice)
        try:
            self.play(self.ends)
            self.healed = True
            heal(self)
            if not self.play(self.now + HEAL_MS, lambda: oracle.is_calm(self)):
                return [f"I6: not converged within {HEAL_MS} ms: {oracle.where(self)}"]
            return oracle.judge(self)
        except oracle.Broken as error:
            return [str(error)]

    def draw(self) -> None:
        """Which faults strike when; few kinds for most histories, so that they meet."""
        from tests.world.faults import FAULTS as faults

        rng = self.rng
        many = rng.choice((0, rng.randrange(1, 8), rng.randrange(1, 8), rng.randrange(40)))
        plan = [
            (rng.randrange(self.ends), rng.choice(tuple(faults)), rng.getrandbits(32))
            for _ in range(many)
        ]
        kinds = rng.sample(
            tuple(faults), rng.choice((3, 6, 10, len(faults)))
        )  # few kinds come together more often
        kinds = self.focus or kinds
        plan = [(at_ms, rng.choice(kinds), dice) for at_ms, _, dice in plan]
        self.plan = [plan[number] for number in self.keep] if self.keep is not None else plan

    def strike(self, name: str, dice: int) -> None:
        from tests.world.faults import FAULTS

        if FAULTS[name](self, random.Random(dice)):
            self.struck[name] += 1
            self.note(f"fault: {name}")
