/* SPDX-License-Identifier: MIT */
/*
 * The readers' interface to the database: read-only, one connection for each thread. The answers
 * are the JSON of docs/api.md, with RFC 3339 times and without empty parts. API threads and worker
 * processes of the daemon call it. A call blocks on the disk, and no read transaction outlives a
 * call. Every json_t is a new reference. -ERR_NOT_FOUND if a required item is missing. -ERR_GONE if
 * a cursor or `since` is below what is kept, or belongs to another database generation.
 * -ERR_INVALID if a cursor is malformed.
 */
#pragma once

#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "base/money.h"
#include "jobs/kind.h"
#include "jobs/spec/spec.h"
#include "jobs/state.h"
#include "storage/answer.h"

#include <stdbool.h>
#include <stdint.h>

#define STORE_LIST_MAX	      500 /* items of one page */
#define STORE_LIST_DEFAULT    50
/* bytes of specs in one page; a page holds at least one item */
#define STORE_LIST_SPECS_MAX  (4 << 20)
#define STORE_METRICS_MAX     10000 /* points of one answer */
#define STORE_METRICS_DEFAULT 1000

struct store_reader;

int store_reader_open(const char *dir, struct store_reader **ret, struct err *reterr) MUSTCHECK;
void store_reader_close(struct store_reader *sr);
/* Run SQLite's quick_check: reads the whole database and blocks. -ERR_CORRUPT: the message has the
 * first finding and the remedy. -ERR_CANCELLED: interrupted. */
int store_reader_check(struct store_reader *sr, struct err *reterr) MUSTCHECK;
/* Any thread. The running call, and calls shortly after it, end with -ERR_CANCELLED. */
void store_reader_interrupt(struct store_reader *sr);

/* The filter of a list; a zeroed field does not filter. Strings are borrowed. */
struct list_filter {
	const char *run;
	const char *name;
	uint32_t states; /* a bit for each job_state, run_state or endpoint_state */
	uint32_t kinds;	 /* a bit for each job_kind */
	int target;	 /* enum job_target + 1; 0: any */
	const char *tag; /* "KEY" or "KEY:VALUE"; the key may contain colons */
	int64_t created_after_us, created_before_us;
	int limit;	    /* 1 … STORE_LIST_MAX; 0: default */
	const char *cursor; /* the next_cursor of the previous page; opaque */
	const char
		*sort; /* "-created_at" (default), "created_at", "metrics.NAME", "-metrics.NAME" */
	bool with_short; /* view=short: id, name, state and times only */
	bool with_spec;	 /* view=full: runs as submitted, jobs with all defaults */
	bool only_items; /* append […], without the page around it */
};

/* Append {"items":[…],"next_cursor":…} as text; newest first. After an error *out holds a part. */
int store_read_runs(struct store_reader *sr, const struct list_filter *f, struct buf *out,
		    struct err *reterr) MUSTCHECK;
int store_read_jobs(struct store_reader *sr, const struct list_filter *f, struct buf *out,
		    struct err *reterr) MUSTCHECK;
int store_read_endpoints(struct store_reader *sr, const struct list_filter *f, struct buf *out,
			 struct err *reterr) MUSTCHECK;

int store_read_run(struct store_reader *sr, const char *id, json_t **ret,
		   struct err *reterr) MUSTCHECK; /* with "jobs": short forms */
/* The run as submitted: the body of POST /v1/runs. */
int store_read_run_body(struct store_reader *sr, const char *id, json_t **ret,
			struct err *reterr) MUSTCHECK;
/* One job. A job with SageMaker resources also has "cost" {"reserved_usd", "settled_usd"} and
 * "sagemaker": names, states and public descriptions. They belong to the last attempt with any
 * resource. */
int store_read_job(struct store_reader *sr, const char *id, json_t **ret,
		   struct err *reterr) MUSTCHECK;
int store_read_endpoint(struct store_reader *sr, const char *name, json_t **ret,
			/* the live endpoint, else the newest; with "sagemaker" and "cost" as in a
			 * job */
			struct err *reterr) MUSTCHECK;
/* The resolved spec that the live endpoint's last update replaced. -ERR_NOT_FOUND if no endpoint of
 * that name is live. -ERR_CONFLICT if the endpoint was never updated or is not in service. */
int store_read_endpoint_previous(struct store_reader *sr, const char *name, json_t **ret,
				 struct err *reterr) MUSTCHECK;
int store_read_attempts(struct store_reader *sr, const char *job, json_t **ret,
			struct err *reterr) MUSTCHECK;

/* Find the job `job` of a run. `run` is the run's id, or the name of which the newest succeeded run
 * is taken. -ERR_NOT_FOUND: the message says whether the run or the job is missing. */
int store_read_run_job(struct store_reader *sr, const char *run, const char *job,
		       char ret_run[ID_LEN], char ret_job[ID_LEN], struct err *reterr) MUSTCHECK;

/* All added models: {NAME: {"path"} or {"hub"[, "revision"]}, each with "added_at"}. */
int store_read_models(struct store_reader *sr, json_t **ret, struct err *reterr) MUSTCHECK;
/* The users of an added model: {"jobs": ids that have not ended, "endpoints": names of live ones};
 * at most 100 of each. */
int store_read_model_users(struct store_reader *sr, const char *name, json_t **ret,
			   struct err *reterr) MUSTCHECK;

/* The location of an attempt's files. attempt 0: the last one. -ERR_NOT_FOUND also before the first
 * attempt. */
