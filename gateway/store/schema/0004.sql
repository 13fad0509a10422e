-- One log: everything that is appended is in an entry, and the hash chain goes over all entries (gateway/store/entries.py).
-- Messages move there as they are, number and head unchanged: what boards and printed tree heads witnessed stays true. Records live
-- in them, once; segments say where. till_first_form is a function of the program that migrates; segments, records and fingerprints
-- are derived from the entries when this script is done (gateway/store/migration.py).

CREATE TABLE entry (
    n       INTEGER PRIMARY KEY,                            -- 1, 2, 3 ... of this ledger
    content BLOB    NOT NULL,                               -- gateway/facts/chain.py: content_of, first_form
    head    BLOB    NOT NULL CHECK (length(head) = 32)      -- SHA-256(head of n - 1 || content); 32 zero bytes before n = 1
) STRICT;
INSERT INTO entry (n, content, head) SELECT n, till_first_form(topic, received_ms, sealed), head FROM message ORDER BY n;

ALTER TABLE cursor ADD COLUMN records INTEGER NOT NULL DEFAULT 0;  -- how many of them the ledger has
ALTER TABLE cursor ADD COLUMN fingerprint BLOB NOT NULL DEFAULT x'0000000000000000' CHECK (length(fingerprint) = 8);  -- of the record at high_water

CREATE TABLE segment (            -- an index: records of one stream in one entry, contiguous. Derived from the entries, see verify
    id        INTEGER PRIMARY KEY,
    cursor_id INTEGER NOT NULL REFERENCES cursor (id),
    first_seq INTEGER NOT NULL CHECK (first_seq >= 1),
    last_seq  INTEGER NOT NULL CHECK (last_seq >= first_seq),
    n         INTEGER NOT NULL REFERENCES entry (n) DEFERRABLE INITIALLY DEFERRED,
    at        INTEGER NOT NULL,                             -- where its messages stand in the entry's content; 0: the whole content
    size      INTEGER NOT NULL,
    from_ms   INTEGER NOT NULL,                             -- its records happened from here ...
    until_ms  INTEGER NOT NULL CHECK (until_ms >= from_ms), -- ... to here, at most 6 hours later
    UNIQUE (cursor_id, first_seq)
) STRICT;
CREATE INDEX segment_by_time ON segment (cursor_id, from_ms);

CREATE TABLE gap_4 (              -- records that no longer exist anywhere, exactly
    device    TEXT    NOT NULL,
    epoch     INTEGER NOT NULL,
    from_seq  INTEGER NOT NULL,
    to_seq    INTEGER NOT NULL CHECK (to_seq >= from_seq),
    cause     TEXT    NOT NULL,
    noted_ms  INTEGER NOT NULL,
    entry_n   INTEGER NOT NULL REFERENCES entry (n) DEFERRABLE INITIALLY DEFERRED, -- with the heartbeat that said so
    PRIMARY KEY (device, epoch, from_seq)
) STRICT;
INSERT INTO gap_4 SELECT device, epoch, from_seq, to_seq, cause, noted_ms, message_n FROM gap ORDER BY message_n, from_seq;
DROP TABLE gap;
ALTER TABLE gap_4 RENAME TO gap;
CREATE INDEX gap_by_time ON gap (noted_ms);

CREATE TABLE command_4 (          -- what a device was asked to do; its answer is a record of kind 'command' with the same counter
    id       INTEGER PRIMARY KEY,
    device   TEXT    NOT NULL,
    epoch    INTEGER NOT NULL,                              -- of the journal that was asked: a wiped board does not obey old commands
    counter  INTEGER NOT NULL CHECK (counter >= 1),
    nonce    BLOB    NOT NULL CHECK (length(nonce) = 16),
    verb     TEXT    NOT NULL,
    argument TEXT    NOT NULL,
    asked_ms INTEGER NOT NULL,
    who      TEXT    NOT NULL,
    UNIQUE (device, epoch, counter)
) STRICT;
INSERT INTO command_4 (device, epoch, counter, nonce, verb, argument, asked_ms, who)
    SELECT device, epoch, counter, nonce, verb, argument, asked_ms, who FROM command ORDER BY asked_ms, device, epoch, counter;
DROP TABLE command;
ALTER TABLE command_4 RENAME TO command;

CREATE TABLE checkpoint_4 (       -- the ledger's size and Merkle root, signed once a business day
    id            INTEGER PRIMARY KEY,
    business_date TEXT    NOT NULL UNIQUE,                  -- YYYY-MM-DD
    n             INTEGER NOT NULL,                         -- entries that it covers
    root          BLOB    NOT NULL CHECK (length(root) = 32),
    made_ms       INTEGER NOT NULL,
    note          TEXT    NOT NULL                          -- the signed text as it was printed
) STRICT;
INSERT INTO checkpoint_4 (business_date, n, root, made_ms, note)
    SELECT business_date, n, root, made_ms, note FROM checkpoint ORDER BY business_date;
DROP TABLE checkpoint;
ALTER TABLE checkpoint_4 RENAME TO checkpoint;

CREATE TABLE upkeep (             -- when the program last looked after the file, Unix milliseconds by name; no fact
    name  TEXT    PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX incident_by_time ON incident (at_ms);

CREATE TRIGGER entry_no_update BEFORE UPDATE ON entry BEGIN SELECT RAISE(ABORT, 'entry is append-only'); END;
CREATE TRIGGER entry_no_delete BEFORE DELETE ON entry BEGIN SELECT RAISE(ABORT, 'entry is append-only'); END;
CREATE TRIGGER segment_no_update BEFORE UPDATE ON segment BEGIN SELECT RAISE(ABORT, 'segment is append-only'); END;
CREATE TRIGGER segment_no_delete BEFORE DELETE ON segment BEGIN SELECT RAISE(ABORT, 'segment is append-only'); END;
CREATE TRIGGER gap_no_update BEFORE UPDATE ON gap BEGIN SELECT RAISE(ABORT, 'gap is append-only'); END;
CREATE TRIGGER gap_no_delete BEFORE DELETE ON gap BEGIN SELECT RAISE(ABORT, 'gap is append-only'); END;
CREATE TRIGGER command_no_update BEFORE UPDATE ON command BEGIN SELECT RAISE(ABORT, 'command is append-only'); END;
CREATE TRIGGER command_no_delete BEFORE DELETE ON command BEGIN SELECT RAISE(ABORT, 'command is append-only'); END;
CREATE TRIGGER checkpoint_no_update BEFORE UPDATE ON checkpoint BEGIN SELECT RAISE(ABORT, 'checkpoint is append-only'); END;
CREATE TRIGGER checkpoint_no_delete BEFORE DELETE ON checkpoint BEGIN SELECT RAISE(ABORT, 'checkpoint is append-only'); END;
