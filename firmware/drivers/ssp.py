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

from firmware.drivers.acceptor import (
    BOXED,
    CREDIT,
    CREDITED,
    DOUBTFUL,
    END,
    LATE,
    LEAVE,
    LOSE,
    MOVE,
    READ,
    RESET,
    RESUME,
    RETURN,
    WRITE,
)
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
_TO_ACK = const(b"\xee\xe1\xe2\xe6")  # EVENT ACK is harmless where it is not needed: answer F5
# A note left by the front. After a restart of ours it may be another one than that on its way.
_UNSEEN = const("whether it was given back, nobody saw")


class Ssp(SspLink):
    """One validator. Settings: address, poll_ms, protocol, unit_minor (profiles/ssp.toml)."""

    def __init__(self, instrument: str, settings: dict, currency: str):
        super().__init__(instrument, settings, currency)
        self._marked = 0  # the channel on its way that flash knows of
        self._quiet = 0  # polls running in which nothing was heard of the note
        self._doubt = False  # `_owed` comes from before our restart
        self._wrong = ()  # conditions that the last answer repeated
        self._strange = b""  # the last answer with an unknown event

    def resume(self, batch_id: str) -> None:
        """What the last tally on flash was: "serial-number-channels", then "?channel" when a note
        was on its way.
        """
        stated, _, marked = batch_id.partition("?")
        parts = stated.split("-")
        if len(parts) == 3 and parts[0].isdigit() and parts[1].isdigit():
            self._serial = int(parts[0])
            self._batch = int(parts[1])
            self._owed = [(_CREDIT, int(each)) for each in parts[2].split(".") if each.isdigit()]
            self._doubt = True
            self._note = self._marked = int(marked) if marked.isdigit() else 0
            if self._marked:
                self._go(RESUME)

    def _polled(self, question: bytes, data: bytes, now_ms: int) -> None:
        """The answer to a poll: events, the oldest first."""
        self._due_ms = ticks_add(now_ms, self._settings["poll_ms"])
        if data[0] != _OK:
            self._refused(question, data[0])
            return
        self._state = "idle"
        self._go(LEAVE)  # a note that was in escrow: this poll told the machine to stack it
        wrong, self._wrong = self._wrong, ()
        self._quiet += 1
        credits = self._read_events(data, question == _POLL_WITH_ACK)
        if credits:
            self._credit(credits, data)
        if "jam" in wrong and "jam" not in self._wrong:
            self._go_on(LOSE, "a jam was cleared")
        if self._quiet >= _QUIET_POLLS:
            self._go_on(LOSE, "nothing more was heard of it")
        note = self._on_way()
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

    def _read_events(self, data: bytes, has_ack: bool) -> list:
        """Take each event of an answer; the channels of new credits."""
        owed, self._owed = self._owed, []
        doubt, self._doubt = self._doubt, False
        credits = []
        at = 1
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
                # whether the machine still knows of it is not said anywhere
                doubt = self._doubt = True
            if code in _TO_ACK and has_ack:
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
        return credits

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
            self._go_on(LOSE, "slave reset")
            self._go(RESET)
            self._step = 1
            self._enabled = None
        elif code == _READ and channel:
            self._go_on(LOSE, "another one came")
            self._go(READ)
            self._go(WRITE)
            self._note = channel
            self._mend("full", "stopped")
        elif code == _CREDIT:
            credits.append(channel)
            if channel != self._note:
                self._go_on(LOSE, "another one was credited")
            self._go(CREDIT)
        elif code == _STACKING:
            self._state = "counting"
            self._go(MOVE)
        elif code == _STACKED:
            self._go_on(LOSE, "stacked without a credit")
            self._go(END)
        elif code == _REJECTED:
            self._count("rejects")
            self._go_on(RETURN, _UNSEEN)
        elif code == _FROM_FRONT:
            self._go_on(RETURN, _UNSEEN)
            if self._life == CREDITED or self._life == LATE:
                self._tell("fraud", "channel %d given back at power-up after its credit" % channel)
        elif code == _INTO_CASHBOX:
            if self._life != DOUBTFUL and self._life != LATE:
                text = "a note without a credit: channel %d went into the cashbox at power-up"
                self._tell("discrepancy", text % channel, 1)
            self._go(BOXED)
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
        """An event of unknown length: the rest of the answer cannot be read."""
        self._wrong += ("fault",)
        self._begin("fault", "event %02X is not known; the rest of the answer is kept" % code)
        if data != self._strange:
            self._strange = data
            self._quarantine(
                "unknown event %02X: a credit may follow it; compare with the cashbox" % code,
                data,
            )
        self._to_ack = True

    def _exchanged(self) -> None:
        """Another machine answers: what was under way in the old one is lost."""
        self._go_on(LOSE, "the machine was exchanged")
        self._go(RESET)
