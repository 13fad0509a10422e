"""A bug planted in a source file: a piece of its text is replaced by another, whatever the layout.

A formatter may break a line in two, or add a comma before a closing bracket, and a planted bug
must still find its place. So the piece is looked for token by token.
"""

import ast
import re

_STRING = re.compile(r"""([A-Za-z]{0,2})(?:(")((?:\\.|[^"\\\n])*)"|(')((?:\\.|[^'\\\n])*)')""")
_TOKEN = re.compile(rf"(?P<string>{_STRING.pattern})|\w+|\S")
_IN_STRING = re.compile(r"\\.|.")
_GAP = r"(?:\s|#[^\n]*)"
_OPENING, _CLOSING = "([{", ")]}"


def planted(source: str, old: str, new: str, where: str) -> str:
    """`source` with `new` in the place of `old`, which stands in it once.

    White space, line breaks, comments, string literals cut in two and a comma before a closing
    bracket make no difference. Blanks at the start of `old` mean that a line starts there, a line
    break at its end that the line ends there. `new` is written with the indentation that `old` has
    here, and is moved with it when `old` stands deeper or less deep in the source.

    Raises AssertionError, naming `where`, when `old` stands there not exactly once or when what
    comes out is not Python.
    """
    found = list(_pattern(old).finditer(source))
    assert len(found) == 1, f"{where}: {old!r} stands there {len(found)} times"
    start, end = found[0].span()
    changed = source[:start] + _moved(new, _shift(old, source, found[0])) + source[end:]
    try:
        ast.parse(changed)
    except SyntaxError as error:
        raise AssertionError(f"{where}: {new!r} makes no Python: {error}") from error
    return changed


def holds(source: str, old: str) -> bool:
    """Whether `old` stands in the source, whatever the layout."""
    return _pattern(old).search(source) is not None


def _tokens(old: str) -> list[re.Match[str]]:
    """Its tokens, without a comma before a closing bracket."""
    every = list(_TOKEN.finditer(old))
    return [
        token
        for token, after in zip(every, [*every[1:], None], strict=True)
        if not (token.group() == "," and after and after.group() in _CLOSING)
    ]


def _pattern(old: str) -> re.Pattern[str]:
    """What finds `old` in a source: group t<i> is its token i."""
    tokens = _tokens(old)
    first, last = tokens[0].group(), tokens[-1].group()
    pattern = r"^[ \t]*" if old[0].isspace() else r"\b" if _is_word(first[0]) else ""
    before = ""
    for i, token in enumerate(tokens):
        text = token.group()
        if before:
            pattern += _GAP + ("+" if _is_word(before[-1]) and _is_word(text[0]) else "*")
        if text in _CLOSING and before and before not in _OPENING:
            pattern += f"(?:,{_GAP}*)?"
        pattern += f"(?P<t{i}>{_as_string(text) if token['string'] else re.escape(text)})"
        before = text
    if old.endswith("\n"):
        pattern += r"[ \t]*(?:#[^\n]*)?\n"
    elif _is_word(last[-1]):
        pattern += r"\b"
    return re.compile(pattern, re.MULTILINE)


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _as_string(literal: str) -> str:
    """What finds a string literal, in one piece or cut into several."""
    prefix, *_ = _STRING.fullmatch(literal).groups()
    quote, inside = literal[len(prefix)], literal[len(prefix) + 1 : -1]
    cut = rf"(?:{quote}\s*{prefix}{quote})?"
    pieces = (re.escape(piece) for piece in _IN_STRING.findall(inside))
    return prefix + quote + cut.join(pieces) + quote


def _shift(old: str, source: str, found: re.Match[str]) -> int:
    """How much deeper a statement of `old` stands in the source: by the first of its tokens
    outside brackets that begins a line in both.
    """
    depth = 0
    for i, token in enumerate(_tokens(old)):
        here, there = _indent(old, token.start()), _indent(source, found.start(f"t{i}"))
        if depth <= 0 and here is not None and there is not None and (i or old[0].isspace()):
            return there - here
        depth += (token.group() in _OPENING) - (token.group() in _CLOSING)
    return 0


def _indent(text: str, at: int) -> int | None:
    """The column of a token that begins its line."""
    blanks = text[text.rfind("\n", 0, at) + 1 : at]
    return None if blanks.strip() else len(blanks)


def _moved(new: str, shift: int) -> str:
    """Each line of `new` that begins with blanks `shift` columns to the right."""
    if shift >= 0:
        return re.sub(r"(?m)^(?=[ \t]+\S)", " " * shift, new)
    return re.sub(rf"(?m)^ {{{-shift}}}", "", new)
