"""./run proof workers: several workers over one ledger, in virtual time, against leases that end.

    --histories N   how many (default 200); every third has three workers, the others two
    --seed S        of the first history (default 1)
    --plant BUG     with this bug of tests/world/workers.py; "all": each of them in turn
    --json          machine-readable

Without a bug no history may show anything wrong. A bug must show within the histories; and leases
without a fence alone must break the order and never the truth.
"""

import argparse
import json
import logging
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from tests.world.workers import PLANTS, WorkersWorld


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="./run proof workers", description=__doc__.partition("\n\n")[0]
    )
    parser.add_argument("--histories", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plant", default="", choices=("", "all", *PLANTS))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)
    plants = list(PLANTS) if options.plant == "all" else [options.plant]
    seeds = range(options.seed, options.seed + options.histories)
    results = [prove(seeds, plant) for plant in plants]
    for result in results:
        print(json.dumps(result) if options.json else _line(result))
    return int(any(result["failed"] for result in results))


def prove(seeds: range, plant: str = "") -> dict[str, Any]:
    """Play the histories. With a bug they end with the first one that shows it."""
    result: dict[str, Any] = {"plant": plant, "histories": 0, "records": 0, "truth": 0, "order": 0}
    struck: Counter[str] = Counter()
    told: list[str] = []
    for seed in seeds:
        world = played(seed, plant)
        struck.update(world.struck)
        result["histories"] += 1
        result["records"] += sum(len(device.said) for device in world.devices.values())
        result["truth"] += len(world.truth)
        result["order"] += len(world.order)
        told += [f"seed {seed}: {text}"[:300] for text in (*world.truth, *world.order)]
        if plant and result[PLANTS[plant]]:
            break
    if plant:
        failed = not result[PLANTS[plant]] or (PLANTS[plant] == "order" and result["truth"] > 0)
    else:
        failed = bool(told)
    return {**result, "failed": failed, "struck": dict(sorted(struck.items())), "told": told[:5]}


def played(seed: int, plant: str = "") -> WorkersWorld:
    """The history of a seed."""
    with tempfile.TemporaryDirectory() as folder:
        return WorkersWorld(seed, Path(folder), plant, 3 if seed % 3 == 0 else 2).run()


def _line(result: dict[str, Any]) -> str:
    counts = " ".join(
        f"{name} {result[name]}" for name in ("histories", "records", "truth", "order")
    )
    bug = f'bug "{result["plant"]}": ' if result["plant"] else ""
    verdict = "FAILED" if result["failed"] else "found" if result["plant"] else "nothing wrong"
    struck = ", ".join(f"{name} {count}" for name, count in result["struck"].items())
    return "\n  ".join((f"{bug}{verdict}: {counts} ({struck})", *result["told"]))
