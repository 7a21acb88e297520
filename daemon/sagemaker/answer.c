/* SPDX-License-Identifier: MIT */
/*
 * Applies the answer of a step to its row. Only a clear statement of the service changes a state.
 * After any other result (no connection, timeout, 5xx, throttling, refused keys) the step is tried
 * again. Manager's thread.
 */
#include "base/log.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/sagemaker/controller.h"
#include "daemon/sagemaker/update.h"
#include "daemon/schedule/job_state.h"

#include <string.h>

/* status of a row whose resource is not found; `tries` counts the misses */
#define MISSING "missing"

int sagemaker_resource_end(struct manager *mgr, struct resource_row *row, enum resource_state to,
			   const struct reason *reason, struct err *reterr)
{
	int64_t now = clock_now_us();
	int r = store_resource_set_state(mgr->store, row->id, row->state, to, reason, now, reterr);

	if (r < 0)
		return r;
	txn_log(mgr, LOG_LEVEL_INFO, "resource_ended",
		"resource=%s name=%s state=%s cause=%s msg=\"%s\"", row->id, row->name,
		resource_state_str(to), reason_code_str(reason->code), reason->message);
	row->state = to;
	row->reason = *reason;
	row->ended_us = now;
	txn_on_commit(mgr, sagemaker_reconcile_on_commit, NULL);
	return sagemaker_drivers[row->kind]->on_ended(mgr, row, reterr);
}

/* The resource was found, or the answer is unknown: earlier misses were not consecutive. */
static void not_missing(struct resource_row *row)
{
	if (!str_eq(row->status, MISSING))
		return;
	row->status[0] = '\0';
	row->tries = 0;
}

/* Try again later, and show the reason. */
static int again(struct manager *mgr, struct resource_row *row, const struct sagemaker_call *cc,
		 struct err *reterr)
{
	const struct aws_call *c = &cc->call;
	enum reason_code code = c->kind == AWS_ERROR_THROTTLED	   ? REASON_THROTTLED
				: c->kind == AWS_ERROR_CREDENTIALS ? REASON_WAITING_FOR_CREDENTIALS
				: c->kind == AWS_ERROR_DENIED	   ? REASON_ACCESS_DENIED
								   : REASON_WAITING_FOR_RETRY;

	not_missing(row);
	row->tries++;
	row->next_us =
		clock_now_us() +
		(c->kind == AWS_ERROR_CREDENTIALS ? 0 : sagemaker_backoff_us(mgr, row->tries));
	/* An unwanted resource keeps its reason, unless the permission to end it is missing. */
	if (row->wanted || row->reason.code == REASON_NONE || code == REASON_ACCESS_DENIED)
		reason_set(&row->reason, code, "%s", c->err.msg);
	log_event(LOG_LEVEL_WARNING, "sagemaker_call_repeated",
		  "resource=%s name=%s operation=%s msg=\"%s\"", row->id, row->name, c->operation,
		  c->err.msg);
	return store_resource_update(mgr->store, row, clock_now_us(), reterr);
}

/* ---- create ---- */

/* Derive the reason from the words of a refusal, because SageMaker uses one code for most
 * refusals. */
static enum reason_code code_of_words(const char *message)
{
	static const struct {
		const char *part, *also;
		enum reason_code code;
	} known[] = {
		{"instanceType", "", REASON_INSTANCE_TYPE_INVALID},
		{"instance type", "", REASON_INSTANCE_TYPE_INVALID},
		{"image", "", REASON_IMAGE_MISSING},
		{".dkr.ecr.", "", REASON_IMAGE_MISSING},
		{"bucket", "region", REASON_BUCKET_REGION},
		{"bucket", "", REASON_BUCKET_MISSING},
		{"s3://", "", REASON_DATA_MISSING},
		{"role", "", REASON_ROLE_INVALID},
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strcasestr(message, known[i].part) && strcasestr(message, known[i].also))
			return known[i].code;
	return REASON_REFUSED;
}

static void refusal_of(const struct aws_call *c, struct reason *reason)
{
	enum reason_code code = c->kind == AWS_ERROR_QUOTA	? REASON_QUOTA
				: c->kind == AWS_ERROR_CAPACITY ? REASON_CAPACITY
				: c->kind == AWS_ERROR_DENIED	? REASON_ACCESS_DENIED
				: c->kind == AWS_ERROR_ROLE	? REASON_ROLE_INVALID
								: code_of_words(c->message);

	reason_set(reason, code, "%s", c->err.msg);
}

