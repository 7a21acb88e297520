/* SPDX-License-Identifier: MIT */
/* States that need a person before something happens: a lease that ends, a cap that is nearly used
 * up, a disk that is nearly full. Each is notified once, by its key. */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "daemon/settings.h"
#include "storage/store_read.h"

#define CONDITION_CAP_PERCENT 80 /* of a cap, reserved and spent */
#define CONDITION_KEY_MAX     (SPEC_NAME_MAX + 1)

/* Find the first condition that holds and was not notified. *ret is its message, and `key` its key;
 * NULL: there is none. Blocks on the disk. */
int condition_find(const struct settings *set, struct store_reader *sr, int64_t now_us,
		   char key[CONDITION_KEY_MAX], json_t **ret, struct err *reterr) MUSTCHECK;
