/* SPDX-License-Identifier: MIT */
/*
 * Bytes of a text file, plain or gzip (found out by its first bytes), block by block: the one door
 * to zlib. Memory is two blocks, whatever the file's size. As Python's gzip: all members are read,
 * zeros between and behind them are padding, and any other byte there is an error.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gzip;

struct input {
	const char *path; /* borrowed */
	int fd;
	struct gzip *gz; /* NULL: a plain file */
	char *block;
	size_t at, n;	      /* block[at .. n) is not consumed yet */
	int64_t size, offset; /* of the file as it lies on disk, and how much of it is read */
};

/* -ENOENT, -EISDIR and the like; -ERR_INVALID: its first bytes are no UTF-8 text's (encoding.h). A
 * UTF-8 byte order mark is skipped. */
int input_open(struct input *in, const char *path, struct err *reterr) MUSTCHECK;
/* Call when block[at .. n) is empty. 1: there is more, 0: the end, -ERR_CORRUPT: broken gzip, or
 * other bytes behind its end. */
int input_fill(struct input *in, struct err *reterr) MUSTCHECK;
/* How much of the file is read, 0 to 1. */
double input_fraction(const struct input *in);
void input_close(struct input *in);
