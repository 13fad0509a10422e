"""Bugs planted in the journal and its sectors: (what is wrong, the right text, the wrong text)."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

from firmware import journal as shipped
from firmware import sectors
from tests.house.planting import holds, planted

_READ_BACK = "if self._read_entry(self._sector, offset) is not None:\n                return"
PLANTED = [
    ("an entry's CRC is not looked at",
     'if int.from_bytes(rest[size:], "big") != binascii.crc32(body, binascii.crc32(head)):',
     "if False:"),
    ("a header's CRC is not looked at",
     "if head[0] != _MAGIC or crc != binascii.crc32(self._head[: HEADER_BYTES - _CRC_BYTES]):",
     "if head[0] != _MAGIC:"),
    ("an entry goes after a torn tail",
     "        if blank:\n"
     "            place",
     "        if True:\n"
     "            place"),
    ("the header is written before the erase",
     "        if self._erased != following:\n"
     "            self._erase(following)\n"
     "        self._erased = -1\n",
     ""),
    ("only half a sector is taken for blank",
     "while offset < SECTOR_BYTES:\n"
     "            size",
     "while offset < 2048:\n"
     "            size"),
    ("a seq is used again after a start", "self.next_seq = number + 1", "self.next_seq = number"),
    ("next seq is not in the header",
     "self.epoch, self._generation, self.next_seq, self.acked, self.boot, self.command",
     "self.epoch, self._generation, 1, self.acked, self.boot, self.command"),
    ("the generation does not rise", "self._generation += 1", "self._generation |= 1"),
    ("the ack mark says one more",
     "self._write_entry(ACK, self.acked, body)", "self._write_entry(ACK, self.acked + 1, body)"),
    ("the header says that all is acknowledged",
     "self._generation, self.next_seq, self.acked, self.boot, self.command",
     "self._generation, self.next_seq, self.next_seq - 1, self.boot, self.command"),
    ("a sector with one unacknowledged record is used again",
     "self._first[self._after(sector)] - 1 <= self.acked",
     "self._first[self._after(sector)] - 2 <= self.acked"),
    ("a sector is used again when its first record is acknowledged",
     "self._first[self._after(sector)] - 1 <= self.acked", "self._first[sector] <= self.acked"),
    ("a full ring is overwritten",
     "        if not self._may_reuse(following):\n"
     "            raise",
     "        if False:\n"
     "            raise"),
    ("what was written is not read back", _READ_BACK, "if True:\n                return"),
    ("a header is not read back", "if self._read_header(following) is None:", "if False:"),
    ("the seq is given before flash has it",
     "        self._write_entry(RECORD, seq, body)\n"
     "        self.next_seq = seq + 1\n",
     "        self.next_seq = seq + 1\n"
     "        self._write_entry(RECORD, seq, body)\n"),
    ("a start is not written down", 'self._write_entry(BOOT, self.boot, b"")', "pass"),
    ("a command is remembered in RAM alone", 'self._write_entry(COMMAND, counter, b"")', "pass"),
    ("a command is not in the header",
     "self.next_seq, self.acked, self.boot, self.command\n"
     "        self._write_header",
     "self.next_seq, self.acked, self.boot, 0\n"
     "        self._write_header"),
    ("an erase ahead is believed over a start",
     "if not self._first[following]:\n"
     "            self._erase(following)",
     "if not self._first[following]:\n"
     "            self._erased = following"),
    ("the newest header is not made firm", "        self._write_header(newest, *best)\n", ""),
    ("a half-written header is left where it is",
     "if not self._first[following]:\n"
     "            self._erase(following)",
     "if False:\n"
     "            pass"),
    ("the last entry is not made firm",
     "self._program(sector, offset - len(entry), entry)", "pass"),
    ("a new epoch when the first sector cannot be read",
     "for sector in range(self.sectors):\n"
     "            head = self._read_header(sector)\n"
     "            if head is not None and head[1]",
     "for sector in range(1):\n"
     "            head = self._read_header(sector)\n"
     "            if head is not None and head[1]"),
]  # fmt: skip


def mutant(old: str, new: str) -> Any:
    """The class Journal after `old`, which occurs once in its two modules, was replaced by `new`.
    Its errors are the shipped ones.
    """
    made: dict[str, Any] = {}
    places = 0
    with mock.patch.dict(sys.modules):
        for module in (sectors, shipped):  # the second imports the first
            path = Path(str(module.__file__))
            source = path.read_text()
            if holds(source, old):
                places += 1
                source = planted(source, old, new, str(path))
            changed = sys.modules[module.__name__] = ModuleType(module.__name__)
            made = changed.__dict__
            exec(compile(source, str(path), "exec"), made)
    assert 1 == places, f"{old!r} stands in {places} modules"
    for name in ("JournalError", "JournalFull"):
        made[name] = getattr(shipped, name)
    return made["Journal"]
