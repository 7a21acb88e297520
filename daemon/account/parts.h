/* SPDX-License-Identifier: MIT */
/* Inside the account service: one question being answered. On its threads; all functions block. */
#pragma once

#include "aws/client.h"
#include "aws/s3.h"
#include "daemon/account/account.h"

#define ACCOUNT_PAGE	  100			  /* items asked for at once */
#define ACCOUNT_BUDGET_US (INT64_C(20) * 1000000) /* then what was found so far is the answer */

struct account_turn {
	struct aws *aws;
	struct account_query *q;
	const char *bucket;	  /* the configured one; NULL */
	int64_t until_us;	  /* monotonic */
	enum aws_error_kind kind; /* of the last call */
};

/* ---- calls.c ---- */

/* One call. `input` is taken over. On failure q->result, err and failure say why. */
int account_call(struct account_turn *t, enum aws_service service, const char *operation,
		 json_t *input, json_t **ret_output) MUSTCHECK;

/* Whose fault a failed call is. */
enum account_failure account_failure_of(enum aws_error_kind kind);

/* A list that comes in pages. Answers {"items", "next_cursor"}; a cursor is "OFFSET:TOKEN": where
 * in the page of that token to go on. */
struct account_list {
	enum aws_service service;
	const char *operation, *items, *token_in, *token_out;
	/* An item of the answer, or NULL: it is not one of those that were asked for. */
	json_t *(*take)(struct account_turn *t, const json_t *raw);
};
/* `input` is borrowed; tokens are put into it. */
int account_pages(struct account_turn *t, const struct account_list *list, json_t *input) MUSTCHECK;

/* The elements of a list in an answer; query services put them into {"member": …}. NULL: none. */
const json_t *account_items(const json_t *output, const char *key);
/* Seconds since the epoch, or ISO 8601 → our time text; null otherwise. New reference. */
json_t *account_time(const json_t *value);
/* A copy of a text, or null. New reference. */
json_t *account_text(const json_t *object, const char *key);

/* ---- the questions ---- */

int account_roles(struct account_turn *t);
int account_role(struct account_turn *t);
/* What account_checks() looks at. */
struct account_checked {
	const char *role_arn, *bucket, *region;
	const json_t *trust;	 /* document */
	const json_t *documents; /* list; they count together */
	const json_t *boundary;	 /* document, NULL: there is none */
	bool unread;		 /* a policy could not be read: it may allow or deny */
};
/* [{"need", "allowed", "words"}]. New reference. */
json_t *account_checks(const struct account_checked *c);
/* DescribeTrainingJob of q->name. */
int account_describe(struct account_turn *t, json_t **ret) MUSTCHECK;
int account_jobs(struct account_turn *t);
int account_job(struct account_turn *t);
int account_job_logs(struct account_turn *t);
int account_artifacts(struct account_turn *t);
