/* SPDX-License-Identifier: MIT */
/*
 * Numbers that Python writes into JSON and Jansson refuses: NaN, Infinity, -Infinity, integers
 * beyond 64 bits, reals beyond a double. Python's own reader and `datasets` accept them.
 */
#pragma once

#include "base/buf.h"
#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>

/* Append the JSON text s with each such number in a form that Jansson accepts: NaN as null, the
 * others as the nearest real. The rest is unchanged. True if s had such a number. */
bool json_numbers_tame(const char *s, size_t len, struct buf *out);
/* The number of a tamed text, infinite again if json_numbers_tame() had to take the nearest. */
double json_numbers_real(const json_t *real);
