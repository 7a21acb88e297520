/* SPDX-License-Identifier: MIT */
/* All objects below a prefix to files: reads the list by pages and runs many downloads at a
 * time. */
#include "base/fileio.h"
#include "base/own.h"
#include "base/roots.h"
#include "base/str.h"
#include "transfer/s3/download.h"
#include "transfer/s3/listed_keys.h"

#include <string.h>

struct wanted {
	char *key;
	char etag[S3_ETAG_MAX];
	int64_t size, modified_us;
};

struct tree_get {
	struct s3_source *source;
	const char *root;
	struct wanted page[S3_LIST_MAX];
	size_t page_n, page_at;
	int64_t bytes; /* sum of all listed objects */
	struct err e;  /* of a listed object */
	int r;
	struct s3_pages pages;
	bool more;
	struct download *active[PUMP_SLOTS];
};

static bool on_object(const struct s3_object *o, void *userdata)
{
	struct tree_get *t = userdata;
	struct wanted *w = &t->page[t->page_n];

	if (!listed_key_path(o->key, o->size, t->source->place.key, t->source->exclude))
		return true;
	t->r = transfer_add_size(t->source->t, t->source->uri, o->size, &t->bytes, &t->e);
	if (t->r < 0)
		return false;
	*w = (struct wanted){.key = strdup(o->key), .size = o->size, .modified_us = o->modified_us};
	memcpy(w->etag, o->etag, sizeof(w->etag));
	t->page_n++;
	transfer_expect(t->source->t, o->size);
	return true;
}

static int next_page(struct tree_get *t, struct err *reterr)
{
	struct slot *s = pump_slot(t->source->pump);
	int r;

	t->page_n = t->page_at = 0;
	s3_list(&s->s3, &t->source->bucket, t->source->place.key, NULL, t->pages.token,
		S3_LIST_MAX);
	r = pump_call(s, reterr);
	if (r >= 0)
		r = s3_list_result(&s->s3, on_object, t, &t->pages, reterr);
	if (r >= 0 && t->r < 0) {
		*reterr = t->e;
		r = t->r;
	}
	pump_release(s);
	t->more = t->pages.token != NULL;
	return r;
}

static int start_next(struct tree_get *t, struct download **ret, struct err *reterr)
{
	struct wanted *w = &t->page[t->page_at++];
	OWN(freep) char *key = TAKE(w->key);
	const char *path = key + strlen(t->source->place.key);
	struct s3_object o = {.size = w->size, .modified_us = w->modified_us};
	char full[PATH_MAX];

	str_must_copy(o.key, sizeof(o.key), key);
	memcpy(o.etag, w->etag, sizeof(o.etag));
	if (!path_is_inside(path) || !path_join(full, sizeof(full), t->root, path))
		return err_set(
			reterr, ERR_INVALID,
			"s3://%s/%s cannot become a file below '%s', because its key is not a path",
			t->source->bucket.name, key, t->root);
	return download_new(t->source, &o, full, ret, reterr);
}

/* Send the next request in the slot. 1: sent; 0: nothing to send now. */
static int feed(struct tree_get *t, struct slot *s, struct err *reterr)
{
	int r = 0;

	for (int i = 0; i < PUMP_SLOTS && r == 0; i++)
		if (t->active[i])
			r = download_step(t->active[i], s, reterr);
	for (int i = 0; i < PUMP_SLOTS && r == 0; i++) {
		if (t->active[i])
			continue;
		if (t->page_at == t->page_n)
			return 0;
		r = start_next(t, &t->active[i], reterr);
		if (r == 0)
			r = download_step(t->active[i], s, reterr);
	}
	return r;
}

static void drop(struct tree_get *t, bool all)
{
	for (int i = 0; i < PUMP_SLOTS; i++) {
		struct download *d = t->active[i];

		if (!d || (!all && !download_is_over(d)))
			continue;
		download_free(d);
		t->active[i] = NULL;
	}
}

static int run(struct tree_get *t, struct err *reterr)
{
	int r = 0;

	while (r >= 0) {
		struct slot *s;

		if (t->page_at == t->page_n && t->more)
			r = next_page(t, reterr);
		while (r >= 0 && (s = pump_slot(t->source->pump))) {
			r = feed(t, s, reterr);
			if (r != 1) {
				pump_release(s);
				break;
			}
			drop(t, false);
		}
		drop(t, false);
		if (r >= 0 && t->source->pump->flying == 0 && t->page_at == t->page_n && !t->more)
			break;
		if (r >= 0 && t->source->pump->flying)
			r = pump_turn(t->source->pump, reterr);
		drop(t, false);
	}
	return r;
}

int download_tree(struct s3_source *src, const char *root, struct err *reterr)
{
	struct tree_get *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return err_errno(reterr, ENOMEM, "download a tree");
	t->source = src;
	t->root = root;
	t->more = true;
	r = roots_make_dir(root, 0755, reterr);
	if (r >= 0) {
		close(r);
		r = run(t, reterr);
	}
	if (r < 0)
		pump_drain(src->pump);
	drop(t, true);
	for (size_t i = t->page_at; i < t->page_n; i++)
		free(t->page[i].key);
	s3_pages_done(&t->pages);
	free(t);
	if (r >= 0)
		return download_settle(src, reterr);
	(void)!download_settle(src, NULL); /* complete files stay */
	return r;
}

int download_file(struct s3_source *src, const struct s3_object *o, const char *path,
		  struct err *reterr)
{
	struct download *d;
	int r = download_new(src, o, path, &d, reterr);

	if (r < 0)
		return r;
	transfer_expect(src->t, o->size);
	while (r >= 0 && !download_is_over(d)) {
		struct slot *s;

		r = transfer_stopped(src->t, reterr);
		while (r >= 0 && (s = pump_slot(src->pump))) {
			r = download_step(d, s, reterr);
			if (r != 1) {
				pump_release(s);
				break;
			}
		}
		if (r >= 0 && src->pump->flying)
			r = pump_turn(src->pump, reterr);
	}
	if (r < 0)
		pump_drain(src->pump);
	download_free(d);
	if (r >= 0)
		return download_settle(src, reterr);
	(void)!download_settle(src, NULL);
	return r;
}