/* The service refused the create call. If an earlier attempt had no clear outcome, the resource may
 * exist: mark it unwanted and describe it until known. */
static int refused(struct manager *mgr, struct resource_row *row, const struct sagemaker_call *cc,
		   struct err *reterr)
{
	struct reason reason;

	refusal_of(&cc->call, &reason);
	if (cc->fresh)
		return sagemaker_resource_end(mgr, row, RESOURCE_REFUSED, &reason, reterr);
	if (row->wanted) /* otherwise it ends for another reason */
		row->reason = reason;
	row->wanted = false;
	row->next_us = clock_now_us() + sagemaker_backoff_us(mgr, 1);
	return store_resource_update(mgr->store, row, clock_now_us(), reterr);
}

static int present(struct manager *mgr, struct resource_row *row, struct err *reterr)
{
	int64_t now = clock_now_us();
	struct reason none = {0};
	int r = store_resource_set_state(mgr->store, row->id, RESOURCE_PLANNED, RESOURCE_PRESENT,
					 &none, now, reterr);

	if (r < 0)
		return r;
	row->state = RESOURCE_PRESENT;
	row->present_us = now;
	row->tries = 0;
	row->status[0] = '\0';
	row->reason = row->wanted ? none : row->reason;
	row->next_us = !row->wanted || sagemaker_drivers[row->kind]->polled ? 0 : USEC_NEVER;
	txn_on_commit(mgr, sagemaker_reconcile_on_commit, NULL);
	return store_resource_update(mgr->store, row, now, reterr);
}

/* Half an ARN would name something else, so one that is too long counts as missing. */
static void take_arn(struct resource_row *row, const json_t *answer)
{
	if (!str_copy(row->arn, sizeof(row->arn),
		      json_get_str(answer, sagemaker_drivers[row->kind]->arn_key, "")))
		row->arn[0] = '\0';
}

static int created(struct manager *mgr, struct resource_row *row, const struct sagemaker_call *cc,
		   struct err *reterr)
{
	const struct aws_call *c = &cc->call;

	if (c->result == 0) {
		take_arn(row, c->output);
		return present(mgr, row, reterr);
	}
	if (c->kind == AWS_ERROR_EXISTS) { /* ours or not: its tags decide */
		/* Not found before, but it exists now: new resources become visible slowly, so
		 * wait. */
		row->next_us =
			row->tries ? clock_now_us() + sagemaker_backoff_us(mgr, row->tries) : 0;
		row->tries++;
		txn_on_commit(mgr, sagemaker_reconcile_on_commit, NULL);
		return store_resource_update(mgr->store, row, clock_now_us(), reterr);
	}
	if (c->uncertain || c->kind == AWS_ERROR_UNREADABLE)
		return again(mgr, row, cc, reterr);
	if (c->kind == AWS_ERROR_THROTTLED || c->kind == AWS_ERROR_TRANSIENT ||
	    c->kind == AWS_ERROR_CREDENTIALS ||
	    (c->kind == AWS_ERROR_ROLE && row->tries < SAGEMAKER_TRIES_ROLE) ||
	    (c->kind == AWS_ERROR_NOT_FOUND && row->tries < SAGEMAKER_TRIES_ROLE)) {
		row->sent_us = cc->fresh ? 0 : row->sent_us; /* certainly not executed */
		return again(mgr, row, cc, reterr);
	}
	return refused(mgr, row, cc, reterr);
}

/* ---- describe ---- */

/* True if the resource was not found several times in a row. */
static bool is_missed(const struct resource_row *row)
{
	return str_eq(row->status, MISSING) && row->tries >= SAGEMAKER_TRIES_GONE;
}

/* True if the resource is certainly gone: not found several times in a row, long enough after its
 * creation. A single miss may come from eventual consistency. */
static bool surely_gone(const struct manager *mgr, const struct resource_row *row)
{
	int64_t since = row->present_us > row->sent_us ? row->present_us : row->sent_us;

	return clock_now_us() - since >= mgr->settings->aws.settle_us && is_missed(row);
}

static int look_later(struct manager *mgr, struct resource_row *row, struct err *reterr)
{
	int64_t now = clock_now_us();

	if (!str_eq(row->status, MISSING)) { /* from now on `tries` counts misses */
		str_assign(row->status, MISSING);
		row->tries = 0;
	}
	row->next_us = now + sagemaker_backoff_us(mgr, ++row->tries);
	return store_resource_update(mgr->store, row, now, reterr);
}

