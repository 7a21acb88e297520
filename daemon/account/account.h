/* SPDX-License-Identifier: MIT */
/*
 * Queries of the AWS account for API threads: roles, training jobs of the whole account, their
 * logs. A query needs several AWS calls, so it is queued and answered by a separate thread. Nothing
 * here reads the database.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#define ACCOUNT_QUEUE_MAX     64    /* queued queries; one more is refused (503) */
#define ACCOUNT_ITEMS_MAX     1000  /* in one answer */
#define ACCOUNT_ARTIFACTS_MAX 2000  /* in one answer, as for local files */
#define ACCOUNT_LOG_LINES_MAX 10000 /* in one answer */
/* bytes of messages in one answer; one more page of AWS may exceed this */
#define ACCOUNT_LOG_BYTES_MAX (8 << 20)
#define ACCOUNT_STREAMS_MAX   100  /* of one training job; further instances are not shown */
#define ACCOUNT_POLICIES_MAX  64   /* of one role; the answer says that more were left out */
#define ACCOUNT_CURSOR_MAX    4000 /* bytes; a URL has at most API_URL_MAX bytes */
#define ACCOUNT_NAME_MAX      64   /* characters of a role or training job name */
#define ACCOUNT_BUCKET_MAX    63

struct manager;

enum account_kind {
	ACCOUNT_ROLES,	   /* path_prefix, name_contains, limit, cursor */
	ACCOUNT_ROLE,	   /* name, bucket, region */
	ACCOUNT_JOBS,	   /* after_us, before_us, status, name_contains, region, limit, cursor */
	ACCOUNT_JOB,	   /* name, region */
	ACCOUNT_JOB_LOGS,  /* name, region, and tail, or limit and cursor */
	ACCOUNT_ARTIFACTS, /* region, places, path_prefix */
};

/* The cause of a failed query. */
enum account_failure {
	ACCOUNT_OURS,	     /* an internal error, see `result` */
	ACCOUNT_CREDENTIALS, /* missing, expired, or unknown to AWS */
	ACCOUNT_DENIED,	     /* the daemon's identity lacks the permission */
	ACCOUNT_THROTTLED,
	ACCOUNT_UNREACHABLE,
	ACCOUNT_MISSING,    /* no such role or training job */
	ACCOUNT_REFUSED,    /* AWS refuses the query as invalid */
	ACCOUNT_UNREADABLE, /* AWS's response is not understood */
};

/* A query. The caller fills the first part and owns the struct and its texts until `done` has run.
 * `done` runs on a thread of this service and must be short: resume the connection. */
struct account_query {
	enum account_kind kind;
	const char *name, *bucket, *region, *path_prefix, *name_contains, *status, *cursor;
	json_t *about; /* holds texts for the caller; not read here; may be NULL */
	/* {"output/": "s3://…/"}: the S3 location of paths with this prefix */
	const json_t *places;
	int64_t after_us, before_us; /* 0: not given */
	int64_t limit, tail;	     /* tail 0: not given */
	void (*done)(struct account_query *q);
	void *userdata;

	int result; /* 0 or negative */
	struct err err;
	enum account_failure failure;
	json_t *json; /* the answer, see docs/api.md; the caller releases it */
	STAILQ_ENTRY(account_query) link;
};

/* Any thread. Returns 0 if `done` will run exactly once. Otherwise `done` does not run, and q has
 * result, err and failure: -ERR_LIMIT, or -ERR_UNAVAILABLE (no AWS configuration, stopping). */
int manager_account(struct manager *mgr, struct account_query *q) MUSTCHECK;

struct account;
int account_open(struct manager *mgr, struct account **ret, struct err *reterr) MUSTCHECK;
/* Call after net_stop(), so that no call is pending. Answers the queued queries. NULL is
 * allowed. */
void account_free(struct account *a);
