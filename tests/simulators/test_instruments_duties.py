"""Each fault that a driver must stand, alone and often, and what the driver says of it. The law
holds in every history.
"""

from collections import Counter
from typing import Any

import pytest

from firmware.drivers import registry
from gateway.instruments.profiles import load_profile
from protocol.records import FLAG_REPRINT, FLAG_SUB_BATCH
from simulators.instruments.registry import simulator_for
from tests.proof.history import play
from tests.proof.instruments import cases

SEEDS = range(1, 7)
STRANGERS = {"strangers": (("mach", b"BATCH ACCEPT"), ("columns", b"COUNT REPORT"))}

# the fault, its knob, the instrument, what must be told at least once ("" where the credits alone
# must be right)
DUTIES = [
    ("jam: state jam, the count stands", "jam", "ebds", "jam"),
    ("jam: state jam, the count stands", "jam", "cctalk-coin", "jam"),
    ("jam: state jam, the count stands", "jam", "ssp", "jam"),
    ("jam: state jam, the count stands", "jam", "id003", "jam"),
    ("sensor blocked", "jam", "sc350", "jam"),
    ("reject, slug, inhibited: never as value", "reject", "cctalk-coin", ""),
    ("reject, slug, inhibited: never as value", "reject", "ebds", ""),
    ("reject, slug, inhibited: never as value", "reject", "mach", ""),
    ("double: the run by on_stop", "double", "columns", ""),
    ("double: the run by on_stop", "double", "fddf", "fault"),
    ("chain, too close: the run by on_stop", "chain", "csv", ""),
    ("chain, too close: the run by on_stop", "chain", "fddf", "fault"),
    ("suspect, counterfeit, no-call: apart", "suspect", "columns", "rejects"),
    ("suspect, counterfeit, no-call: apart", "suspect", "ebds", "fraud"),
    ("denomination change stop", "denomination_change", "csv", ""),
    ("batch, strap or bag limit: pause, not end", "batch_full", "jetscan", ""),
    ("stacker full: pause, not end", "stacker_full", "fddf", "full"),
    ("stacker full: pause, not end", "stacker_full", "id003", "full"),
    ("hopper empty: idle, not end", "hopper_empty", "columns", ""),
    ("door opened while counting", "door_mid_count", "sc350", "discrepancy"),
    ("power loss mid-batch", "power_loss", "cctalk-coin", "reset"),
    ("power loss mid-batch", "power_loss", "jetscan", ""),
    ("event buffer overrun: lost events", "burst", "cctalk-coin", "discrepancy"),
    ("counter wrap 255 to 1", "wrap", "cctalk-coin", ""),
    ("batch number wrap 999 to 0", "wrap", "mach", ""),
    ("reply lost: credit once", "drop_reply", "ssp", ""),
    ("reply lost: credit once", "drop_reply", "cctalk-bill", ""),
    ("reply repeated: credit once", "repeat_reply", "ebds", ""),
    ("reply repeated: credit once", "repeat_reply", "id003", ""),
    ("reply repeated: counted once", "repeat_reply", "mach", "reprint"),
    ("escrow twice, stacked once", "escrow_flap", "ebds", ""),
    ("escrow twice, stacked once", "escrow_flap", "cctalk-bill", ""),
    ("credited item pulled out: the credit stands", "fish", "ebds", "fraud"),
    ("credited item pulled out: the credit stands", "fish", "cctalk-coin", "fraud"),
    ("report cut short, paper out", "truncate", "mach", "quarantine"),
    ("idle gap inside a report", "gap", "csv", "quarantine"),
    ("reprint or copy on demand", "reprint", "jetscan", "reprint"),
    ("sub-batch reports and their batch report", "sub_and_batch", "jetscan", "sub-batch"),
    ("cleared without a report", "clear_silent", "sc350", "cleared_unreported"),
    ("cleared without a report", "clear_silent", "jetscan", "missing_report"),
    ("day total cleared, numbers restart", "day_clear", "jetscan", "day_clear"),
    ("accumulate mode", "accumulate", "columns", "quarantine"),
    ("move to memory", "accumulate", "sc350", ""),
    ("fee and customer-total lines", "fee", "mach", ""),
    ("polled report overwritten", "overwrite", "jetsort", "missing_report"),
    ("answer byte required", "require_ack", "jetsort", ""),
    ("machine's clock wrong", "clock_skew", "mach", ""),
    ("noise", "noise", "columns", "line_noise"),
    ("NULs", "nuls", "mach", ""),
    ("echo", "echo", "jetsort", ""),
    ("wrong speed or parity", "wrong_baud", "jetscan", "line_noise"),
    ("two machines' cables swapped", "swap", "jetscan", "swapped"),
    ("two machines' cables swapped", "swap", "cctalk-coin", "swapped"),
    ("two machines' cables swapped", "swap", "ssp", "swapped"),
]


def told(event: dict[str, Any]) -> list[str]:
    """The words for one event in the table above."""
    words = [str(event.get("condition", event["kind"]))]
    flags = event.get("flags", 0)
    words += ["reprint"] * bool(flags & FLAG_REPRINT) + ["sub-batch"] * bool(flags & FLAG_SUB_BATCH)
    return words + ["rejects"] * bool(event.get("rejects"))


@pytest.mark.parametrize(
    ("fault", "knob", "profile_name", "wanted"),
    DUTIES,
    ids=[f"{knob}-{profile}" for _, knob, profile, _ in DUTIES],
)
def test_a_driver_does_its_duty_under_one_fault(
    fault: str, knob: str, profile_name: str, wanted: str
) -> None:
    case = cases()[profile_name]
    profile = load_profile(profile_name, changes=case.settings)
    settings = {
        **profile.settings,
        **(STRANGERS if knob == "swap" and profile.driver == "report_stream" else {}),
    }
    driver, simulator = registry.driver_for(profile.driver), simulator_for(profile_name)
    seen: Counter[str] = Counter()
    struck = 0
    for seed in SEEDS:
        outcome = play(case, driver, settings, simulator, seed, profile.wire["baud"], {knob: 200})
        struck += outcome.struck[knob]
        seen.update(word for event in outcome.events for word in told(event))
        assert [] == outcome.wrong, f"{fault}: seed {seed}"

    assert struck, f"{fault}: the fault never struck"
    assert not wanted or seen[wanted], f"{fault}: {wanted} was never told, but {dict(seen)}"
