"""What others wrote, on our terminal: shown, never obeyed."""

from typing import Any

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def printable(value: Any, keep: str = "") -> Any:
    """`value` with every character that a terminal may obey or hide (escape, bell, new line,
    right-to-left marks) replaced.

    Lists and dicts are gone through, and anything that is not text stays as it is. `keep`:
    characters that pass, such as "\\n". A machine on the wire, a posted file and its name, and
    whoever edited the ledger's file choose texts that end up here.
    """
    if isinstance(value, str):
        return (
            value
            if value.isprintable()
            else "".join(c if c.isprintable() or c in keep else REPLACEMENT for c in value)
        )
    if isinstance(value, dict):
        return {key: printable(item, keep) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [printable(item, keep) for item in value]
    return value
