/* SPDX-License-Identifier: MIT */
/*
 * The thread that removes and measures files, so that neither the manager nor the API blocks on
 * that. The thread knows only the ids of runs and executions, not the database: its requests are
 * committed before, and its results are messages. If it is killed at any point, the same removal
 * can be requested again.
 *
 * A directory first moves from executions/ID to executions/.trash/ID (one step on one file system).
 * The end of the log returns as a new directory executions/ID. The content of the trash is removed
 * in small steps.
 */
#pragma once

#include "daemon/manager.h"

#include <stdbool.h>
#include <sys/queue.h>

#define TRASH_FOLDER	    ".trash" /* in the executions folder */
#define TRASH_STEP_ENTRIES  4096     /* entries removed before the thread checks for other work */
#define MEASURE_ENTRIES_MAX 1000000  /* entries of one measurement */
#define LOG_KEPT_BYTES	    65536    /* bytes of the end of a log that are kept */

struct trash;

/* The removal of a run's files, or of entries that are in the trash. */
struct removal {
	char run[ID_LEN];   /* "": of no run */
	bool rows;	    /* True to remove the ends of logs, too */
	json_t *executions; /* ids; owned */
	json_t *trashed;    /* entries of the trash folder; owned */
	int64_t bytes;	    /* freed so far */
	int result;	    /* set at the end: 0, or negative if an entry could not be removed */
	struct err err;
	STAILQ_ENTRY(removal) link; /* private to the thread */
};
void removal_free(struct removal *rm);

/* Start the thread. `done` runs on it at the end of each removal and takes that over. */
int trash_open(const char *data_dir, void (*done)(void *userdata, struct removal *rm),
	       void *userdata, struct trash **ret, struct err *reterr) MUSTCHECK;
/* Manager's thread. Queue a removal; takes over `rm`. If the same removal already waits, the new
 * request is dropped. */
void trash_add(struct trash *t, struct removal *rm);
/* The descriptor of the data directory; borrowed. */
int trash_data(const struct trash *t);
/* Request the removal of everything else in the trash. Call after all unfinished removals of
 * earlier daemons are queued. */
void trash_sweep(struct trash *t);
/* Any thread; see manager_measure(). */
int trash_measure(struct trash *t, struct measure *m, struct err *reterr) MUSTCHECK;
/* End the thread within one step; pending requests return to their owners. NULL is allowed. */
void trash_close(struct trash *t);

/* ---- trash_folders.c ---- */
/* The folders of a removal. */
struct trash_folders {
	int executions, trash;
};
/* `data` is the data directory. Call trash_folders_done() in any case. */
int trash_folders_open(int data, struct trash_folders *f, struct err *reterr) MUSTCHECK;
void trash_folders_done(const struct trash_folders *f);
/* Move executions/ID to trash/ID. Returns 1 if it was moved, 0 if there is nothing. */
int trash_move_execution(const struct trash_folders *f, const char *id,
			 struct err *reterr) MUSTCHECK;
/* Move sources/NAME to a new name in the trash and append that name to *trashed. Success if there
 * is no such folder. */
int trash_move_source(const struct trash_folders *f, int sources, const char *name, json_t *trashed,
		      struct err *reterr) MUSTCHECK;

/* ---- measure.c ---- */
/* Measure, then call m->done. `data` is the data directory. */
void trash_measure_now(int data, struct measure *m);

/* ---- kept_log.c ---- */
/* Create executions/ID with the last LOG_KEPT_BYTES of the log in trash/ID, at their old offsets;
 * whole lines if possible. Durable on return. Creates nothing if no log is readable. `at` is the
 * executions folder, `trash` the trash. */
int kept_log_make(int at, int trash, const char *id, struct err *reterr) MUSTCHECK;
