-- The ledger: what devices said, in the order it was recorded. Nothing here is edited or deleted (triggers below).

CREATE TABLE message (            -- every sealed message that added something, as it came over the line
    n           INTEGER PRIMARY KEY,                        -- 1, 2, 3 ... of this ledger
    device      TEXT    NOT NULL,
    topic       TEXT    NOT NULL,                           -- the seal covers it
    received_ms INTEGER NOT NULL,
    sealed      BLOB    NOT NULL,
    head        BLOB    NOT NULL CHECK (length(head) = 32)  -- of n - 1 and this row: recording.next_head; 32 zero bytes before n = 1
) STRICT;

CREATE TABLE record (             -- one fact a device stated; identity (device, epoch, seq)
    device      TEXT    NOT NULL,
    epoch       INTEGER NOT NULL,
    seq         INTEGER NOT NULL CHECK (seq >= 1),
    message_n   INTEGER NOT NULL REFERENCES message (n),
    kind        TEXT    NOT NULL,                           -- of the wire dictionary, or 'undecodable'
    occurred_ms INTEGER NOT NULL,                           -- best estimate, see gateway/delivery/recording.py
    boot        INTEGER,                                    -- NULL when undecodable
    uptime_ms   INTEGER,
    body        BLOB    NOT NULL,                           -- the record's own bytes
    PRIMARY KEY (device, epoch, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX record_by_message ON record (message_n, seq);
CREATE INDEX record_by_time ON record (occurred_ms);

CREATE TABLE cursor (             -- how far each stream of records is durable; its id orders the epochs of a device
    id            INTEGER PRIMARY KEY,
    device        TEXT    NOT NULL,
    epoch         INTEGER NOT NULL,
    high_water    INTEGER NOT NULL CHECK (high_water >= 0),
    first_seen_ms INTEGER NOT NULL,
    last_seen_ms  INTEGER NOT NULL,
    current       INTEGER NOT NULL CHECK (current IN (0, 1)),  -- 0: closed, a newer epoch took over, tail unknown
    locked        INTEGER NOT NULL CHECK (locked IN (0, 1)),   -- 1: two different records with one identity; nothing more is taken
    UNIQUE (device, epoch)
) STRICT;

CREATE TABLE gap (                -- records that no longer exist anywhere, exactly
    device    TEXT    NOT NULL,
    epoch     INTEGER NOT NULL,
    from_seq  INTEGER NOT NULL,
    to_seq    INTEGER NOT NULL CHECK (to_seq >= from_seq),
    cause     TEXT    NOT NULL,
    noted_ms  INTEGER NOT NULL,
    message_n INTEGER NOT NULL REFERENCES message (n),      -- the heartbeat that said so
    PRIMARY KEY (device, epoch, from_seq)
) STRICT;

CREATE TABLE heartbeat (          -- the last one of each device; also what it witnessed of this ledger
    device      TEXT    PRIMARY KEY,
    seen_ms     INTEGER NOT NULL,                           -- 0: only known from the broker's retained copy
    epoch       INTEGER NOT NULL,
    boot        INTEGER NOT NULL,
    uptime_ms   INTEGER NOT NULL,
    status      TEXT    NOT NULL,
    last_seq    INTEGER NOT NULL,
    lowest_kept INTEGER NOT NULL,
    acked       INTEGER NOT NULL,
    ledger_n    INTEGER NOT NULL,
    ledger_head BLOB    NOT NULL,
    heap_free   INTEGER NOT NULL,
    heap_low    INTEGER NOT NULL
) STRICT;

CREATE TABLE quarantine (         -- bytes that were refused, kept up to a cap
    id          INTEGER PRIMARY KEY,
    received_ms INTEGER NOT NULL,
    source      TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    bytes       BLOB    NOT NULL
) STRICT;

CREATE TABLE incident (           -- what a person should look into; the same text is raised once
    id     INTEGER PRIMARY KEY,
    at_ms  INTEGER NOT NULL,
    kind   TEXT    NOT NULL,
    device TEXT    NOT NULL,                                -- '' when it is nobody's
    text   TEXT    NOT NULL,
    UNIQUE (kind, device, text)
) STRICT;

CREATE TABLE counter (            -- duplicates, rejected, ignored, held, not_kept; device '' when the source is not proven
    device TEXT    NOT NULL,
    name   TEXT    NOT NULL,
    value  INTEGER NOT NULL,
    PRIMARY KEY (device, name)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER message_no_update BEFORE UPDATE ON message BEGIN SELECT RAISE(ABORT, 'message is append-only'); END;
CREATE TRIGGER message_no_delete BEFORE DELETE ON message BEGIN SELECT RAISE(ABORT, 'message is append-only'); END;
CREATE TRIGGER record_no_update BEFORE UPDATE ON record BEGIN SELECT RAISE(ABORT, 'record is append-only'); END;
CREATE TRIGGER record_no_delete BEFORE DELETE ON record BEGIN SELECT RAISE(ABORT, 'record is append-only'); END;
CREATE TRIGGER gap_no_update BEFORE UPDATE ON gap BEGIN SELECT RAISE(ABORT, 'gap is append-only'); END;
CREATE TRIGGER gap_no_delete BEFORE DELETE ON gap BEGIN SELECT RAISE(ABORT, 'gap is append-only'); END;
CREATE TRIGGER quarantine_no_update BEFORE UPDATE ON quarantine BEGIN SELECT RAISE(ABORT, 'quarantine is append-only'); END;
CREATE TRIGGER quarantine_no_delete BEFORE DELETE ON quarantine BEGIN SELECT RAISE(ABORT, 'quarantine is append-only'); END;
CREATE TRIGGER incident_no_update BEFORE UPDATE ON incident BEGIN SELECT RAISE(ABORT, 'incident is append-only'); END;
CREATE TRIGGER incident_no_delete BEFORE DELETE ON incident BEGIN SELECT RAISE(ABORT, 'incident is append-only'); END;
CREATE TRIGGER cursor_no_delete BEFORE DELETE ON cursor BEGIN SELECT RAISE(ABORT, 'a cursor is never deleted'); END;
CREATE TRIGGER cursor_no_way_back BEFORE UPDATE ON cursor
    WHEN NEW.high_water < OLD.high_water OR NEW.device <> OLD.device OR NEW.epoch <> OLD.epoch
    BEGIN SELECT RAISE(ABORT, 'a cursor never goes back'); END;
