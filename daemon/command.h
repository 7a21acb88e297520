/* SPDX-License-Identifier: MIT */
/* Commands to the manager: what API threads ask it to change. Part of manager.h. */
#pragma once

#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "jobs/spec/spec.h"

#include <stdint.h>
#include <sys/queue.h>

#define MANAGER_QUEUE_MAX 4096 /* queued commands; one more is refused (503) */
#define MANAGER_KEY_MAX	  255  /* characters of an Idempotency-Key */

struct manager;
struct submitted;

enum command_kind {
	COMMAND_SUBMIT,	      /* run: the prepared spec; result: the run's id */
	COMMAND_JOB_CANCEL,   /* id: the job's */
	COMMAND_JOB_RETRY,    /* id: the job's; result: the same job, queued or blocked again */
	COMMAND_JOB_HOLD,     /* id: the job's */
	COMMAND_JOB_RELEASE,  /* id: the job's */
	COMMAND_JOB_PRIORITY, /* id: the job's; number: the priority */
	COMMAND_RUN_CANCEL,   /* id: the run's */
	COMMAND_RUN_RETRY,    /* id: the run's */
	COMMAND_RUN_HOLD,     /* id: the run's; all of its waiting jobs */
	COMMAND_RUN_RELEASE,  /* id: the run's; all of its held jobs */
	/* id: the run's; number: the priority of all its jobs that have not ended */
	COMMAND_RUN_PRIORITY,
	COMMAND_RUN_EXPLAIN,	 /* id: the run's; result in `answer` (see docs/api.md) */
	COMMAND_ENDPOINT_DELETE, /* id: the endpoint's name */
	/* id: the endpoint's name; number: new ttl in µs, 0: the last ttl */
	COMMAND_ENDPOINT_RENEW,
	COMMAND_EXPLAIN, /* id: the job's; result in `answer` (see docs/api.md) */
	/* id: the model's name; json: from manager_model_check(); number: 1 if it is new */
	COMMAND_MODEL_ADD,
	COMMAND_MODEL_REMOVE, /* id: the model's name */
	/* json: {"runs": [ids, newest submit first], "sources": [names], "rows"}; result in
	 * `answer` as from store_prune_runs() */
	COMMAND_PRUNE,
	/* of the notifier: id: the condition's key or ""; number: the seq or 0 */
	COMMAND_NOTIFIED,
	COMMAND_RESTORE,	 /* result in `answer`: GET /v1/restore */
	COMMAND_RESTORE_CONFIRM, /* number: 1 although resources are unchecked; `answer` too */
};

/* A command. The caller fills the first part and owns the memory until `done` has run. `done` runs
 * on the manager's thread after the commit and must be short: resume the connection. */
struct command {
	enum command_kind kind;
	char id[SPEC_NAME_MAX + 1];
	int64_t number;
	struct run_spec *run; /* the caller's */
	/* Of a request that may be repeated: the client's key and the request's hash, borrowed.
	 * NULL: none. Commands with an `answer` ignore them: to repeat them changes nothing. */
	const char *key, *request;
	void (*done)(struct command *c);
	void *userdata;

	/* True if the request was done before: result_id is of then, and nothing else is set */
	bool repeated;
	/* 0 or negative: -ERR_NOT_FOUND, -ERR_CONFLICT, -ERR_EXISTS. -ERR_STALE: the run must be
	 * prepared again. If the commit fails, all commands of the batch get -ENOSPC (disk full) or
	 * -ERR_UNAVAILABLE */
	int result;
	struct err err; /* set if result < 0 */
	char result_id[SPEC_NAME_MAX + 1];
	json_t *json; /* the caller's: a model's source, a prune's runs */
	/* of a submit, if result is 0 (storage/answer.h); the caller frees it */
	struct submitted *submitted;
	json_t *answer;		    /* of explain and prune; the caller releases it */
	STAILQ_ENTRY(command) link; /* private to the manager */
};

/* Queue a command. Returns 0, or -ERR_LIMIT / -ERR_UNAVAILABLE (stopping); then `done` does not
 * run. */
int manager_queue(struct manager *mgr, struct command *c, struct err *reterr) MUSTCHECK;
