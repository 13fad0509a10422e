"""What ccTalk's event codes mean, as two texts that are searched: number:classes:name.

Classes: r rejected or inhibited, counted apart; j jam; f fraud; u a piece may have been taken that no credit tells of; m the
machine says it is faulty; F box full; s a person must act; o well again; - nothing to tell.
Source: ccTalk Generic Specification v4.7, part 3: tables of coin acceptor error codes and of bill events. The classes are our
reading of "may or may not indicate a coin was rejected": where the coin had passed validation, it is said to be uncertain.
"""

from protocol.compat import const

_COIN = const(
    "\n0:-:null event\n1:r:reject coin\n2:r:inhibited coin\n3:r:multiple window\n4:r:wake-up timeout\n5:r:validation timeout"
    "\n6:u:credit sensor timeout\n7:u:sorter opto timeout\n8:r:second close coin\n9:r:accept gate not ready"
    "\n10:j:credit sensor not ready\n11:j:sorter not ready\n12:j:reject coin not cleared\n13:j:validation sensor not ready"
    "\n14:j:credit sensor blocked\n15:j:sorter opto blocked\n16:uf:credit sequence error\n17:uf:coin going backwards"
    "\n18:u:coin too fast over credit sensor\n19:u:coin too slow over credit sensor\n20:f:coin on string"
    "\n21:u:DCE opto timeout\n22:u:DCE opto not seen\n23:u:credit sensor reached too early"
    "\n24:r:reject coin, repeated trip\n25:r:reject slug\n26:j:reject sensor blocked\n27:m:games overload"
    "\n28:m:meter pulses exceeded\n29:j:accept gate open, not closed\n30:j:accept gate closed, not open"
    "\n31:u:manifold opto timeout\n32:j:manifold opto blocked\n33:r:manifold not ready\n34:f:security status changed"
    "\n35:m:motor exception\n36:u:swallowed coin\n37:r:coin too fast over validation\n38:r:coin too slow over validation"
    "\n39:-:coin incorrectly sorted\n40:f:external light attack\n253:-:data block request\n254:-:return lever"
    "\n255:m:unspecified alarm\n"
)
_BILL = const(
    "\n0:-:master inhibit active\n1:-:bill returned from escrow\n2:r:invalid bill, validation\n3:r:invalid bill, transport"
    "\n4:r:inhibited bill, serial\n5:r:inhibited bill, switches\n6:j:bill jammed in transport, unsafe"
    "\n7:ju:bill jammed in stacker\n8:f:bill pulled backwards\n9:f:bill tamper\n10:o:stacker ok\n11:s:stacker removed"
    "\n12:o:stacker inserted\n13:m:stacker faulty\n14:F:stacker full\n15:j:stacker jammed"
    "\n16:ju:bill jammed in transport, safe\n17:f:opto fraud\n18:f:string fraud\n19:m:anti-string mechanism faulty"
    "\n20:-:barcode detected\n21:u:unknown bill stacked\n"
)


def code_of(code: int, is_bill: bool) -> tuple:
    """(classes, name) of an event whose first byte is 0; a code that the specification does not name is an unknown fault."""
    if not is_bill and 128 <= code <= 159:
        return "r", "inhibited coin type %d" % (code - 127)
    text = _BILL if is_bill else _COIN
    at = text.find("\n%d:" % code)
    if at < 0:
        return "m", "code unknown"
    return tuple(text[at + 1 : text.find("\n", at + 1)].split(":")[1:])
