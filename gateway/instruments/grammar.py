"""The line grammar of a profile, [grammar] with mode = "line", checked and made compact for the
device.

`compile_line` turns the table that docs/instruments.md describes into what
`firmware/drivers/report_stream.py` takes:

  start       (literal, number columns) of the line that begins a report
  lines       literal|role|columns, one a line, tried in order; one bytes object, because as
              tuples two machines took 3.5 KB more heap
  coins       the denominations that the machine can count, minor units
  signs       texts dropped before or after an amount or standing alone, the longest first
  separator   b"" for columns between blanks, otherwise what stands between two cells
  identity, batch_max, sub_batch, idle_ms, answer   as the profile has them, the answer as bytes

A role is a letter and what belongs to it: N numbers, T time, R row (and the denomination that the
line names, + when rows stand side by side), U subtotal, G the machine's total, P number of pieces,
F fee, C what the customer gets, O value that is not cash, Q rejects (and the number of their
quality), A accumulate, S stop (i included, e excluded, r recount all), Z end, X ignored; E at its
end: this line ends the report. Columns are letters between blanks: d D m denomination with two
decimals, also in whole units, in minor units; p pieces; v V value with two decimals, also in whole
units; x one word whatever it says; 'WORD that word.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.errors import ConfigError
from gateway.toml_problems import did_you_mean

_COLUMNS = {
    "denomination": "d",
    "denomination_any": "D",
    "denomination_minor": "m",
    "pieces": "p",
    "value": "v",
    "value_any": "V",
    "skip": "x",
}
_ROLES = {
    "numbers": "N",
    "time": "T",
    "row": "R",
    "subtotal": "U",
    "total": "G",
    "pieces_total": "P",
    "fee": "F",
    "customer_total": "C",
    "other": "O",
    "rejects": "Q",
    "accumulate": "A",
    "stop": "S",
    "end": "Z",
    "ignored": "X",
}
_MAY_HAVE = {  # role: columns that it may have beside skip and quoted words
    "R": "dDmpvV", "U": "pvV", "G": "pvV", "P": "p", "F": "vV", "C": "vV", "O": "pvV", "Q": "pvV",
    "A": "",
    "S": "p", "Z": "", "X": "",
}  # fmt: skip
_MUST_HAVE = {
    "R": "pvV",
    "U": "pvV",
    "G": "pvV",
    "P": "p",
    "F": "vV",
    "C": "vV",
    "O": "pvV",
    "Q": "p",
}  # one of these
QUALITIES = (
    "fit",
    "unfit",
    "suspect",
    "counterfeit",
    "inked",
    "unrecognized",
)  # as records number them, from 1
_ON_STOP = ("included", "excluded", "recount_all")
_SEPARATORS = ("", ",", ";")
_LETTERS = "rbsg"
_LITERAL_CHARS_MAX = 40
_LINES_MAX = 40
_ANSWER_BYTES_MAX = 8
_DENOMINATIONS_MAX = 32  # what a tally record holds
_MINOR_MAX = 100_000_000

_KEYS: dict[str, Any] = {  # key: default, ... where it has none
    "mode": ..., "start": ..., "start_numbers": "", "separator": "", "signs": [],
    "denominations": ..., "identity": "",
    "batch_max": 9999, "sub_batch": False, "idle_ms": 700, "answer": "", "on_stop": "recount_all",
    "line": ...,
}  # fmt: skip
_LINE_KEYS = ("begins", "is", "columns", "denomination", "quality", "repeat", "last", "on_stop")


def compile_line(table: Mapping[str, Any]) -> dict[str, Any]:
    """What the device's report stream takes. Raises ConfigError, which names the key, its value and
    what is wanted.
    """
    _check_keys("grammar", table, tuple(_KEYS))
    for key, default in _KEYS.items():
        if default is ... and key not in table:
            raise ConfigError(f"grammar lacks {key}; add it")
    given = {key: table.get(key, default) for key, default in _KEYS.items()}
    _want(
        "mode",
        given["mode"],
        given["mode"] == "line",
        '"line"; frames go with driver = "frame_stream"',
    )
    separator = given["separator"]
    _want("separator", separator, separator in _SEPARATORS, 'one of "" (blanks), "," and ";"')
    on_stop = given["on_stop"]
    _want("on_stop", on_stop, on_stop in _ON_STOP, f"one of {', '.join(_ON_STOP)}")
    start = _literal("start", given["start"], separator)
    _want("start", given["start"], bool(start), "the text that begins a report")
    coins = _denominations(given["denominations"])
    lines, letters = _lines(given["line"], separator, coins, on_stop)
    start_numbers = (
        _numbers("start_numbers", given["start_numbers"]) if given["start_numbers"] else ""
    )
    identity = given["identity"]
    _check_identity(identity, given["sub_batch"], [*letters, *_letters_of(start_numbers)])
    return {
        "start": (start.encode(), start_numbers),
        "lines": "\n".join(lines).encode(),
        "coins": coins,
        "signs": _signs(given["signs"]),
        "separator": separator.encode(),
        "identity": identity,
        "batch_max": _number("batch_max", given["batch_max"], 1, 999_999_999),
        "sub_batch": given["sub_batch"],
        "idle_ms": _number("idle_ms", given["idle_ms"], 50, 60_000),
        "answer": _answer(given["answer"]),
    }


# ---- lines ----


def _lines(
    tables: Any, separator: str, coins: tuple[int, ...], on_stop: str
) -> tuple[list[str], list[str]]:
    """Each [[grammar.line]] as literal|role|columns, and the letters of all numbers that they
    give.
    """
    is_tables = isinstance(tables, list) and all(isinstance(each, dict) for each in tables)
    _want("line", tables, is_tables, "[[grammar.line]] tables")
    _want("line", f"{len(tables)} tables", len(tables) <= _LINES_MAX, f"{_LINES_MAX} at most")
    lines: list[str] = []
    letters: list[str] = []
    begun: list[str] = []
    for number, table in enumerate(tables, 1):
        where = f"line {number}"
        try:
            begins, role, columns = _line(table, separator, coins, on_stop)
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from error
        for earlier in begun:
            if earlier and begins != earlier and begins.startswith(earlier):
                raise ConfigError(
                    f"{where}: begins = {begins!r} stands after {earlier!r}, which takes its"
                    " lines; swap them"
                )
        begun.append(begins)
        lines.append(f"{begins}|{role}|{columns}")
        if role[0] == "N":
            letters += _letters_of(columns)
    roles = [line.split("|")[1][0] for line in lines]
    for role, name in (("R", "row"), ("G", "total")):
        if role not in roles:
            raise ConfigError(f'no line is = "{name}"; a report without one cannot be checked')
    return lines, letters


def _line(
    table: Mapping[str, Any], separator: str, coins: tuple[int, ...], on_stop: str
) -> tuple[str, str, str]:
    _check_keys("", table, _LINE_KEYS)
    name = table.get("is")
    if name not in _ROLES:
        hint = did_you_mean(name, _ROLES) if isinstance(name, str) else ""
        raise ConfigError(f"is = {name!r}: want one of {', '.join(_ROLES)}{hint}")
    role = _ROLES[name]
    begins = _literal("begins", table.get("begins"), separator)
    columns = table.get("columns", "")
    for key, of in (("denomination", "R"), ("repeat", "R"), ("quality", "Q"), ("on_stop", "S")):
        if key in table and role != of:
            raise ConfigError(
                f"{key} = {table[key]!r}: a line that is = {name!r} has none; leave it out"
            )
    for key in ("repeat", "last"):
        _want(key, table.get(key, False), isinstance(table.get(key, False), bool), "true or false")
    if role == "T":
        _want("columns", columns, columns == "", "none: a time is recognised by its / and :")
    elif role == "N":
        columns = _numbers("columns", columns)
    else:
        columns = _columns(columns, role, name)
    if role == "R":
        role += _named_denomination(table, columns, coins) + ("+" if table.get("repeat") else "")
    elif role == "Q":
        quality = table.get("quality", "suspect")
        _want("quality", quality, quality in QUALITIES, f"one of {', '.join(QUALITIES)}")
        role += str(QUALITIES.index(quality) + 1)
    elif role == "S":
        stop = table.get("on_stop", on_stop)
        _want("on_stop", stop, stop in _ON_STOP, f"one of {', '.join(_ON_STOP)}")
        role += stop[0]
    if not begins and role[0] not in "RT":
        raise ConfigError(
            'begins = "": only a row or a time is known by its columns; name the text before a'
            f" {name!r} line"
        )
    return begins, role + ("E" if table.get("last") or role == "Z" else ""), columns


def _named_denomination(table: Mapping[str, Any], columns: str, coins: tuple[int, ...]) -> str:
    named = table.get("denomination")
    in_columns = sum(columns.split(" ").count(letter) for letter in "dDm")
    if named is None:
        _want(
            "columns",
            table.get("columns"),
            in_columns == 1,
            "one denomination, or a key denomination for the line's coin",
        )
        return ""
    _want(
        "denomination",
        named,
        named in coins and not isinstance(named, bool),
        "one of the grammar's denominations",
    )
    _want(
        "columns", table.get("columns"), in_columns == 0, "no denomination, the key says it already"
    )
    _want("begins", table.get("begins"), bool(table.get("begins")), "the text that names the coin")
    return str(named)


def _columns(text: Any, role: str, name: str) -> str:
    """ "d p v" for "denomination pieces value"; a quoted word is 'WORD."""
    _want("columns", text, isinstance(text, str), "a text")
    letters = []
    for word in text.split():
        if word[0] in "'\"":
            _want(
                "columns",
                text,
                len(word) > 2 and word[-1] == word[0],
                f"a quoted word without blanks for {word}",
            )
            letters.append("'" + _literal("columns", word[1:-1], ""))
            continue
        if word not in _COLUMNS:
            hint = did_you_mean(word, _COLUMNS)
            raise ConfigError(
                f"columns = {text!r}: no column {word!r}{hint}; there are {', '.join(_COLUMNS)}"
            )
        letter = _COLUMNS[word]
        if letter != "x" and letter not in _MAY_HAVE[role]:
            raise ConfigError(
                f"columns = {text!r}: a line that is = {name!r} has no {word}; leave it out or"
                " write skip"
            )
        letters.append(letter)
    for kinds in ("dDm", "p", "vV"):
        _want(
            "columns",
            text,
            sum(letters.count(letter) for letter in kinds) <= 1,
            "each kind of column once",
        )
    if role in _MUST_HAVE and not set(letters) & set(_MUST_HAVE[role]):
        wanted = " or ".join(
            word for word, letter in _COLUMNS.items() if letter in _MUST_HAVE[role]
        )
        raise ConfigError(f"columns = {text!r}: a line that is = {name!r} needs {wanted}")
    return " ".join(letters)


