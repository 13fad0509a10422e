"""What can happen: each fault is a function (world, dice) -> whether it happened. And how a person
repairs what only a person can repair.
"""

import random
from collections.abc import Callable

from gateway.devices import commands
from gateway.devices.keys import DeviceKey, destroy_keys
from gateway.errors import GatewayError
from gateway.store.engine import StorageBusy
from protocol import messages, packing, seal, topics
from tests.world import oracle
from tests.world.core import Core
from tests.world.log import Log
from tests.world.parts import Board
from tests.world.storage_faults import STORAGE_FAULTS, is_free
from tests.world.world import PENDING, SITE, World

Fault = Callable[[World, random.Random], bool]
BoardFault = Callable[[World, random.Random, Board], bool]


def _board(world: World, dice: random.Random) -> Board | None:
    there = [board for board in world.boards if not board.is_gone]
    return dice.choice(there) if there else None


def _powered(world: World, dice: random.Random) -> Board | None:
    there = [board for board in world.boards if board.is_powered]
    return dice.choice(there) if there else None


def _ours(world: World, dice: random.Random) -> Board | None:
    """A board that the office knows, not a clone."""
    there = [board for board in world.boards if board.is_powered and not board.is_clone]
    return dice.choice(there) if there else None


def _on(pick: Callable[[World, random.Random], Board | None]) -> Callable[[BoardFault], Fault]:
    """A fault of one board: it strikes if there is such a board."""

    def wrap(strike: BoardFault) -> Fault:
        def fault(world: World, dice: random.Random) -> bool:
            board = pick(world, dice)
            return board is not None and strike(world, dice, board)

        return fault

    return wrap


@_on(_powered)
def power_cut(world: World, dice: random.Random, board: Board) -> bool:
    world.power_off(board)
    return True


@_on(_powered)
def power_cut_in_flash(world: World, dice: random.Random, board: Board) -> bool:
    world.do(board, "plan_cut", dice.randrange(1, 12), dice.randrange(513))
    return True


@_on(_board)
def partition(world: World, dice: random.Random, board: Board) -> bool:
    board.cut_off_ms = world.now + dice.choice((500, 5000, 30_000))
    world.disconnect(board)
    return True


@_on(_board)
def long_outage(world: World, dice: random.Random, board: Board) -> bool:
    """The cashier counts much, until the flash is full if it is small."""
    board.cut_off_ms = world.now + 90_000
    world.disconnect(board)
    for number in range(dice.randrange(10, 70)):
        world.at(100 + number * 60, world.count, board)
    return True


@_on(_board)
def busy(world: World, dice: random.Random, board: Board) -> bool:
    """So much in a short time that a small ring overwrites acknowledged records."""
    for number in range(dice.randrange(30, 120)):
        world.at(100 + number * 100, world.count, board)
    return True


@_on(_board)
def crowded(world: World, dice: random.Random, board: Board) -> bool:
    """All instruments count at once: more records than may wait for flash."""
    world.crowd(board, dice.randrange(2, 2 * PENDING))
    return True


@_on(_board)
def stalled(world: World, dice: random.Random, board: Board) -> bool:
    """The connection stays and nothing moves; then everything comes at once, if the connection is
    still there.
    """
    if not board.is_connected:
        return False
    board.stalled_ms = world.now + dice.choice((3000, 30_000))
    return True


@_on(_board)
def connection_lost(world: World, dice: random.Random, board: Board) -> bool:
    if not board.is_connected:
        return False
    world.disconnect(board)
    return True


def broker_killed(world: World, dice: random.Random) -> bool:
    """Queue and retained messages are gone; acknowledged QoS 1 messages among them."""
    world.queue.clear()
    world.retained.clear()
    return _broker_down(world, dice)


def broker_restarted(world: World, dice: random.Random) -> bool:
    return _broker_down(world, dice)


def _broker_down(world: World, dice: random.Random) -> bool:
    world.broker_up = False
    world.lose_connections()

    def up() -> None:
        world.broker_up = True
        world.wake()

    world.at(dice.choice((200, 2000, 20_000)), up)
    return True


