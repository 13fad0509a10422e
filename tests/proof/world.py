"""./run proof world: everything that we ship except the wires, in virtual time, against everything
that can go wrong.

    --histories N    how many (default 2000)          --seed S   the first one (default 1)
    --jobs J         processes (default 1)            --json     machine-readable
    --trace          what happens, step by step
    --only 3,7       of the faults of the history only these
    --server         the ledger is on a PostgreSQL server, a site for each history
    --micropython N  play a device of every Nth history again in MicroPython and compare every
                     answer (no N: of each)
    --planted        the bugs of tests/world/planted.py: at which history each is found, which is
                     sound without the bug
    --plant NAME     one of them

A history that fails prints the command that plays it again, with only the faults that it needs.
"""

import argparse
import gc
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.house import planting

ROOT = Path(__file__).parents[2]
PLANTED_HISTORIES = 500
PLANTED_S = 300
CHUNK = 50
GC_HISTORIES = 25
SHRINKS_MAX = 60
HEAP = "heapsize=190K"  # what the firmware is run with
SHM = Path("/dev/shm")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="./run proof world", description=__doc__.partition("\n\n")[0]
    )
    parser.add_argument("--histories", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", type=lambda text: [int(part) for part in text.split(",") if part])
    parser.add_argument("--plant", default="")
    parser.add_argument("--micropython", type=int, nargs="?", const=1, default=0)
    for flag in ("--json", "--trace", "--planted", "--server"):
        parser.add_argument(flag, action="store_true")
    options = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)
    if options.planted:
        return planted(options.jobs, options.json)
    if options.plant:
        plant(options.plant)
        found = first_failure(
            range(options.seed, options.seed + options.histories), focus_of(options.plant)
        )
        print(json.dumps(found))
        return int(found[0] == 0)
    result = prove(range(options.seed, options.seed + options.histories), options)
    if options.json:
        print(json.dumps(result, indent=1))
    else:
        show(result)
    return int(bool(result["failed"]))


# ---- histories


def folder_for_worlds() -> Any:
    """In memory if there is such a folder: other proofs (crash, kill) are about the disk."""
    return tempfile.TemporaryDirectory(
        prefix="till-world-", dir=SHM if os.access(SHM, os.W_OK) else None
    )


def template_in(folder: Path) -> Path:
    """An empty ledger, to be copied for each history."""
    from gateway.store.ledger import Ledger

    path = folder / "template.db"
    if not path.exists():
        with Ledger.open(path) as ledger:
            ledger.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


@contextmanager
def ground(on_server: bool = False) -> Iterator[tuple[Path, Any]]:
    """A folder for histories, and the place of their ledgers."""
    from tests.world import places

    with folder_for_worlds() as name:
        folder = Path(name)
        if not on_server:
            yield folder, places.FilePlace(template_in(folder))
            return
        with places.on_server() as place:
            yield folder, place


def play(
    seed: int,
    folder: Path,
    place: Any,
    only: list[int] | None = None,
    trace: bool = False,
    focus: Sequence[str] = (),
) -> tuple[Any, list[str]]:
    """(the world, what is wrong with it)"""
    from tests.world.world import World

    world = World(seed, folder / "history", place, only, trace, focus)
    return world, world.run()


def first_failure(seeds: range, focus: Sequence[str] = ()) -> tuple[int, str]:
    """(number from 1 of the first history that fails, why), or (0, "")."""
    with ground() as (folder, place):
        for number, seed in enumerate(seeds, 1):
            try:
                _, wrong = play(seed, folder, place, focus=focus)
            except Exception as error:  # a planted bug may raise anything
                wrong = [f"{type(error).__name__}: {error}"]
            if wrong:
                return number, wrong[0]
    return 0, ""


def settle() -> None:
    """A history makes hardly any reference cycles, so nothing is collected inside it; and what is
    imported is no garbage, so it is not looked at between them.
    """
    from tests.world import faults, mending

    assert faults and mending  # they import all the rest
    gc.disable()
    if not gc.get_freeze_count():
        gc.freeze()


