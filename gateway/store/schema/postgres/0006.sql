-- From schema 5 to 6, for all sites of a database at once (gateway/store/server_ledger.py): as SQLite's 0006.sql.

CREATE TABLE decision (
    id            bigint NOT NULL,
    at_ms         bigint NOT NULL,
    who           text COLLATE "C" NOT NULL,
    role          text COLLATE "C" NOT NULL,
    kind          text COLLATE "C" NOT NULL,
    business_date text COLLATE "C" NOT NULL,
    window_id     text COLLATE "C" NOT NULL,
    epoch         bigint NOT NULL,
    first_seq     bigint NOT NULL,
    content       text COLLATE "C" NOT NULL,
    reason        text COLLATE "C" NOT NULL,
    site          text COLLATE "C" NOT NULL DEFAULT current_setting('till.site'),
    PRIMARY KEY (site, id)
);
CREATE INDEX decision_by_day ON decision (site, business_date, window_id);
ALTER TABLE decision ENABLE ROW LEVEL SECURITY;
ALTER TABLE decision FORCE ROW LEVEL SECURITY;
CREATE POLICY own_site ON decision USING (site = current_setting('till.site'))
    WITH CHECK (site = current_setting('till.site'));
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON decision FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON decision EXECUTE FUNCTION refuse_change();

CREATE INDEX posting_in_suspense ON posting (site, business_date) WHERE fund IN ('', 'suspense');
CREATE INDEX posting_taking_back ON posting (site, source_system, void_of) WHERE void_of <> '';
