/* SPDX-License-Identifier: MIT */
/*
 * The readers' door: read-only, one connection per thread, answers in the JSON shapes of
 * docs/api.md ("RFC 3339 times, absent parts are absent"). No read transaction outlives a call.
 * Every json_t is a new reference. -ERR_NOT_FOUND where an item must exist; -ERR_GONE for a cursor
 * or `since` that is below what is kept or of another database generation; -ERR_INVALID for a
 * malformed cursor.
 */
#pragma once

#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "base/money.h"
#include "jobs/kind.h"
#include "jobs/spec/spec.h"
#include "jobs/state.h"

#include <stdbool.h>
#include <stdint.h>

#define STORE_LIST_MAX	      500 /* items of one page */
#define STORE_LIST_DEFAULT    50
#define STORE_LIST_SPECS_MAX  (4 << 20) /* bytes of specs in one page, but at least one item */
#define STORE_METRICS_MAX     10000	/* points of one answer */
#define STORE_METRICS_DEFAULT 1000

struct store_reader;

int store_reader_open(const char *dir, struct store_reader **ret, struct err *reterr) MUSTCHECK;
void store_reader_close(struct store_reader *sr);
/* SQLite's quick_check of the whole database: reads all of it, blocking. -ERR_CORRUPT: what it
 * found first, and what to do; -ERR_CANCELLED: interrupted. */
int store_reader_check(struct store_reader *sr, struct err *reterr) MUSTCHECK;
/* Any thread: end the call that runs, and those that follow soon, with -ERR_CANCELLED. */
void store_reader_interrupt(struct store_reader *sr);

/* What a list is narrowed to; zeroed fields do not narrow. Strings are borrowed. */
struct list_filter {
	const char *run;
	const char *name;
	uint32_t states; /* bit per job_state, run_state or endpoint_state */
	uint32_t kinds;	 /* bit per job_kind */
	int target;	 /* enum job_target + 1 */
	const char *tag; /* "KEY" or "KEY:VALUE", where the key may hold colons too */
	int64_t created_after_us, created_before_us;
	int limit;	    /* 1 … STORE_LIST_MAX; 0: default */
	const char *cursor; /* of the page before, opaque */
	const char
		*sort; /* "-created_at" (default), "created_at", "metrics.NAME", "-metrics.NAME" */
	bool with_short; /* view=short: id, name, state, times only */
	bool with_spec;	 /* view=full: runs as submitted, jobs with all defaults filled in */
};

/* {"items":[…],"next_cursor":…}; newest first. */
int store_read_runs(struct store_reader *sr, const struct list_filter *f, json_t **ret,
		    struct err *reterr) MUSTCHECK;
int store_read_jobs(struct store_reader *sr, const struct list_filter *f, json_t **ret,
		    struct err *reterr) MUSTCHECK;
int store_read_endpoints(struct store_reader *sr, const struct list_filter *f, json_t **ret,
			 struct err *reterr) MUSTCHECK;

int store_read_run(struct store_reader *sr, const char *id, json_t **ret,
		   struct err *reterr) MUSTCHECK; /* with "jobs": short forms */
/* The run as it was submitted: what POST /v1/runs takes. */
int store_read_run_body(struct store_reader *sr, const char *id, json_t **ret,
			struct err *reterr) MUSTCHECK;
/* With "sagemaker" and "cost" {"reserved_usd","settled_usd"} when it has resources on SageMaker:
 * names, states and what their descriptions say, of the last attempt that has any. */
int store_read_job(struct store_reader *sr, const char *id, json_t **ret,
		   struct err *reterr) MUSTCHECK;
int store_read_endpoint(struct store_reader *sr, const char *name, json_t **ret,
			struct err *reterr) MUSTCHECK; /* the live one, else the newest; as a job */
/* The resolved spec of the deploy that the live endpoint's last update replaced; owned by the
 * caller. -ERR_NOT_FOUND: no live one; -ERR_CONFLICT: it has not been updated, or is not in
 * service. */
int store_read_endpoint_previous(struct store_reader *sr, const char *name, json_t **ret,
				 struct err *reterr) MUSTCHECK;
int store_read_attempts(struct store_reader *sr, const char *job, json_t **ret,
			struct err *reterr) MUSTCHECK;

/* The job `job` of the run with that id, else of the newest succeeded run of that name.
 * -ERR_NOT_FOUND says which of them is not there. */
int store_read_run_job(struct store_reader *sr, const char *run, const char *job,
		       char ret_run[ID_LEN], char ret_job[ID_LEN], struct err *reterr) MUSTCHECK;

/* The models that were added: {NAME: {"path"} or {"hub"[, "revision"]}, each with "added_at"}. */
int store_read_models(struct store_reader *sr, json_t **ret, struct err *reterr) MUSTCHECK;
/* {"jobs": ids that have not ended, "endpoints": names of live ones} that were submitted with the
 * added model; at most 100 of each. */
