/* SPDX-License-Identifier: MIT */
/*
 * The manager as api threads see it: queue a command, get called back after its commit; ask for
 * snapshots. The manager thread is the only writer of the database and the only mover of states.
 * Everything here is thread-safe and, except manager_prepare(), does not block.
 */
#pragma once

#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "base/money.h"
#include "jobs/spec/spec.h"

#include <stddef.h>
#include <stdint.h>

#define MANAGER_QUEUE_MAX	 4096	 /* commands waiting; one more is refused (503) */
#define MANAGER_INVOKE_BODY_MAX	 6291456 /* bytes, as SageMaker's InvokeEndpoint */
#define MANAGER_INVOKE_REPLY_MAX 6291456
#define MANAGER_SOURCE_BYTES_MAX (64 << 20) /* a frozen source_dir */
#define MANAGER_SOURCE_FILES_MAX 10000

struct manager;
struct feed;
struct store_reader; /* storage/store_read.h */

enum command_kind {
	COMMAND_SUBMIT,		 /* run: the prepared spec; result id: the run's */
	COMMAND_JOB_CANCEL,	 /* id */
	COMMAND_JOB_RETRY,	 /* id; result: the same job, queued or blocked again */
	COMMAND_JOB_HOLD,	 /* id */
	COMMAND_JOB_RELEASE,	 /* id */
	COMMAND_JOB_PRIORITY,	 /* id, number */
	COMMAND_RUN_CANCEL,	 /* id */
	COMMAND_RUN_RETRY,	 /* id */
	COMMAND_RUN_HOLD,	 /* id: all of its jobs that wait */
	COMMAND_RUN_RELEASE,	 /* id: all of its jobs that are held */
	COMMAND_RUN_PRIORITY,	 /* id, number: all of its jobs that have not ended */
	COMMAND_RUN_EXPLAIN,	 /* id; result in `json` (see docs/api.md) */
	COMMAND_ENDPOINT_DELETE, /* id: the endpoint's name */
	COMMAND_ENDPOINT_RENEW,	 /* id: name; number: new ttl in µs, 0: as last time */
	COMMAND_EXPLAIN,	 /* id: a job's; result in `json` (see docs/api.md) */
	COMMAND_MODEL_ADD, /* id: its name; json: of manager_model_check(); number: 1 if it is new
			    */
	COMMAND_MODEL_REMOVE, /* id: its name */
	COMMAND_PRUNE, /* json: {"runs": [ids, newest submit first], "rows"}; result in `json`:
			* {"removed": [{"run","rows"}], "kept": [{"run","reason"}]} */
};

/* One command. The caller fills the first part and owns the memory until `done` has run, which is
 * on the manager thread after the commit (keep it short: resume the connection). */
struct command {
	enum command_kind kind;
	char id[SPEC_NAME_MAX + 1];
	int64_t number;
	struct run_spec *run; /* taken over by the manager */
	void (*done)(struct command *c);
	void *userdata;

	int result; /* 0 or negative; -ERR_NOT_FOUND, -ERR_CONFLICT, -ERR_EXISTS; when the commit
		     * failed, for the whole batch: -ENOSPC (disk full), -ERR_UNAVAILABLE */
	struct err err; /* when result < 0 */
	char result_id[SPEC_NAME_MAX + 1];
	json_t *json; /* the caller's to release; of a submit, its warnings; of a model, its source
		       */
	struct command *next; /* the manager's */
};

/* 0, or -ERR_LIMIT / -ERR_UNAVAILABLE (stopping): then `done` will not run. */
int manager_queue(struct manager *mgr, struct command *c, struct err *reterr) MUSTCHECK;

/* All that a submit checks, on the caller's thread (may read files, may copy a source_dir of up to
 * MANAGER_SOURCE_BYTES_MAX): spec rules, paths exist below allowed roots, model names, endpoint
 * names. `dry`: freeze nothing (validate). is_job: the body is one job. *ret_placement (may be
 * NULL) gets a new JSON object saying where each job would run. -ERR_INVALID: see `problems`.
 * -ENOSPC, -ERR_UNAVAILABLE: the machine has no disk or no descriptors left for a new run
 * (headroom.h). `reader`: the caller's, to look up other runs; NULL: references to them are
 * refused. */
int manager_prepare(struct manager *mgr, struct store_reader *reader, const json_t *body,
		    bool is_job, bool dry, struct run_spec **ret, json_t *problems,
		    json_t **ret_placement, struct err *reterr) MUSTCHECK;

