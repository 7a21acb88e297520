-- SPDX-License-Identifier: MIT
-- The first schema. Times are microseconds since the epoch, 0 when they have not come. States, kinds
-- and reason codes are the texts of jobs/. JSON is stored as compact text. `seq` is the newest event
-- that changed the row: its ETag.

PRAGMA application_id = 0x54524e59; -- TRNY

CREATE TABLE meta (
	key TEXT PRIMARY KEY NOT NULL,
	value ANY NOT NULL
) STRICT, WITHOUT ROWID;

-- How many rows are in each state, kept with the states.
CREATE TABLE counts (
	what TEXT NOT NULL CHECK (what IN ('jobs', 'runs', 'endpoints')),
	state TEXT NOT NULL,
	n INTEGER NOT NULL,
	PRIMARY KEY (what, state)
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
	n INTEGER PRIMARY KEY,
	id TEXT NOT NULL UNIQUE,
	name TEXT NOT NULL,
	state TEXT NOT NULL,
	tags TEXT NOT NULL,
	created_us INTEGER NOT NULL,
	started_us INTEGER NOT NULL DEFAULT 0,
	finished_us INTEGER NOT NULL DEFAULT 0,
	seq INTEGER NOT NULL
) STRICT;
CREATE INDEX runs_created ON runs (created_us);
CREATE INDEX runs_state ON runs (state, created_us);

-- As submitted. Apart from runs, which are rewritten at each change.
CREATE TABLE run_bodies (
	n INTEGER PRIMARY KEY REFERENCES runs (n),
	body TEXT NOT NULL
) STRICT;

CREATE TABLE jobs (
	n INTEGER PRIMARY KEY,
	id TEXT NOT NULL UNIQUE,
	run TEXT NOT NULL REFERENCES runs (id),
	idx INTEGER NOT NULL,
	name TEXT NOT NULL,
	kind TEXT NOT NULL,
	target TEXT NOT NULL,
	state TEXT NOT NULL,
	reason_code TEXT NOT NULL DEFAULT '',
	reason_message TEXT NOT NULL DEFAULT '',
	attempt INTEGER NOT NULL DEFAULT 0,
	auto_retries INTEGER NOT NULL DEFAULT 0,
	place TEXT NOT NULL, -- none, cpu, endpoint, gpu: the line it waits in
	priority INTEGER NOT NULL DEFAULT 0,
	held INTEGER NOT NULL DEFAULT 0,
	cancel_requested_us INTEGER NOT NULL DEFAULT 0,
	created_us INTEGER NOT NULL,
	queued_us INTEGER NOT NULL DEFAULT 0,
	started_us INTEGER NOT NULL DEFAULT 0,
	finished_us INTEGER NOT NULL DEFAULT 0,
	not_before_us INTEGER NOT NULL DEFAULT 0,
	tags TEXT NOT NULL,
	outputs TEXT NOT NULL DEFAULT '{}',
	seq INTEGER NOT NULL,
	UNIQUE (run, idx)
) STRICT;
CREATE INDEX jobs_created ON jobs (created_us);
CREATE INDEX jobs_state ON jobs (state, created_us);
CREATE INDEX jobs_queued ON jobs (target, place, priority DESC, queued_us) WHERE state = 'queued';
CREATE INDEX jobs_backing_off ON jobs (not_before_us) WHERE state = 'queued' AND not_before_us > 0;

-- Normalised, references unresolved. Apart from jobs, as run_bodies.
CREATE TABLE job_specs (
	n INTEGER PRIMARY KEY REFERENCES jobs (n),
	spec TEXT NOT NULL
) STRICT;

CREATE TABLE needs (
	job TEXT NOT NULL REFERENCES jobs (id),
	other TEXT NOT NULL REFERENCES jobs (id),
	outcome TEXT NOT NULL CHECK (outcome IN ('success', 'failure', 'always')),
	at INTEGER NOT NULL, -- position in the job's list; after the key: integrity_check of 3.40 errs
	PRIMARY KEY (job, other, outcome)
) STRICT, WITHOUT ROWID;
CREATE INDEX needs_other ON needs (other);

