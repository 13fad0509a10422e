"""Drivers: bytes, pin levels and key scans in, events out. No pin, no UART, no clock, no asyncio;
imports protocol only.

base           what every driver has, ticks, the money text
acceptor       what drivers of bill and coin acceptors share; the life of a note as one table
report_stream  one engine for every counter that prints reports; a profile says as data what each
               machine prints
cash_drawer    a status pin becomes opened and closed, with cause and dwell
key_matrix     scanned rows become single key presses: debounce, ghosts, stuck keys
adding_machine the postfix adding machine of a counting room, pure arithmetic and a tape
ten_key        the pad: key_matrix + adding_machine + the marks that a cashier keys
"""