struct attempt_dir {
	int attempt;
	char dir[SPEC_PATH_MAX]; /* absolute execution directory; "" if the kind has none */
	enum job_kind kind;
	bool ended; /* True if the execution has ended, so that the log cannot grow */
	enum job_state job_state;
	char run[ID_LEN]; /* "" if an endpoint has no run */
};
/* -ERR_PRUNED if the run's files were removed. The ends of its logs may remain. */
int store_read_pruned(struct store_reader *sr, const char *run, struct err *reterr) MUSTCHECK;
int store_read_attempt_dir(struct store_reader *sr, const char *job, int attempt,
			   struct attempt_dir *ret, struct err *reterr) MUSTCHECK;
/* The S3 locations of an attempt on SageMaker: {"region", "places": {"output/": URI,
 * "checkpoints/": URI}}. *ret is NULL if the attempt has no training job. */
int store_read_attempt_uris(struct store_reader *sr, const char *job, int attempt, json_t **ret,
			    struct err *reterr) MUSTCHECK;
/* The directory of the endpoint's newest execution. */
int store_read_endpoint_dir(struct store_reader *sr, const char *name, struct attempt_dir *ret,
			    struct err *reterr) MUSTCHECK;

#define STORE_USAGE_MAX 20000 /* executions in one answer; the newest ones are taken */

/* Add {ID: {"job","name","run","run_name"}} to `into` for each execution of a run (NULL: of all
 * runs). An execution of an endpoint appears under its deploy job; the object is empty if that job
 * was pruned. */
int store_read_executions(struct store_reader *sr, const char *run, json_t *into,
			  struct err *reterr) MUSTCHECK;

/* As folder_check() in folder.h: -ERR_REMOVED or -ERR_PRUNED if `path` is missing because its
 * folder was removed. */
int store_read_folder_check(struct store_reader *sr, const char *path,
			    struct err *reterr) MUSTCHECK;

/* The runs that a prune selects: either one run, or all runs that ended before `before_us` and are
 * not among the `keep` that ended last. */
#define PRUNE_LOOK_MAX	  10000 /* runs that one prune examines */
#define PRUNE_RUNS_MAX	  256	/* runs whose files one prune removes */
#define PRUNE_SOURCES_MAX 256	/* frozen copies that one prune removes besides those of its runs */
#define PRUNE_KEEP_MAX	  1000000
struct prune_filter {
	const char *run; /* NULL: select by the fields below; borrowed */
	int64_t before_us;
	int keep;
	bool rows;     /* True if the rows go too, also of runs whose files are already gone */
	int64_t below; /* only runs with a smaller number; 0: from the newest */
};
/* The plan of a prune: {"removed": [{"run","name","finished_at","executions":[ids]}], "kept":
 * [{"run","name","finished_at","reason":{"code","message"}}], "sources": [{"source"}], "truncated"
 * [,"next_cursor"]}, newest submit first. "sources" are the frozen copies of source directories
 * that no kept run needs: those of the run, or of the whole data directory. "next_cursor" is
 * `below` for the rest of the runs. Changes nothing. -ERR_NOT_FOUND if there is no run f->run. */
int store_read_prune(struct store_reader *sr, const struct prune_filter *f, json_t **ret,
		     struct err *reterr) MUSTCHECK;

/* {"items":[{"at","step","epoch","values":{…}}],"next_since":N}: the points whose row id is above
 * `since`. `name` NULL: all metrics. */
int store_read_metrics(struct store_reader *sr, const char *job, int attempt, const char *name,
		       int64_t since, int limit, json_t **ret, struct err *reterr) MUSTCHECK;

/* {"items":[…],"next_since":N}: events with seq > since, oldest first. next_since is the highest
 * seq that was examined. */
struct event_filter {
	const char *run, *job, *kind;
	int64_t since;
	int limit;
};
int store_read_events(struct store_reader *sr, const struct event_filter *f, json_t **ret,
		      struct err *reterr) MUSTCHECK;

/* The seq up to which events were notified (-1: never); whether the condition `key` was. */
int store_read_notified(struct store_reader *sr, int64_t *ret, struct err *reterr) MUSTCHECK;
int store_read_notice(struct store_reader *sr, const char *key, bool *ret,
		      struct err *reterr) MUSTCHECK;

/* {"today","month"}: each has "day" or "month", "reserved_usd" (resources that are not settled),
 * "settled_usd", "total_usd", "left_usd" (null without a cap). */
int store_read_money(struct store_reader *sr, const struct money_caps *caps, int64_t now_us,
		     json_t **ret, struct err *reterr) MUSTCHECK;
/* {"from","to","days","jobs","endpoints","open"} of the UTC days first … last, each item with
 * "reserved_usd","settled_usd","total_usd". Jobs and endpoints: dearest first, at most
 * STORE_LIST_MAX. "open": resources of any day that are not settled. */
int store_read_costs(struct store_reader *sr, int64_t first_day, int64_t last_day, json_t **ret,
		     struct err *reterr) MUSTCHECK;

/* {"jobs":{"queued":N,…},"runs":{…},"endpoints":{…}} */
int store_read_counts(struct store_reader *sr, json_t **ret, struct err *reterr) MUSTCHECK;
/* The jobs of each kind and state. */
struct job_counts {
	int64_t n[JOB_KINDS_][JOB_STATES_];
};
int store_read_job_counts(struct store_reader *sr, struct job_counts *ret,
			  struct err *reterr) MUSTCHECK;
/* Append the queued and blocked jobs in the order of their start: a list, as text. */
int store_read_queue(struct store_reader *sr, int limit, struct buf *out,
		     struct err *reterr) MUSTCHECK;
/* The newest seq, and a counter of state changes (for the ETags of lists). */
int store_read_versions(struct store_reader *sr, int64_t *ret_seq, int64_t *ret_state_changes,
			struct err *reterr) MUSTCHECK;
const char *store_reader_generation(struct store_reader *sr); /* borrowed */
