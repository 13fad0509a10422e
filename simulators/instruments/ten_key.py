"""A ten-key pad of 5 x 5 keys without diodes, and the key presses of a cashier who uses it as an
adding machine.

A scan drives one row and reads the columns. Without a diode per key, current flows backwards
through pressed keys: three corners of a rectangle show the fourth, a key that nobody pressed
(`Pad.rows`). Postfix entry, add mode with two implied decimals, `*` the total that clears: see the
manuals of Sharp CS-2194H, EL-2607R, QS-2760H, Canon MP37-MG, Victor 1297. A mark is keyed as MARK,
one key, value digits, MARK.
"""

import random
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation

KEYS = (
    ("C", "GT", "#", "<>", "*"),
    ("7", "8", "9", "-", "MARK"),
    ("4", "5", "6", "+", "ADD"),
    ("1", "2", "3", "00", "BS"),
    ("0", "000", ".", "", ""),
)
PLACES = {
    key: (row, column) for row, keys in enumerate(KEYS) for column, key in enumerate(keys) if key
}
MARKS = {
    "card_total": "0", "sign_on": "1", "opening_float": "2", "drop": "3", "checks_tape": "4",
    "close": "5", "recount": "6", "void_last_batch": "7", "checkpoint": "8", "done": "9",
    "money_order": "00", "other": "000", "suspend": ".", "resume": "+", "surprise": "#", "end": "-",
}  # fmt: skip
MUST_HAVE_VALUE = ("card_total", "sign_on", "money_order", "other", "surprise")
MAY_HAVE_VALUE = ("opening_float", "drop")  # every other mark takes none
MARK_VALUE_MAX = 1_099_511_627_775  # docs/pad.md: 10,995,116,277.75 in cents
SYMBOLS = {
    "+": "+",
    "-": "-",
    "#": "#",
    "total": "*",
    "subtotal": "<>",
    "grand": "GT",
    "clear": "C",
}

Scan = tuple[int, ...]  # the column bits read when each of the five rows is driven
ScanEdge = tuple[int, Scan]  # (at_ms, scan)


class PadError(ValueError):
    """A key or an action that this pad does not have."""


class Pad:
    """The keys and their contacts. `press` and `release` return the scans that follow, bounce
    first, rest last.
    """

    def __init__(self, seed: int = 0, has_diodes: bool = False, bounce_ms: int = 5) -> None:
        self.random = random.Random(seed)
        self.has_diodes = has_diodes
        self.bounce_ms = bounce_ms
        self.pressed: set[str] = set()
        self.stuck: set[str] = set()  # a key in here stays down

    def rows(self) -> Scan:
        """What a scan reads now, ghosts included."""
        return scan(self.pressed, self.has_diodes)

    def press(self, key: str, now_ms: int) -> list[ScanEdge]:
        """The contact closes, with a few bounces."""
        if key not in PLACES:
            raise PadError(f"ten-key pad: no key {key!r}")
        return self._change(key, True, now_ms)

    def release(self, key: str, now_ms: int) -> list[ScanEdge]:
        """The contact opens, with a few bounces; a stuck key stays."""
        return [] if key in self.stuck else self._change(key, False, now_ms)

    def chord(self, keys: Iterable[str], now_ms: int) -> list[ScanEdge]:
        """Several keys go down together; the scan at rest has their ghosts."""
        edges: list[ScanEdge] = []
        for key in keys:
            edges += self.press(key, edges[-1][0] + 1 if edges else now_ms)
        return edges

    def _change(self, key: str, down: bool, now_ms: int) -> list[ScanEdge]:
        before = self.rows()
        if down:
            self.pressed.add(key)
        else:
            self.pressed.discard(key)
        after = self.rows()
        if before == after:
            return []
        bounces = self.random.randrange(3) if self.bounce_ms >= 4 else 0
        later = (
            sorted(self.random.sample(range(1, self.bounce_ms + 1), 2 * bounces)) if bounces else []
        )
        edges = [(now_ms, after)]
        for number, offset in enumerate(later):
            edges.append((now_ms + offset, after if number % 2 else before))
        return edges


