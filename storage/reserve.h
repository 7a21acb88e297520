/* SPDX-License-Identifier: MIT */
/*
 * A reserve: a file of allocated blocks beside the database. If the disk is full, the blocks are
 * freed once, so that the database can still be written. When the disk has room, the file is
 * allocated again. Any thread may call reserve_give_up(); only the writer calls the rest.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct reserve {
	int fd;
	int64_t bytes;
	bool held;	     /* True if the blocks are allocated; atomic */
	int64_t next_try_us; /* clock_mono_us */
};

/* Open DIR/NAME. A disk without room for the reserve is no error: the reserve is not held and is
 * tried again later. */
int reserve_open(const char *dir, const char *name, int64_t bytes, struct reserve *ret,
		 struct err *reterr) MUSTCHECK;
/* Free the blocks. Returns false if they were already freed. */
bool reserve_give_up(struct reserve *rv);
/* Allocate the blocks again if they are not held, the last try is long ago and the disk has room.
 * Returns true if the blocks are held. */
bool reserve_renew(struct reserve *rv);
void reserve_close(struct reserve *rv);
