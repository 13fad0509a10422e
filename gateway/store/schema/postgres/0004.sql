-- A ledger on a PostgreSQL server: the same tables as SQLite's at schema 4, each with the site that a row is of. All sites of a
-- database share them; row security shows each connection the rows of its own site alone (gateway/store/server.py sets till.site).
-- Ids and entry numbers count for each site, without gaps: a write transaction is alone in its site.

CREATE TABLE schema_version (version integer NOT NULL);
INSERT INTO schema_version (version) VALUES (4);

CREATE TABLE entry (
    n       bigint NOT NULL,
    content bytea NOT NULL,
    head    bytea NOT NULL CHECK (length(head) = 32),
    site    text COLLATE "C" NOT NULL DEFAULT current_setting('till.site'),
    PRIMARY KEY (site, n)
);
ALTER TABLE entry ALTER COLUMN content SET STORAGE EXTERNAL;  -- not compressed, so that a slice of it can be read alone

CREATE TABLE cursor (
    id            bigint NOT NULL,
    device        text COLLATE "C" NOT NULL,
    epoch         bigint NOT NULL,
    high_water    bigint NOT NULL CHECK (high_water >= 0),
    first_seen_ms bigint NOT NULL,
    last_seen_ms  bigint NOT NULL,
    current       bigint NOT NULL CHECK (current IN (0, 1)),
    locked        bigint NOT NULL CHECK (locked IN (0, 1)),
    records       bigint NOT NULL DEFAULT 0,
    fingerprint   bytea NOT NULL DEFAULT '\x0000000000000000' CHECK (length(fingerprint) = 8),
    site          text COLLATE "C" NOT NULL DEFAULT current_setting('till.site'),
    PRIMARY KEY (site, id),
    UNIQUE (site, device, epoch)
) WITH (fillfactor = 50);         -- its rows change with every batch: room for the new versions beside the old ones

