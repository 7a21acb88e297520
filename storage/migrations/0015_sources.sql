-- SPDX-License-Identifier: MIT
-- Which frozen copies of source directories (sources/HASH) the jobs of kept runs need: all that their specs name. The
-- rows of a run go with its files. And the copies that are being removed: a row is here before the folder moves to the
-- trash, and goes after that, or when a new job needs the folder first.

CREATE TABLE source_uses (
	job TEXT NOT NULL REFERENCES jobs (id),
	source TEXT NOT NULL,
	PRIMARY KEY (job, source)
) STRICT, WITHOUT ROWID;
CREATE INDEX source_uses_source ON source_uses (source);

INSERT OR IGNORE INTO source_uses (job, source)
	SELECT j.id, substr(t.value, 15, 64) FROM jobs j JOIN runs r ON r.id = j.run JOIN job_specs s ON s.n = j.n,
		json_tree(s.spec) t
	WHERE r.pruned_us = 0 AND instr(s.spec, 'data:/sources/') AND t.type = 'text' AND t.value GLOB 'data:/sources/*'
		AND length(substr(t.value, 15, 64)) = 64 AND substr(t.value, 79, 1) IN ('', '/');

CREATE TABLE source_removals (
	source TEXT PRIMARY KEY NOT NULL
) STRICT, WITHOUT ROWID;

-- A prune looks at the kept runs from the newest to the oldest, in turns.
CREATE INDEX runs_kept ON runs (n) WHERE finished_us > 0 AND pruned_us = 0;
CREATE INDEX endpoints_run ON endpoints (run) WHERE run IS NOT NULL;
