/* SPDX-License-Identifier: MIT */
/* Arrow's decimals: a two's complement number of 32 to 256 bits and how many of its digits stand
 * behind the point. */
#pragma once

#include "worker/dataset/label_value.h"

#include <stdbool.h>
#include <stddef.h>

#define DECIMAL_BITS_MAX  256
#define DECIMAL_SCALE_MAX 76 /* Arrow's greatest precision */

struct decimal_type {
	size_t bytes;
	int scale; /* 0 to DECIMAL_SCALE_MAX */
};

/* Parse a format of Arrow's C data interface, "d:PRECISION,SCALE[,BITS]". False: it is no decimal,
 * or its scale is out of range. */
bool decimal_type(const char *format, struct decimal_type *ret);
/* What the little-endian value says about a class: a whole number below 2^63, or a number that
 * cannot be a class, with its text. */
void decimal_label(const struct decimal_type *type, const void *value, struct label_value *ret);
