-- What the cashiering system posted. Nothing here is edited or deleted: a correction is a new row with `void_of`.

CREATE TABLE posted_file (        -- every file that was read whole, whether it could be posted or not
    id          INTEGER PRIMARY KEY,
    sha256      BLOB    NOT NULL UNIQUE CHECK (length(sha256) = 32),  -- the same file again changes nothing
    name        TEXT    NOT NULL,
    bytes       INTEGER NOT NULL,
    imported_ms INTEGER NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('posted', 'unposted')),
    reason      TEXT    NOT NULL,                                     -- why it stays unposted; empty otherwise
    rows        INTEGER NOT NULL,                                     -- data rows of the file
    added       INTEGER NOT NULL,                                     -- rows that are new
    known       INTEGER NOT NULL,                                     -- rows that an earlier file (or line) already posted
    refused     INTEGER NOT NULL                                      -- rows in posting_quarantine
) STRICT;

CREATE TABLE posting (            -- one allocation of one tender; identity (source_system, receipt_no, line_no)
    id                  INTEGER PRIMARY KEY,
    file_id             INTEGER NOT NULL REFERENCES posted_file (id),
    file_line           INTEGER NOT NULL,
    receipt_no          TEXT    NOT NULL,
    line_no             INTEGER NOT NULL,
    posted_ms           INTEGER NOT NULL,                             -- posted_at, Unix milliseconds UTC
    business_date       TEXT    NOT NULL,                             -- YYYY-MM-DD, as the office said
    window_id           TEXT    NOT NULL,
    session_id          TEXT    NOT NULL,
    cashier_id          TEXT    NOT NULL,
    tender_id           TEXT    NOT NULL,
    tender_type         TEXT    NOT NULL,
    tender_amount_cents INTEGER NOT NULL,                             -- of the whole tender: repeated on each of its rows
    change_cents        INTEGER NOT NULL,                             -- of the whole tender: repeated on each of its rows
    account_no          TEXT    NOT NULL,
    service             TEXT    NOT NULL,
    fund                TEXT    NOT NULL,
    allocation_cents    INTEGER NOT NULL,
    status              TEXT    NOT NULL CHECK (status IN ('posted', 'void', 'reversed', 'unknown')),
    void_of             TEXT    NOT NULL,                             -- receipt_no that this row takes back; empty for none
    void_by             TEXT    NOT NULL,
    auth_code           TEXT    NOT NULL,
    batch_id            TEXT    NOT NULL,
    source_system       TEXT    NOT NULL,
    source_ref          TEXT    NOT NULL,
    content             BLOB    NOT NULL CHECK (length(content) = 32),  -- SHA-256 of all values: same row or another one
    UNIQUE (source_system, receipt_no, line_no)
) STRICT;
CREATE INDEX posting_by_day ON posting (business_date, window_id);
CREATE INDEX posting_by_time ON posting (window_id, posted_ms);

CREATE TABLE posting_quarantine ( -- rows that were not posted. The row itself stays in its file: it may hold what we must not
    id        INTEGER PRIMARY KEY,
    file_id   INTEGER NOT NULL REFERENCES posted_file (id),
    file_line INTEGER NOT NULL,
    reason    TEXT    NOT NULL
) STRICT;

CREATE TRIGGER posted_file_no_update BEFORE UPDATE ON posted_file BEGIN SELECT RAISE(ABORT, 'posted_file is append-only'); END;
CREATE TRIGGER posted_file_no_delete BEFORE DELETE ON posted_file BEGIN SELECT RAISE(ABORT, 'posted_file is append-only'); END;
CREATE TRIGGER posting_no_update BEFORE UPDATE ON posting BEGIN SELECT RAISE(ABORT, 'posting is append-only'); END;
CREATE TRIGGER posting_no_delete BEFORE DELETE ON posting BEGIN SELECT RAISE(ABORT, 'posting is append-only'); END;
CREATE TRIGGER posting_quarantine_no_update BEFORE UPDATE ON posting_quarantine
    BEGIN SELECT RAISE(ABORT, 'posting_quarantine is append-only'); END;
CREATE TRIGGER posting_quarantine_no_delete BEFORE DELETE ON posting_quarantine
    BEGIN SELECT RAISE(ABORT, 'posting_quarantine is append-only'); END;
