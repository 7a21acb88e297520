/* SPDX-License-Identifier: MIT */
/* Internal to the account service: the query that a thread answers. All functions block. */
#pragma once

#include "aws/client.h"
#include "aws/s3.h"
#include "daemon/account/account.h"

#define ACCOUNT_PAGE	  100 /* items of one request */
/* after this time the answer is what was found so far */
#define ACCOUNT_BUDGET_US (INT64_C(20) * 1000000)

struct account_turn {
	struct aws *aws;
	struct account_query *q;
	const char *bucket;	  /* the configured bucket; NULL: none */
	int64_t until_us;	  /* deadline, monotonic */
	enum aws_error_kind kind; /* error of the last call */
};

/* ---- calls.c ---- */

/* Make one call. Takes over `input`. On failure q->result, err and failure hold the cause. */
int account_call(struct account_turn *t, enum aws_service service, const char *operation,
		 json_t *input, json_t **ret_output) MUSTCHECK;

/* The cause of a failed call. */
enum account_failure account_failure_of(enum aws_error_kind kind);

/* A list in pages. Answers {"items", "next_cursor"}. A cursor is "OFFSET:TOKEN": the position in
 * the page of that token. */
struct account_list {
	enum aws_service service;
	const char *operation, *items, *token_in, *token_out;
	/* Returns an item of the answer, or NULL if `raw` does not match the query. */
	json_t *(*take)(struct account_turn *t, const json_t *raw);
};
/* `input` is borrowed; the tokens are set in it. */
int account_pages(struct account_turn *t, const struct account_list *list, json_t *input) MUSTCHECK;

/* The elements of a list in a response; query services wrap them in {"member": …}. NULL if
 * absent. */
const json_t *account_items(const json_t *output, const char *key);
/* Convert seconds since the epoch or ISO 8601 to Trainyard's time text; null for other values. New
 * reference. */
json_t *account_time(const json_t *value);
/* A copy of a text, or null. New reference. */
json_t *account_text(const json_t *object, const char *key);

/* ---- queries ---- */

int account_roles(struct account_turn *t);
int account_role(struct account_turn *t);
/* The input of account_checks(). */
struct account_checked {
	const char *role_arn, *bucket, *region;
	const json_t *trust;	 /* a policy document */
	const json_t *documents; /* a list of policy documents, which apply together */
	const json_t *boundary;	 /* a policy document; NULL: none */
	bool unread;		 /* True if a policy could not be read: it may allow or deny */
};
/* Returns [{"need", "allowed", "words"}]. New reference. */
json_t *account_checks(const struct account_checked *c);
/* Call DescribeTrainingJob for q->name. */
int account_describe(struct account_turn *t, json_t **ret) MUSTCHECK;
int account_jobs(struct account_turn *t);
int account_job(struct account_turn *t);
int account_job_logs(struct account_turn *t);
int account_artifacts(struct account_turn *t);
