/* SPDX-License-Identifier: MIT */
/*
 * Writes the intents of a removal, queues the removals after the commit, and ends each intent when
 * the trash thread reports. The timer of the retention is here, too.
 */
#include "daemon/prune/prune.h"

#include "base/log.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/prune/trash.h"
#include "storage/write/prune.h"

#include <inttypes.h>

#define BY_USER	     "user"
#define BY_RETENTION "retention"

struct pruner {
	struct trash *trash;
	int64_t retention_us; /* time of the next pass of the retention, clock_mono_us */
	int64_t retry_us;     /* time of the next retry; 0: none */
};

/* ---- starting ---- */

static int removal_of(struct manager *mgr, const char *run, bool rows, struct removal **ret,
		      struct err *reterr)
{
	struct removal *rm = calloc(1, sizeof(*rm));
	int r;

	if (!rm)
		return err_errno(reterr, ENOMEM, "remove the files of run %s", run);
	str_copy(rm->run, sizeof(rm->run), run);
	rm->rows = rows;
	r = store_prune_executions(mgr->store, run, &rm->executions, reterr);
	if (r < 0)
		removal_free(rm);
	else
		*ret = rm;
	return r;
}

static void add_after(struct manager *mgr, void *arg, bool committed)
{
	if (committed)
		trash_add(mgr->pruner->trash, arg);
	else
		removal_free(arg);
}

/* In a transaction: write the intents of these runs; after the commit queue their removals. */
static int begin(struct manager *mgr, const json_t *runs, bool rows, const char *by, json_t **ret,
		 struct err *reterr)
{
	OWN(json_decrefp) json_t *result = NULL;
	const json_t *item;
	size_t i;
	int r = store_prune_runs(mgr->store, runs, rows, by, clock_now_us(), &result, reterr);

	json_array_foreach(json_object_get(result, "removed"), i, item) {
		struct removal *rm;

		if (r >= 0)
			r = removal_of(mgr, json_get_str(item, "run", ""),
				       json_is_true(json_object_get(item, "rows")), &rm, reterr);
		if (r >= 0)
			txn_on_commit(mgr, add_after, rm);
	}
	if (r < 0)
		return r;
	*ret = TAKE(result);
	return 0;
}

int prune_command(struct manager *mgr, struct command *c, struct err *reterr)
{
	return begin(mgr, json_object_get(c->json, "runs"),
		     json_is_true(json_object_get(c->json, "rows")), BY_USER, &c->answer, reterr);
}

/* Queue every unfinished intent; the trash ignores those that it already has. */
static int resume(struct manager *mgr, struct err *reterr)
{
	OWN(prune_rows_done) struct prune_rows open = {0};
	int r = store_prunes_open(mgr->store, &open, reterr);

	for (size_t i = 0; r >= 0 && i < open.n; i++) {
		struct removal *rm;

		r = removal_of(mgr, open.rows[i].run, open.rows[i].rows, &rm, reterr);
		if (r >= 0)
			trash_add(mgr->pruner->trash, rm);
	}
	return r;
}

static void try_later(struct manager *mgr)
{
	mgr->pruner->retry_us = clock_mono_us() + PRUNE_RETRY_US;
}

/* ---- finishing ---- */

struct ended {
	struct manager_message message;
	struct removal *rm;
};

static int finish(struct manager *mgr, struct removal *rm, struct err *reterr)
{
	int r = txn_begin(mgr, reterr), again;

	if (r < 0)
		return r;
	r = store_prune_finish(mgr->store, rm->run, rm->rows, rm->bytes, clock_now_us(), reterr);
	again = r;
	if (r < 0)
		txn_fail(mgr, r, reterr);
	r = txn_end(mgr, reterr);
	return r < 0 ? r : again;
}

