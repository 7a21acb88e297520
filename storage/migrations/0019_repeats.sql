-- SPDX-License-Identifier: MIT
-- Requests with an Idempotency-Key, stored with what they did: a repeated one does nothing again.

CREATE TABLE repeats (
	key TEXT PRIMARY KEY NOT NULL,
	request TEXT NOT NULL, -- SHA-256 of its path and body
	result TEXT NOT NULL,  -- id of what it made or changed
	at_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX repeats_at ON repeats (at_us);
