/* SPDX-License-Identifier: MIT */
/* The entries of "fetch" and "push" as spec.json has them. */
#pragma once

#include "transfer/s3/put.h"
#include "transfer/transfer.h"

/* list: an array or absent. -ERR_INVALID: not a list, too long. */
int list_check(const json_t *list, const char *name, struct err *reterr) MUSTCHECK;
int fetch_item_parse(const struct transfer *t, const json_t *item, size_t index,
		     struct fetch_item *ret, struct err *reterr) MUSTCHECK;
int push_item_parse(const struct transfer *t, const json_t *item, size_t index,
		    struct push_item *ret, struct err *reterr) MUSTCHECK;
