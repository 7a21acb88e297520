-- SPDX-License-Identifier: MIT
-- Names of models that users add while the daemon runs, beside those of the configuration: a directory here, or a
-- repository of the hub. A name is resolved when a job is submitted; model_uses remembers which jobs were.

CREATE TABLE models (
	name TEXT PRIMARY KEY NOT NULL,
	source TEXT NOT NULL, -- {"path"} or {"hub", "revision"}
	created_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE model_uses (
	model TEXT NOT NULL REFERENCES models (name) ON DELETE CASCADE,
	job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
	PRIMARY KEY (model, job)
) STRICT, WITHOUT ROWID;
CREATE INDEX model_uses_job ON model_uses (job);