def _numbers(key: str, text: Any) -> str:
    """ "r5-b4-s3": letter and digits of each number; 0 digits = any."""
    wanted = f'letter ({", ".join(_LETTERS)}) and digits of each number, such as "b4" or "r5-b4-s3"'
    _want(key, text, isinstance(text, str) and bool(text), wanted)
    for part in text.split("-"):
        _want(
            key,
            text,
            len(part) == 2 and part[0] in _LETTERS and part[1].isascii() and part[1].isdigit(),
            wanted,
        )
    _want(key, text, len(set(_letters_of(text))) == len(_letters_of(text)), "each letter once")
    return str(text)


def _letters_of(columns: str) -> list[str]:
    return [part[0] for part in columns.split("-") if part]


# ---- single values ----


def _check_identity(identity: Any, sub_batch: Any, letters: list[str]) -> None:
    _want("sub_batch", sub_batch, isinstance(sub_batch, bool), "true or false")
    is_text = (
        isinstance(identity, str)
        and set(identity) <= set("bsg")
        and len(set(identity)) == len(identity)
    )
    _want(
        "identity",
        identity,
        is_text,
        'letters of b, s and g, each once, or "" for a machine that prints no number',
    )
    if identity and "b" not in identity:
        raise ConfigError(
            f'identity = {identity!r}: wants b, the number of the batch; "" for a machine that'
            " prints none"
        )
    for letter in identity:
        if letter not in letters:
            raise ConfigError(
                f'identity = {identity!r}: no line gives {letter!r}; add a line is = "numbers" or'
                " start_numbers"
            )
    for letter in letters:
        if letters.count(letter) > 1 or (letter != "r" and letter not in identity):
            why = (
                "stands twice"
                if letters.count(letter) > 1
                else 'is not in identity; add it or read its line as "ignored"'
            )
            raise ConfigError(f"number {letter!r} {why}")
    if sub_batch and "s" not in identity:
        raise ConfigError(
            f"sub_batch = true: identity = {identity!r} has no s, the number of the sub-batch"
        )


