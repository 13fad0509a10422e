"""ITL SSP, the plain subset: a banknote validator that is asked with POLL WITH ACK and repeats a
credit until EVENT ACK.

What makes a credit count once:
- A question is repeated with its sequence flag unchanged until it is answered: the machine then
  repeats its answer.
- EVENT ACK goes out only after the tally is on flash. Until its OK came, a credit of the same
  channel is the same note.
- A note in escrow is stacked by the next poll. Before that a bookmark on flash names its channel,
  so that a restart of ours knows whether a note was on its way: settled by credit or rejection, or
  a discrepancy of one piece.
- After a restart of ours nothing tells a repeated credit from another note of its channel: the last
  tally's channel, seen again in the first answer, becomes a discrepancy of one piece. Any other
  channel is a new note.
Source: SSP Protocol Manual GA138_2_2 (NV9USB). Its "real value multiplier" is read in the order
that gives a power of ten.
"""

from firmware.drivers.base import ticks_add
from firmware.drivers.ssp_link import SspLink
from protocol.compat import const

_OK = const(0xF0)
_UNKNOWN = const(0xF2)
_KEY_NOT_SET = const(0xFA)
_POLL = const(b"\x07")
_POLL_WITH_ACK = const(b"\x56")
_RESET = const(0xF1)
_READ = const(0xEF)
_CREDIT = const(0xEE)
_REJECTED = const(0xEC)
_STACKED = const(0xEB)
_SAFE_JAM = const(0xEA)
_UNSAFE_JAM = const(0xE9)
_DISABLED = const(0xE8)
_FULL = const(0xE7)
_FRAUD = const(0xE6)
_CASHBOX_BACK = const(0xE4)
_CASHBOX_GONE = const(0xE3)
_INTO_CASHBOX = const(0xE2)
_FROM_FRONT = const(0xE1)
_PATH_OPEN = const(0xE0)
_STACKING = const(0xCC)
_WITH_CHANNEL = const(b"\xef\xee\xe1\xe2\xe6")  # these carry one byte
_BARE = const(b"\xf1\xed\xec\xcc\xeb\xea\xe9\xe8\xe7\xe4\xe3\xe0\xb5\xb6")  # and these none
_STILL = const(b"\xe8\xe7\xe3\xe4")  # these say nothing of a note
_QUIET_POLLS = const(4)
_TO_ACK = const(
    b"\xee\xe1\xe2\xe6"
)  # EVENT ACK is harmless where it is not needed: the answer is F5


