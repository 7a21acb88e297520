/* SPDX-License-Identifier: MIT */
/*
 * The thread that removes and measures files: never the manager's, never one of the api. It knows
 * runs and executions by their ids and nothing of the database: what it is told is committed, and
 * what it has done it says by a message. Killed anywhere, the same removal may be asked for again.
 *
 * Directories move from executions/ID to executions/.trash/ID first (one step, one file system),
 * the end of the log comes back as a directory executions/ID of its own, and what lies in the trash
 * goes in small parts.
 */
#pragma once

#include "daemon/manager.h"

#include <stdbool.h>

#define TRASH_FOLDER	    ".trash" /* in the folder of the executions */
#define TRASH_STEP_ENTRIES  4096     /* removed between two looks at what else is to do */
#define MEASURE_ENTRIES_MAX 1000000  /* of one question */
#define LOG_KEPT_BYTES	    65536    /* of the end of a log */

struct trash;

/* What is removed of a run. */
struct removal {
	char run[ID_LEN];
	bool rows;	    /* the ends of logs go, too */
	json_t *executions; /* ids; owned */
	int64_t bytes;	    /* freed so far */
	int result;	    /* when it comes back: 0, or negative: something could not be removed */
	struct err why;
	struct removal *next; /* the thread's */
};
void removal_free(struct removal *rm);

/* `done` runs on the thread, when a removal is over; it takes that over. */
int trash_open(const char *data_dir, void (*done)(void *userdata, struct removal *rm),
	       void *userdata, struct trash **ret, struct err *reterr) MUSTCHECK;
/* Manager's thread. Takes over `rm`; one of the same run that waits already is enough. */
void trash_add(struct trash *t, struct removal *rm);
/* When all removals that the daemon before has begun are asked for: behind them, what is left in
 * the trash goes. */
void trash_sweep(struct trash *t);
/* Any thread; see manager_measure(). */
int trash_measure(struct trash *t, struct measure *m, struct err *reterr) MUSTCHECK;
/* Ends the thread within a step; what waits comes back as its caller's. NULL is allowed. */
void trash_close(struct trash *t);

/* ---- kept_log.c ---- */
/* Make executions/ID anew with the last LOG_KEPT_BYTES of the log in trash/ID, whole lines where
 * there are some, at the offsets that they had. Durable on return. No readable log: nothing is
 * made. `at` is the folder of the executions, `trash` the trash. */
int kept_log_make(int at, int trash, const char *id, struct err *reterr) MUSTCHECK;
