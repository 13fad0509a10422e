"""What a city's bill costs: a base charge and tiers for each service, in integer cents; only the
use is random.

The rates are invented, in the range of published ones of cities; all that matters is that amounts
look like bills.
"""

import random
from dataclasses import dataclass
from typing import TypeVar

Key = TypeVar("Key", str, tuple[str, str])

FUNDS = {
    "electric": "501-electric",
    "gas": "502-gas",
    "water": "503-water",
    "wastewater": "504-wastewater",
    "solid_waste": "505-solid-waste",
    "irrigation": "506-irrigation",
}
OTHER_FUNDS = {"permit": "601-permits", "bus_pass": "602-transit", "licence": "603-licences"}


@dataclass(frozen=True)
class Tariff:
    """Rates of one service. `tiers`: (units up to which the rate holds, or None for the rest;
    thousandths of a cent a unit).
    """

    base_cents: int
    tiers: tuple[tuple[int | None, int], ...]
    use_median: int  # units a month
    use_log_sd: float
    share_percent: int  # of the accounts that have the service


TARIFFS = {
    "electric": Tariff(
        1_150, ((500, 8_970), (1_000, 10_430), (None, 12_885)), 640, 0.45, 96
    ),  # kWh
    "gas": Tariff(1_425, ((20, 61_340), (None, 68_915)), 24, 0.60, 48),  # therms
    "water": Tariff(
        985, ((20, 31_250), (80, 42_175), (None, 57_630)), 44, 0.55, 74
    ),  # hundreds of gallons
    "wastewater": Tariff(1_260, ((None, 38_445),), 38, 0.45, 70),  # hundreds of gallons
    "solid_waste": Tariff(2_135, (), 0, 0.0, 66),  # one cart
    "irrigation": Tariff(745, ((30, 44_820), (None, 66_310)), 40, 0.80, 11),  # hundreds of gallons
}


def charge_cents(tariff: Tariff, units: int) -> int:
    """The base charge and the tiers for this use, rounded half up to the cent once, at the end."""
    millicents = 0
    below = 0
    for limit, rate in tariff.tiers:
        inside = max(0, (units if limit is None else min(units, limit)) - below)
        millicents += inside * rate
        below = units if limit is None else limit
    return tariff.base_cents + round_half_up(millicents, 1_000)


def round_half_up(numerator: int, denominator: int) -> int:
    """The nearest integer to a fraction that is not negative; a half goes up."""
    return (2 * numerator + denominator) // (2 * denominator)


def bill(rng: random.Random) -> dict[str, int]:
    """{service: cents} of one account's month: one service or several."""
    services = [
        name for name, tariff in TARIFFS.items() if rng.randrange(100) < tariff.share_percent
    ] or ["electric"]
    lines = {}
    for name in services:
        tariff = TARIFFS[name]
        units = (
            int(tariff.use_median * rng.lognormvariate(0.0, tariff.use_log_sd))
            if tariff.use_median
            else 0
        )
        lines[name] = charge_cents(tariff, units)
    return lines


def fund_of(service: str) -> str:
    """The fund that a service's money belongs to."""
    return FUNDS.get(service) or OTHER_FUNDS[service]


def spread(lines: dict[Key, int], paid_cents: int) -> dict[Key, int]:
    """{service: cents} of a payment over a bill, in proportion; odd cents to the largest
    remainders; services at 0 left out. A key may be anything that has an order.
    """
    total = sum(lines.values())
    parts = {name: divmod(cents * paid_cents, total) for name, cents in lines.items()}
    odd = paid_cents - sum(whole for whole, _ in parts.values())
    first = sorted(parts, key=lambda name: (-parts[name][1], name))[:odd]
    shares = {name: whole + (name in first) for name, (whole, _) in parts.items()}
    return {name: cents for name, cents in shares.items() if cents}