def broker_loses_some(world: World, dice: random.Random) -> bool:
    """A queue limit, a refused write of an ACL: accepted, and gone."""
    if not world.queue:
        return False
    world.queue[:] = [message for message in world.queue if dice.random() < 0.5]
    return True


def broker_shuffles(world: World, dice: random.Random) -> bool:
    dice.shuffle(world.queue)
    world.queue.extend(dice.sample(world.queue, dice.randrange(len(world.queue) + 1)))
    return bool(world.queue)


def gateway_killed_before_commit(world: World, _: random.Random) -> bool:
    world.crash = "before commit"
    return True


def gateway_killed_after_commit(world: World, _: random.Random) -> bool:
    world.crash = "behind commit"
    return True


def gateway_killed_inside(world: World, _: random.Random) -> bool:
    """In the middle of the transaction, whatever SQLite is doing then."""
    world.crash = "inside"
    return True


def gateway_hangs(world: World, dice: random.Random) -> bool:
    """The gateway's machine sleeps or its disk is slow; the broker collects messages."""
    world.hung_ms = world.now + dice.choice((2000, 20_000))
    return True


def gateway_restarted(world: World, _: random.Random) -> bool:
    if not world.gateway_up:
        return False
    world.kill_gateway()
    return True


def gateway_put_back(world: World, _: random.Random) -> bool:
    """Somebody puts the program of before version 2 back, or renews it again."""
    if not world.gateway_up:
        return False
    world.set_program(0 if world.reads else packing.VERSION)
    world.kill_gateway()
    return True


def disk_full(world: World, dice: random.Random) -> bool:
    if not world.gateway_up or not world.place.fill_up(world.ledger.db):
        return False
    ledger = world.ledger

    def freed() -> None:
        if world.gateway_up and world.ledger is ledger:
            world.place.free(ledger.db)

    world.at(dice.choice((1000, 20_000)), freed)
    return True


def backup(world: World, _: random.Random) -> bool:
    if not is_free(world):
        return False
    world.place.back_up(world.ledger.db)
    world.has_backup = True
    return True


def restored(world: World, dice: random.Random) -> bool:
    """The newest backup, or an empty ledger, replaces the ledger: it does not have what was
    acknowledged since.
    """
    if not world.gateway_up:
        return False
    world.read += [(row["kind"], row["device"]) for row in world.ledger.incidents()]
    world.closed |= oracle.tails(world.ledger)
    is_empty = not (world.has_backup and dice.random() < 0.8)
    world.close_gateway()
    world.place.put_back(is_empty)
    world.log = Log()
    world.released.clear()
    world.open_gateway()
    world.counts["restored"] += 1
    world.wake()
    return True


@_on(_ours)
def wiped(world: World, dice: random.Random, board: Board) -> bool:
    """Blank flash: a new board under the old name, or an old one that was erased. What it held is
    lost, and the gateway must say so.
    """
    _wipe(world, board)
    return True


@_on(_ours)
def replaced(world: World, dice: random.Random, board: Board) -> bool:
    """till device replace and flash: a new board with the next key; the old key is destroyed."""
    _wipe(world, board)
    flash_key(world, board, dice)
    return True


def _wipe(world: World, board: Board) -> None:
    """What the board held is lost. If this ledger has not heard of that life, nobody can know of
    it.
    """
    world.power_off(board)
    epoch = board.core.journal.epoch
    if not oracle.is_known(world, board.name, epoch):
        world.unheard.add((board.name, epoch))
    world.do(board, "wipe")
    world.wiped.add(board.name)


def flash_key(world: World, board: Board, dice: random.Random) -> None:
    """The next key for a board, and no other is good any more; the board is off."""
    newest = max((key.number for key in world.keys.all(board.name)), default=0)
    number = max(newest, world.numbers[board.name]) + 1
    secret = dice.randbytes(32)
    world.give_key(board.name, number, secret)
    world.do(board, "flash_key", secret, number)


