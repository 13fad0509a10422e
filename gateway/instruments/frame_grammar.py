"""A frame grammar as a profile writes it becomes what `frame_stream` reads: names resolved, hex
made bytes, nonsense refused.

[grammar]
mode = "frame"
stream = "items"        start, a frame a piece, end; or "snapshot": a display sent over and over
start = "fd df 2c 0e"   hex
end = "03", end_at = 28 what stands at an offset; one below 0 counts from the frame's end
size = 44               or length = { at, bytes, order, more }: size = that field + more; then
                        size_min and size_max
check = { kind, at, first, last, polynomial, init, reflected, order }
                        kind: xor, sum, crc8, crc16; over the bytes from first to before last
unit = 100              minor units in one unit of the machine's denomination and amount
denominations = [100]   minor units that the machine can count
status = { start = [0], item = [1], end = [2], pause = [3], idle = [4], error = [] }
gap_ms                  a frame cut short         batch_ms   a count that never ended
silent_ms               no frame at all: offline, 0 where silence is normal
stable_ms               how long a display must stand still
pieces_per_s            how fast the machine counts
[[grammar.field]]       role, at, size, type (le, be, ascii, bcd, text)
  denomination, pieces  of this frame; on a display what it shows; there a field may name its own
                        denomination: denomination = 2000
  total, amount         pieces and value of the count so far, by the machine's own sums
  currency, serial      serial number of the machine      status, error (0: none), ignored
"""

from collections.abc import Mapping
from typing import Any

from gateway.errors import ConfigError
from gateway.toml_problems import did_you_mean

FRAME_BYTES_MAX = 512  # so that a quarantine can hold one
CHECKS = {"xor": 1, "sum": 1, "crc8": 1, "crc16": 2}
POLYNOMIALS = {"xor": 0, "sum": 0}  # the others must name theirs
ROLES = (
    "denomination",
    "pieces",
    "total",
    "amount",
    "currency",
    "serial",
    "status",
    "error",
    "ignored",
)
TEXT_ROLES = ("currency", "serial")
TYPES = {"le": 8, "be": 8, "ascii": 15, "bcd": 7, "text": 24}  # and how many bytes at most
STATUS = ("start", "item", "end", "pause", "idle", "error")
TIMES = {"gap_ms": 200, "batch_ms": 300_000, "silent_ms": 0, "stable_ms": 500}
PIECES_PER_S = 25  # 1,500 notes a minute: no counter of a desk is quicker
_KEYS = (
    "mode", "stream", "start", "end", "end_at", "size", "size_min", "size_max", "length", "check",
    "unit", "denominations",
    "status", "pieces_per_s", "field", *TIMES,
)  # fmt: skip


