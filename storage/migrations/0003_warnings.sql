-- SPDX-License-Identifier: MIT
-- Warnings of jobs: one row for each kind (`code`) of an attempt, however often it was reported. Attempt 0
-- holds what the submit found, one row for each finding, with the field it speaks of.

CREATE TABLE warnings (
	n INTEGER PRIMARY KEY,
	job TEXT NOT NULL REFERENCES jobs (id),
	attempt INTEGER NOT NULL,
	code TEXT NOT NULL,
	pointer TEXT, -- of a field of the job's spec
	detail TEXT NOT NULL, -- of the first report
	count INTEGER NOT NULL
) STRICT;
CREATE INDEX warnings_job ON warnings (job, attempt);
