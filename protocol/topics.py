"""Topic names: till/1/<site>/<device>/<leaf>.

ev     device -> gateway, events, never retained
state  device -> gateway, heartbeat, retained, last will "lost"
ack    gateway -> device, what is durable
cmd    gateway -> device, what to do
"""

from protocol.compat import ProtocolError, const

_NAME_CHARS_MAX = const(24)
_NAME_CHARS = const("abcdefghijklmnopqrstuvwxyz0123456789-")
LEAVES = ("ev", "ack", "cmd", "state")


def check_name(name: str) -> str:
    """The name itself when it is 1 to 24 of a-z, 0-9 and '-'; ProtocolError otherwise."""
    if not 1 <= len(name) <= _NAME_CHARS_MAX:
        raise ProtocolError("topic: name %r is not of 1 to %d characters" % (name, _NAME_CHARS_MAX))
    for char in name:
        if char not in _NAME_CHARS:
            raise ProtocolError("topic: name %r may hold a-z, 0-9 and '-' only" % name)
    return name


def topic(site: str, device: str, leaf: str) -> str:
    """The topic of one leaf of one device."""
    if leaf not in LEAVES:
        raise ProtocolError("topic: leaf %r is not one of %s" % (leaf, ", ".join(LEAVES)))
    return "till/1/%s/%s/%s" % (check_name(site), check_name(device), leaf)


def parse_topic(name: str) -> tuple:
    """(site, device, leaf) of a topic; ProtocolError when it is not one of ours."""
    parts = name.split("/")
    if len(parts) != 5 or parts[0] != "till" or parts[1] != "1" or parts[4] not in LEAVES:
        raise ProtocolError("topic: %r is not till/1/<site>/<device>/<leaf>" % name)
    return check_name(parts[2]), check_name(parts[3]), parts[4]


def kid(device: str, key_number: int) -> bytes:
    """The key identifier in a device's messages."""
    return ("%s.%d" % (check_name(device), key_number)).encode()
