/* SPDX-License-Identifier: MIT */
/*
 * Turns: one turn is one transaction. Its events are published and its actions run after the
 * commit; when it fails nothing has changed and the actions are told so.
 */
#include "base/fault.h"
#include "base/log.h"
#include "base/own.h"
#include "daemon/core.h"
#include "daemon/feed.h"

#include <assert.h>

int turn_begin(struct manager *mgr, struct err *reterr)
{
	int r;

	if (mgr->turn_depth > 0) {
		mgr->turn_depth++;
		return 0;
	}
	r = store_begin(mgr->store, reterr);
	if (r < 0) {
		mgr->turns_failed++;
		return r;
	}
	mgr->turn_depth = 1;
	mgr->turn_failed = false;
	mgr->actions_tail = &mgr->actions;
	return 0;
}

int turn_fail(struct manager *mgr, int r, const struct err *why)
{
	assert(mgr->turn_depth > 0);
	if (!mgr->turn_failed && why)
		mgr->turn_err = *why;
	mgr->turn_failed = true;
	return r;
}

void turn_after(struct manager *mgr, void (*fn)(struct manager *mgr, void *arg, bool committed),
		void *arg)
{
	struct turn_action *a = calloc(1, sizeof(*a));

	assert(mgr->turn_depth > 0);
	if (!a)
		abort(); /* a few dozen bytes: nothing sensible is left to do */
	*a = (struct turn_action){.fn = fn, .arg = arg};
	*mgr->actions_tail = a;
	mgr->actions_tail = &a->next;
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

static void run_actions(struct manager *mgr, bool committed)
{
	struct turn_action *list = TAKE(mgr->actions);

	mgr->actions_tail = &mgr->actions;
	while (list) {
		struct turn_action *a = list;

		list = a->next;
		a->fn(mgr, a->arg, committed);
		free(a);
	}
}

int turn_end(struct manager *mgr, struct err *reterr)
{
	struct err why = {0};
	int r = 0;

	assert(mgr->turn_depth > 0);
	if (mgr->turn_depth > 1) {
		mgr->turn_depth--;
		return 0;
	}
	if (mgr->turn_failed) {
		store_rollback(mgr->store);
		why = mgr->turn_err;
		r = -(why.code ? why.code : EIO);
	} else {
		FAULT("turn.commit.before");
		r = store_commit(mgr->store, &why);
		FAULT("turn.commit.after");
	}
	mgr->turn_depth = 0;
	if (r < 0) {
		mgr->turns_failed++;
		log_event(LOG_LEVEL_ERROR, "turn_failed", "code=%d msg=\"%s\"", why.code, why.msg);
		if (reterr)
			*reterr = why;
	} else {
		publish(mgr);
	}
	run_actions(mgr, r >= 0);
	return r;
}

void turn_drop_actions(struct manager *mgr, struct turn_action **mark)
{
	struct turn_action *list = TAKE(*mark);

	mgr->actions_tail = mark;
	while (list) {
		struct turn_action *a = list;

		list = a->next;
		a->fn(mgr, a->arg, false);
		free(a);
	}
}
