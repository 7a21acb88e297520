/* SPDX-License-Identifier: MIT */
/*
 * Prunes. The steps: read the plan (store_read_prune), measure its files on the trash thread, then
 * reply or send the plan to the manager. The manager checks the plan again in its transaction. The
 * server's threads run the steps.
 */
#include "api/handlers.h"

#include "api/reply.h"
#include "base/clock.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/manager.h"

#define OLDER_DEFAULT "30d"

/* State of one request; lives as long as the request. */
struct prune {
	struct prune_filter filter;
	bool dry;
	json_t *plan; /* from store_read_prune(); owned */
	struct measure measure;
	struct command command;
};

static void prune_free(void *state)
{
	struct prune *p = state;

	json_decref(p->plan);
	json_decref(p->command.json);
	json_decref(p->command.answer);
	free(p);
}

static struct prune *prune_of(struct request *rq)
{
	struct prune *p = calloc(1, sizeof(*p));

	rq->state = p;
	rq->state_free = prune_free;
	if (!p)
		reply_problem(rq, 503, "unavailable",
			      "the daemon is out of memory; try again later");
	return p;
}

/* ---- the answer ---- */

/* The item of the list whose `key` is `id`; NULL: none. */
static const json_t *item_of(const json_t *list, const char *key, const char *id)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
		if (str_eq(json_get_str(item, key, ""), id))
			return item;
	return NULL;
}

static bool has_text(const json_t *list, const char *text)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
		if (str_eq(json_string_value(item), text))
			return true;
	return false;
}

/* Replace the plan by the manager's result. A run that was to be removed and was not gets its
 * reason from *held. */
static void merge(struct prune *p)
{
	json_t *removed = json_object_get(p->plan, "removed"), *run;
	json_t *sources = json_object_get(p->plan, "sources");
	const json_t *done = json_object_get(p->command.answer, "removed");
	const json_t *kept = json_object_get(p->command.answer, "kept");
	const json_t *gone = json_object_get(p->command.answer, "sources"), *item;

	for (size_t i = 0; i < json_array_size(removed);) {
		run = json_array_get(removed, i);
		item = item_of(kept, "run", json_get_str(run, "run", ""));
		if (item) {
			json_object_set(run, "reason", json_object_get(item, "reason"));
			json_array_append(json_object_get(p->plan, "kept"), run);
		}
		item = item_of(done, "run", json_get_str(run, "run", ""));
		if (item)
			json_object_set(run, "rows", json_object_get(item, "rows"));
		if (item)
			i++;
		else
			json_array_remove(removed, i);
	}
	for (size_t i = 0; i < json_array_size(sources);)
		if (has_text(gone, json_get_str(json_array_get(sources, i), "source", "")))
			i++;
		else
			json_array_remove(sources, i);
}

/* The sum of "bytes" of the items. */
static int64_t sum(const json_t *list)
{
	const json_t *item;
	int64_t bytes = 0;
	size_t i;

	json_array_foreach(list, i, item)
		bytes += json_get_int(item, "bytes", 0);
	return bytes;
}

static void reply_plan(struct request *rq, struct prune *p)
{
	const json_t *removed = json_object_get(p->plan, "removed"), *reason;
	const json_t *kept = json_object_get(p->plan, "kept");
	json_t *run;
	size_t i;

	if (p->filter.run && !p->dry && json_array_size(kept)) {
		reason = json_object_get(json_array_get(kept, 0), "reason");
		reply_problem(rq, 409, "conflict", "run %s is kept: %s", p->filter.run,
			      json_get_str(reason, "message", ""));
		return;
	}
	json_array_foreach(removed, i, run)
		json_object_del(run, "executions");
	json_array_foreach(kept, i, run)
		json_object_del(run, "executions");
	json_object_set_new(p->plan, "dry_run", json_boolean(p->dry));
	json_object_set_new(p->plan, "bytes",
			    json_integer(sum(removed) + sum(json_object_get(p->plan, "sources"))));
	reply_json(rq, 200, TAKE(p->plan));
}

/* ---- the steps ---- */

static void done(struct request *rq)
{
	struct prune *p = rq->state;

	if (p->command.result < 0) {
		reply_error(rq, p->command.result, &p->command.err);
		return;
	}
	merge(p);
	reply_plan(rq, p);
}

static void on_command(struct command *c)
{
	request_resume(c->userdata);
}

