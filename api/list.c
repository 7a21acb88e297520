/* SPDX-License-Identifier: MIT */
/*
 * GET /v1/runs, /v1/jobs and /v1/endpoints: parameters become a filter, one read fills the page,
 * the ETag covers changes of states. The server's threads run this.
 */
#include "api/list.h"

#include "api/reply.h"
#include "base/own.h"
#include "base/str.h"
#include "jobs/spec/spec.h"

#include <inttypes.h>
#include <string.h>

#define NAMES_MAX 16
#define TAG_MAX	  (SPEC_TAG_NAME_MAX + 1 + SPEC_TAG_MAX) /* bytes of KEY:VALUE */

_Static_assert((int)JOB_STATES_ <= NAMES_MAX && (int)JOB_KINDS_ <= NAMES_MAX, "NAMES_MAX");

/* Gives the parsers of all enumerations one signature. */
#define PARSER(name, type, parse)                \
	static int name(const char *s, int *ret) \
	{                                        \
		enum type v;                     \
		int r = parse(s, &v);            \
                                                 \
		*ret = r < 0 ? -1 : (int)v;      \
		return r;                        \
	}
PARSER(parse_run_state, run_state, run_state_parse)
PARSER(parse_job_state, job_state, job_state_parse)
PARSER(parse_endpoint_state, endpoint_state, endpoint_state_parse)
PARSER(parse_kind, job_kind, job_kind_parse)

static bool read_states(struct request *rq, enum list_noun noun, uint32_t *ret)
{
	const char *names[NAMES_MAX];
	size_t n = 0;

	switch (noun) {
	case LIST_RUNS:
		for (; n < RUN_STATES_; n++)
			names[n] = run_state_str((enum run_state)n);
		return request_param_set(rq, "state", parse_run_state, names, n, ret);
	case LIST_JOBS:
		for (; n < JOB_STATES_; n++)
			names[n] = job_state_str((enum job_state)n);
		return request_param_set(rq, "state", parse_job_state, names, n, ret);
	case LIST_ENDPOINTS:
		for (; n < ENDPOINT_STATES_; n++)
			names[n] = endpoint_state_str((enum endpoint_state)n);
		return request_param_set(rq, "state", parse_endpoint_state, names, n, ret);
	}
	return true;
}

static bool read_kinds(struct request *rq, struct list_filter *f)
{
	const char *names[NAMES_MAX], *target = request_param(rq, "target");
	enum job_target t;

	for (size_t i = 0; i < JOB_KINDS_; i++)
		names[i] = job_kind_str((enum job_kind)i);
	if (!request_param_set(rq, "kind", parse_kind, names, JOB_KINDS_, &f->kinds))
		return false;
	if (!target)
		return true;
	if (job_target_parse(target, &t) < 0) {
		reply_problem(
			rq, 400, "invalid_parameter",
			"the query parameter 'target' must be local or sagemaker, not '%.64s'",
			target);
		return false;
	}
	f->target = (int)t + 1;
	return true;
}

/* Read a text filter. A text longer than any possible value is an error, not an empty list. */
static bool read_text(struct request *rq, const char *name, int max, const char **ret)
{
	const char *s = request_param(rq, name);

	*ret = s;
	if (!s || strlen(s) <= (size_t)max)
		return true;
	reply_problem(rq, 400, "invalid_parameter",
		      "the query parameter '%s' has %zu bytes; use at most %d", name, strlen(s),
		      max);
	return false;
}

static bool read_view(struct request *rq, struct list_filter *f)
{
	const char *view = request_param(rq, "view");

	f->with_short = view && str_eq(view, "short");
	f->with_spec = view && str_eq(view, "full");
	if (!view || f->with_short || f->with_spec)
		return true;
	reply_problem(rq, 400, "invalid_parameter",
		      "the query parameter 'view' must be short or full, not '%.64s'", view);
	return false;
}

static bool read_sort(struct request *rq, struct list_filter *f)
{
	const char *sort = request_param(rq, "sort"), *name = sort;

	f->sort = sort;
	if (!sort)
		return true;
	name += *name == '-';
	if (str_eq(name, "created_at") || (str_starts(name, "metrics.") && name[8]))
		return true;
	reply_problem(rq, 400, "invalid_parameter",
		      "the query parameter 'sort' must be created_at or metrics.NAME, with '-' "
		      "before the name for the greatest first, not '%.64s'",
		      sort);
	return false;
}

static bool read_filter(struct request *rq, enum list_noun noun, struct list_filter *f)
{
	int64_t limit = 0;

	f->cursor = request_param(rq, "cursor");
	if (!read_text(rq, "run", SPEC_NAME_MAX, &f->run) ||
	    !read_text(rq, "name", SPEC_NAME_MAX, &f->name) ||
	    !read_text(rq, "tag", TAG_MAX, &f->tag) ||
	    !request_param_int(rq, "limit", 1, STORE_LIST_MAX, &limit) ||
	    !request_param_time(rq, "created_after", &f->created_after_us) ||
	    !request_param_time(rq, "created_before", &f->created_before_us) ||
	    !read_states(rq, noun, &f->states) || !read_kinds(rq, f) || !read_view(rq, f) ||
	    !read_sort(rq, f))
		return false;
	f->limit = (int)limit;
	return true;
}

void list_reply(struct request *rq, enum list_noun noun)
{
	static int (*const read[])(struct store_reader *, const struct list_filter *, struct buf *,
				   struct err *) = {
		[LIST_RUNS] = store_read_runs,
		[LIST_JOBS] = store_read_jobs,
		[LIST_ENDPOINTS] = store_read_endpoints,
	};
	struct list_filter f = {0};
	struct store_reader *sr;
	int64_t seq, changes;
	struct buf list = BUF_INIT(SIZE_MAX / 2);
	char etag[96];
	struct err e;
	int r;

	if (!read_filter(rq, noun, &f))
		return;
	sr = request_reader(rq);
	if (!sr)
		return;
	/* Read the version before the list, so that the ETag is never newer than the list. */
	r = store_read_versions(sr, &seq, &changes, &e);
	if (r < 0) {
		reply_error(rq, r, &e);
		return;
	}
	str_must_format(etag, sizeof(etag), "%s-s%" PRId64, store_reader_generation(sr), changes);
	if (reply_etag(rq, etag))
		return;
	r = read[noun](sr, &f, &list, &e);
	if (r < 0) {
		buf_done(&list);
		reply_error(rq, r, &e);
		return;
	}
	reply_json_text(rq, 200, &list);
	reply_etag(rq, etag);
}
