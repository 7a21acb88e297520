/* SPDX-License-Identifier: MIT */
/* The destination of a push: its bucket, its objects, and unfinished uploads of earlier
 * attempts. */
#include "transfer/s3/put.h"

#include "base/clock.h"
#include "base/own.h"
#include "base/str.h"

#include <string.h>
#include <unistd.h>

#define PENDING_MAX    10000
#define ABORTS_MAX     3
#define BUCKET_SEEN_US (20 * USEC_PER_SEC) /* a new bucket may be invisible so long */
#define BUCKET_LOOK_US 200000

/* ---- the bucket ---- */

/* Wait until the new bucket is visible. Its owner is checked, because somebody else may have taken
 * the name. */
static int await_bucket(struct put *p, struct slot *s, struct err *reterr)
{
	int64_t end_us = clock_mono_us() + BUCKET_SEEN_US;

	for (;;) {
		int r;

		s3_call_done(&s->s3);
		s3_head_bucket(&s->s3, &p->bucket);
		r = pump_call(s, reterr);
		if (r >= 0 || s3_problem_of(&s->s3) != S3_NO_BUCKET || clock_mono_us() >= end_us)
			return r;
		p->t->failure_code = NULL;
		usleep(BUCKET_LOOK_US);
	}
}

static int make_bucket(struct put *p, struct slot *s, struct err *reterr)
{
	s3_create_bucket(&s->s3, &p->bucket, p->region);
	if (pump_call(s, reterr) < 0) {
		if (!str_eq(s->s3.call.code, "BucketAlreadyOwnedByYou"))
			return -reterr->code;
		p->t->failure_code = NULL;
	}
	return await_bucket(p, s, reterr);
}

/* Check the bucket's region before anything is sent. If the credentials only allow writes, it is
 * not known here; S3 then refuses the job. */
static int check_region(struct put *p, const struct slot *s, struct err *reterr)
{
	char region[AWS_REGION_MAX];

	if (!p->item->region)
		return 0;
	s3_head_bucket_result(&s->s3, region);
	if (!*region || str_eq(region, p->item->region))
		return 0;
	p->t->failure_code = "bucket_region";
	return err_set(reterr, ERR_CONFLICT,
		       "the bucket '%s' is in %s and the job runs in %s, but SageMaker uses "
		       "buckets of its own region only; name a bucket of that region (aws.bucket), "
		       "or let the job run in %s (sagemaker.region)",
		       p->bucket.name, region, p->item->region, region);
}

static int check_bucket(struct put *p, struct err *reterr)
{
	struct slot *s = pump_slot(p->pump);
	int r;

	s3_head_bucket(&s->s3, &p->bucket);
	r = pump_call(s, reterr);
	if (r < 0 && p->item->make_bucket && s3_problem_of(&s->s3) == S3_NO_BUCKET) {
		p->t->failure_code = NULL;
		s3_call_done(&s->s3);
		r = make_bucket(p, s, reterr);
	} else if (r < 0 && !p->item->make_bucket && s3_problem_of(&s->s3) == S3_DENIED) {
		r = 0; /* if the credentials only allow writes, the writes show it */
		p->t->failure_code = NULL;
	} else if (r >= 0) {
		r = check_region(p, s, reterr);
	}
	pump_release(s);
	return r;
}

/* ---- what lies there ---- */

static bool on_object(const struct s3_object *o, void *userdata)
{
	*(bool *)userdata = true;
	return false;
}

/* List the destination. If the credentials may not list, nothing is known and all files are
 * sent. */
static int look(struct put *p, struct err *reterr)
{
	struct slot *s = pump_slot(p->pump);
	OWN(s3_pages_done) struct s3_pages pages = {0};
	int r;

	s3_list(&s->s3, &p->bucket, p->place.key, NULL, NULL, 1);
	r = pump_call(s, reterr);
	if (r >= 0)
		r = s3_list_result(&s->s3, on_object, &p->occupied, &pages, reterr);
	else if (s3_problem_of(&s->s3) == S3_DENIED)
		r = 0;
	pump_release(s);
	p->occupied &= !p->item->overwrite;
	return r;
}

