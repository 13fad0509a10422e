"""Bugs that the histories must find: (what is wrong, file, the right text, the wrong text).

Some bugs show only when certain kinds of faults come together. FOCUS names these kinds; the
histories of such a bug draw only from them.
"""

UPLINK, JOURNAL, CONTROLLER = "firmware/uplink.py", "firmware/journal.py", "firmware/controller.py"
RECORDING, INGEST, COMMANDS = (
    "gateway/delivery/recording.py",
    "gateway/delivery/ingest.py",
    "gateway/devices/commands.py",
)
KNOWN, SEALS = "gateway/delivery/known.py", "gateway/delivery/seals.py"
ENTRIES, INDEX, SEGMENTS, RUNS = (
    "gateway/store/entries.py",
    "gateway/store/segments.py",
    "gateway/facts/segments.py",
    "gateway/delivery/runs.py",
)
SEAL, OBEY = "protocol/seal.py", "firmware/commands.py"

PLANTED = [
    # the device
    ("a device forgets what the broker took", UPLINK,
     "        self._sent = seq - 1\n",
     "        self._sent = seq - 1\n"
     "        self._journal.mark_acked(seq - 1, 0, bytes(32))\n"),
    ("a device believes any answer on its topic", UPLINK,
     "                _, payload = seal.open_seal(sealed, name, lambda kid: self._key if kid"
     " == self._kid else None)",
     "                payload = seal.cbor.decode(sealed)[2]"),
    ("an answer for another life is believed", UPLINK,
     'if ack["epoch"] != journal.epoch or stale:', "if stale:"),
    ("an old answer lowers the mark", UPLINK,
     'if ack["epoch"] != journal.epoch or stale:', 'if ack["epoch"] != journal.epoch:'),
    ("an answer for a copy of the board is believed", UPLINK,
     "        if self.conflict:\n"
     "            return False",
     "        if False:\n"
     "            return False"),
    ("a board packs for a gateway that no longer reads it", UPLINK,
     'self._packs = ack["want_to"] >= packing.VERSION',
     'self._packs = self._packs or ack["want_to"] >= packing.VERSION'),
    ("a board that sees its copy does not say so", UPLINK,
     '"locked" if self.conflict and status != "lost" else status', "status"),
    ("nothing is sent twice", UPLINK,
     "        if self._sent > journal.acked and ticks_diff(now_ms, self._resend_due) >= 0:",
     "        if False:"),
    ("the heartbeat does not tell what is gone", UPLINK,
     '"lowest_kept": journal.lowest_kept,', '"lowest_kept": 1,'),
    ("a message does not say what is ahead of it", UPLINK,
     "before = messages.fingerprint_of(ahead) if ahead else bytes(messages.FINGERPRINT_BYTES)",
     "before = bytes(messages.FINGERPRINT_BYTES)"),
    ("a message says one seq too much", UPLINK,
     "        first = max(self._sent + 1, self._journal.lowest_kept)",
     "        first = max(self._sent + 2, self._journal.lowest_kept)"),
    ("no window", UPLINK,
     'last = min(journal.last_seq, journal.acked + self._limits["window_records"])',
     "last = journal.last_seq"),
    ("a command is taken again", UPLINK, 'or command["counter"] <= journal.command:', "and False:"),
    ("the counter of a command is not on flash", OBEY,
     '        journal.note_command(command["counter"])',
     '        journal.command = command["counter"]'),
    ("a rotated key is another one", SEAL,
     'hmac_sha256(key, b"till rotate" + kid + nonce)',
     'hmac_sha256(key, b"till rotate" + nonce)[::-1] if kid.endswith(b"3") else'
     ' hmac_sha256(key, b"till rotate" + nonce[:-1] + bytes([len(kid)]))[:31] +'
     " bytes([id(nonce) & 255])"),
    ("seq is given in RAM", JOURNAL,
     "        self._write_entry(RECORD, seq, body)\n"
     "        self.next_seq = seq + 1\n",
     "        self.next_seq = seq + 1\n"
     "        if seq % 5:\n"
     "            self._write_entry(RECORD, seq, body)\n"),
    ("no CRC on an entry", "firmware/sectors.py",
     'if int.from_bytes(rest[size:], "big") != binascii.crc32(body, binascii.crc32(head)):',
     "if False:"),
    ("what is not acknowledged is overwritten", JOURNAL,
     "        if not self._may_reuse(following):\n"
     "            raise",
     "        if False:\n"
     "            raise"),
    ("a sector is erased one record early", JOURNAL,
     "self._first[self._after(sector)] - 1 <= self.acked", "self._first[sector] <= self.acked"),
    ("a seq is given again after a start", JOURNAL,
     "self.next_seq = number + 1", "self.next_seq = number"),
    ("a start is not counted", JOURNAL, "        self.boot += 1\n", ""),
    ("blank flash gets the old life's number", JOURNAL,
     '(random_u32() if random_u32 else int.from_bytes(os.urandom(4), "big")) or 1', "1"),
    ("the beep comes before flash", CONTROLLER,
     "            try:\n"
     "                self._journal.append(records.encode_record(event))",
     "            try:\n"
     '                if event["uptime_ms"] % 3:\n'
     "                    self._journal.append(records.encode_record(event))"),
    ("a full journal beeps all the same", CONTROLLER,
     'signals.append(self._refuse(event, "full", "journal full: count again later"))',
     'signals.append(("ok", ""))'),
    # the gateway
    ("an answer before COMMIT", RECORDING,
     "    ledger.check_committed(recorded.ledger_n, recorded.ledger_head, marks)\n",
     "    for stream in recorded.streams:\n        stream.high_water += 1\n"),
    ("the commit is a promise", ENTRIES, "        db.commit()\n", "        db.rollback()\n"),
    ("no seal is checked", SEAL,
     "    if not same(tag, hmac_sha256(key, _mac_structure(_PROTECTED, topic, payload))):",
     "    if False:"),
    ("no seal of a topic that is known is checked", SEALS,
     "return sealed[start:end] if compare_digest(outer.digest(), sealed[tag_at:]) else None",
     "return sealed[start:end]"),
    ("no short tag of a topic that is known is checked", SEALS,
     "return packed if compare_digest(tag, sealed[end:]) else None", "return packed"),
    ("a repetition is another record", RECORDING,
     "            if recorded is None:\n"
     "                fresh.append(seq)",
     "            if recorded is None or events.boot % 2 == 0:\n"
     "                fresh.append(seq)"),
    ("a hole is no hole", RECORDING,
     "        if first > stream.high_water + 1:\n"
     "            stream.want_to = stream.want_to or first - 1\n"
     "            return\n",
     ""),
    ("the mark moves without its records", RECORDING,
     "stream.high_water = max(stream.high_water, fresh[-1])",
     "stream.high_water = max(stream.high_water, fresh[-1] + 1)"),
    ("the mark of a run moves without its records", RECORDING,
     "stream.high_water, stream.fingerprint = run.last_seq, run.fingerprint",
     "stream.high_water, stream.fingerprint = run.last_seq + 1, run.fingerprint"),
    ("the fingerprint stays behind a run", RECORDING,
     "stream.high_water, stream.fingerprint = run.last_seq, run.fingerprint",
     "stream.high_water = run.last_seq"),
    ("a run does not care for holes", RUNS,
     "if first_seq != high_water + 1 or unreadable", "if first_seq <= high_water or unreadable"),
    ("a run spans days", RUNS,
     "or unreadable or latest - earliest > SPAN_MS:", "or unreadable:"),
    ("a run has the times of its last message", RUNS,
     "        if earliest > from_ms:\n            earliest = from_ms\n", ""),
    ("two boards with one key are one", RECORDING,
     "            elif recorded != raw:\n"
     "                self._equivocation(stream, message, seq)\n"
     "                return\n",
     ""),
    ("what is ahead is not compared", RUNS,
     "if named != fingerprint and named != _NO_FINGERPRINT", "if False and named"),
    ("a board that sees its copy is not heard", RECORDING,
     '        if state["status"] == "locked" and is_news and not stream.locked:',
     "        if False:"),
    ("an answer names no record", INGEST,
     '"fingerprint": stream.fingerprint,', '"fingerprint": bytes(8),'),
    ("the fingerprint stays behind the mark", RECORDING,
     "            stream.fingerprint = messages.fingerprint_of(events.records[-1])",
     "            pass"),
    ("a gap leaves the fingerprint of before", RECORDING,
     "        stream.high_water, stream.fingerprint = to_seq, bytes(messages.FINGERPRINT_BYTES)",
     "        stream.high_water = to_seq"),
    ("a late record gives the mark its fingerprint", RECORDING,
     "        if fresh[-1] == stream.high_water:", "        if True:"),
    ("records are not counted", RECORDING, "        stream.records += len(fresh)\n", ""),
    ("a gap is skipped in silence", RECORDING,
     "            streams.add_gap(\n", "            (lambda *_: None)(\n"),
    ("a gap is one too short", RECORDING,
     'gone_to = min(lowest - 1, state["last_seq"])',
     'gone_to = min(lowest - 2, state["last_seq"])'),
    ("a gap is one too long", RECORDING,
     'gone_to = min(lowest - 1, state["last_seq"])', 'gone_to = min(lowest, state["last_seq"])'),
    ("an old life is not closed", RECORDING,
     "                self._close_older(device, epoch)\n", ""),
    ("nobody is told of the old life's tail", RECORDING,
     '            self.incident("tail_unknown", device, text)\n', ""),
    ("of two lives the wrong one is the newer", RECORDING,
     '                    self._stream(item.device, item.state["epoch"])\n',
     "                    pass\n"),
    ("a mark moves by itself", RECORDING,
     "        if self._counts:\n            counts =",
     '        self._db.execute("UPDATE cursor SET high_water = high_water + (id % 3 = 0)")\n'
     "        if self._counts:\n            counts ="),
    ("a message is stored twice", RUNS,
     "parts += (pack_frame_head(received_ms, 0, len(device), len(sealed)), device, sealed)",
     "parts += 2 * (pack_frame_head(received_ms, 0, len(device), len(sealed)), device, sealed)"),
    ("the streams of a failed commit are remembered", RECORDING,
     "    except BaseException:\n        known.forget()\n        raise",
     "    except BaseException:\n        raise"),
    ("the streams are remembered though another process wrote", KNOWN,
     "        if (elsewhere, changes_here(db)) == (self._elsewhere, self._here):",
     "        if changes_here(db) == self._here:"),
    ("the streams are remembered though their own process wrote", KNOWN,
     "        if (elsewhere, changes_here(db)) == (self._elsewhere, self._here):",
     "        if elsewhere == self._elsewhere:"),
    # its log
    ("a place in the log is one byte off", ENTRIES,
     "at = frames_at(pending.prefix) + len(pending.frames)",
     "at = frames_at(pending.prefix) + len(pending.frames) - bool(pending.frames)"),
    ("records that stand apart are one run", SEGMENTS,
     "            or after.at != self.at + self.size\n", ""),
    ("a run ends before its last record", SEGMENTS,
     "return Segment(self.first_seq, after.last_seq, self.at, size, from_ms, until_ms)",
     "return Segment(self.first_seq, after.last_seq, self.at, self.size, from_ms, until_ms)"),
    ("a run has the times of its end", SEGMENTS,
     "from_ms, until_ms = min(self.from_ms, after.from_ms), max(self.until_ms, after.until_ms)",
     "from_ms, until_ms = after.from_ms, after.until_ms"),
    ("records that came again in their batch are read twice", INDEX,
     "            first = max(first, seqs.stop)\n", "            pass\n"),
    ("records are looked for in the first message of a run alone", INDEX,
     "    return (message for message in frames_in(frames, at, _PREFIX) if",
     "    return (message for message in [*frames_in(frames, at, _PREFIX)][:1] if"),
    ("the entry is written after the transaction", ENTRIES,
     "        close_entry(db)\n        db.commit()\n",
     "        db.commit()\n        close_entry(db)\n"),
    ("no entry vouches for an incident", ENTRIES,
     "        pending.touched[table] = pending.ids[table] = highest_id(db, table)",
     "        pending.ids[table] = highest_id(db, table)\n"
     '        if table != "incident":\n'
     "            pending.touched[table] = pending.ids[table]"),
    ("the head is remembered over a rollback", ENTRIES,
     "        db.pending = _pending(db.begin(NEWEST))\n",
     '        kept = db.__dict__.setdefault("kept", _pending(db.begin(NEWEST)))\n'
     "        if not db.in_transaction:\n"
     "            db.begin(NEWEST)\n"
     "        kept.frames, kept.touched = bytearray(), {}\n"
     "        db.pending = kept\n"),
    ("a rotation is asked for once only", COMMANDS,
     "        _rotate_again(ledger, used, held[-1].number, state, now_ms)\n", "        pass\n"),
    ("an old key is never retired", COMMANDS,
     "    if used.number > held[0].number:", "    if False:"),
    ("a board under a retired key is nobody's business", RECORDING,
     '            self.incident("retired_key", device, text)\n', "            pass\n"),
]  # fmt: skip

