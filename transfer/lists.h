/* SPDX-License-Identifier: MIT */
/* The entries of the lists "fetch" and "push" in spec.json. */
#pragma once

#include "transfer/s3/put.h"
#include "transfer/transfer.h"

/* Check that `list` is an array or absent. -ERR_INVALID: it is neither, or it is too long. */
int list_check(const json_t *list, const char *name, struct err *reterr) MUSTCHECK;
int fetch_item_parse(const struct transfer *t, const json_t *item, size_t index,
		     struct fetch_item *ret, struct err *reterr) MUSTCHECK;
int push_item_parse(const struct transfer *t, const json_t *item, size_t index,
		    struct push_item *ret, struct err *reterr) MUSTCHECK;
