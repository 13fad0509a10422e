"""The only place that knows pins, UARTs, flash parts and networks. One module for each platform,
with a class `Ports`:

uart(instrument)    .readinto(buf) -> int, .write(data)  flash()          the journal's block device
service()           what must happen each scan           pad_rows()       column bits, one a row
drawer_level()      0 or 1, the pin as it is             kick(ms)         pulse to the solenoid
beep(name)          ok error warn start full             show(text)       a line for the cashier
uptime_ms()         since this start, for records        reset_cause()    of protocol.records
connect_network()   coroutine, until it has an address   feed_watchdog()  without it we restart
STOPS_UART          a flash write stops the UARTs        NETWORK_TASK     run connect_network
"""
