/* SPDX-License-Identifier: MIT */
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
	int64_t retention_us; /* the next look of the retention, on clock_mono_us */
	int64_t retry_us;     /* the next try of what has failed; 0: nothing has */
};

/* ---- the work ---- */

static int removal_of(struct engine *e, const char *run, bool rows, struct removal **ret,
		      struct err *reterr)
{
	struct removal *rm = calloc(1, sizeof(*rm));
	int r;

	if (!rm)
		return err_errno(reterr, ENOMEM, "remove the files of run %s", run);
	str_copy(rm->run, sizeof(rm->run), run);
	rm->rows = rows;
	r = store_prune_executions(e->store, run, &rm->executions, reterr);
	if (r < 0)
		removal_free(rm);
	else
		*ret = rm;
	return r;
}

static void add_after(struct engine *e, void *arg, bool committed)
{
	if (committed)
		trash_add(e->pruner->trash, arg);
	else
		removal_free(arg);
}

/* Inside of a turn: the intents of these runs, and after its commit their work. */
static int begin(struct engine *e, const json_t *runs, bool rows, const char *by, json_t **ret,
		 struct err *reterr)
{
	OWN(json_decrefp) json_t *result = NULL;
	const json_t *item;
	size_t i;
	int r = store_prune_runs(e->store, runs, rows, by, clock_now_us(), &result, reterr);

	json_array_foreach(json_object_get(result, "removed"), i, item) {
		struct removal *rm;

		if (r >= 0)
			r = removal_of(e, json_get_str(item, "run", ""),
				       json_is_true(json_object_get(item, "rows")), &rm, reterr);
		if (r >= 0)
			turn_after(e, add_after, rm);
	}
	if (r < 0)
		return r;
	*ret = TAKE(result);
	return 0;
}

int prune_command(struct engine *e, struct command *c, struct err *reterr)
{
	OWN(json_decrefp) json_t *asked = TAKE(c->json);

	return begin(e, json_object_get(asked, "runs"),
		     json_is_true(json_object_get(asked, "rows")), BY_USER, &c->json, reterr);
}

/* Every intent that is not finished; the trash knows those that it has already. */
static int resume(struct engine *e, struct err *reterr)
{
	OWN(prune_rows_done) struct prune_rows open = {0};
	int r = store_prunes_open(e->store, &open, reterr);

	for (size_t i = 0; r >= 0 && i < open.n; i++) {
		struct removal *rm;

		r = removal_of(e, open.rows[i].run, open.rows[i].rows, &rm, reterr);
		if (r >= 0)
			trash_add(e->pruner->trash, rm);
	}
	return r;
}

static void try_later(struct engine *e)
{
	e->pruner->retry_us = clock_mono_us() + PRUNE_RETRY_US;
}

/* ---- its end ---- */

struct ended {
	struct engine_message message;
	struct removal *rm;
};

static int finish(struct engine *e, struct removal *rm, struct err *reterr)
{
	int r = turn_begin(e, reterr), again;

	if (r < 0)
		return r;
	r = store_prune_finish(e->store, rm->run, rm->rows, rm->bytes, clock_now_us(), reterr);
	again = r;
	if (r < 0)
		turn_fail(e, r, reterr);
	r = turn_end(e, reterr);
	return r < 0 ? r : again;
}

static void on_ended(struct engine *e, struct engine_message *m)
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
		r = finish(e, rm, &rm->why);
	if (r == 0)
		log_event(LOG_LEVEL_INFO, "files_removed", "run=%s bytes=%" PRId64 " rows=%d",
			  rm->run, rm->bytes, rm->rows);
	else if (r == 1)
		r = resume(e, &rm->why); /* its rows are to go, too */
	if (r < 0)
		try_later(e);
	removal_free(rm);
}

/* On the trash's thread. */
static void on_done(void *userdata, struct removal *rm)
{
	struct ended *ended = calloc(1, sizeof(*ended));

	if (!ended) {
		removal_free(rm); /* its intent stays: the next start */
		return;
	}
	ended->message.fn = on_ended;
	ended->rm = rm;
	engine_post(userdata, &ended->message);
}

/* ---- retention ---- */

/* One turn of it. True if more may be left to do. */
static bool retain(struct engine *e, struct err *why)
{
	struct prune_filter filter = {.keep = e->settings->keep_runs};
	OWN(json_decrefp) json_t *runs = NULL, *result = NULL;
	const json_t *item;
	size_t i, n;
	int r;

	filter.before_us = clock_now_us() - e->settings->keep_runs_us;
	r = turn_begin(e, why);
	if (r < 0)
		return false;
	r = store_prune_candidates(e->store, &filter, &runs, why);
	if (r >= 0 && json_array_size(runs))
		r = begin(e, runs, false, BY_RETENTION, &result, why);
	if (r < 0)
		turn_fail(e, r, why);
	if (turn_end(e, why) < 0 || !result)
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

void prune_postpone(struct engine *e)
{
	if (e->pruner)
		e->pruner->retention_us = clock_mono_us() + PRUNE_RETENTION_US;
}

void prune_tick(struct engine *e)
{
	int64_t now = clock_mono_us();
	struct err why = {0};

	if (e->pruner->retry_us && now >= e->pruner->retry_us) {
		e->pruner->retry_us = 0;
		if (resume(e, &why) < 0)
			try_later(e);
	}
	if ((e->settings->keep_runs_us || e->settings->keep_runs) &&
	    now >= e->pruner->retention_us && !retain(e, &why))
		prune_postpone(e);
}

/* ---- life ---- */

int prune_open(struct engine *e, struct err *reterr)
{
	int r;

	e->pruner = calloc(1, sizeof(*e->pruner));
	if (!e->pruner)
		return err_errno(reterr, ENOMEM, "prepare to prune");
	r = trash_open(e->settings->data_dir, on_done, e, &e->pruner->trash, reterr);
	if (r >= 0)
		r = resume(e, reterr);
	if (r >= 0)
		trash_sweep(e->pruner->trash);
	return r;
}

void prune_close(struct engine *e)
{
	if (e->pruner)
		trash_close(e->pruner->trash);
	free(TAKE(e->pruner));
}

int engine_measure(struct engine *e, struct measure *m, struct err *reterr)
{
	return trash_measure(e->pruner->trash, m, reterr);
}
