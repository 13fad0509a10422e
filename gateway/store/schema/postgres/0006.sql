-- From schema 5 to 6, for all sites of a database at once: as SQLite's 0006.sql.

CREATE INDEX posting_in_suspense ON posting (site, business_date) WHERE fund IN ('', 'suspense');
CREATE INDEX posting_taking_back ON posting (site, source_system, void_of) WHERE void_of <> '';
