-- SPDX-License-Identifier: MIT
-- When the files of a run were removed (0: they were not), and the removals that are under way: an intent is here
-- before the first file moves, and goes when the last one is gone (with_rows: the run's rows go, too).

ALTER TABLE runs ADD COLUMN pruned_us INTEGER NOT NULL DEFAULT 0;
CREATE INDEX runs_prunable ON runs (finished_us) WHERE finished_us > 0 AND pruned_us = 0;

CREATE TABLE prunes (
	run TEXT PRIMARY KEY NOT NULL REFERENCES runs (id),
	with_rows INTEGER NOT NULL,
	asked_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
