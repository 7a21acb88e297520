-- SPDX-License-Identifier: MIT
-- A lease that somebody renewed is kept by an update that would end it sooner.

ALTER TABLE endpoints ADD COLUMN lease_renewed INTEGER NOT NULL DEFAULT 0;
