-- SPDX-License-Identifier: MIT
-- What a job uses of another run: the attempt whose outputs it was resolved to at the submit. A pin holds as long
-- as the row of `job` is there: what it names is not pruned.

CREATE TABLE pins (
	job TEXT NOT NULL REFERENCES jobs (id),
	other TEXT NOT NULL REFERENCES jobs (id),
	attempt INTEGER NOT NULL,
	PRIMARY KEY (job, other)
) STRICT, WITHOUT ROWID;
CREATE INDEX pins_other ON pins (other);
