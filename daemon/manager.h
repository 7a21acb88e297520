/* SPDX-License-Identifier: MIT */
/*
 * The manager as API threads see it: queue a command and get a callback after its commit; read
 * snapshots. Only the manager's thread writes the database and changes states. All functions are
 * thread-safe and do not block, except manager_prepare() and those that say so.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "base/money.h"
#include "daemon/command.h"
#include "jobs/spec/spec.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#define MANAGER_INVOKE_BODY_MAX	 6291456 /* bytes; the limit of SageMaker's InvokeEndpoint */
#define MANAGER_INVOKE_REPLY_MAX 6291456
#define MANAGER_SOURCE_BYTES_MAX (64 << 20) /* bytes of a frozen source_dir */
#define MANAGER_SOURCE_FILES_MAX 10000

struct manager;
struct feed;
struct store_reader; /* defined in storage/store_read.h */

/* Do all checks of a submit on the caller's thread: rules of the spec, paths below the allowed
 * roots, model names, endpoint names. Blocks on the disk; may copy a source_dir of up to
 * MANAGER_SOURCE_BYTES_MAX. `reader` is the caller's and finds other runs; NULL: references to
 * other runs are refused. `is_job`: the body is one job. `dry`: freeze nothing (validate).
 * *ret_placement (may be NULL) becomes a new JSON object with the place of each job. -ERR_INVALID:
 * see `problems`. -ENOSPC, -ERR_UNAVAILABLE: no disk space or descriptors for a new run
 * (headroom.h). */
int manager_prepare(struct manager *mgr, struct store_reader *reader, const json_t *body,
		    bool is_job, bool dry, struct run_spec **ret, json_t *problems,
		    json_t **ret_placement, struct err *reterr) MUSTCHECK;

/* Check the source of a new model ({"path"} or {"hub"[, "revision"]}) on the caller's thread.
 * Blocks for at most ten seconds. *ret is the source for COMMAND_MODEL_ADD. -ERR_INVALID: see
 * `problems`, or the name is invalid. -ERR_EXISTS: the configuration has the name.
 * -ERR_UNAVAILABLE. */
int manager_model_check(struct manager *mgr, const char *name, const json_t *body, json_t **ret,
			json_t *problems, struct err *reterr) MUSTCHECK;
/* Build GET /v1/models, or one model of it. -ERR_NOT_FOUND if there is no such model. */
int manager_models(struct manager *mgr, struct store_reader *reader, json_t **ret,
		   struct err *reterr) MUSTCHECK;
int manager_model(struct manager *mgr, struct store_reader *reader, const char *name, json_t **ret,
		  struct err *reterr) MUSTCHECK;

/* Headers of InvokeEndpoint that pass to an endpoint, and back (botocore's
 * sagemaker-runtime/2017-05-13/service-2.json). A value is ASCII of at most `max` characters. */
#define MANAGER_INVOKE_SENT    9
/* index of the first header that selects a variant or a model; a local endpoint has only one */
#define MANAGER_INVOKE_VARIANT 3
#define MANAGER_INVOKE_REPLIED 4
#define INVOKE_TYPE_MAX	       1024 /* bytes of Content-Type and Accept; InvokeEndpoint's limit */
struct invoke_header {
	const char *name;
	size_t max;
};
extern const struct invoke_header manager_invoke_sent[MANAGER_INVOKE_SENT];
extern const struct invoke_header manager_invoke_replied[MANAGER_INVOKE_REPLIED];

/* A measurement of directories, by the thread that removes them. */
struct measure {
	/* [{"executions": [ids]}] and [{"source": name}]; each item gets "bytes" and "files", and
	 * "partial": true if the measurement is incomplete */
	json_t *runs, *sources;
	void (*done)(struct measure *m); /* called on that thread; must be short */
	void *userdata;
	int result; /* 0, or negative if the daemon stops */
	struct err err;
	STAILQ_ENTRY(measure) link; /* private to the manager */
};
/* Start a measurement. Returns 0, or -ERR_UNAVAILABLE; then `done` does not run. */
int manager_measure(struct manager *mgr, struct measure *m, struct err *reterr) MUSTCHECK;

