"""How a person mends what only a person can, at the end of a history."""

from tests.world import oracle
from tests.world.faults import flash_key
from tests.world.world import World

# a copy under an older key is reported once nothing of that key can be merely late (600 s)
COPY_MS = 800_000
SPOKEN_MS = 60_000  # a few heartbeats


def heal(world: World) -> None:
    """Everything is mended that a person can mend; from here on it has to converge by itself."""
    world.broker_up = True
    world.clock.off_ms = max(0, world.clock.off_ms)
    world.crash = ""
    world.failing = []
    world.hung_ms = 0
    if world.gateway_up:
        world.place.free(world.ledger.db)
    for board in world.boards:
        board.cut_off_ms = board.stalled_ms = 0
        board.core.flash.cut_in = 0
        if board.number == 0:
            world.script.append(["plan_cut", [0, 0], None])
    world.healed_ms = world.now
    world.at(1500, supervise, world)
    world.at(1000, world.start_gateway)
    world.at(2000, world.wake)


def supervise(world: World) -> None:
    """A person reads the incidents: where two boards spoke with one key, the window gets another
    board and counts its money.
    """
    if world.gateway_up:
        incidents = world.read + [(row["kind"], row["device"]) for row in world.ledger.incidents()]
        called = {device for kind, device in incidents if kind == "retired_key"}
        _take_copies_away(
            world, {device for kind, device in incidents if kind in oracle.COPY_KINDS}
        )
        for board in world.boards:
            if board.is_clone:
                continue
            newest = max((key.number for key in world.keys.all(board.name)), default=0)
            is_old = board.name in called and board.core.identity["key_number"] < newest
            if (is_old or not newest) and board.is_powered and not board.is_gone:
                world.power_off(board)
                flash_key(world, board, world.rng)
        for row in world.ledger.cursors():
            board = next(
                (each for each in world.boards if each.name == row["device"] and not each.is_gone),
                None,
            )
            if row["locked"] and board and board.core.journal.epoch == row["epoch"]:
                world.excused.add((board.name, row["epoch"]))
                if board.is_powered:
                    world.power_off(board)
                world.do(board, "wipe")
                flash_key(world, board, world.rng)
    world.at(10_000, supervise, world)


def _take_copies_away(world: World, called: set[str]) -> None:
    """A copy works on until a person is called, or all that it counted is acknowledged, or it is
    too late to notice it.

    What was acknowledged to it and is not in a restored ledger shows when it speaks to that: then
    it stays for some heartbeats.
    """
    for board in world.boards:
        if not board.is_clone or board.is_gone or not board.is_powered:
            continue
        is_done = board.core.journal.acked == board.core.journal.last_seq and (
            not board.piles or board.piles[-1].taken
        )
        if world.counts["restored"]:
            is_done = is_done and board.is_connected and world.now > world.healed_ms + SPOKEN_MS
        if board.name in called or is_done or world.now > world.healed_ms + COPY_MS:
            board.is_gone = True
            world.disconnect(board)