CREATE TABLE attempts (
	n INTEGER PRIMARY KEY,
	job TEXT NOT NULL REFERENCES jobs (id),
	number INTEGER NOT NULL,
	state TEXT NOT NULL,
	reason_code TEXT NOT NULL DEFAULT '',
	reason_message TEXT NOT NULL DEFAULT '',
	created_us INTEGER NOT NULL,
	started_us INTEGER NOT NULL DEFAULT 0,
	finished_us INTEGER NOT NULL DEFAULT 0,
	progress TEXT,
	exit TEXT,
	outputs TEXT,
	UNIQUE (job, number)
) STRICT;

CREATE TABLE endpoints (
	n INTEGER PRIMARY KEY,
	id TEXT NOT NULL UNIQUE,
	name TEXT NOT NULL,
	target TEXT NOT NULL,
	state TEXT NOT NULL,
	wanted INTEGER NOT NULL,
	reason_code TEXT NOT NULL DEFAULT '',
	reason_message TEXT NOT NULL DEFAULT '',
	run TEXT REFERENCES runs (id),
	job TEXT REFERENCES jobs (id),
	model TEXT NOT NULL,
	spec TEXT NOT NULL,
	result TEXT,
	lease_ttl_us INTEGER NOT NULL,
	lease_idle_us INTEGER NOT NULL,
	lease_until_us INTEGER NOT NULL,
	last_request_us INTEGER NOT NULL,
	restarts INTEGER NOT NULL,
	not_before_us INTEGER NOT NULL,
	created_us INTEGER NOT NULL,
	in_service_us INTEGER NOT NULL,
	ended_us INTEGER NOT NULL,
	seq INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX endpoints_live ON endpoints (name) WHERE state NOT IN ('deleted', 'failed');
CREATE INDEX endpoints_name ON endpoints (name);
CREATE INDEX endpoints_created ON endpoints (created_us);
CREATE INDEX endpoints_job ON endpoints (job);

-- One supervised process each; owned by an attempt or by an endpoint.
CREATE TABLE executions (
	n INTEGER PRIMARY KEY,
	id TEXT NOT NULL UNIQUE,
	job TEXT REFERENCES jobs (id),
	attempt INTEGER NOT NULL,
	endpoint TEXT REFERENCES endpoints (id),
	dir TEXT NOT NULL,
	state TEXT NOT NULL,
	boot_id TEXT NOT NULL,
	cpus INTEGER NOT NULL,
	devices TEXT NOT NULL, -- [{"index","uuid"}]
	gpu_memory_bytes INTEGER NOT NULL,
	pid INTEGER NOT NULL,
	events_offset INTEGER NOT NULL,
	started_us INTEGER NOT NULL,
	ended_us INTEGER NOT NULL,
	deadline_us INTEGER NOT NULL,
	CHECK (job IS NOT NULL OR endpoint IS NOT NULL) -- a deploy's first server has both
) STRICT;
CREATE INDEX executions_live ON executions (state) WHERE state != 'ended';
CREATE INDEX executions_job ON executions (job, attempt) WHERE job IS NOT NULL;
CREATE INDEX executions_endpoint ON executions (endpoint) WHERE endpoint IS NOT NULL;

CREATE TABLE metrics (
	n INTEGER PRIMARY KEY,
	job TEXT NOT NULL REFERENCES jobs (id),
	attempt INTEGER NOT NULL,
	at_us INTEGER NOT NULL,
	step INTEGER NOT NULL,
	epoch REAL, -- NULL: none given
	points TEXT NOT NULL
) STRICT;
CREATE INDEX metrics_job ON metrics (job, attempt);

-- The newest number of each name, for lists sorted by a metric.
CREATE TABLE metrics_last (
	job TEXT NOT NULL REFERENCES jobs (id),
	name TEXT NOT NULL,
	attempt INTEGER NOT NULL,
	value REAL NOT NULL,
	PRIMARY KEY (job, name)
) STRICT, WITHOUT ROWID;

-- `seq` never repeats, also when all events were trimmed.
CREATE TABLE events (
	seq INTEGER PRIMARY KEY AUTOINCREMENT,
	at_us INTEGER NOT NULL,
	kind TEXT NOT NULL,
	run TEXT,
	job TEXT,
	endpoint TEXT,
	body TEXT NOT NULL
) STRICT;
CREATE INDEX events_run ON events (run) WHERE run IS NOT NULL;
CREATE INDEX events_job ON events (job) WHERE job IS NOT NULL;
