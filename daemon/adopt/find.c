/* SPDX-License-Identifier: MIT */
/* Finds resources in the account: lists them by name, then decides by the tags of each. Called by
 * adopt.c. */
#include "base/log.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/adopt/parts.h"
#include "daemon/sagemaker/controller.h"

#include <string.h>
#include <unistd.h>

#define PAGE		     100
#define NEXT_TOKEN_MAX	     8192 /* of SageMaker (botocore: NextToken) */
#define ASK_TRIES	     8	  /* tries; each includes the client's own retries */
#define MISSING_TRIES	     5
#define MISSING_PAUSE_US     (100 * USEC_PER_MSEC) /* doubled at each try */
#define MISSING_PAUSE_MAX_US USEC_PER_SEC

struct listing {
	enum resource_kind kind;
	const char *operation, *key;
	const char *status_key; /* NULL: the kind has no status */
	const char *status;	/* only resources with this status; NULL: all */
};
static const struct listing listings[] = {
	{RESOURCE_TRAINING_JOB, "ListTrainingJobs", "TrainingJobSummaries", "TrainingJobStatus",
	 "InProgress"},
	{RESOURCE_TRAINING_JOB, "ListTrainingJobs", "TrainingJobSummaries", "TrainingJobStatus",
	 "Stopping"},
	{RESOURCE_ENDPOINT, "ListEndpoints", "Endpoints", "EndpointStatus", NULL},
	{RESOURCE_ENDPOINT_CONFIG, "ListEndpointConfigs", "EndpointConfigs", NULL, NULL},
	{RESOURCE_MODEL, "ListModels", "Models", NULL, NULL},
};

static void find_done(struct find *it)
{
	json_decref(TAKE(it->about));
	json_decref(TAKE(it->spec));
}

void finds_done(struct finds *f)
{
	for (size_t i = 0; i < f->n; i++)
		find_done(&f->items[i]);
	free(TAKE(f->items));
	f->n = f->room = 0;
}

static int ask_once(struct manager *mgr, const char *operation, const char *region,
		    const json_t *input, json_t **ret, enum aws_error_kind *ret_kind,
		    struct err *reterr)
{
	struct aws_call c;
	int r;

	aws_call_init(&c, AWS_SAGEMAKER, operation);
	c.region = region;
	c.input = input;
	r = aws_wait(mgr->aws, &c, reterr);
	if (r >= 0)
		*ret = json_incref(c.output);
	else if (c.kind == AWS_ERROR_NOT_FOUND)
		r = -ERR_NOT_FOUND;
	*ret_kind = c.kind;
	aws_call_done(&c);
	return r;
}

/* Make one SageMaker call and wait. Takes over `input`. *ret is a new reference. -ERR_NOT_FOUND if
 * the resource does not exist. */
static int adopt_ask(struct manager *mgr, const char *operation, const char *region, json_t *input,
		     json_t **ret, struct err *reterr)
{
	enum aws_error_kind kind = AWS_ERROR_NONE;
	int r = -ERR_UNAVAILABLE;

	for (int i = 0; i < ASK_TRIES && r < 0; i++) {
		if (i) {
			log_event(LOG_LEVEL_WARNING, "adopt_again", "msg=\"%s\"", reterr->msg);
			usleep((useconds_t)sagemaker_backoff_us(mgr, i));
		}
		r = ask_once(mgr, operation, region, input, ret, &kind, reterr);
		if (r < 0 && kind != AWS_ERROR_THROTTLED && kind != AWS_ERROR_TRANSIENT)
			break;
	}
	json_decref(input);
	return r;
}

int adopt_ask_listed(struct manager *mgr, const char *operation, const char *region,
		     const json_t *input, json_t **ret, struct err *reterr)
{
	int r = -ERR_NOT_FOUND;

	for (int i = 0; r == -ERR_NOT_FOUND && i < MISSING_TRIES; i++) {
		if (i)
			usleep((useconds_t)backoff_us(MISSING_PAUSE_US, MISSING_PAUSE_MAX_US, i));
		r = adopt_ask(mgr, operation, region, json_incref((json_t *)input), ret, reterr);
	}
	return r;
}

const struct find *adopt_lookup(const struct finds *f, enum resource_kind kind, const char *region,
				const char *name)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->items[i].kind == kind && str_eq(f->items[i].name, name) &&
		    str_eq(f->items[i].region, region))
			return &f->items[i];
	return NULL;
}

