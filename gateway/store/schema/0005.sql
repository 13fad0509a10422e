-- Postings as versions: identity (source_system, scope, receipt_no, line_no), and every statement that the cashiering system made of
-- it. Which one stands is asked when they are read (gateway/store/postings.py). What was refused keeps whose it is, so that it can be
-- seen to be settled. `content` of a row with the values that every older row has stays what it was.

CREATE TABLE posting_5 (          -- one statement about one allocation of one tender
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
    content             BLOB    NOT NULL CHECK (length(content) = 32),  -- SHA-256 of all values: same statement or another one
    kind                TEXT    NOT NULL DEFAULT 'payment'
        CHECK (kind IN ('payment', 'refund', 'paid_in', 'paid_out', 'loan', 'correction')),
    scope               TEXT    NOT NULL DEFAULT '',                  -- where receipt numbers are unique: '', a window, a date, or both
    UNIQUE (source_system, receipt_no, line_no, scope, content)
) STRICT;
INSERT INTO posting_5 (id,
    file_id, file_line, receipt_no, line_no, posted_ms, business_date, window_id, session_id, cashier_id, tender_id,
    tender_type, tender_amount_cents, change_cents, account_no, service, fund, allocation_cents, status, void_of,
    void_by, auth_code, batch_id, source_system, source_ref, content)
    SELECT
    id, file_id, file_line, receipt_no, line_no, posted_ms, business_date, window_id, session_id, cashier_id, tender_id,
    tender_type, tender_amount_cents, change_cents, account_no, service, fund, allocation_cents, status, void_of,
    void_by, auth_code, batch_id, source_system, source_ref, content
    FROM posting ORDER BY id;
DROP TABLE posting;
ALTER TABLE posting_5 RENAME TO posting;
CREATE INDEX posting_by_day ON posting (business_date, window_id);
CREATE INDEX posting_by_time ON posting (window_id, posted_ms);
CREATE INDEX posting_by_account ON posting (account_no);
CREATE TRIGGER posting_no_update BEFORE UPDATE ON posting BEGIN SELECT RAISE(ABORT, 'posting is append-only'); END;
CREATE TRIGGER posting_no_delete BEFORE DELETE ON posting BEGIN SELECT RAISE(ABORT, 'posting is append-only'); END;

ALTER TABLE posted_file ADD COLUMN first_date TEXT NOT NULL DEFAULT '';  -- first and last business date of its rows; empty for none
ALTER TABLE posted_file ADD COLUMN last_date TEXT NOT NULL DEFAULT '';

ALTER TABLE posting_quarantine ADD COLUMN source_system TEXT NOT NULL DEFAULT '';  -- of the row's identity; empty where it cannot be read
ALTER TABLE posting_quarantine ADD COLUMN scope TEXT NOT NULL DEFAULT '';
ALTER TABLE posting_quarantine ADD COLUMN receipt_no TEXT NOT NULL DEFAULT '';
ALTER TABLE posting_quarantine ADD COLUMN line_no INTEGER NOT NULL DEFAULT 0;
ALTER TABLE posting_quarantine ADD COLUMN business_date TEXT NOT NULL DEFAULT '';  -- YYYY-MM-DD; empty where it cannot be read
ALTER TABLE posting_quarantine ADD COLUMN window_id TEXT NOT NULL DEFAULT '';
ALTER TABLE posting_quarantine ADD COLUMN posted_ms INTEGER NOT NULL DEFAULT 0;  -- 0 where it cannot be read
ALTER TABLE posting_quarantine ADD COLUMN tender_id TEXT NOT NULL DEFAULT '';
ALTER TABLE posting_quarantine ADD COLUMN tender_type TEXT NOT NULL DEFAULT '';
ALTER TABLE posting_quarantine ADD COLUMN tender_amount_cents INTEGER NOT NULL DEFAULT 0;  -- the three amounts are readable when amounts_known is 1
ALTER TABLE posting_quarantine ADD COLUMN change_cents INTEGER NOT NULL DEFAULT 0;
ALTER TABLE posting_quarantine ADD COLUMN allocation_cents INTEGER NOT NULL DEFAULT 0;
ALTER TABLE posting_quarantine ADD COLUMN amounts_known INTEGER NOT NULL DEFAULT 0;
ALTER TABLE posting_quarantine ADD COLUMN status TEXT NOT NULL DEFAULT '';
ALTER TABLE posting_quarantine ADD COLUMN code TEXT NOT NULL DEFAULT '';  -- kind of the refusal: gateway/facts/postings.py: REFUSALS
CREATE TABLE posting_settled (    -- a refused row whose receipt a later file said soundly, or whose file came whole
    id            INTEGER PRIMARY KEY,
    quarantine_id INTEGER NOT NULL UNIQUE REFERENCES posting_quarantine (id),
    file_id       INTEGER NOT NULL REFERENCES posted_file (id)
) STRICT;
CREATE TRIGGER posting_settled_no_update BEFORE UPDATE ON posting_settled BEGIN SELECT RAISE(ABORT, 'posting_settled is append-only'); END;
CREATE TRIGGER posting_settled_no_delete BEFORE DELETE ON posting_settled BEGIN SELECT RAISE(ABORT, 'posting_settled is append-only'); END;

CREATE INDEX posting_quarantine_by_day ON posting_quarantine (business_date);
