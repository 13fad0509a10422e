"""The facts of a day that breaks no rule, with one of everything, for whoever breaks one."""

import datetime
from dataclasses import replace
from zoneinfo import ZoneInfo

from gateway.config import Config
from gateway.office import rule_facts as facts
from gateway.office.rule_finding import Under
from gateway.office.rule_finding import under as under_of
from gateway.office.rules import findings

ZONE = ZoneInfo("America/Chicago")
DATE = "2026-11-20"  # a Friday
CONFIG = Config(site="city-hall", zone=ZONE.key, windows=("w1", "w2"))
UNDER = under_of(CONFIG)


def at(clock, date=DATE):
    """Unix milliseconds of a time on the office's clock."""
    local = datetime.datetime.fromisoformat(f"{date} {clock}").replace(tzinfo=ZONE)
    return int(local.timestamp() * 1000)


def receipt(number, clock, cents=5_000, tender="cash", **more):
    values = {
        "source": "cis", "number": number, "window": "w1", "cashier": "007", "at_ms": at(clock),
        "business_date": DATE, "tender_type": tender, "net_cents": cents, "session": "w1/1",
    }  # fmt: skip
    return facts.Receipt(**{**values, **more})


RECEIPTS = (
    receipt("R-0101", "09:10"),
    receipt("R-0102", "09:40", 8_000, "check"),
    receipt("R-0103", "10:10", 6_000),
    receipt("R-0104", "10:40", 6_000),
    receipt("R-0105", "10:45", -6_000, status="reversed"),
)

SESSION = facts.Session(
    name="w1/1",
    device="w1",
    cashier="7",
    opened_ms=at("08:55"),
    closed_ms=at("15:30"),
    issued_cents=20_000,
    booked_float_cents=0,
    counts=(
        facts.Count("w1/1/2", "opening_float", at("09:00"), 20_000, 20_000),
        facts.Count("w1/1/50", "checkpoint", at("12:00"), 26_000, 26_000),
        facts.Count("w1/1/90", "close", at("15:30"), 26_000, 26_000),
    ),
    openings=(
        facts.Opening("w1/1/10", at("09:10"), 8_000),
        facts.Opening("w1/1/20", at("10:10"), 8_000),
        facts.Opening("w1/1/25", at("10:40"), 8_000),
        facts.Opening("w1/1/26", at("10:45"), 8_000),
        facts.Opening("w1/1/40", at("11:00"), 8_000),  # for the drop
    ),
    intervals=(
        facts.Interval(1, at("12:00"), "w1/1/50", 20_000, 13_000, 2_000, 5_000, 26_000, 26_000),
        facts.Interval(2, at("15:30"), "w1/1/90", 26_000, 0, 0, 0, 26_000, 26_000),
    ),
    lines=(
        facts.Line("cash", 23_000, 26_000, 0),
        facts.Line("check", 8_000, 8_000, 0),
        facts.Line("card", 0, None, None),
    ),
    drops=(facts.Drop("w1/1/41", at("11:00"), "D-77", 5_000, 5_000),),
    receipts=RECEIPTS,
    expected_shown_ms=at("15:40"),
    called_balanced=True,
    approved_by="ann",
)

VOID = facts.Void(
    "cis", "R-0105", at("10:45"), "w1", "007", "ann", "wrong account", "cash", 6_000, "R-0104",
    facts.Voided("R-0104", "w1", "cash", 6_000),
)  # fmt: skip

DEPOSIT = facts.Deposit("deposit/1", at("09:10"), 19_000, at("16:30"))
BAG = facts.Bag(
    "B-1", "w1/1/99", at("16:00"), 19_000, at("16:05"), at("16:30"), DATE, "2026-11-23", 19_000
)
CARD = facts.CardPayment("settlement/1", "R-0090", at("09:30"), 4_000, 4_000)
RETURNED = facts.Returned(
    "bank/1", at("11:00"), "R-0042", (("503-water", 3_000), ("504-sewer", 1_000)),
    (("504-sewer", 1_000), ("503-water", 3_000)), True, 0, 1, False,
)  # fmt: skip

DAY = facts.DayFacts(
    business_date=DATE,
    now_ms=at("17:00"),
    sessions=(SESSION,),
    receipts=RECEIPTS,
    voids=(VOID,),
    reopenings=(facts.Reopening("decision/1", "w1/1", at("16:00"), ("ann", "bob")),),
    corrections=(facts.Correction("decision/2", at("14:00"), "R-0040", "R-0041", 0, (-500, 500)),),
    slips=(
        facts.Slip("slip/1", at("16:00"), (11_000, 11_000, 0), (8_000, 8_000, 0)),
    ),
    deposits=(DEPOSIT,),
    bags=(BAG,),
    earlier_bags=("B-0",),
    cards=(CARD,),
    returned=(RETURNED,),
    funds=(facts.FundLine("503-water", 19_000, 19_000, ("503-9990", "503-9990")),),
    suspense=(facts.SuspenseItem("R-0033", "2026-11-13", 1_200, False),),
    suspects=(facts.Suspect("w1/1/60", at("13:00"), 2_000, False, "custody/1"),),
    closings=(facts.Closing("w1/1", at("15:50"), True, True, True),),
    differences=(),
    drawer_months=(facts.DrawerMonth("w1", "2026-11", 20, 0),),
    last_numbers=(("cis", "", "R-", 100),),
    called_balanced=True,
)  # fmt: skip


def session(**changes):
    """The day with its session changed."""
    return DAY._replace(sessions=(SESSION._replace(**changes),))


def kinds(rule, day, under=UNDER):
    return [each.kind for each in findings(day, under, [rule])]


def changed(rule, **figures):
    """What is judged by, with other figures of one rule."""
    policy = UNDER.policy
    table = replace(getattr(policy, rule), **figures)
    return Under(replace(policy, **{rule: table}), UNDER.calendar)


def counts(*each):
    return tuple(
        facts.Count(f"w1/1/{number}", kind, at(clock), cents, cents)
        for number, (kind, clock, cents) in enumerate(each, 1)
    )


def interval(over_short, number=1):
    return facts.Interval(
        number, at("12:00"), "w1/1/50", 20_000, 11_000, 0, 5_000, 26_000, 26_000 + over_short
    )


def closes(number):
    return counts(
        ("opening_float", "09:00", 20_000),
        *(("close", f"15:{30 + n}", 26_000 + n) for n in range(number)),
    )


OTHER = SESSION._replace(name="w1/2", cashier="8", opened_ms=at("15:00"), closed_ms=at("16:00"))
PAST = [facts.PastDifference(date, "w1/1", "7", -100) for date in ("2026-10-22", "2026-11-02")]
TODAY = facts.PastDifference(DATE, "w1/1", "007", -100)
HAND = facts.HandOver("w1/1/45", at("10:00"), "7", "8", "w1/1/44", "w1/1/46")
NUMBERS = ["R-0101", "R-0102", "R-0104"]


def of_numbers(*numbers, **more):
    return DAY._replace(
        receipts=[receipt(number, f"09:{n:02d}", **more) for n, number in enumerate(numbers)]
    )