def compile_frame(table: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of `frame_stream.FrameStream`, without "evidence". Raises ConfigError that names
    key and value.
    """
    _known(table, _KEYS, "grammar")
    if table.get("mode") != "frame":
        raise ConfigError(f"mode = {table.get('mode')!r}: want 'frame' for this driver")
    start = _hex(table, "start")
    if not start:
        raise ConfigError("start: lacks the bytes that begin a frame")
    size = _number(table, "size", 0, 0, FRAME_BYTES_MAX)
    size_min = size or _number(table, "size_min", len(start) + 1, len(start) + 1, FRAME_BYTES_MAX)
    size_max = size or _number(table, "size_max", FRAME_BYTES_MAX, size_min, FRAME_BYTES_MAX)
    if bool(size) == ("length" in table):
        raise ConfigError("size: want either size or length")
    end = _hex(table, "end")
    check = _check(table.get("check"), size_min)
    settings: dict[str, Any] = {
        "mode": _choice(table, "stream", ("items", "snapshot")),
        "start": start,
        "end": (end, _offset(table, "end_at", size_min, len(end)) if end else 0),
        "size": size,
        "size_min": size_min,
        "size_max": size_max,
        "length": () if size else _length(table["length"], size_min),
        "check": check,
        "fields": tuple(
            _field(each, size_min)
            for each in table.get("field", [])
            if each.get("role") != "ignored"
        ),
        "status": _status(table.get("status", {})),
        "denominations": _denominations(table.get("denominations")),
        "unit": _number(table, "unit", 1, 1, 1_000_000),
        "pieces_per_s": _number(table, "pieces_per_s", PIECES_PER_S, 1, 1000),
    }
    for key, default in TIMES.items():
        settings[key] = _number(table, key, default, 0, 3_600_000)
    _check_roles(
        settings,
        [each for each in table.get("field", []) if each.get("role") == "ignored"],
        size_min,
    )
    return settings


def _check_roles(settings: dict[str, Any], ignored: list[Any], size: int) -> None:
    """What a stream of this kind must tell before its money is believed."""
    for each in ignored:
        _field(each, size)
    roles = [role for role, _, _, _, extra in settings["fields"] if not extra]
    doubled = {role for role in roles if roles.count(role) > 1}
    if doubled:
        raise ConfigError(
            f"field: role {sorted(doubled)[0]!r} twice; a display's pieces may name their"
            " denomination"
        )
    fixed = any(extra for *_, extra in settings["fields"])
    settings["counts"] = fixed or {"pieces", "denomination"} <= set(roles)
    if settings["mode"] == "snapshot":
        if "pieces" in roles and "denomination" not in roles:
            raise ConfigError(
                "field: pieces of which denomination? name its field, or denomination = N beside"
                " them"
            )
        if not settings["silent_ms"]:
            raise ConfigError(
                "silent_ms = 0: a display is sent all the time, say how long it may be silent"
            )
        return
    if fixed:
        raise ConfigError("field: a fixed denomination belongs to a display (stream = 'snapshot')")
    for role in ("status", "denomination"):
        if role not in roles:
            raise ConfigError(f"field: lacks role {role}")
    if not {"total", "amount"} & set(roles):
        raise ConfigError(
            "field: lacks total and amount; without the machine's own sum a lost frame could not be"
            " seen"
        )
    for each in ("start", "item", "end"):
        if each not in settings["status"].values():
            raise ConfigError(f"status: lacks {each}")


def _known(table: Any, keys: tuple[str, ...], where: str) -> None:
    if not isinstance(table, Mapping):
        raise ConfigError(f"{where}: not a table")
    for key in table:
        if key not in keys:
            raise ConfigError(f"{where}: unknown key {key!r}{did_you_mean(key, keys)}")


def _choice(table: Mapping[str, Any], key: str, choices: tuple[str, ...]) -> str:
    value = table.get(key)
    if not isinstance(value, str) or value not in choices:
        raise ConfigError(f"{key} = {value!r}: want one of {', '.join(choices)}")
    return value


def _number(table: Mapping[str, Any], key: str, default: int, lowest: int, highest: int) -> int:
    value = table.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
        raise ConfigError(f"{key} = {value!r}: want a whole number, {lowest} to {highest}")
    return value


def _hex(table: Mapping[str, Any], key: str) -> bytes:
    value = table.get(key, "")
    try:
        return bytes.fromhex(value)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{key} = {value!r}: want bytes in hex, such as 'fd df'") from error


def _offset(
    table: Mapping[str, Any], key: str, size: int, count: int, default: int | None = None
) -> int:
    """Where `count` bytes begin in a frame of at least `size`."""
    value = _number(table, key, default if default is not None else FRAME_BYTES_MAX, -size, size)
    if not 0 <= (value + size if value < 0 else value) <= size - count:
        raise ConfigError(f"{key} = {value}: outside a frame of {size} bytes")
    return value


def _length(table: Any, size: int) -> tuple[int, int, str, int]:
    _known(table, ("at", "bytes", "order", "more"), "length")
    count = _number(table, "bytes", 1, 1, 2)
    order = _choice({"order": "little", **table}, "order", ("little", "big"))
    at = _number(table, "at", -1, 0, size - count)
    return at, count, order, _number(table, "more", 0, -FRAME_BYTES_MAX, FRAME_BYTES_MAX)


def _check(table: Any, size: int) -> tuple[Any, ...]:
    if table is None:
        raise ConfigError("check: lacks it; bytes without a check are no evidence of money")
    keys = ("kind", "at", "first", "last", "polynomial", "init", "reflected", "order")
    _known(table, keys, "check")
    kind = _choice(table, "kind", tuple(CHECKS))
    top = (1 << 8 * CHECKS[kind]) - 1
    at = _offset(table, "at", size, CHECKS[kind], -CHECKS[kind])
    first = _offset(table, "first", size, 1, 0)
    last = _offset(table, "last", size, 0, at)
    if (first + size if first < 0 else first) >= (last + size if last < 0 else last):
        raise ConfigError(f"check: first = {first} is not before last = {last}")
    polynomial = _number(
        table, "polynomial", POLYNOMIALS.get(kind, -1), 0 if kind in POLYNOMIALS else 1, top
    )
    reflected = table.get("reflected", False)
    if not isinstance(reflected, bool):
        raise ConfigError(f"reflected = {reflected!r}: want true or false")
    if reflected:
        polynomial = int(f"{polynomial:0{8 * CHECKS[kind]}b}"[::-1], 2)
    order = _choice({"order": "little", **table}, "order", ("little", "big"))
    return kind, at, first, last, order, polynomial, _number(table, "init", 0, 0, top), reflected


def _field(table: Any, size: int) -> tuple[str, str, int, int, int]:
    """(role, kind for `field_of`, offset, bytes, fixed denomination or 0)."""
    _known(table, ("role", "at", "size", "type", "denomination"), "field")
    role = _choice(table, "role", ROLES)
    kind = _choice({"type": "le", **table}, "type", tuple(TYPES))
    count = _number(table, "size", 1, 1, FRAME_BYTES_MAX if role == "ignored" else TYPES[kind])
    at = _offset(table, "at", size, count)
    if role != "ignored" and (kind == "text") != (role in TEXT_ROLES):
        raise ConfigError(
            f"field: {role} as {kind}; currency and serial are text, all others are numbers"
        )
    fixed = _number(table, "denomination", 0, 0, 1_000_000) if role == "pieces" else 0
    return role, {"le": "little", "be": "big"}.get(kind, kind), at, count, fixed


def _status(table: Any) -> dict[int, str]:
    _known(table, STATUS, "status")
    found: dict[int, str] = {}
    for name, values in table.items():
        for value in values if isinstance(values, list) else [values]:
            if isinstance(value, bool) or not isinstance(value, int) or value < 0 or value in found:
                raise ConfigError(f"status: {name} = {value!r}: want whole numbers, each once")
            found[value] = name
    return found


def _denominations(values: Any) -> tuple[int, ...]:
    if not isinstance(values, list) or not values:
        raise ConfigError("denominations: lacks the minor units that the machine can count")
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ConfigError(
                f"denominations: {value!r} is no positive whole number of minor units"
            )
    return tuple(values)
