-- SPDX-License-Identifier: MIT
-- Lists sorted by a metric refuse a name that no job has: known without reading every job's metrics.

CREATE INDEX metrics_last_name ON metrics_last (name);
