"""Which report is this: new, a reprint, a contradiction, the first after the numbers restarted?
Pure and bounded.

A machine's own numbers name a batch within an epoch; an epoch ends when the day total is cleared
and the numbers start again. If the numbers cannot decide, the answer is a quarantine, never a
guess. After a restart of the device only the last batch_id is known (`resume`).

A machine that prints no number (identity "") gets ours: n1, n2, ... and the beginning of the
digest. Its time cannot be a key: a copy may print the old time or its own time, and a second count
in the same minute prints the same time. So equal money twice in a row is quarantined: one of the
two may be a copy.
"""

from firmware.drivers.base import format_minor
from firmware.drivers.report_text import number_of
from protocol.compat import const
from protocol.records import FLAG_ACCUMULATE

_IDENTITIES_MAX = const(16)  # how many batches back a reprint is recognised
_FIRST_BATCH = const(1)
_DIGEST_BYTES = const(8)
# Digest of a batch that was stated before the device's restart
_UNKNOWN = const(b"\x00\x00\x00\x00\x00\x00\x00\x00")


def _parts(entry: bytes) -> list:
    return [entry[:_DIGEST_BYTES]] + entry[_DIGEST_BYTES:].decode().split("|")


class ReportMemory:
    """`place` answers for one report whose arithmetic holds.

    An entry is one small bytes object: digest, then numbers|epoch|date|batch_id in ASCII.
    """

    def __init__(self, grammar: dict):
        self._grammar = grammar
        self.last = ""  # batch_id of the last report that was stated
        self._entries = []
        self._epoch = 1
        self._report = -1  # number of the last report, if the machine prints one
        self._batch = -1  # number of the last batch; -1: nothing to compare with
        self._group = ()  # the numbers within which batches count up
        self._date = ""
        # Batch, its last sub-batch, value of the sub-batches that were reported
        self._subs = (-1, 0, 0)
        # Rows of the last report, when it was stated: what a running sum must hold
        self._standing = None

    def resume(self, batch_id: str) -> None:
        """Go on after the last tally on flash."""
        self.last = batch_id
        identity = self._grammar["identity"]
        epoch, _, rest = batch_id.rpartition(":")
        parts = [number_of(part.encode()) for part in rest.split("-")]
        letters = [
            letter
            for letter in "rbsg"
            if letter in identity or (letter == "r" and len(parts) > len(identity))
        ]
        if not identity or len(parts) != len(letters) or min(parts) < 0:
            return
        numbers = dict(zip(letters, parts))
        self._epoch = max(1, number_of(epoch[1:].encode()))
        self._report = numbers.get("r", -1)
        self._batch = numbers["b"]
        self._group = (numbers.get("s"), numbers.get("g"))
        self._date = "?"
        if self._grammar["sub_batch"]:
            self._subs = (self._batch, numbers["s"], 0)
        self._remember(_UNKNOWN, self._key(numbers), batch_id)

    def place(self, body) -> tuple:
        """(batch_id, is_reprint, refusal, notes) of a ReportBody; notes are (condition, detail) of
        the instrument.

        `refusal` is "" or the reason why a person must look.
        """
        notes = []
        if self._grammar["identity"]:
            batch_id, is_reprint, refusal = self._place_numbered(body, notes)
            if is_reprint:
                return batch_id, True, "", notes
        else:
            tail = "-" + body.digest[:4].hex()
            batch_id = "n%d%s" % (max(0, number_of(self.last[1:].split("-")[0].encode())) + 1, tail)
            refusal = ""
            if body.total and self.last.endswith(tail):
                refusal = (
                    "same money as the report before, no number: copy or second count? recount"
                )
        if body.flags & FLAG_ACCUMULATE and not refusal:
            pieces = dict(body.rows)
            known = self._standing is not None
            for denomination, count in self._standing or ():
                known = known and pieces.get(denomination, 0) >= count
            if not known:
                refusal = "running sum of what was not stated before; clear it and recount"
        self._standing = None if refusal else body.rows
        if not refusal:
            self.last = batch_id
            self._remember(body.digest, self._key(body.numbers), batch_id)
        return batch_id, False, refusal, notes

    def _place_numbered(self, body, notes: list) -> tuple:
        numbers = body.numbers
        date = body.date()
        batch = numbers["b"]
        report = numbers.get("r", -1)
        open_batch, subs, _ = self._subs
        epoch = self._epoch
        if 0 <= report < self._report:
            text = "report number %d after %d: its day total was cleared"
            notes.append(("day_clear", text % (report, self._report)))
            before = self._batch
            self._restart()
            if batch > before:  # the batch numbers went on: a gap in them still shows
                self._batch = before
        self._report = report
        key = self._key(numbers)
        known = None  # digest, key, epoch, date and batch_id of the batch with these numbers
        for entry in self._entries:
            if _parts(entry)[1] == key:
                known = _parts(entry)
        backwards = (
            batch < self._batch and not self._is_other_group(numbers) and not self._wraps(batch)
        )
        other_day = bool(date) and bool(self._date) and date != self._date
        restarted = report < 0 and batch == _FIRST_BATCH and other_day
        refusal = ""
        if known and known[0] == body.digest:
            if body.total and known[3] != date and (report < 0 or known[2] != str(self._epoch)):
                refusal = "batch %d again, same content, other date: reprint or new day? recount it"
            else:
                return known[4], True, ""
        elif known and known[0] == _UNKNOWN:
            refusal = "batch %d was stated before our restart: is this a copy? recount it if not"
        elif restarted and (known or backwards):
            notes.append(("day_clear", "batch %d on %s: its numbers started again" % (batch, date)))
            self._restart()
        elif known and known[2] == str(self._epoch):
            refusal = "batch %d was stated before with other content; recount it"
        elif backwards:
            refusal = "batch %%d came after batch %d: old copy or restart? recount it" % self._batch
        if refusal:
            refusal = refusal % batch
        if refusal and backwards:  # whatever it was, the machine now counts on from here
            text = "batch number went back from %d to %d" % (self._batch, batch)
            notes.append(("day_clear", text))
            self._restart()
        if subs and (batch != open_batch or epoch != self._epoch):
            text = "batch %d was not reported, only sub-batches of it" % open_batch
            notes.append(("missing_report", text))
        self._follow(numbers, notes)
        if self._grammar["sub_batch"] and not refusal:
            refusal = self._follow_subs(batch, numbers["s"], body.total, notes)
        self._date = date
        batch_id = "-".join([str(numbers[letter]) for letter in "rbsg" if letter in numbers])
        return "d%d:%s" % (self._epoch, batch_id) if self._epoch > 1 else batch_id, False, refusal

    def refused(self, numbers: dict) -> None:
        """A report with these numbers did not add up. It is on record, so its number is not
        missing.
        """
        self._standing = None
        batch = numbers.get("b", -1)
        if batch == self._subs[0] and not numbers.get("s"):
            self._subs = (batch, 0, 0)
        if batch == self._batch + 1 and self._batch >= 0 and not self._is_other_group(numbers):
            self._batch = batch

    def _key(self, numbers: dict) -> str:
        return "-".join([str(numbers[letter]) for letter in self._grammar["identity"]])

    def _remember(self, digest: bytes, key: str, batch_id: str) -> None:
        if key:
            entries = [entry for entry in self._entries if _parts(entry)[1] != key][
                -(_IDENTITIES_MAX - 1) :
            ]
            entries.append(
                digest + ("%s|%d|%s|%s" % (key, self._epoch, self._date, batch_id)).encode()
            )
            self._entries = entries

    def _restart(self) -> None:
        """A new epoch. The older batches stay in memory: a copy of the last one may still come."""
        self._epoch += 1
        self._batch = -1
        self._subs = (-1, 0, 0)

    def _is_other_group(self, numbers: dict) -> bool:
        return "g" in numbers and (numbers.get("s"), numbers["g"]) != self._group

    def _wraps(self, batch: int) -> bool:
        return batch <= _FIRST_BATCH and self._batch == self._grammar["batch_max"]

    def _follow(self, numbers: dict, notes: list) -> None:
        """Remember where the machine is, and say which batches nobody reported."""
        batch = numbers["b"]
        if self._is_other_group(numbers):
            self._group = (numbers.get("s"), numbers["g"])
        elif self._batch >= 0 and self._wraps(batch):
            self._restart()
        elif 0 <= self._batch < batch - 1:
            notes.append(
                (
                    "missing_report",
                    "batches %d to %d were not reported" % (self._batch + 1, batch - 1),
                )
            )
        self._batch = batch

    def _follow_subs(self, batch: int, sub: int, total: int, notes: list) -> str:
        """Why this batch cannot be true, or "". What is counted after the last sub-batch has no
        report of its own.
        """
        if batch != self._subs[0]:
            self._subs = (batch, 0, 0)
        _, last, value = self._subs
        if sub == 0:
            self._subs = (batch, 0, 0)
            if value > total:
                return "batch %d holds %s, its sub-batches %s; recount" % (
                    batch,
                    format_minor(total),
                    format_minor(value),
                )
            return ""
        if sub > last + 1:
            notes.append(
                ("missing_report", "batch %d: sub-batch %d was not reported" % (batch, last + 1))
            )
        self._subs = (batch, sub, value + total)
        return ""
