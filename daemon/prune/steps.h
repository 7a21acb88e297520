/* SPDX-License-Identifier: MIT */
/* Shared by the files of daemon/prune/: the state of prunes and their steps. Manager's thread. */
#pragma once

#include "daemon/prune/prune.h"
#include "daemon/prune/trash.h"

#include <dirent.h>

struct pruner {
	struct trash *trash;
	int64_t retry_us; /* time of the next retry, clock_mono_us; 0: none */
	int tries;	  /* retries so far, without a success */

	int64_t retention_us;  /* time of the next turn of the retention, clock_mono_us */
	int64_t below;	       /* the pass has the runs below this number left; 0: a new pass */
	DIR *sources;	       /* set while a pass looks at the frozen copies */
	int64_t removed, kept; /* runs of the pass so far */
};

/* Log what failed, and resume unfinished intents after a while; the next start resumes them if the
 * daemon stops. `run` is "" for frozen copies. */
static inline void prune_try_later(struct manager *mgr, const char *run, const struct err *err)
{
	struct pruner *p = mgr->pruner;

	if (!p)
		return;
	if (!p->retry_us)
		p->retry_us = clock_mono_us() +
			      backoff_us(PRUNE_RETRY_US, PRUNE_RETRY_MAX_US, ++p->tries);
	log_event(LOG_LEVEL_WARNING, *run ? "files_not_removed" : "sources_not_removed",
		  "run=%s retrying in %d s msg=\"%s\"", run,
		  (int)((p->retry_us - clock_mono_us()) / USEC_PER_SEC) + 1, err->msg);
}

/* ---- run_removal.c ---- */
/* In a transaction: write the intents of these runs and frozen copies, as store_prune_runs(); after
 * the commit queue the removals. */
int prune_begin(struct manager *mgr, const json_t *runs, const json_t *sources, bool rows,
		const char *by, json_t **ret, struct err *reterr) MUSTCHECK;
/* Queue every unfinished intent; the trash ignores those that it already has. */
int removals_resume(struct manager *mgr, struct err *reterr) MUSTCHECK;
/* For trash_open(). Trash thread. */
void removal_on_done(void *userdata, struct removal *rm);

/* ---- source_removal.c ---- */
/* Open the folder of the frozen copies; the caller closes it. NULL: an error, or no such folder. */
DIR *sources_open(const struct manager *mgr, struct err *reterr);
/* Not in a transaction. Move the frozen copies that have an intent to the trash, end the intents
 * and queue the removals. An intent that fails is logged and resumed later. */
void sources_move(struct manager *mgr);
/* At the start, before any submit: move incomplete copies, which a killed daemon has left, to the
 * trash. */
void sources_tidy(struct manager *mgr);

/* ---- retention.c ---- */
/* Each second: some bounded turns of the retention, if it is due. */
void retention_tick(struct manager *mgr);
/* End the pass; the next one begins after the setting's time. */
void retention_postpone(struct manager *mgr);
void retention_close(struct manager *mgr);
