/* SPDX-License-Identifier: MIT */
/*
 * The reserve: a file of STORE_RESERVE_BYTES allocated blocks beside the database. When the disk is
 * full it is given up, once, so that states can still be written; it is made again when there is
 * room. reserve_give_up() may be called from any thread, the rest belongs to the writer.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct reserve {
	int fd;
	bool held;	     /* the blocks are there; atomic */
	int64_t next_try_us; /* clock_mono_us */
};

/* A disk too full for the reserve is no error: it is then not held, and tried again later. */
int reserve_open(const char *dir, struct reserve *ret, struct err *reterr) MUSTCHECK;
/* Free the blocks; false: they were gone already. */
bool reserve_give_up(struct reserve *rv);
/* If the blocks are not held, the last try is long ago and the disk has room, make them again.
 * True if they are held. */
bool reserve_renew(struct reserve *rv);
void reserve_close(struct reserve *rv);