static int not_there(struct manager *mgr, struct resource_row *row, const struct sagemaker_call *cc,
		     bool *ret_create, struct err *reterr)
{
	struct reason reason = row->reason;

	if (row->state == RESOURCE_PLANNED && row->wanted) {
		*ret_create = true; /* the same name again: no second resource can be created */
		return mgr->restored_us ? look_later(mgr, row, reterr) : 0; /* step.c holds it */
	}
	/* one answer is not enough for a resource that costs money */
	if (row->state == RESOURCE_ENDING)
		return is_missed(row) || !sagemaker_drivers[row->kind]->polled
			       ? sagemaker_resource_end(mgr, row, RESOURCE_ENDED, &reason, reterr)
			       : look_later(mgr, row, reterr);
	if (!surely_gone(mgr, row))
		return look_later(mgr, row, reterr);
	if (row->state == RESOURCE_PLANNED)
		return sagemaker_resource_end(mgr, row, RESOURCE_REFUSED, &reason, reterr);
	if (row->wanted)
		reason_set(&reason, REASON_KILLED,
			   "%s '%s' no longer exists: somebody deleted it outside Trainyard",
			   resource_kind_str(row->kind), row->name);
	return sagemaker_resource_end(mgr, row, RESOURCE_ENDED, &reason, reterr);
}

/* True if the reason comes from again(), so that the first good answer clears it. */
static bool is_transient(const struct resource_row *row)
{
	enum reason_code code = row->reason.code;

	return code == REASON_WAITING_FOR_RETRY || code == REASON_THROTTLED ||
	       code == REASON_WAITING_FOR_CREDENTIALS ||
	       (row->wanted && code == REASON_ACCESS_DENIED);
}

static int on_described(struct manager *mgr, struct resource_row *row, const json_t *answer,
			enum sagemaker_step *ret_next, struct err *reterr)
{
	const struct sagemaker_driver *d = sagemaker_drivers[row->kind];
	int64_t now = clock_now_us();
	int tries = row->tries, r;
	struct reason before;

	row->tries = 0;
	row->next_us = now + mgr->settings->aws.poll_us;
	if (is_transient(row))
		row->reason = (struct reason){0};
	before = row->reason;
	r = d->on_described(mgr, row, answer, reterr);
	if (r < 0)
		return r;
	if (r == 0) {
		if (row->state == RESOURCE_ENDING && !str_eq(row->status, "Deleting") &&
		    !str_eq(row->status, "Stopping"))
			row->tries = tries + 1;
		r = store_resource_update(mgr->store, row, now, reterr);
		return r < 0 || !d->on_stored ? r : d->on_stored(mgr, row, ret_next, reterr);
	}
	r = store_resource_update(mgr->store, row, now, reterr);
	return r < 0 ? r
		     : sagemaker_resource_end(mgr, row, RESOURCE_ENDED,
					      row->reason.code ? &row->reason : &before, reterr);
}

static int described(struct manager *mgr, struct resource_row *row, const struct sagemaker_call *cc,
		     enum sagemaker_step *ret_next, struct err *reterr)
{
	const struct aws_call *c = &cc->call;
	bool create = false;
	int r;

	if (c->result >= 0 || c->kind == AWS_ERROR_NOT_FOUND)
		row->asked_us = clock_now_us();
	if (c->kind == AWS_ERROR_NOT_FOUND) {
		r = not_there(mgr, row, cc, &create, reterr);
		*ret_next = create ? SAGEMAKER_STEP_CREATE : SAGEMAKER_STEP_DESCRIBE;
		return r;
	}
	if (c->result < 0)
		return again(mgr, row, cc, reterr);
	if (row->state != RESOURCE_PLANNED)
		return on_described(mgr, row, c->output, ret_next, reterr);
	not_missing(row);
	take_arn(row, c->output);
	*ret_next = SAGEMAKER_STEP_TAGS;
	return store_resource_update(mgr->store, row, clock_now_us(), reterr);
}

/* ---- the owner, by nonce and tags ---- */

