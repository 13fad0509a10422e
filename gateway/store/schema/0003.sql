-- Commands to devices, the life of each device's identity, and the signed checkpoints. Nothing here is edited or deleted.

CREATE TABLE command (            -- what a device was asked to do; its answer is a record of kind 'command' with the same counter
    device   TEXT    NOT NULL,
    epoch    INTEGER NOT NULL,                              -- of the journal that was asked: a wiped board does not obey old commands
    counter  INTEGER NOT NULL CHECK (counter >= 1),
    nonce    BLOB    NOT NULL CHECK (length(nonce) = 16),
    verb     TEXT    NOT NULL,
    argument TEXT    NOT NULL,
    asked_ms INTEGER NOT NULL,
    who      TEXT    NOT NULL,
    PRIMARY KEY (device, epoch, counter)
) STRICT, WITHOUT ROWID;
ALTER TABLE heartbeat ADD COLUMN command INTEGER NOT NULL DEFAULT 0;  -- highest counter that the device has taken

CREATE TABLE device_event (       -- who let a device in, gave it a new key, or shut it out
    id          INTEGER PRIMARY KEY,
    at_ms       INTEGER NOT NULL,
    device      TEXT    NOT NULL,
    event       TEXT    NOT NULL CHECK (event IN ('enrolled', 'approved', 'rotated', 'revoked', 'replaced')),
    key_number  INTEGER NOT NULL,
    certificate TEXT    NOT NULL,                           -- SHA-256 of it in hex; empty where there is none
    who         TEXT    NOT NULL,
    text        TEXT    NOT NULL
) STRICT;

CREATE TABLE checkpoint (         -- the ledger's size and Merkle root, signed once a business day
    business_date TEXT    PRIMARY KEY,                      -- YYYY-MM-DD
    n             INTEGER NOT NULL,                         -- messages that it covers
    root          BLOB    NOT NULL CHECK (length(root) = 32),
    made_ms       INTEGER NOT NULL,
    note          TEXT    NOT NULL                          -- the signed text as it was printed
) STRICT;

CREATE TRIGGER command_no_update BEFORE UPDATE ON command BEGIN SELECT RAISE(ABORT, 'command is append-only'); END;
CREATE TRIGGER command_no_delete BEFORE DELETE ON command BEGIN SELECT RAISE(ABORT, 'command is append-only'); END;
CREATE TRIGGER device_event_no_update BEFORE UPDATE ON device_event BEGIN SELECT RAISE(ABORT, 'device_event is append-only'); END;
CREATE TRIGGER device_event_no_delete BEFORE DELETE ON device_event BEGIN SELECT RAISE(ABORT, 'device_event is append-only'); END;
CREATE TRIGGER checkpoint_no_update BEFORE UPDATE ON checkpoint BEGIN SELECT RAISE(ABORT, 'checkpoint is append-only'); END;
CREATE TRIGGER checkpoint_no_delete BEFORE DELETE ON checkpoint BEGIN SELECT RAISE(ABORT, 'checkpoint is append-only'); END;
