/* SPDX-License-Identifier: MIT */
/* Shared by the files of `trainyardd --adopt`: the resources found in the account. */
#pragma once

#include "aws/config.h"
#include "daemon/adopt/adopt.h"
#include "daemon/core.h"
#include "storage/store_resource.h"

#define ADOPT_FINDS_MAX	    100000
#define ADOPT_PRICE_UNKNOWN (-1)

enum adopt_plan {
	PLAN_LEAVE,
	PLAN_TAKE, /* insert a row that wants the resource */
	PLAN_END,  /* insert a row that does not: the resource is stopped or deleted */
};

struct find {
	enum resource_kind kind;
	char name[RESOURCE_NAME_MAX + 1];
	char region[AWS_REGION_MAX];
	char arn[RESOURCE_ARN_MAX + 1];
	char status[48]; /* "" for a kind without a status */
	int64_t created_us;
	/* from the tags: */
	bool ours;
	char install[64];
	char nonce[RESOURCE_NONCE_LEN];
	char run[ID_LEN], job[ID_LEN];
	char endpoint[SPEC_NAME_MAX + 1];
	/* from this database: */
	char row[ID_LEN]; /* its live row; "": none */
	bool row_owned;	  /* True if a job or an endpoint owns the row */
	bool row_wanted;
	char row_endpoint[ID_LEN]; /* the endpoint to which it belongs here, or will belong */
	enum adopt_plan plan;
	json_t *about; /* response of the describe call */
	json_t *spec;  /* a job's spec, for a resource with a price; else NULL */
	int64_t micro_usd_hour;
};
struct finds {
	struct find *items;
	size_t n, room;
	/* resources whose names begin like Trainyard's but without its tags; left alone */
	size_t not_ours;
};
void finds_done(struct finds *f);

/* adopt/find.c */
/* As adopt_ask(), for a resource from a list. A single "not found" is repeated, because responses
 * are eventually consistent. */
int adopt_ask_listed(struct manager *mgr, const char *operation, const char *region,
		     const json_t *input, json_t **ret, struct err *reterr) MUSTCHECK;
/* Append every resource of the region with Trainyard's tags to *ret. `install`: only of that
 * installation. */
int adopt_find(struct manager *mgr, const char *region, const char *install, struct finds *ret,
	       struct err *reterr) MUSTCHECK;
/* Mark the resources that have a live row. */
int adopt_mark_known(struct manager *mgr, struct finds *f, struct err *reterr) MUSTCHECK;

/* adopt/describe.c: fill in `about`, `spec` and prices. Resources that are gone meanwhile are
 * dropped. */
int adopt_describe(struct manager *mgr, struct finds *f, struct err *reterr) MUSTCHECK;
/* the name of the config that it uses; "" */
const char *adopt_config_of(const struct find *endpoint);
const char *adopt_model_of(const struct find *config);
const struct find *adopt_lookup(const struct finds *f, enum resource_kind kind, const char *region,
				const char *name);

/* adopt/plan.c: decide what happens to each resource; changes nothing. */
struct adopt_counts {
	int endpoints, training_jobs, parts; /* to be adopted */
	int ends;			     /* to be stopped or deleted */
};
void adopt_plan(enum adopt_mode mode, struct finds *f, struct adopt_counts *ret);

/* adopt/rows.c: write the plan in one transaction. */
int adopt_store(struct manager *mgr, const struct finds *f, struct err *reterr) MUSTCHECK;
/* Count the rows without an owner here that must end. */
int adopt_ending(struct manager *mgr, int *ret, struct err *reterr) MUSTCHECK;

/* adopt/print.c */
void adopt_print(const struct finds *f);
/* Micro-dollars per hour of all resources with a known price. */
int64_t adopt_total(const struct finds *f);
