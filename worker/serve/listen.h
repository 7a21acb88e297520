/* SPDX-License-Identifier: MIT */
/* The unix socket of an endpoint's server. */
#pragma once

#include "base/err.h"

/* Listen on the socket `name` in the directory `work_at`, for this user alone. An old socket of
 * the name goes. Returns a descriptor that the caller closes. */
int serve_listen(int work_at, const char *name, struct err *reterr) MUSTCHECK;
