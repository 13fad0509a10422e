-- From schema 4 to 5, for all sites of a database at once (gateway/store/server_ledger.py): as SQLite's 0005.sql. Nothing here reads
-- or changes a row: row security would show those of one site alone.

ALTER TABLE posting
    ADD COLUMN kind text COLLATE "C" NOT NULL DEFAULT 'payment'
        CHECK (kind IN ('payment', 'refund', 'paid_in', 'paid_out', 'loan', 'correction')),
    ADD COLUMN scope text COLLATE "C" NOT NULL DEFAULT '',
    DROP CONSTRAINT posting_site_source_system_receipt_no_line_no_key,
    ADD CONSTRAINT posting_statement UNIQUE (site, source_system, receipt_no, line_no, scope, content);
CREATE INDEX posting_by_account ON posting (site, account_no);

ALTER TABLE posted_file
    ADD COLUMN first_date text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN last_date text COLLATE "C" NOT NULL DEFAULT '';

ALTER TABLE posting_quarantine
    ADD COLUMN source_system text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN scope text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN receipt_no text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN line_no bigint NOT NULL DEFAULT 0,
    ADD COLUMN business_date text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN window_id text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN posted_ms bigint NOT NULL DEFAULT 0,
    ADD COLUMN tender_id text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN tender_type text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN tender_amount_cents bigint NOT NULL DEFAULT 0,
    ADD COLUMN change_cents bigint NOT NULL DEFAULT 0,
    ADD COLUMN allocation_cents bigint NOT NULL DEFAULT 0,
    ADD COLUMN amounts_known bigint NOT NULL DEFAULT 0,
    ADD COLUMN status text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN code text COLLATE "C" NOT NULL DEFAULT '';
CREATE INDEX posting_quarantine_by_day ON posting_quarantine (site, business_date);

CREATE TABLE posting_settled (
    id            bigint NOT NULL,
    quarantine_id bigint NOT NULL,
    file_id       bigint NOT NULL,
    site          text COLLATE "C" NOT NULL DEFAULT current_setting('till.site'),
    PRIMARY KEY (site, id),
    UNIQUE (site, quarantine_id),
    FOREIGN KEY (site, quarantine_id) REFERENCES posting_quarantine (site, id),
    FOREIGN KEY (site, file_id) REFERENCES posted_file (site, id)
);
ALTER TABLE posting_settled ENABLE ROW LEVEL SECURITY;
ALTER TABLE posting_settled FORCE ROW LEVEL SECURITY;
CREATE POLICY own_site ON posting_settled USING (site = current_setting('till.site'))
    WITH CHECK (site = current_setting('till.site'));
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON posting_settled FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON posting_settled EXECUTE FUNCTION refuse_change();