def _denominations(value: Any) -> tuple[int, ...]:
    is_list = (
        isinstance(value, list)
        and bool(value)
        and all(type(each) is int and 0 < each <= _MINOR_MAX for each in value)
    )
    _want("denominations", value, is_list, "a list of minor units, such as [1, 5, 10, 25]")
    _want("denominations", value, len(set(value)) == len(value), "each once")
    _want("denominations", value, len(value) <= _DENOMINATIONS_MAX, f"{_DENOMINATIONS_MAX} at most")
    return tuple(value)


def _signs(value: Any) -> tuple[bytes, ...]:
    _want("signs", value, isinstance(value, list), 'a list of texts, such as ["$", "USD"]')
    for each in value:
        is_sign = (
            isinstance(each, str) and each.isascii() and each.isprintable() and 0 < len(each) <= 8
        )
        is_sign = is_sign and not set(each) & set("0123456789.,-; ")
        _want("signs", value, is_sign, "texts of ASCII without digits, blanks and . , - ;")
    return tuple(each.encode() for each in sorted(value, key=len, reverse=True))


def _answer(value: Any) -> bytes:
    wanted = f'up to {_ANSWER_BYTES_MAX} bytes in hex, such as "06", or ""'
    try:
        answer = bytes.fromhex(value)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"answer = {value!r}: want {wanted}") from error
    _want("answer", value, len(answer) <= _ANSWER_BYTES_MAX, wanted)
    return answer


