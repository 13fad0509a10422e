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

CREATE TABLE money_file (
    id          bigint NOT NULL,
    sha256      bytea NOT NULL CHECK (length(sha256) = 32),
    name        text COLLATE "C" NOT NULL,
    bytes       bigint NOT NULL,
    imported_ms bigint NOT NULL,
    kind        text COLLATE "C" NOT NULL CHECK (kind IN ('settlement', 'bank', 'returned')),
    form        text COLLATE "C" NOT NULL,
    state       text COLLATE "C" NOT NULL CHECK (state IN ('imported', 'refused')),
    reason      text COLLATE "C" NOT NULL,
    rows        bigint NOT NULL,
    added       bigint NOT NULL,
    known       bigint NOT NULL,
    refused     bigint NOT NULL,
    first_date  text COLLATE "C" NOT NULL,
    last_date   text COLLATE "C" NOT NULL,
    site        text COLLATE "C" NOT NULL DEFAULT current_setting('till.site'),
    PRIMARY KEY (site, id)
);

CREATE TABLE money_line (
    id        bigint NOT NULL,
    file_id   bigint NOT NULL,
    file_line bigint NOT NULL,
    kind      text COLLATE "C" NOT NULL CHECK (kind IN ('settlement', 'bank', 'returned')),
    date      text COLLATE "C" NOT NULL,
    identity  text COLLATE "C" NOT NULL,
    said      text COLLATE "C" NOT NULL,
    site      text COLLATE "C" NOT NULL DEFAULT current_setting('till.site'),
    PRIMARY KEY (site, id),
    UNIQUE (site, kind, identity),
    FOREIGN KEY (site, file_id) REFERENCES money_file (site, id)
);
CREATE INDEX money_line_by_day ON money_line (site, kind, date);

CREATE TABLE money_refusal (
    id        bigint NOT NULL,
    file_id   bigint NOT NULL,
    file_line bigint NOT NULL,
    reason    text COLLATE "C" NOT NULL,
    about     text COLLATE "C" NOT NULL,
    date      text COLLATE "C" NOT NULL,
    site      text COLLATE "C" NOT NULL DEFAULT current_setting('till.site'),
    PRIMARY KEY (site, id),
    FOREIGN KEY (site, file_id) REFERENCES money_file (site, id)
);

CREATE TABLE money_settled (
    id         bigint NOT NULL,
    refusal_id bigint NOT NULL,
    file_id    bigint NOT NULL,
    site       text COLLATE "C" NOT NULL DEFAULT current_setting('till.site'),
    PRIMARY KEY (site, id),
    UNIQUE (site, refusal_id),
    FOREIGN KEY (site, refusal_id) REFERENCES money_refusal (site, id),
    FOREIGN KEY (site, file_id) REFERENCES money_file (site, id)
);

CREATE INDEX posting_by_auth_code ON posting (site, auth_code) WHERE tender_type = 'card';
CREATE INDEX posting_returnable ON posting (site, tender_amount_cents) WHERE tender_type IN ('check', 'ach', 'money_order');
CREATE INDEX posting_taken_back ON posting (site, business_date) WHERE status IN ('void', 'reversed');

ALTER TABLE money_file ENABLE ROW LEVEL SECURITY;
ALTER TABLE money_file FORCE ROW LEVEL SECURITY;
CREATE POLICY own_site ON money_file USING (site = current_setting('till.site')) WITH CHECK (site = current_setting('till.site'));
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON money_file FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON money_file EXECUTE FUNCTION refuse_change();

ALTER TABLE money_line ENABLE ROW LEVEL SECURITY;
ALTER TABLE money_line FORCE ROW LEVEL SECURITY;
CREATE POLICY own_site ON money_line USING (site = current_setting('till.site')) WITH CHECK (site = current_setting('till.site'));
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON money_line FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON money_line EXECUTE FUNCTION refuse_change();

ALTER TABLE money_refusal ENABLE ROW LEVEL SECURITY;
ALTER TABLE money_refusal FORCE ROW LEVEL SECURITY;
CREATE POLICY own_site ON money_refusal USING (site = current_setting('till.site')) WITH CHECK (site = current_setting('till.site'));
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON money_refusal FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON money_refusal EXECUTE FUNCTION refuse_change();

ALTER TABLE money_settled ENABLE ROW LEVEL SECURITY;
ALTER TABLE money_settled FORCE ROW LEVEL SECURITY;
CREATE POLICY own_site ON money_settled USING (site = current_setting('till.site')) WITH CHECK (site = current_setting('till.site'));
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON money_settled FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON money_settled EXECUTE FUNCTION refuse_change();