@_on(_ours)
def rekeyed(world: World, dice: random.Random, board: Board) -> bool:
    """The same board is flashed with a new key; its journal stays."""
    world.power_off(board)
    flash_key(world, board, dice)
    return True


@_on(_ours)
def revoked(world: World, dice: random.Random, board: Board) -> bool:
    """till device revoke: its messages are refused until somebody lets it in again
    (`supervise`).
    """
    world.numbers[board.name] = max(
        (key.number for key in world.keys.all(board.name)), default=world.numbers[board.name]
    )
    destroy_keys(world.folder / "keys", board.name)
    return True


@_on(_powered)
def cloned(world: World, dice: random.Random, board: Board) -> bool:
    """Somebody copies a board, flash and key, and puts both to work."""
    if len(world.boards) > 3:
        return False
    core = Core(
        SITE, board.name, b"", 0, world.limits, len(board.core.flash.content), board.core.pending
    )
    core.flash.content = [bytearray(sector) for sector in board.core.flash.content]
    core.staged, core.stored = dict(board.core.staged), board.core.stored
    clone = Board(board.name, core, len(world.boards), is_clone=True)
    clone.marks, clone.obeyed = dict(board.marks), set(board.obeyed)
    world.boards.append(clone)
    world.clones.add(board.name)
    for speakers in (speakers for bodies in world.said.values() for speakers in bodies.values()):
        if (
            board.number in speakers
        ):  # until now the two are one, also for records that their flash no longer holds
            speakers.add(clone.number)
    world.power_on(clone)
    world.at(dice.randrange(1000), world.cashier, clone)
    world.at(dice.randrange(250), world.turn, clone)
    return True


@_on(_board)
def rotated(world: World, dice: random.Random, board: Board) -> bool:
    if not world.gateway_up:
        return False
    try:
        commands.rotate(world.ledger, world.keys, board.name, "kim", world.clock.utc_ms())
    except (GatewayError, StorageBusy):  # told on the command line, with what to do
        return False
    return True


@_on(_board)
def commanded(world: World, dice: random.Random, board: Board) -> bool:
    if not world.gateway_up:
        return False
    try:
        commands.ask(world.ledger, board.name, "identify", "kim", world.clock.utc_ms())
    except (GatewayError, StorageBusy):  # told on the command line, with what to do
        return False
    return True


def gateway_clock_jumps(world: World, dice: random.Random) -> bool:
    world.clock.off_ms += dice.choice((-86_400_000, -3_600_000, -5000, 5000, 3_600_000, 86_400_000))
    return True


def replay(world: World, dice: random.Random) -> bool:
    """Messages come again to their receiver, some of them as retained messages."""
    for topic, sealed in dice.sample(world.heard, min(len(world.heard), dice.randrange(1, 20))):
        if topic.endswith(("/ack", "/cmd")):
            world.answer(topic, sealed)
        else:
            world.queue.append((topic, sealed, dice.random() < 0.2))
    world.wake()
    return True


def cross_topic(world: World, dice: random.Random) -> bool:
    """Good messages on other topics: another device's, another leaf, another site."""
    if not world.heard:
        return False
    for topic, sealed in dice.sample(world.heard, min(len(world.heard), 5)):
        parts = topic.split("/")
        parts[dice.choice((2, 3, 4))] = dice.choice(
            ("w1", "w2", "town", "ev", "ack", "state", "cmd")
        )
        other = "/".join(parts)
        if parts[4] in ("ack", "cmd"):
            world.answer(other, sealed)
        world.queue.append((other, sealed, False))
    world.wake()
    return True


