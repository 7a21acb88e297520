-- SPDX-License-Identifier: MIT
-- The scheduler reads only jobs that may start: a held job is not in its index. The queue's list reads its first
-- rows in order, the queued ones and then the blocked ones, without sorting the rest.

DROP INDEX jobs_queued;
CREATE INDEX jobs_queued ON jobs (target, place, priority DESC) WHERE state = 'queued' AND held = 0;
DROP INDEX jobs_backing_off;
CREATE INDEX jobs_backing_off ON jobs (not_before_us) WHERE state = 'queued' AND not_before_us > 0 AND held = 0;
CREATE INDEX jobs_list_queued ON jobs (held, priority DESC) WHERE state = 'queued';
CREATE INDEX jobs_list_blocked ON jobs (held, priority DESC) WHERE state = 'blocked';