CREATE TABLE segment (
    id        bigint NOT NULL,
    cursor_id bigint NOT NULL,
    first_seq bigint NOT NULL CHECK (first_seq >= 1),
    last_seq  bigint NOT NULL CHECK (last_seq >= first_seq),
    n         bigint NOT NULL,
    at        integer NOT NULL,
    size      integer NOT NULL,
    from_ms   bigint NOT NULL,
    until_ms  bigint NOT NULL CHECK (until_ms >= from_ms),
    site      text COLLATE "C" NOT NULL DEFAULT current_setting('till.site'),
    PRIMARY KEY (site, id),
    UNIQUE (site, cursor_id, first_seq),
    FOREIGN KEY (site, cursor_id) REFERENCES cursor (site, id),
    FOREIGN KEY (site, n) REFERENCES entry (site, n) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX segment_by_time ON segment (site, cursor_id, from_ms, id);

CREATE TABLE gap (
    device   text COLLATE "C" NOT NULL,
    epoch    bigint NOT NULL,
    from_seq bigint NOT NULL,
    to_seq   bigint NOT NULL CHECK (to_seq >= from_seq),
    cause    text COLLATE "C" NOT NULL,
    noted_ms bigint NOT NULL,
    entry_n  bigint NOT NULL,
    site     text COLLATE "C" NOT NULL DEFAULT current_setting('till.site'),
    PRIMARY KEY (site, device, epoch, from_seq),
    FOREIGN KEY (site, entry_n) REFERENCES entry (site, n) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX gap_by_time ON gap (site, noted_ms);

CREATE TABLE heartbeat (
    device      text COLLATE "C" NOT NULL,
    seen_ms     bigint NOT NULL,
    epoch       bigint NOT NULL,
    boot        bigint NOT NULL,
    uptime_ms   bigint NOT NULL,
    status      text COLLATE "C" NOT NULL,
    last_seq    bigint NOT NULL,
    lowest_kept bigint NOT NULL,
    acked       bigint NOT NULL,
    ledger_n    bigint NOT NULL,
    ledger_head bytea NOT NULL,
    heap_free   bigint NOT NULL,
    heap_low    bigint NOT NULL,
    command     bigint NOT NULL DEFAULT 0,
    site        text COLLATE "C" NOT NULL DEFAULT current_setting('till.site'),
    PRIMARY KEY (site, device)
) WITH (fillfactor = 50);

CREATE TABLE counter (
    device text COLLATE "C" NOT NULL,
    name   text COLLATE "C" NOT NULL,
    value  bigint NOT NULL,
    site   text COLLATE "C" NOT NULL DEFAULT current_setting('till.site'),
    PRIMARY KEY (site, device, name)
) WITH (fillfactor = 50);

CREATE TABLE quarantine (
    id          bigint NOT NULL,
    received_ms bigint NOT NULL,
    source      text COLLATE "C" NOT NULL,
    reason      text COLLATE "C" NOT NULL,
    bytes       bytea NOT NULL,
    site        text COLLATE "C" NOT NULL DEFAULT current_setting('till.site'),
    PRIMARY KEY (site, id)
);

CREATE TABLE incident (
    id     bigint NOT NULL,
    at_ms  bigint NOT NULL,
    kind   text COLLATE "C" NOT NULL,
    device text COLLATE "C" NOT NULL,
    text   text COLLATE "C" NOT NULL,
    site   text COLLATE "C" NOT NULL DEFAULT current_setting('till.site'),
    PRIMARY KEY (site, id)
);
-- A text may be longer than what an index takes: its hash is what is unique.
CREATE FUNCTION hash_of(said text) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$ SELECT sha256(convert_to(said, 'UTF8')) $$;
CREATE UNIQUE INDEX incident_once ON incident (site, kind, device, hash_of(text));
CREATE INDEX incident_by_time ON incident (site, at_ms);

CREATE TABLE command (
    id       bigint NOT NULL,
    device   text COLLATE "C" NOT NULL,
    epoch    bigint NOT NULL,
    counter  bigint NOT NULL CHECK (counter >= 1),
    nonce    bytea NOT NULL CHECK (length(nonce) = 16),
    verb     text COLLATE "C" NOT NULL,
    argument text COLLATE "C" NOT NULL,
    asked_ms bigint NOT NULL,
    who      text COLLATE "C" NOT NULL,
    site     text COLLATE "C" NOT NULL DEFAULT current_setting('till.site'),
    PRIMARY KEY (site, id),
    UNIQUE (site, device, epoch, counter)
);

CREATE TABLE device_event (
    id          bigint NOT NULL,
    at_ms       bigint NOT NULL,
    device      text COLLATE "C" NOT NULL,
    event       text COLLATE "C" NOT NULL CHECK (event IN ('enrolled', 'approved', 'rotated', 'revoked', 'replaced')),
    key_number  bigint NOT NULL,
    certificate text COLLATE "C" NOT NULL,
    who         text COLLATE "C" NOT NULL,
    text        text COLLATE "C" NOT NULL,
    site        text COLLATE "C" NOT NULL DEFAULT current_setting('till.site'),
    PRIMARY KEY (site, id)
);

CREATE TABLE checkpoint (
    id            bigint NOT NULL,
    business_date text COLLATE "C" NOT NULL,
    n             bigint NOT NULL,
    root          bytea NOT NULL CHECK (length(root) = 32),
    made_ms       bigint NOT NULL,
    note          text COLLATE "C" NOT NULL,
    site          text COLLATE "C" NOT NULL DEFAULT current_setting('till.site'),
    PRIMARY KEY (site, id),
    UNIQUE (site, business_date)
);

CREATE TABLE posted_file (
    id          bigint NOT NULL,
    sha256      bytea NOT NULL CHECK (length(sha256) = 32),
    name        text COLLATE "C" NOT NULL,
    bytes       bigint NOT NULL,
    imported_ms bigint NOT NULL,
    state       text COLLATE "C" NOT NULL CHECK (state IN ('posted', 'unposted')),
    reason      text COLLATE "C" NOT NULL,
    rows        bigint NOT NULL,
    added       bigint NOT NULL,
    known       bigint NOT NULL,
    refused     bigint NOT NULL,
    site        text COLLATE "C" NOT NULL DEFAULT current_setting('till.site'),
    PRIMARY KEY (site, id),
    UNIQUE (site, sha256)
);

CREATE TABLE posting (
    id                  bigint NOT NULL,
    file_id             bigint NOT NULL,
    file_line           bigint NOT NULL,
    receipt_no          text COLLATE "C" NOT NULL,
    line_no             bigint NOT NULL,
    posted_ms           bigint NOT NULL,
    business_date       text COLLATE "C" NOT NULL,
    window_id           text COLLATE "C" NOT NULL,
    session_id          text COLLATE "C" NOT NULL,
    cashier_id          text COLLATE "C" NOT NULL,
    tender_id           text COLLATE "C" NOT NULL,
    tender_type         text COLLATE "C" NOT NULL,
    tender_amount_cents bigint NOT NULL,
    change_cents        bigint NOT NULL,
    account_no          text COLLATE "C" NOT NULL,
    service             text COLLATE "C" NOT NULL,
    fund                text COLLATE "C" NOT NULL,
    allocation_cents    bigint NOT NULL,
    status              text COLLATE "C" NOT NULL CHECK (status IN ('posted', 'void', 'reversed', 'unknown')),
    void_of             text COLLATE "C" NOT NULL,
    void_by             text COLLATE "C" NOT NULL,
    auth_code           text COLLATE "C" NOT NULL,
    batch_id            text COLLATE "C" NOT NULL,
    source_system       text COLLATE "C" NOT NULL,
    source_ref          text COLLATE "C" NOT NULL,
    content             bytea NOT NULL CHECK (length(content) = 32),
    site                text COLLATE "C" NOT NULL DEFAULT current_setting('till.site'),
    PRIMARY KEY (site, id),
    UNIQUE (site, source_system, receipt_no, line_no),
    FOREIGN KEY (site, file_id) REFERENCES posted_file (site, id)
);
CREATE INDEX posting_by_day ON posting (site, business_date, window_id);
CREATE INDEX posting_by_time ON posting (site, window_id, posted_ms);
CREATE INDEX posting_by_file ON posting (site, file_id);

CREATE TABLE posting_quarantine (
    id        bigint NOT NULL,
    file_id   bigint NOT NULL,
    file_line bigint NOT NULL,
    reason    text COLLATE "C" NOT NULL,
    site      text COLLATE "C" NOT NULL DEFAULT current_setting('till.site'),
    PRIMARY KEY (site, id),
    FOREIGN KEY (site, file_id) REFERENCES posted_file (site, id)
);

CREATE TABLE upkeep (
    name  text COLLATE "C" NOT NULL,
    value bigint NOT NULL,
    site  text COLLATE "C" NOT NULL DEFAULT current_setting('till.site'),
    PRIMARY KEY (site, name)
);

-- Who hears which device, where several workers serve a site (gateway/store/leases.py): states of now, in no entry. The time is the
-- server's own, so that no worker's clock matters.
CREATE TABLE worker (
    site     text COLLATE "C" NOT NULL DEFAULT current_setting('till.site'),
    name     text COLLATE "C" NOT NULL,
    number   bigint NOT NULL,
    until_ms bigint NOT NULL,
    PRIMARY KEY (site, name)
) WITH (fillfactor = 50);

CREATE TABLE lease (
    site   text COLLATE "C" NOT NULL DEFAULT current_setting('till.site'),
    device text COLLATE "C" NOT NULL,
    worker text COLLATE "C" NOT NULL,
    PRIMARY KEY (site, device)
) WITH (fillfactor = 50);

CREATE FUNCTION now_ms() RETURNS bigint LANGUAGE sql VOLATILE AS $$ SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint $$;

-- Whoever owns the tables is bound too (FORCE). A role that row security does not bind is refused at opening.
DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['entry', 'cursor', 'segment', 'gap', 'heartbeat', 'counter', 'quarantine', 'incident', 'command',
        'device_event', 'checkpoint', 'posted_file', 'posting', 'posting_quarantine', 'upkeep',
        'worker', 'lease']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY own_site ON %I USING (site = current_setting(''till.site''))'
            ' WITH CHECK (site = current_setting(''till.site''))', name);
    END LOOP;
END $$;

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['entry', 'segment', 'gap', 'quarantine', 'incident', 'command', 'device_event', 'checkpoint',
        'posted_file', 'posting', 'posting_quarantine']
    LOOP
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON %I FOR EACH ROW EXECUTE FUNCTION refuse_change()',
            name);
        EXECUTE format('CREATE TRIGGER never_emptied BEFORE TRUNCATE ON %I EXECUTE FUNCTION refuse_change()', name);
    END LOOP;
END $$;

CREATE FUNCTION refuse_way_back() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a cursor never goes back' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER no_way_back BEFORE UPDATE ON cursor FOR EACH ROW
    WHEN (NEW.high_water < OLD.high_water OR NEW.device <> OLD.device OR NEW.epoch <> OLD.epoch OR NEW.site <> OLD.site)
    EXECUTE FUNCTION refuse_way_back();

CREATE FUNCTION refuse_deletion() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a cursor is never deleted' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER never_deleted BEFORE DELETE ON cursor FOR EACH ROW EXECUTE FUNCTION refuse_deletion();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON cursor EXECUTE FUNCTION refuse_deletion();
