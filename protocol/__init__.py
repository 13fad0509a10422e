"""What a counter controller and the gateway send to each other.

records   the wire dictionary: kinds and fields as data, encode and decode of one record
messages  what one MQTT message carries: events, state, ack
cbor      the strict CBOR subset both sides speak
seal      COSE_Mac0 (RFC 9052): who said it, and on which topic
topics    till/1/<site>/<device>/{ev,ack,cmd,state}
compat    names that MicroPython has and CPython lacks

These files run unchanged on MicroPython and on CPython. They import nothing of ours but each other.
"""