static void send_command(struct request *rq, struct prune *p)
{
	json_t *runs = json_array(), *sources = json_array();
	const json_t *item;
	size_t i;
	int r;

	json_array_foreach(json_object_get(p->plan, "removed"), i, item)
		json_array_append(runs, json_object_get(item, "run"));
	json_array_foreach(json_object_get(p->plan, "sources"), i, item)
		json_array_append(sources, json_object_get(item, "source"));
	p->command.kind = COMMAND_PRUNE;
	p->command.json = json_pack("{s:o, s:o, s:b}", "runs", runs, "sources", sources, "rows",
				    (int)p->filter.rows);
	p->command.done = on_command;
	p->command.userdata = rq;
	request_wait(rq, done);
	r = manager_queue(rq->api->manager, &p->command, &p->command.err);
	if (r >= 0)
		return;
	p->command.result = r;
	request_resume(rq);
}

static void measured(struct request *rq)
{
	struct prune *p = rq->state;

	if (p->measure.result < 0)
		reply_error(rq, p->measure.result, &p->measure.err);
	else if (p->dry ||
		 (!json_array_size(p->measure.runs) && !json_array_size(p->measure.sources)))
		reply_plan(rq, p);
	else
		send_command(rq, p);
}

static void on_measured(struct measure *m)
{
	request_resume(m->userdata);
}

static void begin(struct request *rq, struct prune *p)
{
	struct store_reader *sr = request_reader(rq);
	struct err e;
	int r;

	if (!sr)
		return;
	r = store_read_prune(sr, &p->filter, &p->plan, &e);
	if (r < 0) {
		reply_error(rq, r, &e);
		return;
	}
	p->measure.runs = json_object_get(p->plan, "removed");
	p->measure.sources = json_object_get(p->plan, "sources");
	p->measure.done = on_measured;
	p->measure.userdata = rq;
	request_wait(rq, measured);
	r = manager_measure(rq->api->manager, &p->measure, &p->measure.err);
	if (r >= 0)
		return;
	p->measure.result = r;
	request_resume(rq);
}

/* ---- the requests ---- */

void runs_delete(struct request *rq)
{
	struct prune *p;

	if (!request_id(rq, 'r'))
		return;
	p = prune_of(rq);
	if (!p || !request_param_bool(rq, "dry_run", &p->dry) ||
	    !request_param_bool(rq, "rows", &p->filter.rows))
		return;
	p->filter.run = rq->args[0];
	begin(rq, p);
}

static bool refuse_field(struct request *rq, const char *pointer, const char *code,
			 const char *detail)
{
	reply_problems(
		rq, 422, "invalid_body",
		json_pack("[{s:s, s:s, s:s}]", "pointer", pointer, "code", code, "detail", detail),
		"%s %s", pointer, detail);
	return false;
}

/* Returns false if an error was replied. */
static bool read_flag(struct request *rq, const char *name, bool *ret)
{
	const json_t *value = json_object_get(rq->json, name);
	char pointer[32];

	if (!value)
		return true;
	*ret = json_is_true(value);
	str_must_format(pointer, sizeof(pointer), "/%s", name);
	return json_is_boolean(value) ||
	       refuse_field(rq, pointer, "wrong_type", "must be true or false");
}

/* Read the filter. The default is runs older than OLDER_DEFAULT. */
static bool read_filter(struct request *rq, struct prune_filter *f)
{
	const json_t *keep = json_object_get(rq->json, "keep"),
		     *older = json_object_get(rq->json, "older"),
		     *cursor = json_object_get(rq->json, "cursor");
	const char *text = older ? json_string_value(older) : keep ? "0s" : OLDER_DEFAULT;
	int64_t older_us = 0, kept = json_integer_value(keep);

	if (!text || duration_parse(text, &older_us) < 0)
		return refuse_field(rq, "/older", text ? "invalid" : "wrong_type",
				    "must be a duration such as \"30d\", \"12h\" or \"0s\"");
	if (keep && (!json_is_integer(keep) || kept < 0 || kept > PRUNE_KEEP_MAX))
		return refuse_field(rq, "/keep",
				    json_is_integer(keep) ? "out_of_range" : "wrong_type",
				    "must be a whole number from 0 to 1000000");
	if (cursor && (!json_is_string(cursor) ||
		       str_to_i64(json_string_value(cursor), &f->below) < 0 || f->below < 1))
		return refuse_field(rq, "/cursor",
				    json_is_string(cursor) ? "invalid" : "wrong_type",
				    "must be the next_cursor of an answer");
	f->before_us = clock_now_us() - older_us;
	f->keep = (int)kept;
	return true;
}

void prune_runs(struct request *rq)
{
	static const char *const fields[] = {"older", "keep", "cursor", "dry_run", "rows"};
	struct prune *p;

	if (!request_fields(rq, fields, ARRAY_LEN(fields)))
		return;
	p = prune_of(rq);
	if (p && read_filter(rq, &p->filter) && read_flag(rq, "dry_run", &p->dry) &&
	    read_flag(rq, "rows", &p->filter.rows))
		begin(rq, p);
}
