/* SPDX-License-Identifier: MIT */
/* Requests with an Idempotency-Key. The rules of store.h hold: an open transaction, the same
 * errors. */
#pragma once

#include "base/clock.h"
#include "storage/store.h"

#define STORE_REPEATS_KEEP_US (24 * 3600 * USEC_PER_SEC)

/* Find a key of the last 24 hours. Returns 1 and the result's id, or 0. -ERR_REUSED: the key
 * belongs to another request. */
int store_repeat_find(struct store *st, const char *key, const char *request, char *ret_result,
		      size_t size, int64_t now_us, struct err *reterr) MUSTCHECK;
/* Store a key with the id of what its request did, and remove those that are too old. */
int store_repeat_add(struct store *st, const char *key, const char *request, const char *result,
		     int64_t now_us, struct err *reterr) MUSTCHECK;
