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

-- Where rule R22 looks: what waits in suspense, and what takes a receipt back (gateway/store/other_days.py). A year has millions of
-- postings and few of either.

CREATE INDEX posting_in_suspense ON posting (business_date) WHERE fund IN ('', 'suspense');
CREATE INDEX posting_taking_back ON posting (source_system, void_of) WHERE void_of <> '';
