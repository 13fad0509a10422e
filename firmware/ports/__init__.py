"""The only place that knows pins, UARTs, flash parts and networks. One module for each platform,
with a class `Ports`:

uart(instrument)      .readinto(buf) -> int, .write(data)         flash()         block device of the journal
service()             what must happen each scan                  pad_rows()      list of column bits, one a row
drawer_level()        0 or 1, the pin as it is                    kick(ms)        pulse the drawer's solenoid
beep(name)            ok error warn start full                    show(text)      a line for the cashier
uptime_ms()           since this start, for records               reset_cause()   of protocol.records
connect_network()     coroutine, until an address is there        feed_watchdog() the device restarts without it
STOPS_UART            True when a flash write stops the UARTs     NETWORK_TASK    True when connect_network must be run
"""
