-- SPDX-License-Identifier: MIT
-- SHA-256 of the random value that the exit record of an execution must carry. '': started before this was kept.

ALTER TABLE executions ADD COLUMN proof TEXT NOT NULL DEFAULT '';
