"""What ccTalk's event codes mean: a line for each code in its order, classes and name.

Classes: r rejected or inhibited, counted apart; j jam; f fraud; u a piece may have been taken that no credit tells of; m the
machine says it is faulty; F box full; s a person must act; o well again; - nothing to tell.
Source: ccTalk Generic Specification v4.7, part 3: tables of coin acceptor error codes and of bill events. The classes are our
reading of "may or may not indicate a coin was rejected": where the coin had passed validation, it is said to be uncertain.
"""

from protocol.compat import const

_COIN = const(
    "- null event\nr reject coin\nr inhibited coin\nr multiple window\nr wake-up timeout\nr validation timeout\n"
    "u credit sensor timeout\nu sorter opto timeout\nr second close coin\nr accept gate not ready\nj credit sensor not ready\n"
    "j sorter not ready\nj reject coin not cleared\nj validation sensor not ready\nj credit sensor blocked\n"
    "j sorter opto blocked\nuf credit sequence error\nuf coin going backwards\nu coin too fast at credit sensor\n"
    "u coin too slow at credit sensor\nf coin on string\nj DCE opto timeout\nf DCE opto not seen\n"
    "uf credit sensor reached too early\nr repeated reject\nr reject slug\nj reject sensor blocked\nm games overload\n"
    "m meter pulses exceeded\nj accept gate not closed\nj accept gate not open\nu manifold opto timeout\n"
    "j manifold opto blocked\nr manifold not ready\nf security status changed\nm motor exception\nu swallowed coin\n"
    "r coin too fast at validation\nr coin too slow at validation\n- coin incorrectly sorted\nf external light attack\n"
    "- data block request\n- return lever\nm unspecified alarm\n"
)
_BILL = const(
    "- master inhibit active\n- bill returned from escrow\nr invalid bill, validation\nr invalid bill, transport\n"
    "r inhibited bill, serial\nr inhibited bill, switches\nj bill jammed in transport, unsafe\nju bill jammed in stacker\n"
    "f bill pulled backwards\nf bill tamper\no stacker ok\ns stacker removed\no stacker inserted\nm stacker faulty\n"
    "F stacker full\nj stacker jammed\nju bill jammed in transport, safe\nf opto fraud\nf string fraud\n"
    "m anti-string faulty\n- barcode\nu unknown bill stacked\n"
)
_COIN_LAST = const(40)  # the lines behind it are 253 to 255
_BILL_LAST = const(21)


def code_of(code: int, is_bill: bool) -> tuple:
    """(classes, name) of an event whose first byte is 0; a code that the specification does not name is an unknown fault."""
    if not is_bill and 128 <= code <= 159:
        return "r", "inhibited coin type %d" % (code - 127)
    text, last = (_BILL, _BILL_LAST) if is_bill else (_COIN, _COIN_LAST)
    if code > last:
        if is_bill or code < 253:
            return "m", "code unknown"
        code -= 252 - _COIN_LAST
    at = 0
    for _ in range(code):
        at = text.find("\n", at) + 1
    return tuple(text[at : text.find("\n", at)].split(" ", 1))
