/* SPDX-License-Identifier: MIT */
/* Removes the files of runs: the intents, their resumption and their end. Manager's thread. */
#include "base/log.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/prune/steps.h"
#include "storage/write/prune.h"

#include <inttypes.h>

#define BY_USER "user"

/* ---- starting ---- */

static int removal_of(struct manager *mgr, const char *run, bool rows, struct removal **ret,
		      struct err *reterr)
{
	struct removal *rm = calloc(1, sizeof(*rm));
	int r;

	if (!rm)
		return err_errno(reterr, ENOMEM, "remove the files of run %s", run);
	str_must_copy(rm->run, sizeof(rm->run), run);
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

static void move_after(struct manager *mgr, void *arg, bool committed)
{
	if (committed)
		sources_move(mgr);
}

int prune_begin(struct manager *mgr, const json_t *runs, const json_t *sources, bool rows,
		const char *by, json_t **ret, struct err *reterr)
{
	OWN(json_decrefp) json_t *result = NULL;
	const json_t *item;
	size_t i;
	int r;

	store_use_last_reserve(mgr->store);
	r = store_prune_runs(mgr->store, runs, sources, rows, by, clock_now_us(), &result, reterr);

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
	if (json_array_size(json_object_get(result, "sources")))
		txn_on_commit(mgr, move_after, NULL);
	*ret = TAKE(result);
	return 0;
}

int prune_command(struct manager *mgr, struct command *c, struct err *reterr)
{
	return prune_begin(
		mgr, json_object_get(c->json, "runs"), json_object_get(c->json, "sources"),
		json_is_true(json_object_get(c->json, "rows")), BY_USER, &c->answer, reterr);
}

int removals_resume(struct manager *mgr, struct err *reterr)
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
	store_use_last_reserve(mgr->store);
	r = store_prune_finish(mgr->store, rm->run, rm->rows, rm->bytes, clock_now_us(), reterr);
	again = r;
	if (r < 0)
		txn_fail(mgr, r, reterr);
	r = txn_end(mgr, reterr);
	return r < 0 ? r : again;
}

/* Entries of the trash need no intent: the next start removes what is left. */
static void on_trash_ended(struct removal *rm)
{
	if (rm->result < 0)
		log_event(LOG_LEVEL_WARNING, "trash_left", "msg=\"%s\"", rm->err.msg);
	else
		log_event(LOG_LEVEL_INFO, "sources_removed", "count=%zu bytes=%" PRId64,
			  json_array_size(rm->trashed), rm->bytes);
	removal_free(rm);
}

static void on_ended(struct manager *mgr, struct manager_message *m)
{
	struct ended *ended = (struct ended *)m;
	struct removal *rm = ended->rm;
	int r = rm->result;

	free(ended);
	if (!*rm->run) {
		on_trash_ended(rm);
		return;
	}
	if (r >= 0)
		r = finish(mgr, rm, &rm->err);
	if (r >= 0 && mgr->pruner)
		mgr->pruner->tries = 0;
	if (r == 0)
		log_event(LOG_LEVEL_INFO, "files_removed", "run=%s bytes=%" PRId64 " rows=%d",
			  rm->run, rm->bytes, rm->rows);
	else if (r == 1)
		r = removals_resume(mgr, &rm->err); /* its rows must go, too */
	if (r < 0)
		prune_try_later(mgr, rm->run, &rm->err);
	removal_free(rm);
}

void removal_on_done(void *userdata, struct removal *rm)
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
