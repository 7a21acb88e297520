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

int turn_begin(struct engine *e, struct err *reterr)
{
	int r;

	if (e->turn_depth > 0) {
		e->turn_depth++;
		return 0;
	}
	r = store_begin(e->store, reterr);
	if (r < 0) {
		e->turns_failed++;
		return r;
	}
	e->turn_depth = 1;
	e->turn_failed = false;
	e->actions_tail = &e->actions;
	return 0;
}

int turn_fail(struct engine *e, int r, const struct err *why)
{
	assert(e->turn_depth > 0);
	if (!e->turn_failed && why)
		e->turn_err = *why;
	e->turn_failed = true;
	return r;
}

void turn_after(struct engine *e, void (*fn)(struct engine *e, void *arg, bool committed),
		void *arg)
{
	struct turn_action *a = calloc(1, sizeof(*a));

	assert(e->turn_depth > 0);
	if (!a)
		abort(); /* a few dozen bytes: nothing sensible is left to do */
	*a = (struct turn_action){.fn = fn, .arg = arg};
	*e->actions_tail = a;
	e->actions_tail = &a->next;
}

static void publish(struct engine *e)
{
	json_t *events = store_take_events(e->store);
	json_t *event;
	size_t i;

	json_array_foreach(events, i, event)
		feed_publish(e->feed, json_get_int(event, "seq", 0), json_incref(event));
	json_decref(events);
}

static void run_actions(struct engine *e, bool committed)
{
	struct turn_action *list = TAKE(e->actions);

	e->actions_tail = &e->actions;
	while (list) {
		struct turn_action *a = list;

		list = a->next;
		a->fn(e, a->arg, committed);
		free(a);
	}
}

int turn_end(struct engine *e, struct err *reterr)
{
	struct err why = {0};
	int r = 0;

	assert(e->turn_depth > 0);
	if (e->turn_depth > 1) {
		e->turn_depth--;
		return 0;
	}
	if (e->turn_failed) {
		store_rollback(e->store);
		why = e->turn_err;
		r = -(why.code ? why.code : EIO);
	} else {
		FAULT("turn.commit.before");
		r = store_commit(e->store, &why);
		FAULT("turn.commit.after");
	}
	e->turn_depth = 0;
	if (r < 0) {
		e->turns_failed++;
		log_event(LOG_LEVEL_ERROR, "turn_failed", "code=%d msg=\"%s\"", why.code, why.msg);
		if (reterr)
			*reterr = why;
	} else {
		publish(e);
	}
	run_actions(e, r >= 0);
	return r;
}

void turn_drop_actions(struct engine *e, struct turn_action **mark)
{
	struct turn_action *list = TAKE(*mark);

	e->actions_tail = mark;
	while (list) {
		struct turn_action *a = list;

		list = a->next;
		a->fn(e, a->arg, false);
		free(a);
	}
}