static bool nonce_matches(const struct resource_row *row, const json_t *output)
{
	const json_t *tag;
	size_t i;

	json_array_foreach(json_object_get(output, "Tags"), i, tag)
		if (str_eq(json_get_str(tag, "Key", ""), RESOURCE_TAG_NONCE))
			return str_eq(json_get_str(tag, "Value", ""), row->nonce);
	return false;
}

/* True for a training job whose second create was refused for lack of quota or capacity: its first
 * create has used it. */
static bool is_room_taken_by_itself(const struct resource_row *row)
{
	return row->kind == RESOURCE_TRAINING_JOB && !row->wanted &&
	       (row->reason.code == REASON_QUOTA || row->reason.code == REASON_CAPACITY);
}

static int tagged(struct manager *mgr, struct resource_row *row, const struct sagemaker_call *cc,
		  struct err *reterr)
{
	const struct aws_call *c = &cc->call;
	struct reason reason;

	if (row->state != RESOURCE_PLANNED)
		return 0;
	/* Without permission to read tags the name decides: 60 random bits of it are the nonce. */
	if (c->kind == AWS_ERROR_DENIED || (c->result == 0 && nonce_matches(row, c->output))) {
		row->wanted |= is_room_taken_by_itself(row);
		txn_log(mgr, LOG_LEVEL_INFO, "resource_adopted", "resource=%s name=%s", row->id,
			row->name);
		return present(mgr, row, reterr);
	}
	if (c->result < 0)
		return again(mgr, row, cc, reterr);
	reason_set(&reason, REASON_REFUSED,
		   "the name '%s' is taken by a %s that this daemon did not make: its "
		   "tag " RESOURCE_TAG_NONCE " differs; retry the job, which gets a new name",
		   row->name, resource_kind_str(row->kind));
	return sagemaker_resource_end(mgr, row, RESOURCE_REFUSED, &reason, reterr);
}

/* ---- stop and delete ---- */

static int ending(struct manager *mgr, struct resource_row *row, const struct sagemaker_call *cc,
		  struct err *reterr)
{
	const struct aws_call *c = &cc->call;
	int64_t now = clock_now_us();
	int r;

	if (c->kind == AWS_ERROR_NOT_FOUND)
		return row->state == RESOURCE_ENDING || surely_gone(mgr, row)
			       ? sagemaker_resource_end(mgr, row, RESOURCE_ENDED, &row->reason,
							reterr)
			       : look_later(mgr, row, reterr);
	if (c->kind == AWS_ERROR_IN_PROGRESS) { /* an endpoint that is still Creating */
		row->next_us = now + mgr->settings->aws.poll_us;
		str_assign(row->status, "waiting to be deleted");
		return store_resource_update(mgr->store, row, now, reterr);
	}
	if (c->result < 0 && c->kind != AWS_ERROR_TERMINAL)
		return again(mgr, row, cc, reterr);
	r = row->state == RESOURCE_ENDING
		    ? 0
		    : store_resource_set_state(mgr->store, row->id, RESOURCE_PRESENT,
					       RESOURCE_ENDING, &row->reason, now, reterr);
	row->state = RESOURCE_ENDING;
	row->tries = 0;
	row->next_us = now;
	txn_on_commit(mgr, sagemaker_reconcile_on_commit, NULL);
	return r < 0 ? r : store_resource_update(mgr->store, row, now, reterr);
}

/* ---- all ---- */

int sagemaker_judge(struct manager *mgr, struct resource_row *row, const struct sagemaker_call *cc,
		    enum sagemaker_step *ret_next, struct err *reterr)
{
	switch (cc->step) {
	case SAGEMAKER_STEP_CREATE:
		return row->state == RESOURCE_PLANNED ? created(mgr, row, cc, reterr) : 0;
	case SAGEMAKER_STEP_DESCRIBE:
		return described(mgr, row, cc, ret_next, reterr);
	case SAGEMAKER_STEP_TAGS:
		return tagged(mgr, row, cc, reterr);
	case SAGEMAKER_STEP_END:
		return row->state == RESOURCE_PLANNED ? 0 : ending(mgr, row, cc, reterr);
	case SAGEMAKER_STEP_UPDATE:
		if (row->state != RESOURCE_PRESENT || !row->wanted)
			return 0;
		return sagemaker_update_answered(mgr, row, &cc->call, reterr);
	case SAGEMAKER_STEP_LOGS:
	case SAGEMAKER_STEP_LOOKUP:
	case SAGEMAKER_STEP_PARITY:
		break;
	}
	return 0;
}
