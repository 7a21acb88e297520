/* SPDX-License-Identifier: MIT */
/* submit --set and clone --param PATH=VALUE: change one value of a pipeline before it is sent. */
#pragma once

#include "base/err.h"
#include "base/json.h"

/* `assignment` is "a.b.c=VALUE", or a JSON pointer (RFC 6901): "/a/b/c=VALUE". A part of the path
 * is a key of an object (made when it is not there), or the index of a list's element, or the
 * "name" of one. VALUE is JSON when it parses as such, else a string. -ERR_INVALID says which part
 * does not fit. */
int set_apply(json_t *root, const char *assignment, struct err *reterr) MUSTCHECK;
