/* SPDX-License-Identifier: MIT */
/* submit --set and clone --param PATH=VALUE: change one value of a pipeline before it is sent. */
#pragma once

#include "base/err.h"
#include "base/json.h"

/* Apply "a.b.c=VALUE", or with a JSON pointer (RFC 6901) "/a/b/c=VALUE". A part of the path is a
 * key of an object (created if missing) or an index of a list. It may also be the "name" of a
 * list's element. VALUE is JSON if it parses, else a string. -ERR_INVALID: the message names the
 * wrong part. */
int set_apply(json_t *root, const char *assignment, struct err *reterr) MUSTCHECK;
