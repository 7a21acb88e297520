/* SPDX-License-Identifier: MIT */
/*
 * The retention: once a day a pass over all runs that have ended, then over the frozen copies of
 * source directories. A pass is made of turns, which take a small part of each second, so that the
 * manager's thread is never busy for long. Manager's thread.
 */
#include "base/log.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/prune/steps.h"
#include "storage/prune_plan.h"
#include "storage/write/prune.h"

#include <inttypes.h>

#define BY_RETENTION	   "retention"
#define RETENTION_TURNS_US (50 * USEC_PER_MSEC) /* of each second */

static void log_turn(struct pruner *p, const json_t *result)
{
	const json_t *item;
	size_t i;

	json_array_foreach(json_object_get(result, "removed"), i, item)
		log_event(LOG_LEVEL_INFO, "run_pruned", "run=%s by=" BY_RETENTION,
			  json_get_str(item, "run", ""));
	json_array_foreach(json_object_get(result, "kept"), i, item)
		log_event(LOG_LEVEL_DEBUG, "run_kept", "run=%s msg=\"%s\"",
			  json_get_str(item, "run", ""),
			  json_get_str(json_object_get(item, "reason"), "message", ""));
	p->removed += (int64_t)json_array_size(json_object_get(result, "removed"));
	p->kept += (int64_t)json_array_size(json_object_get(result, "kept"));
}

/* One transaction over the next PRUNE_RUNS_MAX runs. Returns 1 if there are more. */
static int look_at_runs(struct manager *mgr, struct err *err)
{
	struct pruner *p = mgr->pruner;
	struct prune_filter filter = {.keep = mgr->settings->keep_runs, .below = p->below};
	OWN(json_decrefp) json_t *runs = NULL, *result = NULL;
	int64_t below = 0;
	int r = txn_begin(mgr, err);

	if (r < 0)
		return r;
	filter.before_us = clock_now_us() - mgr->settings->keep_runs_us;
	r = store_prune_candidates(mgr->store, &filter, &runs, &below, err);
	if (r >= 0 && json_array_size(runs))
		r = prune_begin(mgr, runs, NULL, false, BY_RETENTION, &result, err);
	if (r < 0)
		txn_fail(mgr, r, err);
	r = txn_end(mgr, err);
	if (r < 0)
		return r;
	log_turn(p, result);
	p->below = below;
	return below > 0;
}

/* One transaction over the next PRUNE_SOURCES_MAX entries. Returns 1 if there are more. */
static int look_at_sources(struct manager *mgr, struct err *err)
{
	OWN(json_decrefp) json_t *names = json_array(), *result = NULL;
	const struct dirent *e = NULL;
	int r;

	for (int i = 0; i < PRUNE_SOURCES_MAX && (e = readdir(mgr->pruner->sources)); i++)
		if (prune_source_name(e->d_name))
			json_array_append_new(names, json_string(e->d_name));
	r = json_array_size(names) ? txn_begin(mgr, err) : 0;
	if (r < 0 || !json_array_size(names))
		return r < 0 ? r : e != NULL;
	r = prune_begin(mgr, NULL, names, false, BY_RETENTION, &result, err);
	if (r < 0)
		txn_fail(mgr, r, err);
	r = txn_end(mgr, err);
	return r < 0 ? r : e != NULL;
}

/* Returns 1 if the pass has more to do. */
static int turn(struct manager *mgr, struct err *err)
{
	struct pruner *p = mgr->pruner;
	int r = p->sources ? look_at_sources(mgr, err) : look_at_runs(mgr, err);

	if (r != 0 || p->sources)
		return r;
	log_event(LOG_LEVEL_INFO, "retention", "removed=%" PRId64 " kept=%" PRId64, p->removed,
		  p->kept);
	p->sources = sources_open(mgr, err);
	return p->sources != NULL;
}

void retention_tick(struct manager *mgr)
{
	int64_t now = clock_mono_us(), until = now + RETENTION_TURNS_US;
	struct err err = {0};
	int r = 1;

	if ((!mgr->settings->keep_runs_us && !mgr->settings->keep_runs) ||
	    now < mgr->pruner->retention_us)
		return;
	while (r == 1 && clock_mono_us() < until)
		r = turn(mgr, &err);
	if (r < 1)
		retention_postpone(mgr);
}

void retention_close(struct manager *mgr)
{
	if (mgr->pruner->sources)
		closedir(TAKE(mgr->pruner->sources));
}

void retention_postpone(struct manager *mgr)
{
	struct pruner *p = mgr->pruner;

	retention_close(mgr);
	p->below = p->removed = p->kept = 0;
	p->retention_us = clock_mono_us() + mgr->settings->keep_look_us;
}