@_on(_powered)
def forged(world: World, dice: random.Random, board: Board) -> bool:
    """Well-formed messages under keys that nobody gave: to the gateway as if from a device, to the
    devices as if from the gateway.
    """
    key, kid = dice.randbytes(32), topics.kid(board.name, dice.choice((1, 1, 2)))
    epoch, last = board.core.journal.epoch, board.core.journal.last_seq
    events = topics.topic(SITE, board.name, "ev")
    body = messages.encode_events(epoch, 1, 1, last + 1, [b"\xa0"])
    world.queue.append((events, seal.seal(key, kid, events, body), False))
    acks = topics.topic(SITE, board.name, "ack")
    ack = {
        "epoch": epoch, "high_water": last, "want_from": 0, "want_to": 0, "ledger_n": 1,
        "ledger_head": bytes(32), "utc_ms": 1, "echo_boot": board.core.journal.boot,
        "echo_uptime_ms": board.uptime(world.now), "fingerprint": bytes(8),
    }  # fmt: skip
    world.answer(acks, seal.seal(key, kid, acks, messages.encode_ack(ack)))
    orders = topics.topic(SITE, board.name, "cmd")
    order = {
        "epoch": epoch,
        "counter": 1 << 31,
        "nonce": bytes(16),
        "verb": "rotate",
        "argument": "2",
    }
    world.answer(orders, seal.seal(key, kid, orders, messages.encode_command(order)))
    world.wake()
    return True


@_on(_powered)
def another_device(world: World, dice: random.Random, board: Board) -> bool:
    """A device with a good key speaks as another device."""
    key = _rogue(world)
    for name, kid in (
        (board.name, key.kid),
        (board.name, topics.kid(board.name, 1)),
        (key.device, topics.kid(board.name, 1)),
    ):
        topic = topics.topic(SITE, name, "ev")
        body = messages.encode_events(
            board.core.journal.epoch, 1, 1, board.core.journal.last_seq + 1, [b"\xa0"]
        )
        world.queue.append((topic, seal.seal(key.secret, kid, topic, body), False))
    world.wake()
    return True


def _rogue(world: World) -> DeviceKey:
    """A device that was let in misuses its key."""
    name = "w9"
    if not world.keys.all(name):
        world.give_key(name, 1, world.rng.randbytes(32))
    return world.keys.all(name)[0]


def noise(world: World, dice: random.Random) -> bool:
    """Bytes of a client gone mad."""
    for _ in range(dice.randrange(1, 6)):
        board = _board(world, dice)
        name = board.name if board else "w1"
        raw = dice.randbytes(dice.randrange(1200))
        world.queue.append(
            (f"till/1/{SITE}/{name}/{dice.choice(('ev', 'state', 'x'))}", raw, False)
        )
        world.answer(f"till/1/{SITE}/{name}/{dice.choice(('ack', 'cmd'))}", raw[:1000])
    world.wake()
    return True


def flood(world: World, dice: random.Random) -> bool:
    """More garbage than is kept."""
    for number in range(dice.randrange(20, 80)):
        world.queue.append((f"till/1/{SITE}/w{number}/ev", dice.randbytes(20), False))
    world.wake()
    return True


FAULTS: dict[str, Fault] = {
    "power cut": power_cut, "power cut in a flash write": power_cut_in_flash,
    "partition": partition, "outage until the flash is full": long_outage,
    "connection lost": connection_lost, "busy": busy, "all instruments at once": crowded,
    "stalled": stalled, "key revoked": revoked, "flood": flood, "broker killed": broker_killed,
    "broker restarted": broker_restarted, "broker loses some": broker_loses_some,
    "broker shuffles": broker_shuffles,
    "gateway killed before commit": gateway_killed_before_commit,
    "gateway killed after commit": gateway_killed_after_commit,
    "gateway killed inside the transaction": gateway_killed_inside, "gateway hangs": gateway_hangs,
    "gateway restarted": gateway_restarted, "gateway put back": gateway_put_back,
    "disk full": disk_full, "backup": backup,
    "ledger restored": restored, "flash wiped": wiped, "board replaced": replaced,
    "board flashed with a new key": rekeyed, "board cloned": cloned, "key rotated": rotated,
    "command": commanded, "gateway clock jumps": gateway_clock_jumps, "replay": replay,
    "cross-topic": cross_topic, "forged": forged, "another device": another_device, "noise": noise,
    **STORAGE_FAULTS,
}  # fmt: skip
