/* SPDX-License-Identifier: MIT */
/*
 * Questions about the AWS account on behalf of api threads: roles, training jobs of the whole
 * account, their logs. A question takes several calls to AWS, so it waits in a queue and is
 * answered on a thread of its own; nothing here touches the database.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"

#include <stdbool.h>
#include <stdint.h>

#define ACCOUNT_QUEUE_MAX     64	/* questions waiting; one more is refused (503) */
#define ACCOUNT_ITEMS_MAX     1000	/* of one answer */
#define ACCOUNT_ARTIFACTS_MAX 2000	/* of one answer, as of files here */
#define ACCOUNT_LOG_LINES_MAX 10000	/* of one answer */
#define ACCOUNT_LOG_BYTES_MAX (8 << 20) /* of their messages, with one page of AWS more */
#define ACCOUNT_STREAMS_MAX   100	/* of one training job; instances beyond are not shown */
#define ACCOUNT_POLICIES_MAX  64	/* of one role; the rest is said to be left out */
#define ACCOUNT_CURSOR_MAX    4000	/* an URL has API_URL_MAX bytes */
#define ACCOUNT_NAME_MAX      64	/* of a role, a training job */
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

/* Whose fault it is when there is no answer. */
enum account_failure {
	ACCOUNT_OURS,	     /* see `result` */
	ACCOUNT_CREDENTIALS, /* none, expired, unknown to AWS */
	ACCOUNT_DENIED,	     /* the daemon's identity may not ask this */
	ACCOUNT_THROTTLED,
	ACCOUNT_UNREACHABLE,
	ACCOUNT_MISSING,    /* there is no such role or job */
	ACCOUNT_REFUSED,    /* AWS says that the question is wrong */
	ACCOUNT_UNREADABLE, /* AWS's answer cannot be understood */
};

/* The caller fills the first part and owns it, with its texts, until `done` has run (on a thread of
 * the account: resume the connection, no more). */
struct account_query {
	enum account_kind kind;
	const char *name, *bucket, *region, *path_prefix, *name_contains, *status, *cursor;
	json_t *about;		     /* holds texts for the caller, not looked at; may be NULL */
	const json_t *places;	     /* {"output/": "s3://…/"}: where paths that begin so lie */
	int64_t after_us, before_us; /* 0: not given */
	int64_t limit, tail;	     /* tail 0: not given */
	void (*done)(struct account_query *q);
	void *userdata;

	int result; /* 0 or negative */
	struct err err;
	enum account_failure failure;
	json_t *json; /* the answer, see docs/api.md; the caller's to release */
	struct account_query *next;
};

/* Any thread. 0: `done` will run exactly once. Else it will not, and q has result, err and failure:
 * -ERR_LIMIT, -ERR_UNAVAILABLE (no AWS configuration, stopping). */
int manager_account(struct manager *mgr, struct account_query *q) MUSTCHECK;

struct account;
int account_open(struct manager *mgr, struct account **ret, struct err *reterr) MUSTCHECK;
/* After net_stop, so that no call waits. Answers what still waits. NULL is allowed. */
void account_free(struct account *a);
