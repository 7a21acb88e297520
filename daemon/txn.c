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
	struct txn_action *next;
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
	mgr->txn_failed = false;
	mgr->actions_tail = &mgr->actions;
	return 0;
}

int txn_fail(struct manager *mgr, int r, const struct err *why)
{
	assert(mgr->txn_depth > 0);
	if (!mgr->txn_failed && why)
		mgr->txn_err = *why;
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
	*mgr->actions_tail = a;
	mgr->actions_tail = &a->next;
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
	for (const struct txn_action *b = a->next; b; b = b->next)
		if (b->early && b->fn == a->fn && b->arg == a->arg)
			return true;
	return false;
}

static void run_early_actions(struct manager *mgr, bool committed)
{
	for (struct txn_action **at = &mgr->actions; *at;) {
		struct txn_action *a = *at;

		if (!a->early) {
			at = &a->next;
			continue;
		}
		*at = a->next;
		if (!is_repeated(a))
			a->fn(mgr, a->arg, committed);
		free(a);
	}
}

static void run_list(struct manager *mgr, struct txn_action *list, bool committed)
{
	while (list) {
		struct txn_action *a = list;

		list = a->next;
		a->fn(mgr, a->arg, committed);
		free(a);
	}
}

static void run_actions(struct manager *mgr, bool committed)
{
	struct txn_action *list = TAKE(mgr->actions);

	mgr->actions_tail = &mgr->actions;
	run_list(mgr, list, committed);
}

int txn_end(struct manager *mgr, struct err *reterr)
{
	struct err why = {0};
	int r = 0;

	assert(mgr->txn_depth > 0);
	if (mgr->txn_depth > 1) {
		mgr->txn_depth--;
		return 0;
	}
	if (mgr->txn_failed) {
		store_rollback(mgr->store);
		why = mgr->txn_err;
		r = -(why.code ? why.code : EIO);
	} else {
		FAULT("txn.commit.before");
		r = store_commit(mgr->store, &why);
		FAULT("txn.commit.after");
	}
	mgr->txn_depth = 0;
	run_early_actions(mgr, r >= 0);
	if (r < 0) {
		mgr->txns_failed++;
		log_event(LOG_LEVEL_ERROR, "txn_failed", "code=%d msg=\"%s\"", why.code, why.msg);
		if (reterr)
			*reterr = why;
	} else {
		publish(mgr);
	}
	run_actions(mgr, r >= 0);
	return r;
}

void txn_drop_actions(struct manager *mgr, struct txn_action **mark)
{
	struct txn_action *list = TAKE(*mark);

	mgr->actions_tail = mark;
	run_list(mgr, list, false);
}

int txn_restart(struct manager *mgr, struct err *reterr)
{
	int r;

	assert(mgr->txn_depth == 1);
	store_rollback(mgr->store);
	txn_drop_actions(mgr, &mgr->actions);
	r = store_begin(mgr->store, reterr);
	return r < 0 ? txn_fail(mgr, r, reterr) : 0;
}