static int append(struct finds *f, const struct find *it, struct err *reterr)
{
	if (f->n >= ADOPT_FINDS_MAX)
		return err_set(reterr, ERR_LIMIT,
			       "the account has more than %d resources named " RESOURCE_NAME_PREFIX
			       "…; give --region or --install",
			       ADOPT_FINDS_MAX);
	if (f->n == f->room) {
		size_t room = f->room ? f->room * 2 : 64;
		struct find *items = realloc(f->items, room * sizeof(*items));

		if (!items)
			return err_errno(reterr, ENOMEM, "list the account");
		f->items = items;
		f->room = room;
	}
	f->items[f->n++] = *it;
	return 0;
}

/* Add a resource from a list or a describe call. */
static int take(struct finds *f, enum resource_kind kind, const char *region,
		const char *status_key, const json_t *answer, struct err *reterr)
{
	const struct sagemaker_driver *d = sagemaker_drivers[kind];
	const char *name = json_get_str(answer, d->name_key, "");
	struct find it = {.kind = kind, .micro_usd_hour = ADOPT_PRICE_UNKNOWN};

	if (!str_starts(name, RESOURCE_NAME_PREFIX) || strlen(name) > RESOURCE_NAME_MAX ||
	    adopt_lookup(f, kind, region, name))
		return 0;
	str_must_copy(it.name, sizeof(it.name), name);
	str_must_copy(it.region, sizeof(it.region), region);
	if (!str_copy(it.arn, sizeof(it.arn), json_get_str(answer, d->arn_key, "")))
		return err_set(reterr, ERR_CORRUPT, "the ARN of '%s' has more than %d bytes", name,
			       RESOURCE_ARN_MAX);
	if (status_key)
		str_excerpt(it.status, sizeof(it.status), json_get_str(answer, status_key, ""));
	it.created_us = (int64_t)(json_get_num(answer, "CreationTime", 0) * USEC_PER_SEC);
	return append(f, &it, reterr);
}

static int list_all(struct manager *mgr, const char *region, const struct listing *l,
		    struct finds *f, struct err *reterr)
{
	char token[NEXT_TOKEN_MAX + 1] = "";
	int r = 0;

	do {
		OWN(json_decrefp) json_t *answer = NULL;
		json_t *input = json_pack("{ss si}", "NameContains", RESOURCE_NAME_PREFIX,
					  "MaxResults", PAGE);
		const json_t *one;
		size_t i;

		if (l->status)
			json_object_set_new(input, "StatusEquals", json_string(l->status));
		if (token[0])
			json_object_set_new(input, "NextToken", json_string(token));
		r = adopt_ask(mgr, l->operation, region, input, &answer, reterr);
		if (r < 0)
			return r;
		json_array_foreach(json_object_get(answer, l->key), i, one)
			if (r >= 0)
				r = take(f, l->kind, region, l->status_key, one, reterr);
		if (!str_copy(token, sizeof(token), json_get_str(answer, "NextToken", "")))
			r = err_set(reterr, ERR_CORRUPT,
				    "%s: the answer has a NextToken of more than %d bytes",
				    l->operation, NEXT_TOKEN_MAX);
	} while (r >= 0 && token[0]);
	return r;
}

/* Lists are eventually consistent. An endpoint's name begins with the name of its config, and a
 * config's with that of its model. So describe each such name that no list has returned. */
static int find_unlisted(struct manager *mgr, const char *region, enum resource_kind base,
			 enum resource_kind upper, struct finds *f, struct err *reterr)
{
	const struct sagemaker_driver *d = sagemaker_drivers[upper];
	size_t n = f->n;

