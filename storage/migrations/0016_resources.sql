-- SPDX-License-Identifier: MIT
-- The tables of what the daemon makes on SageMaker have the names that code and pages use: resource.

ALTER TABLE cloud RENAME TO resources;
ALTER TABLE cloud_streams RENAME TO resource_logs;
ALTER TABLE resource_logs RENAME COLUMN cloud TO resource;
ALTER TABLE money RENAME COLUMN cloud TO resource;

DROP INDEX cloud_due;
DROP INDEX cloud_live_name;
DROP INDEX cloud_job;
DROP INDEX cloud_endpoint;
DROP INDEX cloud_open_money;
DROP INDEX money_cloud;
CREATE INDEX resources_due ON resources (next_us) WHERE state NOT IN ('ended', 'refused');
CREATE UNIQUE INDEX resources_live_name ON resources (name, kind, region) WHERE state NOT IN ('ended', 'refused');
CREATE INDEX resources_job ON resources (job, attempt) WHERE job IS NOT NULL;
CREATE INDEX resources_endpoint ON resources (endpoint) WHERE endpoint IS NOT NULL;
CREATE INDEX resources_open_money ON resources (created_us) WHERE reserved_micro_usd > 0 AND settled_us = 0;
CREATE INDEX money_resource ON money (resource);