def scan(pressed: Iterable[str], has_diodes: bool = False) -> Scan:
    """The column bits of each driven row; bit 0 is column 0.

    Without diodes a driven row reaches every column that a walk over pressed keys reaches, row to
    column to row.
    """
    own = [0] * len(KEYS)
    for key in pressed:
        row, column = PLACES[key]
        own[row] |= 1 << column
    if has_diodes:
        return tuple(own)
    read = []
    for driven in range(len(KEYS)):
        columns, grew = own[driven], True
        while grew:
            reached = columns
            for bits in own:
                if bits & reached:
                    reached |= bits
            grew = reached != columns
            columns = reached
        read.append(columns)
    return tuple(read)


def keys_for(text: str) -> list[str]:
    """The key presses of one action, in add mode (as the pad starts).

    `12.34+` or `5.00-` an amount; `396#` a non-add number; `total`, `subtotal`, `grand`, `clear`;
    `mark drop 50000`, `mark 5`: a mark with its value, an integer as keyed; `keys MARK 5 C`: these
    keys. PadError for anything else.
    """
    words = text.split()
    if words[:1] == ["keys"] and len(words) > 1:
        for key in words[1:]:
            if key not in PLACES:
                raise PadError(f"ten-key pad: no key {key!r}")
        return words[1:]
    if words[:1] == ["mark"] and len(words) in (2, 3):
        if len(words) == 3 and not (words[2].isascii() and words[2].isdecimal()):
            raise PadError(f"ten-key pad: a mark's value is digits only, not {words[2]!r}")
        return mark_keys(words[1], int(words[2]) if len(words) == 3 else None)
    if len(words) == 1 and words[0] in SYMBOLS and words[0] not in "+-#":
        return [SYMBOLS[words[0]]]
    if len(words) == 1 and words[0][-1] in "+-":
        return amount_keys(_cents(words[0][:-1]), words[0][-1])
    if len(words) == 1 and words[0][-1] == "#" and words[0][:-1].isdecimal():
        return [*words[0][:-1], "#"]
    raise PadError(f"ten-key pad: {text!r} is no action")


def amount_keys(cents: int, symbol: str = "+") -> list[str]:
    """1234 -> 1 2 3 4 +: the two decimals are implied; zeros in a row are keyed with 00 and 000.
    Negative: the minus key.
    """
    if cents < 0:
        cents, symbol = -cents, "-" if symbol == "+" else "+"
    keys: list[str] = []
    digits = str(cents)
    at = 0
    while at < len(digits):
        for zeros in ("000", "00"):
            if at and digits.startswith(zeros, at):
                keys.append(zeros)
                break
        else:
            keys.append(digits[at])
        at += len(keys[-1])
    return [*keys, symbol]


def mark_keys(code: str, value: int | None = None) -> list[str]:
    """MARK, which, the digits of the value if there is one, MARK. `code`: a key or a name of
    MARKS.

    PadError for what the pad would refuse: a value at a mark that takes none, none where one is
    needed, one that is negative or too high.
    """
    digit = MARKS.get(code, code)
    name = next((name for name in MARKS if MARKS[name] == digit), "")
    if not name:
        raise PadError(f"ten-key pad: no mark {code!r}; there are {', '.join(MARKS)}")
    if value is None and name in MUST_HAVE_VALUE:
        raise PadError(f"ten-key pad: mark {name} needs a value")
    if value is not None and name not in MUST_HAVE_VALUE + MAY_HAVE_VALUE:
        takers = ", ".join(MUST_HAVE_VALUE + MAY_HAVE_VALUE)
        raise PadError(f"ten-key pad: mark {name} takes no value; only {takers} do")
    if value is not None and not 0 <= value <= MARK_VALUE_MAX:
        raise PadError(f"ten-key pad: {value} is no value, 0 to {MARK_VALUE_MAX} are")
    return ["MARK", digit, *("" if value is None else str(value)), "MARK"]


def _cents(amount: str) -> int:
    try:
        cents = Decimal(amount) * 100
    except InvalidOperation:
        cents = Decimal("NaN")
    if not cents.is_finite() or cents != cents.to_integral_value() or cents < 0:
        raise PadError(f"ten-key pad: {amount!r} is no amount in dollars and cents")
    return int(cents)
