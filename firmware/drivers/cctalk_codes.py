"""What ccTalk's event codes mean: one line for each code, in order, with its classes and, for some,
a name.

Classes: r rejected or inhibited, counted separately; j jam; f fraud; u the machine may have kept a
piece without a credit for it; m the machine says it is faulty; F box full; s a person must act; o
all is well again; - nothing to report. Source: ccTalk Generic Specification v4.7, part 3: tables of
coin acceptor error codes and of bill events. The classes are our reading of "may or may not
indicate a coin was rejected": where the coin had passed validation, it is said to be uncertain.
"""

from protocol.compat import const

_COIN = const(
    # null event; reject coin; inhibited coin; multiple window; wake-up timeout; validation timeout
    "-\nr\nr\nr\nr\nr\nu credit sensor timeout\nu sorter opto timeout\n"
    # second close coin; accept gate not ready
    "r\nr\nj credit sensor not ready\nj sorter not ready\nj reject coin not cleared\nj validation"
    " sensor not ready\nj credit sensor blocked\nj sorter opto blocked\nuf credit sequence"
    " error\nuf coin going backwards\nu coin too fast at credit sensor\nu coin too slow at credit"
    " sensor\nf coin on string\nj DCE opto timeout\n"
    # 24 repeated reject; reject slug
    "f DCE opto not seen\nuf credit sensor reached too early\nr\nr\nj reject sensor blocked\nm"
    " games overload\nm meter pulses exceeded\nj accept gate not closed\nj accept gate not open\nu"
    " manifold opto timeout\n"
    # 33 manifold not ready
    "j manifold opto blocked\nr\nf security status changed\nm motor exception\nu swallowed coin\n"
    # 37 coin too fast and too slow at the validation sensor; coin incorrectly sorted; 253 data
    # block request; return lever
    "r\nr\n-\nf external light attack\n-\n-\nm unspecified alarm\n"
)
_BILL = const(
    # master inhibit active; returned from escrow; invalid: validation, transport; inhibited:
    # serial, switches
    "-\n-\nr\nr\nr\nr\nj bill jammed in transport, unsafe\nju bill jammed in stacker\nf bill pulled"
    " backwards\n"
    # 10 stacker ok; 12 stacker inserted
    "f bill tamper\no\ns stacker removed\no\nm stacker faulty\nF stacker full\nj stacker jammed\n"
    # 20 barcode detected
    "ju bill jammed in transport, safe\nf opto fraud\nf string fraud\nm anti-string faulty\n-\nu"
    " unknown bill stacked\n"
)
_COIN_LAST = const(40)  # the lines after it are 253 to 255
_BILL_LAST = const(21)


def code_of(code: int, is_bill: bool) -> tuple:
    """(classes, name) of an event whose first byte is 0; a code that the specification does not
    name is an unknown fault.
    """
    if not is_bill and 128 <= code <= 159:
        return "r", ""  # inhibited coin of type 1 to 32
    text, last = (_BILL, _BILL_LAST) if is_bill else (_COIN, _COIN_LAST)
    if code > last:
        if is_bill or code < 253:
            return "m", "code unknown"
        code -= 252 - _COIN_LAST
    at = 0
    for _ in range(code):
        at = text.find("\n", at) + 1
    classes, _, name = text[at : text.find("\n", at)].partition(" ")
    return classes, name