static void on_ended(struct manager *mgr, struct manager_message *m)
{
	struct ended *ended = (struct ended *)m;
	struct removal *rm = ended->rm;
	int r = rm->result;

	free(ended);
	if (r < 0)
		log_event(LOG_LEVEL_WARNING, "files_not_removed",
			  "run=%s retrying in %d s msg=\"%s\"", rm->run,
			  (int)(PRUNE_RETRY_US / USEC_PER_SEC), rm->why.msg);
	else
		r = finish(mgr, rm, &rm->why);
	if (r == 0)
		log_event(LOG_LEVEL_INFO, "files_removed", "run=%s bytes=%" PRId64 " rows=%d",
			  rm->run, rm->bytes, rm->rows);
	else if (r == 1)
		r = resume(mgr, &rm->why); /* its rows must go, too */
	if (r < 0)
		try_later(mgr);
	removal_free(rm);
}

/* Runs on the trash thread. */
static void on_done(void *userdata, struct removal *rm)
{
	struct ended *ended = calloc(1, sizeof(*ended));

	if (!ended) {
		removal_free(rm); /* the intent stays until the next start */
		return;
	}
	ended->message.fn = on_ended;
	ended->rm = rm;
	manager_post(userdata, &ended->message);
}

/* ---- retention ---- */

/* One transaction of the retention. True if more may be left. */
static bool retain(struct manager *mgr, struct err *why)
{
	struct prune_filter filter = {.keep = mgr->settings->keep_runs};
	OWN(json_decrefp) json_t *runs = NULL, *result = NULL;
	const json_t *item;
	size_t i, n;
	int r;

	filter.before_us = clock_now_us() - mgr->settings->keep_runs_us;
	r = txn_begin(mgr, why);
	if (r < 0)
		return false;
	r = store_prune_candidates(mgr->store, &filter, &runs, why);
	if (r >= 0 && json_array_size(runs))
		r = begin(mgr, runs, false, BY_RETENTION, &result, why);
	if (r < 0)
		txn_fail(mgr, r, why);
	if (txn_end(mgr, why) < 0 || !result)
		return false;
	n = json_array_size(json_object_get(result, "removed"));
	json_array_foreach(json_object_get(result, "removed"), i, item)
		log_event(LOG_LEVEL_INFO, "run_pruned", "run=%s by=" BY_RETENTION,
			  json_get_str(item, "run", ""));
	json_array_foreach(json_object_get(result, "kept"), i, item)
		log_event(LOG_LEVEL_DEBUG, "run_kept", "run=%s msg=\"%s\"",
			  json_get_str(item, "run", ""),
			  json_get_str(json_object_get(item, "reason"), "message", ""));
	log_event(LOG_LEVEL_INFO, "retention", "removed=%zu kept=%zu", n,
		  json_array_size(json_object_get(result, "kept")));
	return n == PRUNE_RUNS_MAX;
}

void prune_postpone(struct manager *mgr)
{
	if (mgr->pruner)
		mgr->pruner->retention_us = clock_mono_us() + mgr->settings->keep_look_us;
}

void prune_tick(struct manager *mgr)
{
	int64_t now = clock_mono_us();
	struct err why = {0};

	if (mgr->pruner->retry_us && now >= mgr->pruner->retry_us) {
		mgr->pruner->retry_us = 0;
		if (resume(mgr, &why) < 0)
			try_later(mgr);
	}
	if ((mgr->settings->keep_runs_us || mgr->settings->keep_runs) &&
	    now >= mgr->pruner->retention_us && !retain(mgr, &why))
		prune_postpone(mgr);
}

/* ---- life ---- */

int prune_open(struct manager *mgr, struct err *reterr)
{
	int r;

	mgr->pruner = calloc(1, sizeof(*mgr->pruner));
	if (!mgr->pruner)
		return err_errno(reterr, ENOMEM, "prepare to prune");
	r = trash_open(mgr->settings->data_dir, on_done, mgr, &mgr->pruner->trash, reterr);
	if (r >= 0)
		r = resume(mgr, reterr);
	if (r >= 0)
		trash_sweep(mgr->pruner->trash);
	return r;
}

void prune_close(struct manager *mgr)
{
	if (mgr->pruner)
		trash_close(mgr->pruner->trash);
	free(TAKE(mgr->pruner));
}

int manager_measure(struct manager *mgr, struct measure *m, struct err *reterr)
{
	return trash_measure(mgr->pruner->trash, m, reterr);
}