class Ssp(SspLink):
    """One validator. Settings: address, poll_ms, protocol, unit_minor (profiles/ssp.toml)."""

    def __init__(self, instrument: str, settings: dict, currency: str):
        super().__init__(instrument, settings, currency)
        self._on_way = False  # a note was read that is neither credited nor given back
        self._note = 0  # its channel
        self._is_old = False  # and that is known from flash alone
        self._marked = 0  # the channel on its way that flash knows of
        self._quiet = 0  # polls running in which nothing was heard of it
        self._credited = False  # and this one is credited, but not stacked yet
        self._doubt = False  # `_owed` comes from before our restart
        self._lost = False  # a discrepancy told of this note
        self._wrong = ()  # conditions that the last answer repeated
        self._strange = b""  # the last answer with an unknown event

    def resume(self, batch_id: str) -> None:
        """What the last tally on flash was: "serial-number-channels", and "?channel" behind it for
        a note on its way.
        """
        stated, _, marked = batch_id.partition("?")
        parts = stated.split("-")
        if len(parts) == 3 and parts[0].isdigit() and parts[1].isdigit():
            self._serial = int(parts[0])
            self._batch = int(parts[1])
            self._owed = [(_CREDIT, int(each)) for each in parts[2].split(".") if each.isdigit()]
            self._doubt = True
            self._note = self._marked = int(marked) if marked.isdigit() else 0
            self._on_way = self._is_old = self._marked > 0

    def _polled(self, question: bytes, data: bytes, now_ms: int) -> None:
        """The answer to a poll: events, the oldest first."""
        self._due_ms = ticks_add(now_ms, self._settings["poll_ms"])
        if data[0] != _OK:
            self._refused(question, data[0])
            return
        self._state = "idle"
        self._held = 0
        owed, self._owed = self._owed, []
        doubt, self._doubt = self._doubt, False
        credits = []
        wrong = self._wrong
        self._wrong = ()
        at = 1
        self._quiet += 1
        while at < len(data):
            code = data[at]
            channel = 0
            if code in _WITH_CHANNEL and at + 1 < len(data):
                at += 1
                channel = data[at]
            elif code not in _BARE:
                self._strange_event(data, code)
                break
            at += 1
            if code == _RESET and owed:
                doubt = self._doubt = (
                    True  # whether the machine still knows of it is not said anywhere
                )
            if code in _TO_ACK and question == _POLL_WITH_ACK:
                self._to_ack = True
                self._owed.append((code, channel))
                if (code, channel) in owed:
                    owed.remove((code, channel))
                    self._count("repeats")
                    if doubt and code == _CREDIT:
                        self._tell(
                            "discrepancy",
                            "channel %d again after a restart: repeated, or a second note"
                            % channel,
                            1,
                        )
                    continue
            self._event(code, channel, credits)
        if self._doubt:
            self._owed += owed
        if credits:
            self._credit(credits, data)
        if "jam" in wrong and "jam" not in self._wrong:
            self._lose_note("a jam was cleared")
        if self._quiet >= _QUIET_POLLS:
            self._lose_note("nothing more was heard of it")
        note = self._note if self._on_way else 0
        if note != self._marked:
            self._marked = note
            self._tally(
                self._batch_id([each for code, each in self._owed if code == _CREDIT])
                + "?%d" % note,
                [],
            )
        self._mend(*[each for each in wrong if each not in self._wrong])
        if self._to_ack:
            self._due_ms = now_ms

    def _refused(self, question: bytes, code: int) -> None:
        """The answer to a poll is not OK."""
        self._count("refusals")
        if question == _POLL_WITH_ACK and code in (_UNKNOWN, _KEY_NOT_SET):
            self._poll = _POLL
            self._owed = []
        elif code == _KEY_NOT_SET:
            self._begin("fault", "FA: the machine wants encrypted SSP; set it to plain SSP")

    def _event(self, code: int, channel: int, credits: list) -> None:
        """One event that is not a repetition."""
        if code not in _STILL:
            self._quiet = 0
        if code == _RESET:
            self._tell("reset", "machine restarted")
            self._lose_note("slave reset")
            self._step = 1
            self._enabled = None
            self._credited = False
        elif code == _READ and channel:
            self._lose_note("another one came")
            self._on_way = True
            self._credited = self._lost = False
            self._note = self._held = channel
            self._is_old = False
            self._mend("full", "stopped")
        elif code == _CREDIT:
            credits.append(channel)
            if channel != self._note:
                self._lose_note("another one was credited")
            self._on_way = False
            self._credited = True
        elif code == _STACKING:
            self._state = "counting"
        elif code == _STACKED:
            self._lose_note("stacked without a credit")
            self._credited = self._lost = False
        elif code == _REJECTED:
            self._count("rejects")
            self._given_back()
        elif code == _FROM_FRONT:
            self._given_back()
            if self._credited:
                self._tell("fraud", "channel %d given back at power-up behind its credit" % channel)
        elif code == _INTO_CASHBOX:
            self._on_way = True
            if not self._lost:
                self._lose_note("channel %d went into the cashbox at power-up" % channel)
            self._on_way = self._lost = False
        elif code == _FRAUD:
            self._tell("fraud", "fraud attempt, channel %d" % channel)
        elif code == _FULL:
            self._begin("full", "stacker full")
        elif code == _CASHBOX_GONE:
            self._begin("stopped", "cashbox removed")
        elif code == _CASHBOX_BACK:
            self._mend("full", "stopped")
        elif code == _DISABLED:
            self._enabled = False
        elif code in (_SAFE_JAM, _UNSAFE_JAM):
            self._state = "jam"
            self._wrong += ("jam",)
            self._begin(
                "jam", "safe jam" if code == _SAFE_JAM else "unsafe jam: the note may be pulled out"
            )
        elif code == _PATH_OPEN:
            self._wrong += ("fault",)
            self._begin("fault", "E0: note path open")

    def _given_back(self) -> None:
        """A note left by the front. Behind a restart of ours it may be another one than that on its
        way before.
        """
        if self._is_old:
            self._lose_note("whether it was given back, nobody saw")
        self._on_way = False

    def _lose_note(self, why: str) -> None:
        """A note was on its way, and nobody knows where it went."""
        if self._on_way:
            self._tell("discrepancy", "a note without a credit: " + why, 1)
            self._lost = True
        self._on_way = False

    def _credit(self, credits: list, data: bytes) -> None:
        """State the notes of these channels."""
        known = []
        for channel in credits:
            value = self._channels[channel - 1] if 0 < channel <= len(self._channels) else 0
            if value:
                known.append(value)
            else:
                self._quarantine(
                    "credit of channel %d, no value in %s known; count by hand"
                    % (channel, self._currency),
                    data,
                )
        if known:
            self._batch += 1
            self._tally(self._batch_id(credits), known)
            self._marked = 0

    def _batch_id(self, channels: list) -> str:
        return "%d-%d-%s" % (self._serial, self._batch, ".".join([str(each) for each in channels]))

    def _strange_event(self, data: bytes, code: int) -> None:
        """An event of unknown length: what stands behind it cannot be read."""
        self._wrong += ("fault",)
        self._begin("fault", "event %02X is not known; the rest of the answer is kept" % code)
        if data != self._strange:
            self._strange = data
            self._quarantine(
                "unknown event %02X: a credit may stand behind it; compare with the cashbox" % code,
                data,
            )
        self._to_ack = True

    def _exchanged(self) -> None:
        """Another machine answers: what was under way in the old one is lost."""
        self._lose_note("the machine was exchanged")
        self._credited = False