_COPY = (
    "board cloned",
    "board cloned",
    "outage until the flash is full",
    "busy",
    "connection lost",
    "power cut",
    "partition",
)
_ALONE = ("board cloned", "board cloned", "outage until the flash is full", "power cut")
_FORGETS = ("busy", "busy", "backup", "ledger restored", "connection lost")
_LIVES = ("flash wiped", "flash wiped", "gateway hangs", "connection lost", "broker loses some")
_FAILS = ("a statement fails", "a statement fails", "disk full", "busy")
_OTHERS = ("a second gateway", "the office writes", "gateway hangs", "busy")
FOCUS = {
    "an answer for another life is believed": ("replay", "flash wiped", "connection lost"),
    "an answer for a copy of the board is believed": _COPY,
    "an answer names no record": _COPY,
    "a message does not say what is ahead of it": _ALONE,
    "what is ahead is not compared": _ALONE,
    "the heartbeat does not tell what is gone": _FORGETS,
    "a gap is skipped in silence": _FORGETS,
    "a gap is one too short": _FORGETS,
    "a gap leaves the fingerprint of before": _FORGETS,
    "a late record gives the mark its fingerprint": (*_FORGETS, "broker shuffles", "replay"),
    "a run spans days": ("gateway clock jumps", "gateway clock jumps", "busy", "gateway hangs"),
    "the streams of a failed commit are remembered": _FAILS,
    "a board packs for a gateway that no longer reads it": ("gateway put back", "busy"),
    "the counter of a command is not on flash": ("command", "command", "power cut"),
    "an old answer lowers the mark": ("replay", "replay", "busy", "stalled"),
    "the streams are remembered though another process wrote": _OTHERS,
    "the streams are remembered though their own process wrote": (*_COPY, "the office writes"),
    "of two lives the wrong one is the newer": _LIVES,
    "a board under a retired key is nobody's business": (
        "board cloned",
        "key rotated",
        "connection lost",
        "partition",
    ),
}