int store_read_model_users(struct store_reader *sr, const char *name, json_t **ret,
			   struct err *reterr) MUSTCHECK;

/* Where an attempt's files lie. attempt 0: the last one. -ERR_NOT_FOUND also before the first. */
struct attempt_place {
	int attempt;
	char dir[SPEC_PATH_MAX]; /* absolute execution directory; "" when the kind has none */
	enum job_kind kind;
	bool ended; /* the execution is over: the log will not grow */
	enum job_state job_state;
	char run[ID_LEN]; /* "" of an endpoint that has none */
};
/* -ERR_PRUNED if the files of the run were removed, but for the ends of its logs. */
int store_read_pruned(struct store_reader *sr, const char *run, struct err *reterr) MUSTCHECK;
int store_read_attempt_place(struct store_reader *sr, const char *job, int attempt,
			     struct attempt_place *ret, struct err *reterr) MUSTCHECK;
/* Where an attempt on SageMaker leaves its things in S3: {"region", "places": {"output/": URI,
 * "checkpoints/": URI}}; NULL: it has no training job. */
int store_read_attempt_uris(struct store_reader *sr, const char *job, int attempt, json_t **ret,
			    struct err *reterr) MUSTCHECK;
/* The directory of an endpoint's newest execution. */
int store_read_endpoint_place(struct store_reader *sr, const char *name, struct attempt_place *ret,
			      struct err *reterr) MUSTCHECK;

#define STORE_USAGE_MAX 20000 /* executions of one answer, the newest */

/* Add {ID: {"job","name","run","run_name"}} of the executions of a run (NULL: of all runs), those
 * of endpoints under the job that has deployed them. */
int store_read_executions(struct store_reader *sr, const char *run, json_t *into,
			  struct err *reterr) MUSTCHECK;

/* folder.h: -ERR_REMOVED or -ERR_PRUNED if the path is not there because its folder was removed. */
int store_read_folder_check(struct store_reader *sr, const char *path,
			    struct err *reterr) MUSTCHECK;

/* Which runs a prune means: that one, else those that ended until `before_us` and are not among the
 * `keep` that ended last. */
#define PRUNE_LOOK_MAX 10000 /* runs that one prune looks at */
#define PRUNE_RUNS_MAX 256   /* and of which it removes the files */
#define PRUNE_KEEP_MAX 1000000
struct prune_filter {
	const char *run; /* NULL: by the two below; borrowed */
	int64_t before_us;
	int keep;
	bool rows; /* the rows of runs too, also of those whose files have gone before */
};
/* {"removed": [{"run","name","finished_at","executions":[ids]}], "kept": [{"run","name",
 * "finished_at","reason":{"code","message"}}], "truncated"}: newest submit first. Nothing changes.
 * -ERR_NOT_FOUND: there is no run f->run. */
int store_read_prune(struct store_reader *sr, const struct prune_filter *f, json_t **ret,
		     struct err *reterr) MUSTCHECK;

/* {"items":[{"at","step","epoch","values":{…}}],"next_since":N}: points with row id > since. `name`
 * NULL: all values. */
int store_read_metrics(struct store_reader *sr, const char *job, int attempt, const char *name,
		       int64_t since, int limit, json_t **ret, struct err *reterr) MUSTCHECK;

/* {"items":[…],"next_since":N}, oldest first, seq > since; next_since is the high-water mark. */
struct event_filter {
	const char *run, *job, *kind;
	int64_t since;
	int limit;
};
int store_read_events(struct store_reader *sr, const struct event_filter *f, json_t **ret,
		      struct err *reterr) MUSTCHECK;

/* {"today","month"}: {"day" or "month", "reserved_usd" (by what is not settled), "settled_usd",
 * "total_usd", "left_usd" (null without a cap)}. */
int store_read_money(struct store_reader *sr, const struct money_caps *caps, int64_t now_us,
		     json_t **ret, struct err *reterr) MUSTCHECK;
/* {"from","to","days","jobs","endpoints","open"} of the UTC days first … last: each with
 * "reserved_usd","settled_usd","total_usd"; jobs and endpoints dearest first, at most
 * STORE_LIST_MAX; "open": what is not settled, of any day. */
int store_read_costs(struct store_reader *sr, int64_t first_day, int64_t last_day, json_t **ret,
		     struct err *reterr) MUSTCHECK;

/* {"jobs":{"queued":N,…},"runs":{…},"endpoints":{…}} */
int store_read_counts(struct store_reader *sr, json_t **ret, struct err *reterr) MUSTCHECK;
/* Queued and blocked jobs in the order in which they would start. */
int store_read_queue(struct store_reader *sr, int limit, json_t **ret,
		     struct err *reterr) MUSTCHECK;
/* Newest seq, and a counter of state changes (for list ETags). */
int store_read_versions(struct store_reader *sr, int64_t *ret_seq, int64_t *ret_state_changes,
			struct err *reterr) MUSTCHECK;
const char *store_reader_generation(struct store_reader *sr); /* borrowed */
