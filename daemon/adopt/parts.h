/* SPDX-License-Identifier: MIT */
/* Between the files of `trainyardd --adopt`: what was found in the account. */
#pragma once

#include "aws/config.h"
#include "daemon/adopt/adopt.h"
#include "daemon/core.h"
#include "storage/store_resource.h"

#define ADOPT_FINDS_MAX	    100000
#define ADOPT_PRICE_UNKNOWN (-1)

enum adopt_plan {
	PLAN_LEAVE,
	PLAN_TAKE, /* it gets a row that wants it */
	PLAN_END,  /* it gets a row that does not: it is stopped or deleted */
};

struct find {
	enum resource_kind kind;
	char name[RESOURCE_NAME_MAX + 1];
	char region[AWS_REGION_MAX];
	char arn[256];
	char status[48]; /* "" for what has none */
	int64_t created_us;
	/* out of its tags: */
	bool ours;
	char install[64];
	char nonce[RESOURCE_NONCE_LEN];
	char run[ID_LEN], job[ID_LEN];
	char endpoint[SPEC_NAME_MAX + 1];
	/* out of this database: */
	char row[ID_LEN]; /* its live row; "": it has none */
	bool row_owned;	  /* by a job or an endpoint */
	bool row_wanted;
	char row_endpoint[ID_LEN]; /* the endpoint that it belongs to here, or will */
	enum adopt_plan plan;
	json_t *about; /* the describe's answer */
	json_t *spec;  /* as a job's, of what has a price; else NULL */
	int64_t micro_usd_hour;
};
struct finds {
	struct find *items;
	size_t n, room;
	size_t not_ours; /* names that begin as ours, without our tags: left alone */
};
void finds_done(struct finds *f);

/* adopt/find.c */
/* Ask SageMaker and wait. `input` is taken over. *ret is a new reference. -ERR_NOT_FOUND: there is
 * no such thing. */
int adopt_ask(struct manager *mgr, const char *operation, const char *region, json_t *input,
	      json_t **ret, struct err *reterr) MUSTCHECK;
/* The same for what a list has told of: one answer that it is not there is not believed, for
 * answers are eventually consistent. */
int adopt_ask_listed(struct manager *mgr, const char *operation, const char *region,
		     const json_t *input, json_t **ret, struct err *reterr) MUSTCHECK;
/* Everything in the region that carries our tags is appended to *ret. install: only of that. */
int adopt_find(struct manager *mgr, const char *region, const char *install, struct finds *ret,
	       struct err *reterr) MUSTCHECK;
/* Marks what has a live row. */
int adopt_mark_known(struct manager *mgr, struct finds *f, struct err *reterr) MUSTCHECK;

/* adopt/describe.c: `about`, `spec` and prices; what is gone meanwhile is dropped. */
int adopt_describe(struct manager *mgr, struct finds *f, struct err *reterr) MUSTCHECK;
const char *adopt_config_of(const struct find *endpoint); /* the name of the one it uses; "" */
const char *adopt_model_of(const struct find *config);
const char *adopt_uri_of(const struct find *model); /* where the model lies; "" */
const struct find *adopt_lookup(const struct finds *f, enum resource_kind kind, const char *region,
				const char *name);

/* adopt/plan.c: what is to become of each; touches nothing. */
struct adopt_counts {
	int endpoints, training_jobs, parts; /* to be taken in */
	int ends;			     /* to be stopped or deleted */
};
void adopt_plan(enum adopt_mode mode, struct finds *f, struct adopt_counts *ret);

/* adopt/rows.c: the plan, in one transaction. */
int adopt_store(struct manager *mgr, const struct finds *f, struct err *reterr) MUSTCHECK;
/* Rows that nobody here owns and that are to end. */
int adopt_ending(struct manager *mgr, int *ret, struct err *reterr) MUSTCHECK;

/* adopt/print.c */
void adopt_print(const struct finds *f);
/* Micro-dollars per hour of everything whose price is known. */
int64_t adopt_total(const struct finds *f);
