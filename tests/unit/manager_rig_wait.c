/* SPDX-License-Identifier: MIT */
/* Waits for events of the feed of a manager under test, with a deadline. */
#include "tests/unit/manager_rig.h"

#include "base/own.h"
#include "base/str.h"
#include "daemon/feed.h"
#include "jobs/state.h"
#include "tests/unit/wait.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static bool is_final(const char *state)
{
	enum job_state s;

	return job_state_parse(state, &s) == 0 && job_state_is_final(s);
}

/* What is waited for in the feed: an event of this kind with this name whose "to" and code fit. */
struct wanted {
	const char *kind, *run, *name, *to, *code;
};

static bool fits(const struct wanted *w, const json_t *event)
{
	const char *to = json_get_str(event, "to", "");
	const json_t *reason = json_object_get(event, "reason");

	return str_eq(json_get_str(event, "name", ""), w->name) &&
	       (w->to[0] ? str_eq(to, w->to) : !to[0] || is_final(to)) &&
	       (!w->code[0] || str_eq(json_get_str(reason, "code", ""), w->code));
}

/* True if the feed after *since has the event; else *since is moved to its end. */
static bool has_event(struct rig *rig, const struct wanted *w, int64_t *since, struct rig_end *end)
{
	OWN(json_decrefp) json_t *events = NULL;
	struct feed_filter filter = {0};
	const json_t *reason;
	struct err e;
	json_t *event;
	size_t i;

	str_must_copy(filter.run, sizeof(filter.run), w->run);
	str_must_copy(filter.kind, sizeof(filter.kind), w->kind);
	assert_int_equal(feed_read(manager_feed(rig->manager), &filter, *since, SIZE_MAX, &events,
				   since, &e),
			 0);
	json_array_foreach(events, i, event) {
		if (!fits(w, event))
			continue;
		reason = json_object_get(event, "reason");
		str_must_copy(end->to, sizeof(end->to), json_get_str(event, "to", ""));
		str_must_copy(end->id, sizeof(end->id), json_get_str(event, "job", ""));
		str_must_copy(end->code, sizeof(end->code), json_get_str(reason, "code", ""));
		str_must_copy(end->message, sizeof(end->message),
			      json_get_str(reason, "message", ""));
		end->attempt = (int)json_get_int(event, "attempt", 0);
		end->seq = json_get_int(event, "seq", 0);
		return true;
	}
	return false;
}

static struct rig_end wait_event(struct rig *rig, const struct wanted *w)
{
	int64_t since = rig->since;
	struct rig_end end = {0};
	char what[160];

	snprintf(what, sizeof(what), "%s of '%s' to '%s'", w->kind, w->name, w->to);
	wait_until_what(has_event(rig, w, &since, &end), what);
	return end;
}

struct rig_end rig_wait(struct rig *rig, const char *run, const char *name, const char *to)
{
	return wait_event(rig, &(struct wanted){"job_state", run, name, to, ""});
}

void rig_wait_endpoint(struct rig *rig, const char *name, const char *to, const char *code)
{
	wait_event(rig, &(struct wanted){"endpoint_state", "", name, to, code});
}

void rig_wait_event(struct rig *rig, const char *kind)
{
	wait_event(rig, &(struct wanted){kind, "", "", "", ""});
}

void rig_job_id(struct rig *rig, const char *run, const char *name, char id[ID_LEN])
{
	struct rig_end created =
		wait_event(rig, &(struct wanted){"job_created", run, name, "", ""});

	str_must_copy(id, ID_LEN, created.id);
}

void rig_expect_end(struct rig *rig, const char *run, const char *name, const char *to,
		    const char *code, const char *words)
{
	struct rig_end end = rig_wait(rig, run, name, "");

	assert_string_equal(end.to, to);
	assert_string_equal(end.code, code);
	if (!strstr(end.message, words))
		fail_msg("'%s' does not have '%s'", end.message, words);
}