def _literal(key: str, value: Any, separator: str) -> str:
    """A text as the device compares it: blanks single, none at its ends."""
    _want(
        key,
        value,
        isinstance(value, str) and value.isascii() and (value.isprintable() or not value),
        "a text of ASCII",
    )
    _want(key, value, len(value) <= _LITERAL_CHARS_MAX, f"{_LITERAL_CHARS_MAX} characters at most")
    _want(key, value, "|" not in value and '"' not in value, 'a text without | and "')
    _want(
        key,
        value,
        not separator or separator not in value,
        f"the first cell alone, without {separator!r}",
    )
    _want(
        key,
        value,
        not value or key == "columns" or bool(value.strip("-=_* ")),
        "a text that is no line drawn across the paper",
    )
    return " ".join(value.split())


def _number(key: str, value: Any, least: int, most: int) -> int:
    _want(key, value, type(value) is int and least <= value <= most, f"{least} to {most}")
    return int(value)


def _want(key: str, value: Any, is_good: bool, wanted: str) -> None:
    if not is_good:
        raise ConfigError(f"{key} = {value!r}: want {wanted}")


def _check_keys(where: str, table: Mapping[str, Any], known: Iterable[str]) -> None:
    for key in table:
        if key not in known:
            raise ConfigError(
                f"{where}: unknown key {key!r}{did_you_mean(key, known)}".removeprefix(": ")
            )
