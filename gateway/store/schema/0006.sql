-- Decisions of people: who, when, of which drawer session, why (gateway/facts/decisions.py). Append-only; what the books make of them is
-- asked when a day is read.

CREATE TABLE decision (
    id            INTEGER PRIMARY KEY,
    at_ms         INTEGER NOT NULL,                                   -- Unix milliseconds UTC
    who           TEXT    NOT NULL,                                   -- login name of a person
    role          TEXT    NOT NULL,                                   -- of that person then; empty: nobody said
    kind          TEXT    NOT NULL,                                   -- such as suspend, declare, reopen, refused
    business_date TEXT    NOT NULL,                                   -- YYYY-MM-DD
    window_id     TEXT    NOT NULL,                                   -- empty: of the whole office
    epoch         INTEGER NOT NULL,                                   -- of the session's first record; 0: of no one session
    first_seq     INTEGER NOT NULL,
    content       TEXT    NOT NULL,                                   -- canonical JSON: amounts in cents, names of counts
    reason        TEXT    NOT NULL
) STRICT;
CREATE INDEX decision_by_day ON decision (business_date, window_id);
CREATE TRIGGER decision_no_update BEFORE UPDATE ON decision BEGIN SELECT RAISE(ABORT, 'decision is append-only'); END;
CREATE TRIGGER decision_no_delete BEFORE DELETE ON decision BEGIN SELECT RAISE(ABORT, 'decision is append-only'); END;

-- Where rule R22 looks: what waits in suspense, and what takes a receipt back (gateway/store/suspense.py). A year has millions of
-- postings and few of either.

CREATE INDEX posting_in_suspense ON posting (business_date) WHERE fund IN ('', 'suspense');
CREATE INDEX posting_taking_back ON posting (source_system, void_of) WHERE void_of <> '';

-- What the card processor and the bank say of the office's money: files and lines of settlements, of the bank's reports and of
-- returned items, each once; and what of it was refused (gateway/store/money.py).

CREATE TABLE money_file (
    id          INTEGER PRIMARY KEY,
    sha256      BLOB    NOT NULL CHECK (length(sha256) = 32),
    name        TEXT    NOT NULL,
    bytes       INTEGER NOT NULL,
    imported_ms INTEGER NOT NULL,
    kind        TEXT    NOT NULL CHECK (kind IN ('settlement', 'bank', 'returned')),
    form        TEXT    NOT NULL,                             -- settlement.csv, BAI2, camt.053, NACHA
    state       TEXT    NOT NULL CHECK (state IN ('imported', 'refused')),
    reason      TEXT    NOT NULL,                             -- why nothing of it counts; empty for an imported one
    rows        INTEGER NOT NULL,
    added       INTEGER NOT NULL,
    known       INTEGER NOT NULL,
    refused     INTEGER NOT NULL,
    first_date  TEXT    NOT NULL,                             -- the days that it reports, YYYY-MM-DD; empty where it says none
    last_date   TEXT    NOT NULL
) STRICT;
CREATE TRIGGER money_file_no_update BEFORE UPDATE ON money_file BEGIN SELECT RAISE(ABORT, 'money_file is append-only'); END;
CREATE TRIGGER money_file_no_delete BEFORE DELETE ON money_file BEGIN SELECT RAISE(ABORT, 'money_file is append-only'); END;

CREATE TABLE money_line (
    id        INTEGER PRIMARY KEY,
    file_id   INTEGER NOT NULL REFERENCES money_file (id),
    file_line INTEGER NOT NULL,                               -- line, record or entry of the file
    kind      TEXT    NOT NULL CHECK (kind IN ('settlement', 'bank', 'returned')),
    date      TEXT    NOT NULL,                               -- settled, booked or returned on, YYYY-MM-DD
    identity  TEXT    NOT NULL,                               -- what makes it this line and no other
    said      TEXT    NOT NULL,                               -- a JSON array: the values in the order of gateway/facts/settlements.py
    UNIQUE (kind, identity)
) STRICT;
CREATE INDEX money_line_by_day ON money_line (kind, date);
CREATE TRIGGER money_line_no_update BEFORE UPDATE ON money_line BEGIN SELECT RAISE(ABORT, 'money_line is append-only'); END;
CREATE TRIGGER money_line_no_delete BEFORE DELETE ON money_line BEGIN SELECT RAISE(ABORT, 'money_line is append-only'); END;

CREATE TABLE money_refusal (
    id        INTEGER PRIMARY KEY,
    file_id   INTEGER NOT NULL REFERENCES money_file (id),
    file_line INTEGER NOT NULL,                               -- 0: the whole file
    reason    TEXT    NOT NULL,
    about     TEXT    NOT NULL,                               -- the line, batch, account and day, or return file that it is about; empty where that cannot be read
    date      TEXT    NOT NULL                                -- YYYY-MM-DD; empty where it cannot be read
) STRICT;
CREATE TRIGGER money_refusal_no_update BEFORE UPDATE ON money_refusal BEGIN SELECT RAISE(ABORT, 'money_refusal is append-only'); END;
CREATE TRIGGER money_refusal_no_delete BEFORE DELETE ON money_refusal BEGIN SELECT RAISE(ABORT, 'money_refusal is append-only'); END;

CREATE TABLE money_settled (      -- a refusal of which a later file said the same thing soundly
    id         INTEGER PRIMARY KEY,
    refusal_id INTEGER NOT NULL UNIQUE REFERENCES money_refusal (id),
    file_id    INTEGER NOT NULL REFERENCES money_file (id)
) STRICT;
CREATE TRIGGER money_settled_no_update BEFORE UPDATE ON money_settled BEGIN SELECT RAISE(ABORT, 'money_settled is append-only'); END;
CREATE TRIGGER money_settled_no_delete BEFORE DELETE ON money_settled BEGIN SELECT RAISE(ABORT, 'money_settled is append-only'); END;

-- Which receipt a line of the processor or of the bank belongs to: few postings are in each of these.
CREATE INDEX posting_by_auth_code ON posting (auth_code) WHERE tender_type = 'card';
CREATE INDEX posting_returnable ON posting (tender_amount_cents) WHERE tender_type IN ('check', 'ach', 'money_order');
CREATE INDEX posting_taken_back ON posting (business_date) WHERE status IN ('void', 'reversed');
