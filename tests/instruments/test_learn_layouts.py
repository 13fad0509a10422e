"""Layouts that nobody described: learned from two reports, tried on a third. Learned right or
refused, never learned wrong.
"""

import os
from collections import Counter
from random import Random

import pytest

from gateway.instruments.learn.learning import learn, settings_of
from gateway.instruments.learn.lines import LearnRefusal
from tests.drivers.layouts import Layout
from tests.instruments.bench import FIXED, replay, stated

LAYOUTS = int(os.environ.get("TILL_LAYOUTS", "200"))
CHANGES_MAX = 24  # changed digits tried for each layout here; a technician's run tries all of them


def outcome(seed: int) -> str:
    """learned, refused: WHY, third quarantined (it prints what the capture did not hold), or
    wrong.
    """
    layout, random = Layout(seed), Random(seed + 10**6)
    counts = [layout.rows(random) for _ in range(3)]
    reports = [layout.report(number, rows) for number, rows in enumerate(counts, 1)]
    truth = [
        (sorted(rows, reverse=True), sum(minor * pieces for minor, pieces in rows))
        for rows in counts
    ]
    try:
        learned = learn(reports[0] + reports[1], replay, changes_max=CHANGES_MAX)
    except LearnRefusal as refusal:
        return f"refused: {refusal.why}"
    told = stated(settings_of(learned.table), b"".join(reports))
    if told == truth:
        return "learned"
    return "third quarantined" if told == truth[:2] else "wrong"


def test_layouts_of_any_kind_are_learned_or_refused_and_none_is_learned_wrong():
    outcomes = Counter(outcome(seed) for seed in range(LAYOUTS))
    print(f"\n{LAYOUTS} layouts: {dict(outcomes.most_common())}")

    assert outcomes["wrong"] == 0
    assert outcomes["learned"] * 100 >= LAYOUTS * 95


BAND = (
    "COUNT # {n:05d}\nNOTE PCS AMOUNT\n{rows}\n==========\n{pieces} NOTES\nSUM US$ {total}\nSIGN"
    " _________\n"
)


@pytest.mark.parametrize("name", FIXED)
def test_a_layout_never_seen_is_learned_from_two_reports_and_reads_the_third(name):
    reports = FIXED[name]
    learned = learn(reports[0][0] + reports[1][0], replay)

    assert [(rows, total) for _, rows, total in reports] == stated(
        settings_of(learned.table), b"".join(data for data, _, _ in reports)
    )
    assert learned.changes > 100


@pytest.mark.parametrize("name", FIXED)
def test_every_changed_digit_of_the_third_report_is_seen_or_changes_no_money(name):
    reports = FIXED[name]
    settings = settings_of(learn(reports[0][0] + reports[1][0], replay).table)
    data, _, total = reports[2]
    body = data.index(b"\n", data.index(b"D")) + 1
    for at in range(body, len(data)):
        if data[at : at + 1].isdigit():
            for digit in b"0123456789":
                events = replay(settings, data[:at] + bytes((digit,)) + data[at + 1 :])
                assert {total} >= {
                    event["total_minor"] for event in events if event["kind"] == "tally"
                }