/* A request to a live endpoint, which must answer within predict.timeout_ms. The caller fills the
 * first part and owns the struct until `done` has run, exactly once, on the net thread. */
struct invocation {
	char endpoint[SPEC_NAME_MAX + 1];
	const char *body; /* borrowed until `done` */
	size_t body_len;
	const char *content_type, *accept;     /* NULL: JSON */
	const char *sent[MANAGER_INVOKE_SENT]; /* values; NULL: not given */
	size_t reply_max;		       /* 0: MANAGER_INVOKE_REPLY_MAX */
	void (*done)(struct invocation *inv);
	void *userdata;

	/* 0: the endpoint answered; -ERR_NOT_FOUND, -ERR_CONFLICT (not in service), -ERR_INVALID (a
	 * header, or SageMaker's refusal of the request), -ERR_UNAVAILABLE, -ERR_LIMIT */
	int result;
	struct err err;
	int status;  /* HTTP status of the endpoint's response */
	char *reply; /* the caller frees */
	size_t reply_len;
	char reply_type[INVOKE_TYPE_MAX + 1];  /* "": none, or one that is longer */
	char *replied[MANAGER_INVOKE_REPLIED]; /* values; NULL: absent; the caller frees them */
	struct relay *relay;		       /* private to the manager */
};
/* Any thread. Send the request; it counts as a use of the endpoint for the idle limit.
 * -ERR_NOT_FOUND: no such live endpoint. -ERR_CONFLICT: not in service. -ERR_INVALID: a header.
 * -ERR_LIMIT: the body is too large, or too many requests are running. After an error `done` does
 * not run. */
int manager_invoke(struct manager *mgr, struct invocation *inv, struct err *reterr) MUSTCHECK;
/* Free the received reply and headers. */
void invocation_clear(struct invocation *inv);

/* Money: the configuration's caps; the date of the price table ("2025-11", borrowed); the worst
 * case of a job with this spec, as decimal text. The last is a new reference, NULL for a job that
 * costs nothing. */
struct money_caps manager_money_caps(const struct manager *mgr);
const char *manager_prices_noted(const struct manager *mgr);
json_t *manager_worst_case(const struct manager *mgr, const json_t *spec);

/* Snapshots as new references. */
json_t *manager_devices(struct manager *mgr); /* GET /v1/devices */
/* slots and facts about the daemon, for /v1/overview */
json_t *manager_status(struct manager *mgr);
struct feed *manager_feed(struct manager *mgr);
/* Append what was measured since the start in Prometheus' format (base/exposition.h). */
void manager_figures(struct manager *mgr, struct buf *out);
/* Measure disk usage with worker/usage.h; `question` has "all" and "executions". Blocks for
 * seconds: call this on a separate thread. The caller owns *ret. -ERR_LIMIT if one is running. */
int manager_usage(struct manager *mgr, json_t *question, json_t **ret,
		  struct err *reterr) MUSTCHECK;
/* Deliver a test message, and say for each receiver of the section [notify] whether it arrived:
 * {"receivers": [{"receiver", "delivered" [, "message"]}]}. Blocks for up to a minute: call this on
 * a separate thread. The caller owns *ret. -ERR_CONFLICT if no receiver is configured; -ERR_LIMIT
 * if a test is already running. */
int manager_notify_test(struct manager *mgr, json_t **ret, struct err *reterr) MUSTCHECK;
/* Look at the machine for GET /v1/doctor; blocks as above. -ERR_LIMIT if another look runs. */
int manager_doctor(struct manager *mgr, json_t **ret, struct err *reterr) MUSTCHECK;
/* -ERR_UNAVAILABLE if the data directory was renamed, replaced or deleted; files at its path then
 * belong to somebody else. */
int manager_check_location(struct manager *mgr, struct err *reterr) MUSTCHECK;
/* Returns 0 if the daemon has recovered, is not stopping, has its data directory, and its loop ran
 * within the last seconds. Else -ERR_UNAVAILABLE with the reason. */
int manager_ready(struct manager *mgr, struct err *reterr) MUSTCHECK;
