-- SPDX-License-Identifier: MIT
-- Conditions that were notified: a lease, a cap, a disk. The key names the occasion, so that each is
-- notified once. Changes are notified by their events; meta has how far (`notified_seq`).

CREATE TABLE notices (
	key TEXT PRIMARY KEY NOT NULL,
	at_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
