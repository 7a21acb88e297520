/* SPDX-License-Identifier: MIT */
/* Copies of the database while the daemon writes it. The backup thread of the daemon calls this. */
#pragma once

#include "base/err.h"
#include "storage/store_read.h"

/* Write a copy of the database as it is now to `name` in the directory `dir`, check it, and only
 * then give it its name. Durable. Blocks on the disk for as long as reading and writing the
 * database takes; nobody waits for it. -ERR_EXISTS: there is such a file; -ERR_CORRUPT: the copy,
 * so the database, is damaged; -ERR_CANCELLED: see store_reader_interrupt(). After an error no file
 * is left. */
int store_backup(struct store_reader *sr, const char *dir, const char *name,
		 struct err *reterr) MUSTCHECK;
