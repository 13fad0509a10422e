"""./run proof instruments: histories of every driver with its machine, and bugs planted in each
driver that they must find.

    --driver NAME   one profile (default: all)
    --histories N   how many (default 200)     --seed S   the first one
    --planted       plant the known bugs instead, and say at which history each was found
    --trace         print the events of each history
    --json          machine-readable
"""

import argparse
import importlib
import json
import sys
import time
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

from firmware.drivers import registry
from gateway.instruments.profiles import load_profile
from simulators.instruments.registry import SIMULATORS, simulator_for
from tests.house.planting import holds, planted
from tests.proof.history import Case, Outcome, play, rows_text

MODULES = ("report_stream", "frame_stream", "cctalk", "sc350", "ebds", "ssp", "id003")
PLANTED_WITHIN = 500  # a bug that these histories do not find counts as not found
DRIVERS = Path(registry.__file__).parent


def cases() -> dict[str, Case]:
    """{profile: its case}; tests/proof/planted_<driver>.py has CASES and PLANTED."""
    return {case.profile: case for name in MODULES for case in _planted(name).CASES}


def _planted(driver: str) -> ModuleType:
    return importlib.import_module(f"tests.proof.planted_{driver}")


def histories(profile_name: str, seeds: range, driver_class: Any = None) -> list[Outcome]:
    """The outcome of each seed."""
    case = cases()[profile_name]
    profile = load_profile(profile_name, changes=case.settings)
    made = driver_class or registry.driver_for(profile.driver)
    return [
        play(
            case,
            made,
            dict(profile.settings),
            simulator_for(profile_name),
            seed,
            profile.wire["baud"],
        )
        for seed in seeds
    ]


def found_at(profile_name: str, old: str, new: str, within: int = PLANTED_WITHIN) -> int:
    """The first history that goes wrong with a bug planted in the profile's driver; 0 when none
    does.
    """
    made = mutant(load_profile(profile_name).driver, old, new)
    for seed in range(1, within + 1):
        try:
            if histories(profile_name, range(seed, seed + 1), made)[0].wrong:
                return seed
        except Exception:  # a driver that raises is found too
            return seed
    return 0


def mutant(driver: str, old: str, new: str) -> Any:
    """The class of a driver after `old`, which occurs once in its source or in that of a module
    beside it, was replaced by `new`.
    """
    holders = [path for path in sorted(DRIVERS.glob("*.py")) if holds(path.read_text(), old)]
    assert len(holders) == 1, f"{old!r} stands in no driver or in several: {holders}"
    source = planted(holders[0].read_text(), old, new, str(holders[0]))
    ours = {
        name: module for name, module in sys.modules.items() if name.startswith("firmware.drivers.")
    }
    name = f"firmware.drivers.{holders[0].stem}"
    changed = ModuleType(name)
    try:
        for each in ours:
            del sys.modules[each]
        sys.modules[name] = changed
        exec(compile(source, str(holders[0]), "exec"), changed.__dict__)
        return importlib.import_module("firmware.drivers.registry").driver_for(driver)
    finally:
        for each in [name for name in sys.modules if name.startswith("firmware.drivers.")]:
            del sys.modules[each]
        sys.modules.update(ours)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="./run proof instruments", description=__doc__.partition("\n\n")[0]
    )
    parser.add_argument("--driver", choices=sorted(SIMULATORS))
    parser.add_argument("--histories", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    for flag in ("--planted", "--trace", "--json"):
        parser.add_argument(flag, action="store_true")
    options = parser.parse_args(arguments)
    names = [options.driver] if options.driver else list(cases())
    results = [_plant(name) if options.planted else _prove(name, options) for name in names]
    if options.json:
        print(json.dumps(results, indent=1))
    return int(any(result["failed"] for result in results))


def _prove(name: str, options: argparse.Namespace) -> dict[str, Any]:
    started = time.perf_counter()
    outcomes = histories(name, range(options.seed, options.seed + options.histories))
    seconds = time.perf_counter() - started
    wrong = [outcome for outcome in outcomes if outcome.wrong]
    struck = sum((outcome.struck for outcome in outcomes), Counter[str]())
    twice = sum((outcome.credited - outcome.truth).total() for outcome in outcomes)
    lost = sum((outcome.truth - outcome.credited).total() for outcome in outcomes)
    silently = sum(
        (each.truth - each.credited).total()
        for each in outcomes
        if any("lost" in text for text in each.wrong)
    )
    result = {
        "driver": name, "histories": len(outcomes),
        "pieces": sum(each.truth.total() for each in outcomes), "twice": twice,
        "lost_silently": silently, "missing_and_said": lost - silently,
        "explicit": sum(each.explicit for each in outcomes),
        "restarts": sum(each.restarts for each in outcomes), "faults": dict(sorted(struck.items())),
        "per_minute": int(len(outcomes) * 60 / seconds), "failed": len(wrong),
    }  # fmt: skip
    if not options.json:
        print(
            "{driver}: {histories} histories, {pieces} pieces, twice {twice}, lost silently"
            " {lost_silently}, missing and said {missing_and_said}, {restarts} restarts, {failed}"
            " failed, {per_minute} a minute".format(**result)
        )
        print(
            "  faults: " + " ".join(f"{knob} {count}" for knob, count in result["faults"].items())
        )
        for outcome in wrong[:10]:
            print(f"  seed {outcome.seed}: {'; '.join(outcome.wrong)}")
            print(
                f"    ./run proof instruments --driver {name} --seed {outcome.seed} --histories 1"
                " --trace"
            )
    if options.trace:
        for outcome in outcomes:
            print(
                f"seed {outcome.seed}: truth {rows_text(outcome.truth)}, credited"
                f" {rows_text(outcome.credited)}"
            )
            for event in outcome.events:
                print(
                    "  ",
                    {
                        key: value
                        for key, value in event.items()
                        if key not in ("instrument", "currency", "digest")
                    },
                )
    return result


def _plant(name: str) -> dict[str, Any]:
    driver = load_profile(name).driver
    found = {}
    for title, old, new, *only in _planted(driver).PLANTED:
        if not only or name in only:
            found[title] = found_at(name, old, new)
            print(
                f"{name}: {title}: "
                + (f"found at history {found[title]}" if found[title] else "NOT FOUND"),
                flush=True,
            )
    return {"driver": name, "planted": found, "failed": sum(not seed for seed in found.values())}
