"""Which simulator stands for which profile: `simulator_for("cctalk-coin")`. A module is loaded only
when somebody asks for it.
"""

from importlib import import_module
from typing import Any

SIMULATORS = {
    "mach": "coin_sorter.CoinSorter",
    "jetscan": "bill_counter.BillCounter",
    "jetsort": "jetsort.JetSort",
    "columns": "printers.ColumnsPrinter",
    "csv": "printers.CsvPrinter",
    "uwf": "display.UwfDisplay",
    "fddf": "display.FddfCounter",
    "cctalk-coin": "cctalk_coin.CoinAcceptor",
    "cctalk-bill": "cctalk_bill.BillValidator",
    "sc350": "sc350.Sc350",
    "ebds": "ebds.EbdsAcceptor",
    "ssp": "ssp.SspValidator",
    "id003": "id003.Id003Acceptor",
}


def simulator_for(profile: str) -> Any:
    """The simulator's class. Raises KeyError for a profile that nothing simulates."""
    module, _, name = SIMULATORS[profile].partition(".")
    return getattr(import_module(f"simulators.instruments.{module}"), name)
