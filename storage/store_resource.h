/* SPDX-License-Identifier: MIT */
/*
 * The writer's door to what the daemon makes on SageMaker and what it may cost (migration 0002).
 * The rules of store.h hold: inside a transaction, same errors.
 */
#pragma once

#include "jobs/sagemaker/resource.h"
#include "storage/store.h"

struct resource_row {
	char id[ID_LEN]; /* 'c…' */
	enum resource_kind kind;
	enum resource_state state;
	bool wanted; /* false: it is to be stopped or deleted */
	char name[RESOURCE_NAME_MAX + 1];
	char nonce[RESOURCE_NONCE_LEN];
	char region[32];
	char arn[256];
	char job[ID_LEN]; /* the owner's: a train or deploy job … */
	int attempt;
	char endpoint[ID_LEN]; /* … and for the three of an endpoint, the endpoint */
	json_t *request;       /* body of the create call, owned */
	json_t *answer;	 /* parts of the last describe answer, in its names (shape_resource.c says
			  * which  are shown), and notes of the daemon's own; may be NULL */
	char status[48]; /* the service's word: InProgress, InService, … */
	struct reason reason; /* why it is not further: last refusal, throttling, … */
	int tries;	      /* of the present step, since it last worked */
	int64_t next_us;      /* next contact; 0: now; USEC_NEVER: none */
	int64_t sent_us;      /* the create was last sent; 0: never */
	int64_t asked_us;     /* the last answer of any kind */
	int64_t log_size;     /* bytes of its log in the execution's file, see store_cloud_stream */
	int64_t created_us, present_us, ended_us;
};
struct resource_rows {
	struct resource_row *rows;
	size_t n;
};
void resource_row_done(struct resource_row *row);
void resource_rows_done(struct resource_rows *rows);

/* This database's random id, made with it: the install tag. Borrowed. */
const char *store_install_id(struct store *st);

/* The intent. id, name, nonce are the caller's. Event "cloud" {"cloud","resource" (its
 * kind),"name", "state","status","wanted","reason"} here and at each change of what is shown:
 * these, arn and answer; the seq of the job, its run and of the endpoint rises with it.
 * -ERR_EXISTS: a live resource of that kind and region has the name. */
int store_resource_insert(struct store *st, const struct resource_row *row,
			  struct err *reterr) MUSTCHECK;
int store_resource_get(struct store *st, const char *id, struct resource_row *ret,
		       struct err *reterr) MUSTCHECK;
/* Not final, oldest first. */
int store_resource_live(struct store *st, struct resource_rows *ret, struct err *reterr) MUSTCHECK;
int store_resource_of_job(struct store *st, const char *job, int attempt, struct resource_rows *ret,
			  struct err *reterr) MUSTCHECK;
int store_resource_of_endpoint(struct store *st, const char *endpoint, struct resource_rows *ret,
			       struct err *reterr) MUSTCHECK;
/* The one mover; asserts resource_state_may. -ERR_CONFLICT when it is not in `from`. The reason is
 * that of the new state (NULL: none). present_us and ended_us are kept here, unless they are there.
 */
int store_resource_set_state(struct store *st, const char *id, enum resource_state from,
			     enum resource_state to, const struct reason *reason, int64_t now_us,
			     struct err *reterr) MUSTCHECK;
/* Everything of the row that is not kind, state, name, nonce, owner or created_us. log_size,
 * present_us and ended_us only grow: an older row undoes nothing. */
int store_resource_update(struct store *st, const struct resource_row *row, int64_t now_us,
			  struct err *reterr) MUSTCHECK;

/* Jobs of the SageMaker target that start or run and have no resource of this attempt yet: their
 * money is not reserved. */
int store_jobs_unplanned(struct store *st, struct job_rows *ret, struct err *reterr) MUSTCHECK;

/* Followed log streams of a resource. `token`: the next forward token; "" at the beginning, or when
 * the last one has expired. The bytes of the `events` that were taken are in the log file up to
 * log_size of the row: one transaction. */
struct log_stream {
	char stream[512];
	char token[512];
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
	MONEY_RESERVE, /* the worst case, with the paid intent; < 0: less is needed now */
	MONEY_SETTLE,  /* the difference to what it did cost; usually < 0 */
};
struct money_entry {
	enum money_what what;
	char resource[ID_LEN]; /* the resource */
	char job[ID_LEN];
	char endpoint[ID_LEN]; /* "" for a training job */
	int64_t micro_usd;
	char words[160]; /* "3600 s x 1 x ml.g5.xlarge at 1.408 USD/h" */
};
/* Event "money" {"what","cloud","usd","words"}; the seq of job, run and endpoint rises. An entry
 * counts against the UTC day of now, but what is given back counts against the days of
 * the resource's reservations, newest first: no day gets more to spend than its cap. After the
 * first settlement the resource is settled: -ERR_CONFLICT for another reservation, and for giving
 * back more than was reserved. -ERR_LIMIT: beyond MONEY_MAX, or a sum beyond int64. */
int store_money_add(struct store *st, const struct money_entry *entry, int64_t now_us,
		    struct err *reterr) MUSTCHECK;
struct money_sums {
	int64_t day, month; /* reserved and settled on the UTC day, in the UTC month of now */
	int64_t job;	    /* of one job, all attempts */
	int64_t job_open;   /* of that, by resources that are not settled */
	int64_t resource;   /* of one resource */
};
/* job, resource: "" when not asked for. */
int store_money_sums(struct store *st, const char *job, const char *resource, int64_t now_us,
		     struct money_sums *ret, struct err *reterr) MUSTCHECK;