static bool on_upload(const char *key, const char *id, void *userdata)
{
	struct put *p = userdata;

	if (p->pending_n == PENDING_MAX)
		return false;
	if ((p->pending_n & (p->pending_n - 1)) == 0) {
		size_t room = p->pending_n ? 2 * p->pending_n : 1;
		struct pending *more = reallocarray(p->pending, room, sizeof(*more));

		if (!more)
			return false;
		p->pending = more;
	}
	p->pending[p->pending_n++] = (struct pending){strdup(key), strdup(id)};
	return true;
}

static int find_pending(struct put *p, struct err *reterr)
{
	OWN(freep) char *key = NULL;
	OWN(freep) char *id = NULL;
	int r = 0;

	do {
		struct slot *s = pump_slot(p->pump);
		char *next_key = NULL, *next_id = NULL;

		s3_list_uploads(&s->s3, &p->bucket, p->place.key, key, id);
		r = pump_call(s, reterr);
		if (r >= 0)
			r = s3_list_uploads_result(&s->s3, on_upload, p, &next_key, &next_id,
						   reterr);
		else if (s3_problem_of(&s->s3) == S3_DENIED)
			r = 0; /* the list may be denied; then there is nothing to resume */
		pump_release(s);
		free(key);
		free(id);
		key = next_key;
		id = next_id;
	} while (r >= 0 && key && p->pending_n < PENDING_MAX);
	p->t->failure_code = r < 0 ? p->t->failure_code : NULL;
	return r;
}

bool put_take_pending(struct put *p, const char *key, char id[S3_UPLOAD_ID_MAX])
{
	bool found = false;

	for (size_t i = p->pending_n; i-- > 0;) {
		struct pending *one = &p->pending[i];

		if (!one->key || !str_eq(one->key, key))
			continue;
		if (!found)
			found = str_copy(id, S3_UPLOAD_ID_MAX, one->id);
		else
			put_abort(p, key, one->id);
		free(one->key);
		one->key = NULL;
	}
	return found;
}

/* End a multipart upload. A part under way may arrive after the abort, so repeat until S3 does not
 * know the upload (public source: the S3 API's page of AbortMultipartUpload). */
void put_abort(struct put *p, const char *key, const char *id)
{
	struct err e;

	for (int i = 0; i < ABORTS_MAX; i++) {
		struct slot *s = pump_slot(p->pump);
		int r;

		if (!s)
			return;
		s3_multipart_abort(&s->s3, &p->bucket, key, id);
		r = pump_call_last(s, &e);
		pump_release(s);
		if (r < 0)
			return;
		s = pump_slot(p->pump);
		if (!s)
			return;
		s3_list_parts(&s->s3, &p->bucket, key, id, 0);
		r = pump_call_last(s, &e);
		pump_release(s);
		if (r < 0)
			return;
	}
}

json_t *put_uri(const struct put *p, const char *key)
{
	return json_sprintf("s3://%s/%s", p->bucket.name, key);
}

/* ---- open and close ---- */

int put_open(struct put *p, struct err *reterr)
{
	const json_t *given = json_object_get(p->t->message, "aws");
	const char *account = json_get_str(given, "account", "");
	size_t n = strlen(account);
	int r = s3_parse_uri(p->item->to, &p->place, reterr);

	if (r >= 0)
		r = pump_new(p->t, &p->pump, reterr);
	if (r < 0)
		return r;
	if (!str_copy(p->owner, sizeof(p->owner), account))
		return err_set(reterr, ERR_CORRUPT, "'%.64s' is not the id of an account", account);
	str_must_copy(p->region, sizeof(p->region), aws_config_region(aws_config_of(p->t->aws)));
	p->bucket = (struct s3_bucket){
		.name = p->place.bucket,
		.kms_key = p->item->kms_key,
		/* the default bucket's name ends with the account */
		.owner = n && (p->item->make_bucket || str_ends(p->place.bucket, account))
				 ? p->owner
				 : NULL,
	};
	r = check_bucket(p, reterr);
	if (r >= 0)
		r = look(p, reterr);
	if (r >= 0)
		r = find_pending(p, reterr);
	return r;
}

void put_close(struct put *p)
{
	pump_free(p->pump);
	for (size_t i = 0; i < p->pending_n; i++) {
		free(p->pending[i].key);
		free(p->pending[i].id);
	}
	free(p->pending);
}
