/* SPDX-License-Identifier: MIT */
/*
 * A transaction with actions. After the commit the early actions run, the events are published and
 * the other actions run. If the transaction fails, nothing has changed and each action is called
 * with committed = false. Manager's thread.
 */
#include "base/fault.h"
#include "base/log.h"
#include "base/own.h"
#include "daemon/core.h"
#include "daemon/feed.h"

#include <assert.h>

struct txn_action {
	void (*fn)(struct manager *mgr, void *arg, bool committed);
	void *arg;
	bool early; /* True if it runs before the events are published */
	TAILQ_ENTRY(txn_action) link;
};

int txn_begin(struct manager *mgr, struct err *reterr)
{
	int r;

	if (mgr->txn_depth > 0) {
		mgr->txn_depth++;
		return 0;
	}
	r = store_begin(mgr->store, reterr);
	if (r < 0) {
		mgr->txns_failed++;
		return r;
	}
	mgr->txn_depth = 1;
	mgr->txn_begun_us = clock_mono_us();
	mgr->txn_failed = false;
	return 0;
}

int txn_fail(struct manager *mgr, int r, const struct err *err)
{
	assert(mgr->txn_depth > 0);
	if (!mgr->txn_failed && err)
		mgr->txn_err = *err;
	mgr->txn_failed = true;
	return r;
}

static void add_action(struct manager *mgr, const struct txn_action *action)
{
	struct txn_action *a = malloc(sizeof(*a));

	assert(mgr->txn_depth > 0);
	if (!a)
		abort(); /* a few dozen bytes could not be allocated: no recovery is possible */
	*a = *action;
	TAILQ_INSERT_TAIL(&mgr->actions, a, link);
}

void txn_on_commit(struct manager *mgr, void (*fn)(struct manager *mgr, void *arg, bool committed),
		   void *arg)
{
	add_action(mgr, &(struct txn_action){.fn = fn, .arg = arg});
}

void txn_before_publish(struct manager *mgr,
			void (*fn)(struct manager *mgr, void *arg, bool committed), void *arg)
{
	add_action(mgr, &(struct txn_action){.fn = fn, .arg = arg, .early = true});
}

struct line {
	enum log_level level;
	const char *event;
	char *text;
};

static void write_line(struct manager *mgr, void *arg, bool committed)
{
	struct line *l = arg;

	(void)mgr;
	if (committed)
		log_event(l->level, l->event, "%s", l->text);
	free(l->text);
	free(l);
}

void txn_log(struct manager *mgr, enum log_level level, const char *event, const char *fmt, ...)
{
	struct line *l = malloc(sizeof(*l));
	va_list ap;
	int n = -1;

	va_start(ap, fmt);
	if (l)
		n = vasprintf(&l->text, fmt, ap);
	va_end(ap);
	if (n < 0)
		abort(); /* two kilobytes could not be allocated: no recovery is possible */
	l->level = level;
	l->event = event;
	txn_on_commit(mgr, write_line, l);
}

static void publish(struct manager *mgr)
{
	json_t *events = store_take_events(mgr->store);
	json_t *event;
	size_t i;

	json_array_foreach(events, i, event)
		feed_publish(mgr->feed, json_get_int(event, "seq", 0), json_incref(event));
	json_decref(events);
}

/* True if the same early action follows. It runs once, at its last place. */
static bool is_repeated(const struct txn_action *a)
{
	for (const struct txn_action *b = TAILQ_NEXT(a, link); b; b = TAILQ_NEXT(b, link))
		if (b->early && b->fn == a->fn && b->arg == a->arg)
			return true;
	return false;
}

/* Commit, and measure the commit and the whole transaction. */
static int commit(struct manager *mgr, struct err *reterr)
{
	int64_t from_us = clock_mono_us(), to_us;
	int r;

	FAULT("txn.commit.before");
	r = store_commit(mgr->store, reterr);
	FAULT("txn.commit.after");
	to_us = clock_mono_us();
	histogram_add(&mgr->figures.commit, to_us - from_us);
	histogram_add(&mgr->figures.txn, to_us - mgr->txn_begun_us);
	return r;
}

static void run_early_actions(struct manager *mgr, bool committed)
{
	struct txn_action *a, *next;

	for (a = TAILQ_FIRST(&mgr->actions); a; a = next) {
		if (a->early && !is_repeated(a))
			a->fn(mgr, a->arg, committed);
		next = TAILQ_NEXT(a, link);
		if (a->early) {
			TAILQ_REMOVE(&mgr->actions, a, link);
			free(a);
		}
	}
}

/* Run the actions behind `mark`. Those that they queue wait. */
static void run_actions(struct manager *mgr, const struct txn_action *mark, bool committed)
{
	struct txn_actions list = TAILQ_HEAD_INITIALIZER(list);
	struct txn_action *a;

	while ((a = mark ? TAILQ_NEXT(mark, link) : TAILQ_FIRST(&mgr->actions))) {
		TAILQ_REMOVE(&mgr->actions, a, link);
		TAILQ_INSERT_TAIL(&list, a, link);
	}
	while ((a = TAILQ_FIRST(&list))) {
		TAILQ_REMOVE(&list, a, link);
		a->fn(mgr, a->arg, committed);
		free(a);
	}
}

void txn_end_if_broken(struct manager *mgr)
{
	if (mgr->broken || !store_is_broken(mgr->store))
		return;
	mgr->broken = true;
	store_want_check(mgr->store);
	log_event(
		LOG_LEVEL_ERROR, "database_broken",
		"msg=\"the disk with the database has failed; the daemon ends, and its next start "
		"checks the database\"");
	sd_event_exit(mgr->loop, -EIO);
}

int txn_end(struct manager *mgr, struct err *reterr)
{
	struct err err = {0};
	int r = 0;

	assert(mgr->txn_depth > 0);
	if (mgr->txn_depth > 1) {
		mgr->txn_depth--;
		return 0;
	}
	if (mgr->txn_failed) {
		store_rollback(mgr->store);
		err = mgr->txn_err;
		r = -(err.code ? err.code : EIO);
	} else {
		r = commit(mgr, &err);
	}
	mgr->txn_depth = 0;
	run_early_actions(mgr, r >= 0);
	if (r < 0) {
		mgr->txns_failed++;
		log_event(LOG_LEVEL_ERROR, "txn_failed", "code=%d msg=\"%s\"", err.code, err.msg);
		if (reterr)
			*reterr = err;
	} else {
		publish(mgr);
	}
	run_actions(mgr, NULL, r >= 0);
	txn_end_if_broken(mgr);
	return r;
}

struct txn_action *txn_mark(const struct manager *mgr)
{
	return TAILQ_LAST(&mgr->actions, txn_actions);
}

void txn_drop_actions(struct manager *mgr, const struct txn_action *mark)
{
	run_actions(mgr, mark, false);
}

int txn_restart(struct manager *mgr, struct err *reterr)
{
	int r;

	assert(mgr->txn_depth == 1);
	store_rollback(mgr->store);
	txn_drop_actions(mgr, NULL);
	r = store_begin(mgr->store, reterr);
	return r < 0 ? txn_fail(mgr, r, reterr) : 0;
}
