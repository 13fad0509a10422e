-- Where rule R22 looks: what waits in suspense, and what takes a receipt back (gateway/store/other_days.py). A year has millions of
-- postings and few of either.

CREATE INDEX posting_in_suspense ON posting (business_date) WHERE fund IN ('', 'suspense');
CREATE INDEX posting_taking_back ON posting (source_system, void_of) WHERE void_of <> '';
