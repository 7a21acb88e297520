/* SPDX-License-Identifier: MIT */
/*
 * Bytes of a text file, plain or gzip (found out by its first bytes), block by block: the one door
 * to zlib. Memory is one block, whatever the file's size.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct input {
	const char *path; /* borrowed */
	void *gz;
	char *block;
	size_t at, n; /* block[at .. n) is not consumed yet */
	int64_t size; /* of the file as it lies on disk */
};

/* -ENOENT, -EISDIR and the like; -ERR_INVALID: its first bytes are no UTF-8 text's (encoding.h). A
 * UTF-8 byte order mark is skipped. */
int input_open(struct input *in, const char *path, struct err *reterr) MUSTCHECK;
/* Call when block[at .. n) is empty. 1: there is more, 0: the end, -ERR_CORRUPT: broken gzip. */
int input_fill(struct input *in, struct err *reterr) MUSTCHECK;
/* How much of the file is read, 0 to 1. */
double input_fraction(const struct input *in);
void input_close(struct input *in);
