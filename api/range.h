/* SPDX-License-Identifier: MIT */
/* Parses the Range header with one range of bytes. Pure. */
#pragma once

#include <stdint.h>

struct byte_range {
	uint64_t first, len;
};

/* Returns 1 and the requested part in *ret; 0 if the header is absent or not understood (several
 * ranges, other units), which means the whole file; -ERANGE if no requested byte is in the file. */
int range_parse(const char *header, uint64_t size, struct byte_range *ret);
