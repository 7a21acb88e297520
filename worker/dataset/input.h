/* SPDX-License-Identifier: MIT */
/*
 * Reads a text file, plain or gzip (recognised by its first bytes), block by block. The only
 * interface to zlib. Memory is two blocks, whatever the file's size. As in Python's gzip, all
 * members are read, zeros between and after them are padding, and any other byte there is an error.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gzip;

struct input {
	const char *path; /* borrowed */
	int fd;		  /* -1: bytes in memory, all in the block */
	struct gzip *gz;  /* NULL: a plain file */
	char *block;
	size_t at, n;	      /* block[at .. n) is not consumed yet */
	int64_t size, offset; /* of the file on disk, and the number of bytes read */
};

/* -ENOENT, -EISDIR and similar. -ERR_INVALID: the first bytes show that the file is no UTF-8 text
 * (encoding.h). A UTF-8 byte order mark is skipped. */
int input_open(struct input *in, const char *path, struct err *reterr) MUSTCHECK;
/* The same for bytes in memory, which are copied and not unpacked. `name` stands in messages. */
int input_open_bytes(struct input *in, const char *name, const char *bytes, size_t len,
		     struct err *reterr) MUSTCHECK;
/* Call this if block[at .. n) is empty. 1: there is more. 0: the end. -ERR_CORRUPT: damaged gzip,
 * or other bytes after its end. */
int input_fill(struct input *in, struct err *reterr) MUSTCHECK;
/* The part of the file that is read, 0 to 1. */
double input_fraction(const struct input *in);
void input_close(struct input *in);
