-- SPDX-License-Identifier: MIT
-- A reference "${NAME/job.output}" and a list by name look a run up by its name, the newest first.

CREATE INDEX runs_name ON runs (name, created_us);
