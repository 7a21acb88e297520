/* SPDX-License-Identifier: MIT */
/*
 * A restored database: store_open() found that it is older than the newest commit in its data
 * directory, or `trainyardd --restore` has put it there. It does not know what was started after
 * its copy was made. So until a user confirms it, no job starts, and nothing is created on
 * SageMaker. The rules of store.h hold.
 */
#pragma once

#include "jobs/sagemaker/resource.h"
#include "storage/store.h"

#include <limits.h>

/* Rows of `meta`: the wall clock of store_restored_us(); the path of the backup, by which --restore
 * tells store_open() of it. */
#define STORE_RESTORED_US   "restored_us"
#define STORE_RESTORED_FROM "restored_from"

/* Time of the store_open() that found the database restored; 0 if it was not, or if that was
 * confirmed before the store was opened. */
int64_t store_restored_us(const struct store *st);
/* In a transaction: the user confirms. Intents that waited for it are due now. */
int store_restore_confirm(struct store *st, struct err *reterr) MUSTCHECK;
struct store_restore {
	char from[PATH_MAX]; /* the backup; "": only its copy was found */
	int unchecked;	     /* live resources that were not described since */
	char unchecked_name[RESOURCE_NAME_MAX + 1]; /* one of them; "": there is none */
};
int store_restore_get(struct store *st, struct store_restore *ret, struct err *reterr) MUSTCHECK;
