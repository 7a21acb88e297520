-- SPDX-License-Identifier: MIT
-- What the daemon makes in the cloud, the log streams that it follows there, and the money that it may
-- cost. The install id tells this database's resources from those of others in the same account.

INSERT INTO meta (key, value) VALUES ('install', lower(hex(randomblob(8))));

-- Of an endpoint that was updated: the resolved spec of the deploy before, for a roll-back; and its server of
-- that deploy, which answers what it was asked and goes.
ALTER TABLE endpoints ADD COLUMN previous TEXT;
ALTER TABLE executions ADD COLUMN retired INTEGER NOT NULL DEFAULT 0;

-- An intent is here before the first paid call, and stays for the records when the thing is gone.
CREATE TABLE cloud (
	n INTEGER PRIMARY KEY,
	id TEXT NOT NULL UNIQUE,
	kind TEXT NOT NULL,
	state TEXT NOT NULL,
	wanted INTEGER NOT NULL,
	name TEXT NOT NULL,
	nonce TEXT NOT NULL,
	region TEXT NOT NULL,
	arn TEXT NOT NULL DEFAULT '',
	job TEXT REFERENCES jobs (id), -- neither job nor endpoint: adopted out of the account
	attempt INTEGER NOT NULL DEFAULT 0,
	endpoint TEXT REFERENCES endpoints (id),
	request TEXT,
	answer TEXT,
	status TEXT NOT NULL DEFAULT '',
	reason_code TEXT NOT NULL DEFAULT '',
	reason_message TEXT NOT NULL DEFAULT '',
	tries INTEGER NOT NULL DEFAULT 0,
	next_us INTEGER NOT NULL DEFAULT 0,
	sent_us INTEGER NOT NULL DEFAULT 0,
	asked_us INTEGER NOT NULL DEFAULT 0,
	log_size INTEGER NOT NULL DEFAULT 0,
	created_us INTEGER NOT NULL,
	present_us INTEGER NOT NULL DEFAULT 0,
	ended_us INTEGER NOT NULL DEFAULT 0,
	-- The ledger's sums of this resource, written with each of its entries.
	reserved_micro_usd INTEGER NOT NULL DEFAULT 0,
	difference_micro_usd INTEGER NOT NULL DEFAULT 0, -- of settlements; usually below 0
	settled_us INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX cloud_due ON cloud (next_us) WHERE state NOT IN ('ended', 'refused');
CREATE UNIQUE INDEX cloud_live_name ON cloud (name, kind, region) WHERE state NOT IN ('ended', 'refused');
CREATE INDEX cloud_job ON cloud (job, attempt) WHERE job IS NOT NULL;
CREATE INDEX cloud_endpoint ON cloud (endpoint) WHERE endpoint IS NOT NULL;
CREATE INDEX cloud_open_money ON cloud (created_us) WHERE reserved_micro_usd > 0 AND settled_us = 0;

CREATE TABLE cloud_streams (
	cloud TEXT NOT NULL REFERENCES cloud (id),
	stream TEXT NOT NULL,
	token TEXT NOT NULL,
	events INTEGER NOT NULL, -- taken so far
	PRIMARY KEY (cloud, stream)
) STRICT, WITHOUT ROWID;

-- The ledger. `day` (days since 1970, UTC) is the day whose and whose month's cap the entry counts
-- against: that of the reservation, also for what a settlement gives back of it later.
CREATE TABLE money (
	n INTEGER PRIMARY KEY,
	at_us INTEGER NOT NULL,
	what TEXT NOT NULL CHECK (what IN ('reserve', 'settle')),
	day INTEGER NOT NULL,
	cloud TEXT NOT NULL REFERENCES cloud (id),
	job TEXT REFERENCES jobs (id),
	endpoint TEXT REFERENCES endpoints (id),
	micro_usd INTEGER NOT NULL,
	words TEXT NOT NULL
) STRICT;
CREATE INDEX money_cloud ON money (cloud);
CREATE INDEX money_day ON money (day);

CREATE TRIGGER money_is_never_changed BEFORE UPDATE ON money
BEGIN SELECT RAISE(ABORT, 'the money ledger is append-only'); END;
CREATE TRIGGER money_is_never_deleted BEFORE DELETE ON money
BEGIN SELECT RAISE(ABORT, 'the money ledger is append-only'); END;
CREATE TRIGGER money_is_never_replaced BEFORE INSERT ON money
WHEN EXISTS (SELECT 1 FROM money WHERE n = NEW.n)
BEGIN SELECT RAISE(ABORT, 'the money ledger is append-only'); END;

-- Sums of each day, written with each entry. `open`: the part whose resources are not settled yet.
CREATE TABLE money_days (
	day INTEGER PRIMARY KEY,
	micro_usd INTEGER NOT NULL,
	open_micro_usd INTEGER NOT NULL
) STRICT;