/* Looks at what an added model's name would stand for ({"path"} or {"hub"[, "revision"]}), on the
 * caller's thread, for ten seconds at most. *ret: the source for COMMAND_MODEL_ADD. -ERR_INVALID:
 * see `problems`, or no name; -ERR_EXISTS: the configuration has the name; -ERR_UNAVAILABLE. */
int manager_model_check(struct manager *mgr, const char *name, const json_t *body, json_t **ret,
			json_t *problems, struct err *reterr) MUSTCHECK;
/* GET /v1/models, and one of them. -ERR_NOT_FOUND. */
int manager_models(struct manager *mgr, struct store_reader *reader, json_t **ret,
		   struct err *reterr) MUSTCHECK;
int manager_model(struct manager *mgr, struct store_reader *reader, const char *name, json_t **ret,
		  struct err *reterr) MUSTCHECK;

/* Headers of InvokeEndpoint that pass through to an endpoint, and back (botocore's
 * sagemaker-runtime/2017-05-13/service-2.json). Values are ASCII of at most `max` characters. */
#define MANAGER_INVOKE_SENT 9
#define MANAGER_INVOKE_VARIANT \
	3 /* it, and what comes after, chooses: an endpoint here has one of each */
#define MANAGER_INVOKE_SAID 4
struct invoke_header {
	const char *name;
	size_t max;
};
extern const struct invoke_header manager_invoke_sent[MANAGER_INVOKE_SENT];
extern const struct invoke_header manager_invoke_said[MANAGER_INVOKE_SAID];

/* How much lies in the directories of executions, on the thread that removes them. */
struct measure {
	json_t *runs; /* [{"executions": [ids]}]: each gets "bytes" and "files", and "partial": true
		       * if there may be more */
	void (*done)(struct measure *m); /* on that thread; keep it short */
	void *userdata;
	int result; /* 0, or negative: the daemon stops */
	struct err err;
	struct measure *next; /* the manager's */
};
/* 0, or -ERR_UNAVAILABLE: then `done` will not run. */
int manager_measure(struct manager *mgr, struct measure *m, struct err *reterr) MUSTCHECK;

/* Relay one request to a live endpoint; `done` runs on another thread, exactly once. */
struct invocation {
	char endpoint[SPEC_NAME_MAX + 1];
	const char *body; /* borrowed until done */
	size_t body_len;
	const char *content_type, *accept;     /* may be NULL */
	const char *sent[MANAGER_INVOKE_SENT]; /* values; NULL: not given */
	int64_t timeout_us;
	void (*done)(struct invocation *inv);
	void *userdata;

	int result; /* 0: the endpoint answered; -ERR_NOT_FOUND, -ERR_CONFLICT (not in service),
		     * -ERR_INVALID (a header, or what SageMaker says against the request),
		     * -ERR_UNAVAILABLE, -ERR_LIMIT */
	struct err err;
	int status;  /* HTTP status of the endpoint's answer */
	char *reply; /* the caller frees */
	size_t reply_len;
	char reply_type[128];
	char *said[MANAGER_INVOKE_SAID]; /* values; NULL: not said; the caller frees */
	void *ask;			 /* the manager's */
};
int manager_invoke(struct manager *mgr, struct invocation *inv, struct err *reterr) MUSTCHECK;

/* Money: the configuration's caps; when the price table was noted ("2025-11", borrowed); and what a
 * job, as store_read_job() answers it, may cost at worst, as decimal text: a new reference, NULL
 * for one that costs nothing. */
struct money_caps manager_money_caps(const struct manager *mgr);
const char *manager_prices_noted(const struct manager *mgr);
json_t *manager_worst_case(const struct manager *mgr, const json_t *job);

/* Snapshots; new references. */
json_t *manager_devices(struct manager *mgr); /* GET /v1/devices */
json_t *manager_status(struct manager *mgr);  /* slots, daemon facts, for /v1/overview */
struct feed *manager_feed(struct manager *mgr);
/* Measure the use of the disk with worker/usage.h; `question` has "all" and "executions". Blocks
 * for seconds: call it on a thread of your own. -ERR_LIMIT: one measurement
 * is under way already. *ret is the caller's. */
int manager_usage(struct manager *mgr, json_t *question, json_t **ret,
		  struct err *reterr) MUSTCHECK;
/* -ERR_UNAVAILABLE: the data directory was renamed, replaced or deleted: what lies at its path is
 * not this daemon's. */
int manager_check_location(struct manager *mgr, struct err *reterr) MUSTCHECK;
/* 0: it has recovered, is not stopping, has its data directory, and its thread has passed its loop
 * within the last seconds; else -ERR_UNAVAILABLE with the reason. */
int manager_ready(struct manager *mgr, struct err *reterr) MUSTCHECK;
