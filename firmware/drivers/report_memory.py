"""Which report is this: new, a reprint, a contradiction, the first after the numbers restarted? Pure and bounded.

A machine's own numbers name a batch within an epoch: its day total is cleared and the numbers start again. Where the numbers
cannot tell, the answer is a quarantine, never a guess. Nothing here survives a restart of the device.
"""

from firmware.drivers.base import format_minor
from protocol.compat import const

_IDENTITIES_MAX = const(16)  # how many batches back a reprint is recognised
_FIRST_BATCH = const(1)
_DIGEST_BYTES = const(8)


def _parts(entry: bytes) -> list:
    return [entry[:_DIGEST_BYTES]] + entry[_DIGEST_BYTES:].decode().split("|")


class ReportMemory:
    """`place` answers for one report whose arithmetic holds.

    An entry is one small bytes object: digest, then numbers|epoch|date|batch_id in ASCII.
    """

    def __init__(self, grammar: dict):
        self._grammar = grammar
        self._entries = []
        self._epoch = 1
        self._report = -1  # number of the last report, where the machine prints one
        self._batch = -1  # number of the last batch; -1: nothing to compare with
        self._group = ()  # the numbers within which batches count up
        self._date = ""
        self._subs = (-1, 0, 0)  # batch, its last sub-batch, value of the sub-batches that were reported

    def place(self, numbers: dict, digest: bytes, date: str, total: int) -> tuple:
        """(batch_id, is_reprint, refusal, notes); notes are (condition, detail) of the instrument.

        `numbers`: letter -> number. `refusal` is "" or the reason why a person must look. The digest says what the body holds.
        """
        notes = []
        batch = numbers["b"]
        report = numbers.get("r", -1)
        if 0 <= report < self._report:
            notes.append(("day_clear", "report number %d after %d: its day total was cleared" % (report, self._report)))
            self._restart(report == 1)
        self._report = report
        key = "-".join([str(numbers[letter]) for letter in self._grammar["identity"]])
        known = None  # digest, key, epoch, date and batch_id of the batch with these numbers
        for entry in self._entries:
            if _parts(entry)[1] == key:
                known = _parts(entry)
        backwards = batch < self._batch and not self._is_other_group(numbers) and not self._wraps(batch)
        other_day = bool(date) and bool(self._date) and date != self._date
        restarted = report < 0 and batch == _FIRST_BATCH and other_day
        refusal = ""
        if known and known[0] == digest:
            if report < 0 and known[3] != date:
                refusal = "batch %d again, same content, other date: reprint or new day? recount it" % batch
            else:
                return known[4], True, "", notes
        elif restarted and (known or backwards):
            notes.append(("day_clear", "batch %d on %s: its numbers started again" % (batch, date)))
            self._restart(True)
        elif known and known[2] == str(self._epoch):
            refusal = "batch %d was stated before with other content; recount it" % batch
        elif backwards:
            refusal = "batch %d came after batch %d: old copy or restart? recount it" % (batch, self._batch)
        if refusal and backwards:  # whatever it was, the machine now counts on from here
            notes.append(("day_clear", "batch number went back from %d to %d" % (self._batch, batch)))
            self._restart(False)
        self._follow(numbers, notes)
        if self._grammar["sub_batch"] and not refusal:
            refusal = self._follow_subs(batch, numbers["s"], total, notes)
        self._date = date
        batch_id = "-".join([str(numbers[letter]) for letter in "rbsg" if letter in numbers])
        if self._epoch > 1:
            batch_id = "d%d:%s" % (self._epoch, batch_id)
        if not refusal:
            entries = [entry for entry in self._entries if _parts(entry)[1] != key][-(_IDENTITIES_MAX - 1) :]
            entries.append(digest + ("%s|%d|%s|%s" % (key, self._epoch, date, batch_id)).encode())
            self._entries = entries
        return batch_id, False, refusal, notes

    def refused(self, numbers: dict) -> None:
        """A report with these numbers did not add up: it is on record, so its number is not missing."""
        batch = numbers.get("b", -1)
        if batch == self._batch + 1 and self._batch >= 0 and not self._is_other_group(numbers):
            self._batch = batch

    def _restart(self, forget: bool) -> None:
        """A new epoch. `forget`: it is certain that no copy of an older batch can come."""
        self._epoch += 1
        self._batch = -1
        self._subs = (-1, 0, 0)
        if forget:
            self._entries = []

    def _is_other_group(self, numbers: dict) -> bool:
        return "g" in numbers and (numbers.get("s"), numbers["g"]) != self._group

    def _wraps(self, batch: int) -> bool:
        return batch <= _FIRST_BATCH and self._batch == self._grammar["batch_max"]

    def _follow(self, numbers: dict, notes: list) -> None:
        """Remember where the machine is, and say which batches nobody reported."""
        batch = numbers["b"]
        if self._is_other_group(numbers):
            self._group = (numbers["s"], numbers["g"])
        elif self._batch >= 0 and self._wraps(batch):
            self._restart(False)
        elif 0 <= self._batch < batch - 1:
            notes.append(("missing_report", "batches %d to %d were not reported" % (self._batch + 1, batch - 1)))
        self._batch = batch

    def _follow_subs(self, batch: int, sub: int, total: int, notes: list) -> str:
        """Why this batch cannot be true, or "". What is counted after the last sub-batch has no report of its own."""
        if batch != self._subs[0]:
            self._subs = (batch, 0, 0)
        _, last, value = self._subs
        if sub == 0:
            if value > total:
                return "batch %d holds %s, its sub-batches %s; recount" % (batch, format_minor(total), format_minor(value))
            return ""
        if sub > last + 1:
            notes.append(("missing_report", "batch %d: sub-batch %d was not reported" % (batch, last + 1)))
        self._subs = (batch, sub, value + total)
        return ""
