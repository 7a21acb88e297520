-- SPDX-License-Identifier: MIT
-- Of a long series of points a sample is kept: `i` is a point's number in its attempt, from 0. A newest value
-- that is no number (NaN) is NULL.

ALTER TABLE metrics ADD COLUMN i INTEGER NOT NULL DEFAULT 0;
UPDATE metrics SET i = numbered.i FROM
	(SELECT n AS of, row_number() OVER (PARTITION BY job, attempt ORDER BY n) - 1 AS i FROM metrics) AS numbered
	WHERE n = numbered.of;

CREATE TABLE metrics_newest (
	job TEXT NOT NULL REFERENCES jobs (id),
	name TEXT NOT NULL,
	attempt INTEGER NOT NULL,
	value REAL, -- NULL: NaN
	PRIMARY KEY (job, name)
) STRICT, WITHOUT ROWID;
INSERT INTO metrics_newest SELECT job, name, attempt, value FROM metrics_last;
DROP TABLE metrics_last;
ALTER TABLE metrics_newest RENAME TO metrics_last;
CREATE INDEX metrics_last_name ON metrics_last (name);
