"""Which class drives which instrument. A driver's module is loaded when a board has such an
instrument, and not before.
"""

from protocol.compat import const

DRIVERS = const(
    "report_stream.ReportStream frame_stream.FrameStream cctalk.Cctalk sc350.Sc350 ebds.Ebds"
    " ssp.Ssp id003.Id003"
)


def driver_for(name: str):
    """The class of the driver with this name. Raises ValueError when there is none.

    Every driver is made with (instrument, settings, currency) and has feed, poll, pop_output,
    busy, faults and snapshot, as firmware/drivers/base.py says.
    """
    for each in DRIVERS.split():
        module, class_name = each.split(".")
        if module == name:
            return getattr(
                __import__("firmware.drivers." + module, None, None, (class_name,)), class_name
            )
    raise ValueError("no driver %r" % name)
