/* SPDX-License-Identifier: MIT */
/*
 * The writer's interface to SageMaker resources and their cost (migration 0002). The rules of
 * store.h hold: an open transaction, the same errors.
 */
#pragma once

#include "jobs/sagemaker/resource.h"
#include "storage/store.h"

struct resource_row {
	char id[ID_LEN]; /* "c…" */
	enum resource_kind kind;
	enum resource_state state;
	bool wanted; /* True if the resource should exist; false if it must be stopped or deleted */
	char name[RESOURCE_NAME_MAX + 1];
	char nonce[RESOURCE_NONCE_LEN];
	char region[32];
	char arn[RESOURCE_ARN_MAX + 1];
	char job[ID_LEN]; /* the owner: a train or deploy job … */
	int attempt;
	char endpoint[ID_LEN]; /* … and, for the three resources of an endpoint, the endpoint */
	json_t *request;       /* body of the create call; owned */
	/* parts of the last describe answer, in the service's names (shape_resource.c selects the
	 * public ones), and notes of the daemon; may be NULL */
	json_t *answer;
	char status[48];      /* status in the service's own word: InProgress, InService, … */
	struct reason reason; /* why the resource makes no progress: last refusal, throttling, … */
	int tries;	      /* failed tries of the current step since its last success */
	int64_t next_us;      /* time of the next call; 0: now; USEC_NEVER: none */
	int64_t sent_us;      /* time of the last create call; 0: never sent */
	int64_t asked_us;     /* time of the last answer of any kind */
	int64_t log_size;     /* bytes of its log that are in the execution's log file; see struct
				 log_stream */
	int64_t created_us, present_us, ended_us;
};
struct resource_rows {
	struct resource_row *rows;
	size_t n;
};
void resource_row_done(struct resource_row *row);
void resource_rows_done(struct resource_rows *rows);

/* The install tag: a random id that is created with the database. Borrowed. */
const char *store_install_id(struct store *st);

/* Insert the intent. The caller chooses id, name and nonce. Writes an event "cloud"
 * {"cloud","resource" (its kind),"name","state","status","wanted","reason"}, also at each later
 * change of these fields, the arn or the answer. Raises the seq of the job, its run and the
 * endpoint. -ERR_EXISTS if a live resource of that kind and region has the name. */
int store_resource_insert(struct store *st, const struct resource_row *row,
			  struct err *reterr) MUSTCHECK;
int store_resource_get(struct store *st, const char *id, struct resource_row *ret,
		       struct err *reterr) MUSTCHECK;
/* All resources that are not final, oldest first. */
int store_resource_live(struct store *st, struct resource_rows *ret, struct err *reterr) MUSTCHECK;
int store_resource_of_job(struct store *st, const char *job, int attempt, struct resource_rows *ret,
			  struct err *reterr) MUSTCHECK;
int store_resource_of_endpoint(struct store *st, const char *endpoint, struct resource_rows *ret,
			       struct err *reterr) MUSTCHECK;
/* The only function that changes a resource's state; asserts resource_state_may. `reason` belongs
 * to the new state (NULL: none). Sets present_us and ended_us if they are unset. -ERR_CONFLICT if
 * the state is not `from`. */
int store_resource_set_state(struct store *st, const char *id, enum resource_state from,
			     enum resource_state to, const struct reason *reason, int64_t now_us,
			     struct err *reterr) MUSTCHECK;
/* Update every field except kind, state, name, nonce, owner and created_us. log_size, present_us
 * and ended_us only grow, so a stale row undoes nothing. */
int store_resource_update(struct store *st, const struct resource_row *row, int64_t now_us,
			  struct err *reterr) MUSTCHECK;

/* SageMaker jobs that are starting or running and have no resource of this attempt yet: no money is
 * reserved for them. */
int store_jobs_unplanned(struct store *st, struct job_rows *ret, struct err *reterr) MUSTCHECK;

/* A followed log stream of a resource. `token` is the next forward token; "" at the beginning, or
 * if the last token expired. The log file holds the bytes of the `events` read so far, up to the
 * row's log_size; both change in one transaction. */
#define LOG_STREAM_MAX 512  /* characters of a stream's name (botocore: logs, LogStreamName) */
#define LOG_TOKEN_MAX  4096 /* bytes of a token; the service gives no limit and sends about 60 */
struct log_stream {
	char stream[LOG_STREAM_MAX + 1];
	char token[LOG_TOKEN_MAX + 1];
	int64_t events;
};
struct log_streams {
	struct log_stream *items;
	size_t n;
};
void log_streams_done(struct log_streams *s);
int store_log_streams(struct store *st, const char *resource, struct log_streams *ret,
		      struct err *reterr) MUSTCHECK;
int store_log_stream_set(struct store *st, const char *resource, const struct log_stream *s,
			 int64_t log_size, struct err *reterr) MUSTCHECK;

/* ---- money: integer micro-dollars, append-only ledger ---- */

enum money_what {
	MONEY_RESERVE, /* the worst case, with the intent; negative if less is needed now */
	MONEY_SETTLE,  /* actual cost minus the reservation; usually negative */
};
struct money_entry {
	enum money_what what;
	char resource[ID_LEN]; /* id of the resource */
	char job[ID_LEN];
	char endpoint[ID_LEN]; /* "" for a training job */
	int64_t micro_usd;
	char words[160]; /* "3600 s x 1 x ml.g5.xlarge at 1.408 USD/h" */
};
/* Add an entry to the ledger. Event "money" {"what","cloud","usd","words"}; raises the seq of job,
 * run and endpoint. A positive entry counts against the UTC day of now_us. Money that is given back
 * counts against the days of the resource's reservations, newest first, so that no day exceeds its
 * cap. The first settlement settles the resource. -ERR_CONFLICT: a reservation after that, or more
 * given back than was reserved. -ERR_LIMIT: an amount beyond MONEY_MAX, or a sum beyond int64. */
int store_money_add(struct store *st, const struct money_entry *entry, int64_t now_us,
		    struct err *reterr) MUSTCHECK;
struct money_sums {
	int64_t day, month; /* reserved plus settled: the UTC day, the UTC month of now_us */
	int64_t job;	    /* all attempts of one job */
	int64_t job_open;   /* part of `job` whose resources are not settled */
	int64_t resource;   /* one resource */
};
/* Read the sums. job, resource: "" if not needed. */
int store_money_sums(struct store *st, const char *job, const char *resource, int64_t now_us,
		     struct money_sums *ret, struct err *reterr) MUSTCHECK;
