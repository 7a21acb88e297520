-- SPDX-License-Identifier: MIT
-- Jobs are counted by kind and state, so that a scrape of /metrics reads a few dozen rows, however many
-- jobs there are. Runs and endpoints have no kind.

ALTER TABLE counts RENAME TO counts_before;
CREATE TABLE counts (
	what TEXT NOT NULL CHECK (what IN ('jobs', 'runs', 'endpoints')),
	kind TEXT NOT NULL, -- of jobs; '' of the others
	state TEXT NOT NULL,
	n INTEGER NOT NULL,
	PRIMARY KEY (what, kind, state)
) STRICT, WITHOUT ROWID;
INSERT INTO counts SELECT what, '', state, n FROM counts_before WHERE what != 'jobs';
INSERT INTO counts SELECT 'jobs', kind, state, count(*) FROM jobs GROUP BY kind, state;
DROP TABLE counts_before;
