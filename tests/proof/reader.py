"""./run proof reader: mutants of records and messages. What the fast reader takes the decoders take
too, with the same values.

    --mutants N     of records (default 100000); one of a message comes with 25, and as many of
                    packed messages
    --packed        of packed messages alone
    --seed S        draws them
    --jobs J        processes (default 1)
    --planted       plant the known bugs instead, and say at which mutant each was found
    --json          machine-readable

A record's mutant is asked for by its bytes: when the pattern takes it, decode_record must. A
message's mutant is read twice, by `Reader.read` and by the decoders alone: the answers must be
equal, or both refuse it with the same words. The pattern has every shape of the dictionary.
A packed message's mutant is read by `Reader.read_packed`, with a function for every way to pack
that comes, and by unpacking and decoding it alone.
"""

import argparse
import json
import multiprocessing
import random
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

from gateway.facts import events as real_events
from gateway.facts import patterns as real_patterns
from protocol import records as wire
from protocol.compat import ProtocolError
from tests.house.planting import planted
from tests.proof.judges import outcome, strictly
from tests.proof.mutants import NOW_MS, Mutants
from tests.proof.packed import run_packed
from tests.proof.planted_packed import PLANTED_PACKED
from tests.proof.planted_reader import PLANTED

PART = 50_000
PLANTED_WITHIN = 60_000
PLANTED_FIELDS = 7  # shapes of that many fields have all that is planted, and are soon made
PLANTED_EVERY = 5
MESSAGE_EVERY = 25
MODULES = ("patterns", "packed_values", "packed_code", "packed", "events")
BUGS = [*PLANTED, *PLANTED_PACKED]
FACTS = Path(real_events.__file__).parent


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="./run proof reader", description=__doc__.partition("\n\n")[0]
    )
    parser.add_argument("--mutants", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    for flag in ("--packed", "--planted", "--json"):
        parser.add_argument(flag, action="store_true")
    options = parser.parse_args(arguments)
    if options.planted:
        found = {title: found_at(*bug, options.seed) for title, *bug in BUGS}
        result: dict[str, Any] = {"planted": found, "failed": sum(not at for at in found.values())}
    else:
        result = prove(options.mutants, options.seed, options.jobs, options.packed)
    if options.json:
        print(json.dumps(result, indent=1))
    elif options.planted:
        for title, at in result["planted"].items():
            print(f"{title}: {f'found at mutant {at}' if at else 'NOT FOUND'}")
    else:
        print(
            "{mutants} mutants of records, {taken} taken by the pattern, {good} good; {messages}"
            " of messages, {read} good; {packed} of packed messages, {told} told at once:"
            " {failed} judged otherwise; {per_minute} a minute".format(**result)
        )
        print("".join(f"  {line}\n" for line in result["wrong"]), end="")
    return int(result["failed"] > 0)


def prove(mutants: int, seed: int, jobs: int = 1, only_packed: bool = False) -> dict[str, Any]:
    """The sums over parts of PART mutants, each with a seed of its own."""
    parts = [
        (f"{seed}/{at // PART}", min(PART, mutants - at), only_packed)
        for at in range(0, mutants, PART)
    ]
    started = time.perf_counter()
    if jobs > 1:
        with multiprocessing.get_context("fork").Pool(jobs) as pool:
            results = pool.map(_part, parts, chunksize=1)
    else:
        results = [_part(part) for part in parts]
    took = time.perf_counter() - started
    total: dict[str, Any] = {
        name: sum(result[name] for result in results)
        for name in ("mutants", "taken", "good", "messages", "read", "packed", "told")
    }
    total["wrong"] = [line for result in results for line in result["wrong"]]
    total["failed"] = len(total["wrong"])
    total["per_minute"] = int(60 * mutants / took)
    return total


def _part(arguments: tuple[str, int, bool]) -> dict[str, Any]:
    seed, mutants, only_packed = arguments
    found = run(seed, 0 if only_packed else mutants, whole_reader())
    packed = run_packed(seed, mutants, real_events.Reader())
    return {**found, **packed, "wrong": found["wrong"] + packed["wrong"]}


def whole_reader(reader_class: Any = real_events.Reader, fields_max: int = 99) -> Any:
    """A reader whose pattern takes every shape that has one, up to so many fields."""
    reader = reader_class()
    reader.make(
        [
            shape
            for shape in real_patterns.all_shapes()
            if real_patterns.has_pattern(shape) and len(shape[1]) <= fields_max
        ]
    )
    return reader


def run(
    seed: str, mutants: int, reader: Any, stop_at_first: bool = False, every: int = MESSAGE_EVERY
) -> dict[str, Any]:
    """So many mutants of records through the reader, and one of a message for `every` of them.
    `wrong`: those that were judged otherwise.
    """
    rng = random.Random(seed)
    source = Mutants(rng)
    count: dict[str, Any] = {
        "mutants": 0, "taken": 0, "good": 0, "messages": 0, "read": 0, "wrong": []
    }  # fmt: skip
    last = []
    while count["mutants"] < mutants and not (stop_at_first and count["wrong"]):
        raw = source.record()
        count["mutants"] += 1
        taken = reader.takes(raw)
        last.append(raw)
        if taken:
            why = refusal(raw)
            count["taken"] += 1
            count["good"] += not why
            if why:
                count["wrong"].append(f"seed {seed} taken {raw.hex()}: {why}")
        if len(last) == every:
            count["messages"] += 1
            payload = source.message(last)
            last = []
            received_ms = NOW_MS + rng.choice((-6000, -5001, -5000, -4999, 0, 0, 0, 1 << 40))
            ours = outcome(reader.read, payload, received_ms)
            theirs = outcome(strictly, payload, received_ms)
            count["read"] += isinstance(theirs, tuple)
            if ours != theirs:
                count["wrong"].append(f"seed {seed} read {payload.hex()} at {received_ms}: {ours}")
    return count


def refusal(raw: bytes) -> str:
    """Why the decoder refuses a record; empty when it takes it."""
    try:
        wire.decode_record(raw)
    except ProtocolError as error:
        return str(error)
    return ""


def found_at(name: str, old: str, new: str, seed: int = 1, within: int = PLANTED_WITHIN) -> int:
    """The first mutant that is judged otherwise with a bug planted in the module; 0 when none."""
    made = {}
    before = {each: sys.modules[f"gateway.facts.{each}"] for each in MODULES}
    try:
        for each in MODULES:
            path = FACTS / f"{each}.py"
            source = path.read_text()
            if each == name:
                source = planted(source, old, new, str(path))
            module = made[each] = ModuleType(f"gateway.facts.{each}")
            sys.modules[module.__name__] = module
            exec(compile(source, str(path), "exec"), module.__dict__)
    finally:
        sys.modules.update({module.__name__: module for module in before.values()})
    if name.startswith("packed"):
        reader, code = made["events"].Reader(), made["packed_code"]
        result = run_packed(f"{seed}/planted", within, reader, code, stop_at_first=True)
        return int(result["packed"]) if result["wrong"] else 0
    reader = whole_reader(made["events"].Reader, PLANTED_FIELDS)
    result = run(f"{seed}/planted", within, reader, stop_at_first=True, every=PLANTED_EVERY)
    return int(result["mutants"]) if result["wrong"] else 0