def some(seeds: range, every: int, on_server: bool) -> dict[str, Any]:
    """Play them in this process."""
    counts: Counter[str] = Counter()
    struck: Counter[str] = Counter()
    failed: dict[int, list[str]] = {}
    calls = again = 0
    logging.disable(logging.CRITICAL)
    settle()
    with ground(on_server) as (folder, place):
        for seed in seeds:
            world, wrong = play(seed, folder, place)
            if seed % GC_HISTORIES == 0:
                gc.collect()
            counts += world.counts
            struck += world.struck
            counts["piles"] += sum(len(board.piles) for board in world.boards)
            counts["boards"] += len(world.boards)
            if every and seed % every == 0 and not wrong:
                said = replay(world.script, folder)
                calls += len(world.script)
                again += 1
                if said != f"same {len(world.script)} calls":
                    wrong = [f"MicroPython: {said}"]
            if wrong:
                failed[seed] = wrong
    return {"counts": counts, "struck": struck, "failed": failed, "calls": calls, "again": again}


def prove(seeds: range, options: argparse.Namespace) -> dict[str, Any]:
    """All of them; each failed one is then reduced."""
    started = time.perf_counter()
    counts: Counter[str] = Counter()
    struck: Counter[str] = Counter()
    failed: dict[int, list[str]] = {}
    calls = again = 0
    if options.only is not None or options.trace:
        return traced(seeds, options)
    chunks = [seeds[at : at + CHUNK] for at in range(0, len(seeds), CHUNK)]
    with ProcessPoolExecutor(options.jobs) as pool:
        each = [options.micropython] * len(chunks), [options.server] * len(chunks)
        for part in pool.map(some, chunks, *each):
            counts += part["counts"]
            struck += part["struck"]
            failed |= part["failed"]
            calls += part["calls"]
            again += part["again"]
    seconds = time.perf_counter() - started
    return {
        "histories": len(seeds), "seconds": round(seconds, 1),
        "per_minute": int(len(seeds) * 60 / seconds),
        "per_minute_per_process": int(len(seeds) * 60 / seconds / options.jobs),
        "counts": dict(counts), "faults": dict(sorted(struck.items())), "lost": counts["lost"],
        "twice": counts["twice"], "foreign": counts["foreign"],
        "gap_records": counts["gap records"], "micropython_histories": again,
        "micropython_calls": calls,
        "failed": {
            seed: {"wrong": wrong[:5], **shrunk(seed, options.server)}
            for seed, wrong in list(failed.items())[:10]
        },
        "failed_in_all": len(failed),
    }  # fmt: skip


def traced(seeds: range, options: argparse.Namespace) -> dict[str, Any]:
    failed = {}
    with ground(options.server) as (folder, place):
        for seed in seeds:
            world, wrong = play(seed, folder, place, options.only, trace=True)
            print("\n".join(world.trace or ()))
            if wrong:
                failed[seed] = {"wrong": wrong, "replay": "", "faults": []}
    empty = {
        "histories": len(seeds),
        "seconds": 0,
        "per_minute": 0,
        "per_minute_per_process": 0,
        "faults": {},
        "counts": {},
    }
    return {**empty, "lost": 0, "twice": 0, "foreign": 0, "gap_records": 0,
     "micropython_histories": 0, "micropython_calls": 0,
            "failed": failed, "failed_in_all": len(failed)}  # fmt: skip


def shrunk(seed: int, on_server: bool = False) -> dict[str, Any]:
    """{"replay": the command that plays a failing history with as few of its faults as it needs,
    "faults": their names}
    """
    variant = " --server" * on_server
    with ground(on_server) as (folder, place):
        world, wrong = play(seed, folder, place)
        if not wrong:  # it only fails in MicroPython, which is not tried again for each fault
            return {
                "replay": f"./run proof world{variant} --seed {seed} --histories 1 --micropython",
                "faults": [],
            }
        keep = list(range(len(world.plan)))
        names = [name for _, name, _ in world.plan]
        for each in keep[:SHRINKS_MAX]:
            fewer = [number for number in keep if number != each]
            if play(seed, folder, place, fewer)[1]:
                keep = fewer
    return {
        "replay": (
            f"./run proof world{variant} --seed {seed} --histories 1 --trace --only"
            f" {','.join(map(str, keep)) or ','}"
        ),
        "faults": [names[number] for number in keep],
    }


def replay(script: list[list[Any]], folder: Path) -> str:
    """What tests/world/replay.py says of these calls in MicroPython."""
    from tests.world.replay import ANSWER_BYTES, plain

    path = folder / "script.json"
    lines = []
    for name, arguments, *answer in script:
        arguments = [plain_limits(each) for each in arguments]
        lines.append(
            json.dumps([name, arguments, plain(answer[0], ANSWER_BYTES) if answer else None])
        )
    path.write_text("\n".join(lines) + "\n")
    command = [
        str(Path(sys.executable).with_name("micropython")),
        "-X",
        HEAP,
        "-m",
        "tests.world.replay",
        str(path),
    ]
    here = {"MICROPYPATH": f"{ROOT}:{ROOT / 'tests'}:.frozen", "PATH": os.environ["PATH"]}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=here, cwd=folder
    )
    return (done.stdout + done.stderr[-500:]).strip()


