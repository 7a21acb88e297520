/* SPDX-License-Identifier: MIT */
/* Lists the artifacts of an attempt on SageMaker: the objects below its S3 locations. Threads of
 * the account service. */
#include "base/clock.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/account/parts.h"

#include <string.h>

/* The listing of one location. */
struct listing {
	struct account_turn *turn;
	json_t *items;
	const char *head; /* prefix of its paths: "output/" */
	struct s3_place at;
	bool full;
};

static bool on_object(const struct s3_object *o, void *userdata)
{
	struct listing *l = userdata;
	char when[CLOCK_TEXT_LEN];
	size_t n = strlen(l->at.key);

	/* a name that ends with '/' is a folder made by a console */
	if (strncmp(o->key, l->at.key, n) != 0 || !o->key[n] || str_ends(o->key, "/"))
		return true;
	if (json_array_size(l->items) >= ACCOUNT_ARTIFACTS_MAX) {
		l->full = true;
		return false;
	}
	json_array_append_new(l->items,
			      json_pack("{so sI so ss}", "path",
					json_sprintf("%s%s", l->head, o->key + n), "size",
					(json_int_t)o->size, "uri",
					json_sprintf("s3://%s/%s", l->at.bucket, o->key),
					"modified_at", clock_format(when, o->modified_us)));
	return true;
}

/* Read one page below `prefix`. */
static int list_page(struct listing *l, const char *prefix, struct s3_pages *pages)
{
	struct account_query *q = l->turn->q;
	struct s3_bucket bucket = {.name = l->at.bucket, .region = q->region};
	struct s3_call call = {0};
	int r;

	s3_list(&call, &bucket, prefix, NULL, pages->token, S3_LIST_MAX);
	r = s3_wait(l->turn->aws, &call, &q->err);
	q->failure = r < 0 ? account_failure_of(call.call.kind) : ACCOUNT_OURS;
	if (r >= 0)
		r = s3_list_result(&call, on_object, l, pages, &q->err);
	s3_call_done(&call);
	return q->result = r;
}

/* The S3 prefix of the wanted paths. Returns false if none of them is in this location. */
static bool prefix_of(const struct listing *l, const char *wanted, char *ret, size_t size)
{
	size_t n = strlen(l->head);
	const char *rest = "";
	int len;

	if (strncmp(wanted, l->head, n) == 0)
		rest = wanted + n;
	else if (!str_starts(l->head, wanted))
		return false;
	len = snprintf(ret, size, "%s%s", l->at.key, rest);
	return len >= 0 && (size_t)len < size;
}

static int list_place(struct listing *l, const char *uri)
{
	struct account_query *q = l->turn->q;
	const char *wanted = q->path_prefix ? q->path_prefix : "";
	OWN(s3_pages_done) struct s3_pages pages = {0};
	char prefix[S3_KEY_MAX + 1];
	int r = s3_parse_uri(uri, &l->at, &q->err);

	if (r < 0)
		return q->result = r;
	if (!prefix_of(l, wanted, prefix, sizeof(prefix)))
		return 0;
	do {
		r = list_page(l, prefix, &pages);
		l->full |= pages.token && clock_mono_us() >= l->turn->until_us;
	} while (r >= 0 && pages.token && !l->full);
	return r;
}

int account_artifacts(struct account_turn *t)
{
	OWN(json_decrefp) json_t *items = json_array();
	struct listing l = {.turn = t, .items = items};
	json_t *uri;
	int r = 0;

	json_object_foreach((json_t *)t->q->places, l.head, uri)
		if (r >= 0 && !l.full)
			r = list_place(&l, json_string_value(uri));
	if (r >= 0)
		t->q->json = json_pack("{sO sb}", "items", items, "truncated", l.full);
	return r;
}