	for (size_t i = 0; i < n; i++) {
		OWN(json_decrefp) json_t *answer = NULL;
		char name[RESOURCE_NAME_MAX + 1];
		int r;

		str_assign(name, f->items[i].name);
		if (f->items[i].kind != base || !str_eq(f->items[i].region, region) ||
		    adopt_lookup(f, upper, region, name))
			continue;
		r = adopt_ask(mgr, d->describe, region, json_pack("{ss}", d->name_key, name),
			      &answer, reterr);
		if (r == -ERR_NOT_FOUND)
			continue;
		if (r >= 0)
			r = take(f, upper, region,
				 upper == RESOURCE_ENDPOINT ? "EndpointStatus" : NULL, answer,
				 reterr);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- tags ---- */

static void read_tag(struct find *it, char role[32], const char *key, const char *value)
{
	const struct {
		const char *key;
		char *into;
		size_t size;
	} tags[] = {
		{RESOURCE_TAG_INSTALL, it->install, sizeof(it->install)},
		{RESOURCE_TAG_NONCE, it->nonce, sizeof(it->nonce)},
		{RESOURCE_TAG_RUN, it->run, sizeof(it->run)},
		{RESOURCE_TAG_JOB, it->job, sizeof(it->job)},
		{RESOURCE_TAG_ENDPOINT, it->endpoint, sizeof(it->endpoint)},
		{RESOURCE_TAG_KIND, role, 32},
	};

	for (size_t i = 0; i < ARRAY_LEN(tags); i++)
		if (str_eq(key, tags[i].key) && !str_copy(tags[i].into, tags[i].size, value))
			tags[i].into[0] = '\0'; /* Trainyard writes no such value */
}

/* Tags can be copied to another resource; then the kind tag or the nonce in the name does not
 * match. */
static bool is_ours(const struct find *it, const char *role)
{
	size_t name = strlen(it->name), nonce = strlen(it->nonce);

	return it->install[0] && nonce == RESOURCE_NONCE_LEN - 1 && name > nonce &&
	       str_eq(it->name + name - nonce, it->nonce) &&
	       str_eq(role, resource_kind_str(it->kind));
}

/* -ERR_NOT_FOUND if the resource is gone meanwhile. */
static int read_tags(struct manager *mgr, struct find *it, struct err *reterr)
{
	OWN(json_decrefp)
	json_t *input = json_pack("{ss si}", "ResourceArn", it->arn, "MaxResults", PAGE);
	OWN(json_decrefp) json_t *answer = NULL;
	char role[32] = "";
	const json_t *tag;
	size_t i;
	int r = adopt_ask_listed(mgr, "ListTags", it->region, input, &answer, reterr);

	if (r < 0)
		return r;
	json_array_foreach(json_object_get(answer, "Tags"), i, tag)
		read_tag(it, role, json_get_str(tag, "Key", ""), json_get_str(tag, "Value", ""));
	it->ours = is_ours(it, role);
	return 0;
}

/* Keep the resources from `first` on that are Trainyard's and of that installation. */
static int keep_ours(struct manager *mgr, const char *install, size_t first, struct finds *f,
		     struct err *reterr)
{
	size_t kept = first, n = f->n;
	int r = 0;

	for (size_t i = first; r >= 0 && i < n; i++) {
		struct find it = f->items[i];

		r = read_tags(mgr, &it, reterr);
		if (r == -ERR_NOT_FOUND)
			r = 0;
		else if (r >= 0 && !it.ours)
			f->not_ours++;
		else if (r >= 0 && (!install || str_eq(install, it.install)))
			f->items[kept++] = it;
	}
	f->n = kept;
	return r;
}

int adopt_find(struct manager *mgr, const char *region, const char *install, struct finds *ret,
	       struct err *reterr)
{
	size_t first = ret->n;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_LEN(listings); i++)
		r = list_all(mgr, region, &listings[i], ret, reterr);
	if (r >= 0)
		r = find_unlisted(mgr, region, RESOURCE_MODEL, RESOURCE_ENDPOINT_CONFIG, ret,
				  reterr);
	if (r >= 0)
		r = find_unlisted(mgr, region, RESOURCE_ENDPOINT_CONFIG, RESOURCE_ENDPOINT, ret,
				  reterr);
	return r < 0 ? r : keep_ours(mgr, install, first, ret, reterr);
}

int adopt_mark_known(struct manager *mgr, struct finds *f, struct err *reterr)
{
	OWN(resource_rows_done) struct resource_rows rows = {0};
	int r = store_resource_live(mgr->store, &rows, reterr);

	for (size_t i = 0; r >= 0 && i < rows.n; i++) {
		const struct resource_row *row = &rows.rows[i];
		struct find *it = (struct find *)adopt_lookup(f, row->kind, row->region, row->name);

		if (!it)
			continue;
		memcpy(it->row, row->id, sizeof(it->row));
		memcpy(it->row_endpoint, row->endpoint, sizeof(it->row_endpoint));
		it->row_wanted = row->wanted;
		it->row_owned = row->job[0] || row->endpoint[0];
	}
	return r;
}
