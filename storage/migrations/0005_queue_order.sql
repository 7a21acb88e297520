-- SPDX-License-Identifier: MIT
-- The queue's order among equals is that of `n`: by the run's submit, then by the job. An index ends with it.

DROP INDEX jobs_queued;
CREATE INDEX jobs_queued ON jobs (target, place, priority DESC) WHERE state = 'queued';