def plain_limits(value: Any) -> Any:
    from tests.world.replay import plain

    return value if isinstance(value, dict) else plain(value)


def show(result: dict[str, Any]) -> None:
    counts = Counter(result["counts"])
    print(
        f"{result['histories']} histories in {result['seconds']} s ({result['per_minute']} a"
        f" minute, {result['per_minute_per_process']} a process): {counts['piles']} piles on"
        f" {counts['boards']} boards, {counts['commits']} commits, {counts['acks']}"
        " acknowledgements"
    )
    print("faults: " + ", ".join(f"{name} {count}" for name, count in result["faults"].items()))
    print(
        f"lost silently {result['lost']}, twice {result['twice']}, foreign {result['foreign']};"
        f" missing and said {counts['missing and said']}, in gap rows {result['gap_records']}, on"
        f" boards that nobody ever heard of {counts['unheard']}"
    )
    if result["micropython_calls"]:
        print(
            f"MicroPython: {result['micropython_histories']} histories again,"
            f" {result['micropython_calls']} calls compared"
        )
    for seed, failure in result["failed"].items():
        print(f"seed {seed}: {'; '.join(failure['wrong'])}\n  {failure['replay']}")
        print(f"  what it takes: {', '.join(failure['faults']) or 'no fault at all'}")
    print(f"failed {result['failed_in_all']}")


# ---- planted bugs


def focus_of(title: str) -> Sequence[str]:
    from tests.world.planted import FOCUS

    return FOCUS.get(title, ())


def plant(title: str) -> None:
    """From now on one module of the shipped code is imported with a bug in it."""
    from importlib.abc import Loader, MetaPathFinder
    from importlib.machinery import ModuleSpec

    from tests.world.planted import PLANTED

    _, file, old, new = next(each for each in PLANTED if each[0] == title)
    source = planting.planted((ROOT / file).read_text(), old, new, f"{title}: {file}")
    wanted = file.removesuffix(".py").replace("/", ".")

    class Planter(MetaPathFinder, Loader):
        def find_spec(self, name: str, _path: Any, _target: Any = None) -> ModuleSpec | None:
            return ModuleSpec(name, self, origin=str(ROOT / file)) if name == wanted else None

        def exec_module(self, module: Any) -> None:
            module.__file__ = str(ROOT / file)
            exec(compile(source, str(ROOT / file), "exec"), module.__dict__)

    for name in [
        each
        for each in sys.modules
        if each.partition(".")[0] in ("firmware", "gateway", "protocol")
    ]:
        del sys.modules[name]
    sys.meta_path.insert(0, Planter())


def found_at(title: str) -> tuple[int, str]:
    """(history at which a planted bug shows, how). 0: not within PLANTED_HISTORIES, or the history
    fails even without the bug.
    """
    command = [
        sys.executable,
        "-m",
        "tests.proof",
        "world",
        "--plant",
        title,
        "--histories",
        str(PLANTED_HISTORIES),
    ]
    here = {**os.environ, "PYTHONPATH": str(ROOT)}
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            env=here,
            cwd=ROOT,
            timeout=PLANTED_S,
        )
    except subprocess.TimeoutExpired:
        return 0, f"no end within {PLANTED_S} s"
    if not done.stdout.strip():
        raise AssertionError(f"{title}: {done.stderr[-1000:]}")
    number, why = json.loads(done.stdout.splitlines()[-1])
    _, without = first_failure(range(number, number + 1), focus_of(title)) if number else (0, "")
    return (0, f"history {number} fails without the bug: {without}") if without else (number, why)


def planted(jobs: int, as_json: bool) -> int:
    from tests.world.planted import PLANTED

    titles = [each[0] for each in PLANTED]
    results = {}
    with ProcessPoolExecutor(jobs) as pool:
        for title, (number, why) in zip(titles, pool.map(found_at, titles), strict=True):
            results[title] = number
            if not as_json:
                print(
                    f"{title}: "
                    + (f"history {number} ({why[:100]})" if number else f"NOT FOUND {why}"),
                    flush=True,
                )
    missed = [title for title, number in results.items() if not number]
    if as_json:
        print(json.dumps(results, indent=1))
    else:
        print(
            f"{len(results) - len(missed)} of {len(results)} found, the last at history"
            f" {max(results.values())}"
        )
    return int(bool(missed))
