/* SPDX-License-Identifier: MIT */
/* The Range header, one range of bytes. Pure. */
#pragma once

#include <stdint.h>

struct byte_range {
	uint64_t first, len;
};

/* 1: *ret is the part asked for; 0: no range that is understood (several, other units): send all;
 * -ERANGE: no byte of it is in the file. */
int range_parse(const char *header, uint64_t size, struct byte_range *ret);
