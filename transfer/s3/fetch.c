/* SPDX-License-Identifier: MIT */
/* "fetch" from S3: a file, a tree, a tar.gz, or a peek into one. Without "to" it goes through the
 * cache. */
#include "base/fileio.h"
#include "base/own.h"
#include "base/roots.h"
#include "base/str.h"
#include "base/tree.h"
#include "transfer/archive/untar.h"
#include "transfer/s3/listed_keys.h"

#include <string.h>
#include <sys/stat.h>

#define BEGUN_ENTRIES_MAX 100000 /* in a directory that an earlier attempt has begun to fill */
#define CHANGED_TRIES	  3	 /* whole downloads, if an object is replaced meanwhile */

/* uri: of the object or the prefix. */
static int source_open(struct s3_source *src, struct transfer *t, const char *uri,
		       struct err *reterr)
{
	const char *account = json_get_str(json_object_get(t->message, "aws"), "account", "");
	int r;

	*src = (struct s3_source){.t = t, .uri = uri};
	r = s3_parse_uri(uri, &src->place, reterr);
	if (r >= 0)
		r = pump_new(t, &src->pump, reterr);
	if (r >= 0 && !str_copy(src->owner, sizeof(src->owner), account))
		r = err_set(reterr, ERR_CORRUPT, "'%.64s' is not the id of an account", account);
	src->bucket.name = src->place.bucket;
	/* the default bucket's name ends with the account */
	if (*account && str_ends(src->place.bucket, account))
		src->bucket.owner = src->owner;
	return r;
}

static void source_close(struct s3_source *src)
{
	pump_free(src->pump);
}

/* A HEAD answer has no text: check whether the key or the bucket is missing. */
static int check_bucket(struct s3_source *src, struct err *reterr)
{
	struct slot *s = pump_slot(src->pump);
	int r;

	s3_head_bucket(&s->s3, &src->bucket);
	r = pump_call(s, reterr);
	pump_release(s);
	return r;
}

/* Ask for the object's data. If the bucket is missing, the -ERR_NOT_FOUND names the bucket. */
static int source_head(struct s3_source *src, const char *key, struct s3_object *ret,
		       struct err *reterr)
{
	struct slot *s = pump_slot(src->pump);
	bool missing;
	struct err e;
	int r;

	s3_head_object(&s->s3, &src->bucket, key);
	r = pump_call(s, reterr);
	missing = s3_problem_of(&s->s3) == S3_NO_KEY;
	if (r >= 0)
		r = s3_object_result(&s->s3, ret, reterr);
	pump_release(s);
	if (missing && check_bucket(src, &e) < 0 &&
	    str_eq(src->t->failure_code, "bucket_missing")) {
		*reterr = e;
		return -ERR_NOT_FOUND;
	}
	if (missing)
		src->t->failure_code = "data_missing";
	if (r >= 0)
		str_must_copy(ret->key, sizeof(ret->key), key);
	return r;
}

/* ---- what an item is: a key for the cache over all that names its content ---- */

struct listing {
	struct hash *hash;
	struct listed_keys keys;
	struct err e;
	int r;
};

static void hash_object(struct hash *h, const struct s3_object *o)
{
	char line[S3_KEY_MAX + S3_ETAG_MAX + 64];

	str_must_format(line, sizeof(line), "%s\n%s\n%lld\n", o->key, o->etag, (long long)o->size);
	hash_update(h, line, strlen(line));
}

static bool on_object(const struct s3_object *o, void *userdata)
{
	struct listing *l = userdata;

	hash_object(l->hash, o);
	l->r = listed_keys_add(&l->keys, o->key, o->size, &l->e);
	return l->r >= 0;
}

static int hash_list(struct s3_source *src, struct listing *l, struct err *reterr)
{
	OWN(s3_pages_done) struct s3_pages pages = {0};
	int r;

	do {
		struct slot *s = pump_slot(src->pump);

		s3_list(&s->s3, &src->bucket, src->place.key, NULL, pages.token, S3_LIST_MAX);
		r = pump_call(s, reterr);
		if (r >= 0)
			r = s3_list_result(&s->s3, on_object, l, &pages, reterr);
		if (r >= 0 && l->r < 0) {
			*reterr = l->e;
			r = l->r;
		}
		pump_release(s);
	} while (r >= 0 && pages.token);
	if (r == -ERR_LIMIT && !src->t->failure_code)
		src->t->failure_code = "too_large";
	return r;
}

struct job {
	struct s3_source source;
	struct fetch_item *item;
	struct s3_object o;	 /* of a file or a tar.gz */
	bool slash;		 /* True if a slash was added to the key of a tree */
	bool one;		 /* True if the tree is one object: a directory with that file */
	int64_t bytes;		 /* sum of all files */
	char key[CACHE_KEY_LEN]; /* in the cache */
};

static int add_object(struct job *j, struct err *reterr)
{
	return transfer_add_size(j->source.t, j->item->from, j->o.size, &j->bytes, reterr);
}

/* No key begins with "key/": look for an object "key". */
static int identify_one(struct job *j, struct hash *h, struct err *reterr)
{
	char *key = j->source.place.key;
	int r;

	key[strlen(key) - 1] = '\0';
	r = source_head(&j->source, key, &j->o, reterr);
	if (r < 0) {
		if (!str_eq(j->source.t->failure_code, "data_missing"))
			return r;
		return err_set(
			reterr, ERR_NOT_FOUND,
			"S3 has neither the object s3://%s/%s nor any object below s3://%s/%s/",
			j->source.bucket.name, key, j->source.bucket.name, key);
	}
	j->one = true;
	hash_object(h, &j->o);
	return add_object(j, reterr);
}

static int identify(struct job *j, struct err *reterr)
{
	OWN(hash_freep) struct hash *h = hash_new();
	struct listing l = {.hash = h,
			    .keys = {.t = j->source.t,
				     .bucket = j->source.bucket.name,
				     .prefix = j->source.place.key,
				     .uri = j->item->from,
				     .exclude = j->item->to ? j->item->exclude : NULL}};
	int r;

	hash_update(h, j->source.bucket.name, strlen(j->source.bucket.name));
	hash_update(h, &j->item->form, sizeof(j->item->form));
	if (j->item->form == FORM_TREE) {
		r = hash_list(&j->source, &l, reterr);
		listed_keys_done(&l.keys);
		j->bytes = l.keys.bytes;
		if (r >= 0 && l.keys.files == 0 && j->slash) {
			r = identify_one(j, h, reterr);
		} else if (r >= 0 && l.keys.files == 0) {
			j->source.t->failure_code = "prefix_empty";
			r = err_set(reterr, ERR_NOT_FOUND, "S3 has no object below s3://%s/%s",
				    j->source.bucket.name, j->source.place.key);
		}
	} else {
		r = source_head(&j->source, j->source.place.key, &j->o, reterr);
		if (r >= 0)
			hash_object(h, &j->o);
		if (r >= 0 && j->item->form == FORM_FILE)
			r = add_object(j, reterr);
	}
	hash_hex(h, j->key);
	return r;
}

/* ---- get it ---- */

static const char *base_name(const struct job *j)
{
	const char *slash = strrchr(j->source.place.key, '/');

	return slash ? slash + 1 : j->source.place.key;
}

static int get_into(struct job *j, const char *dir, struct err *reterr)
{
	struct tree_size there = {.budget = BEGUN_ENTRIES_MAX};
	char path[PATH_MAX];
	int r;

	tree_measure(AT_FDCWD, dir, &there); /* of an earlier attempt */
	r = transfer_check_room(j->source.t, dir, j->item->from, j->bytes - there.bytes, reterr);
	if (r < 0)
		return r;
	switch (j->one ? FORM_FILE : j->item->form) {
	case FORM_TREE:
		return download_tree(&j->source, dir, reterr);
	case FORM_TAR_GZ:
		transfer_expect(j->source.t, j->o.size);
		return untar(&j->source, &j->o, dir, reterr);
	case FORM_FILE:
		if (!path_join(path, sizeof(path), dir, base_name(j)))
			return err_errno(reterr, ENAMETOOLONG, "write '%s'", base_name(j));
		return download_file(&j->source, &j->o, path, reterr);
	case FORM_PEEK:
		break;
	}
	return err_set(reterr, ERR_INVALID, "a peek has no directory");
}

/* Take the content out of the cache. If it is not there, fill the cache first. */
static int get_cached(struct job *j, struct err *reterr)
{
	struct cache *cache = j->source.t->cache;
	struct cache_fill fill;
	int r;

	do {
		r = cache_begin(cache, j->key, j->source.t->stop, &fill, reterr);
		if (r == 0) {
			r = get_into(j, fill.path, reterr);
			if (r >= 0)
				r = cache_commit(cache, &fill, reterr);
			else
				cache_leave(cache, &fill);
		}
		if (r >= 0)
			r = cache_take(cache, j->key, j->item->into, reterr);
	} while (r == -ERR_NOT_FOUND && !j->source.t->failure_code);
	return r;
}

static int get_to(struct job *j, struct err *reterr)
{
	const char *to = j->item->to;
	size_t n = strlen(to);
	int r;

	j->source.durable = true;
	j->source.exclude = j->item->exclude;
	if (j->item->form == FORM_FILE && !path_is_dir(AT_FDCWD, to) && n && to[n - 1] != '/')
		return download_file(&j->source, &j->o, to, reterr);
	r = roots_make_dir(to, 0755, reterr);
	if (r < 0)
		return r;
	close(r);
	return get_into(j, to, reterr);
}

/* Read one small object below a prefix. If it does not exist, it stays absent. */
static int peek_object(struct s3_source *src, const char *key, const char *name, json_t *into,
		       struct err *reterr)
{
	struct slot *s = pump_slot(src->pump);
	const struct buf *text = &s->s3.call.http.reply;
	json_t *value = NULL;
	int r;

	s3_get_object(&s->s3, &src->bucket, key, 0, -1, NULL, NULL);
	s->s3.call.reply_max = PEEK_MEMBER_MAX;
	r = pump_call(s, reterr);
	if (s3_problem_of(&s->s3) == S3_NO_KEY)
		r = 0;
	else if (r >= 0 && json_parse(buf_str(text), text->len, &value, NULL) < 0)
		value = json_string(buf_str(text));
	if (value)
		json_object_set_new(into, name, value);
	pump_release(s);
	return r;
}

/* untar_peek() for a tree of objects. */
static int peek_tree(struct s3_source *src, const json_t *members, json_t **ret, struct err *reterr)
{
	OWN(json_decrefp) json_t *found = json_object();
	const json_t *name;
	char key[S3_KEY_MAX + 1];
	int r = check_bucket(src, reterr);
	size_t i;

	json_array_foreach(members, i, name)
		if (r >= 0 && snprintf(key, sizeof(key), "%s%s", src->place.key,
				       json_string_value(name)) < (int)sizeof(key))
			r = peek_object(src, key, json_string_value(name), found, reterr);
	if (r >= 0)
		*ret = TAKE(found);
	return r;
}

static bool is_prefix(const struct job *j)
{
	size_t n = strlen(j->source.place.key);

	return !n || j->source.place.key[n - 1] == '/';
}

static int get_item(struct job *j, json_t **ret_value, struct err *reterr)
{
	struct fetch_item *it = j->item;
	char path[PATH_MAX];
	int r;

	if (it->form == FORM_PEEK && is_prefix(j))
		return peek_tree(&j->source, it->members, ret_value, reterr);
	r = identify(j, reterr);
	if (r < 0)
		return r;
	if (it->form == FORM_PEEK)
		return untar_peek(&j->source, &j->o, it->members, ret_value, reterr);
	r = it->to ? get_to(j, reterr) : get_cached(j, reterr);
	if (r < 0)
		return r;
	str_must_copy(path, sizeof(path), it->to ? it->to : it->into);
	if (it->form == FORM_FILE && path_is_dir(AT_FDCWD, path) &&
	    !path_join(path, sizeof(path), it->to ? it->to : it->into, base_name(j)))
		return err_errno(reterr, ENAMETOOLONG, "use '%s'", it->into);
	*ret_value = json_string(path);
	return *ret_value ? 0
			  : err_set(reterr, ERR_INVALID, "'%s' is not valid UTF-8", base_name(j));
}

static int check_key(struct job *j, struct err *reterr)
{
	char *key = j->source.place.key;
	size_t n = strlen(key);

	if (j->item->form != FORM_TREE && j->item->form != FORM_PEEK && is_prefix(j))
		return err_set(reterr, ERR_INVALID,
			       "'%s' must name one object; remove the '/' at its end",
			       j->item->from);
	if (j->item->form == FORM_FILE && !path_is_inside(base_name(j)))
		return err_set(reterr, ERR_INVALID, "'%s' does not end in a usable file name",
			       j->item->from);
	if (j->item->form != FORM_TREE || !n || key[n - 1] == '/')
		return 0;
	if (n == S3_KEY_MAX)
		return err_set(reterr, ERR_INVALID, "the prefix '%.80s…' is too long", key);
	memcpy(key + n, "/", 2);
	j->slash = true;
	return 0;
}

int fetch_s3(struct transfer *t, struct fetch_item *it, json_t **ret_value, struct err *reterr)
{
	int r = -ERR_CONFLICT;
	bool changed = true;

	for (int i = 0; r < 0 && changed && i < CHANGED_TRIES; i++) {
		struct job *j = calloc(1, sizeof(*j));

		if (!j)
			return err_errno(reterr, ENOMEM, "fetch '%s'", it->from);
		j->item = it;
		t->failure_code = NULL;
		r = source_open(&j->source, t, it->from, reterr);
		if (r >= 0)
			r = check_key(j, reterr);
		if (r >= 0)
			r = get_item(j, ret_value, reterr);
		changed = j->source.changed;
		if (r < 0 && changed && !it->to)
			(void)!tree_remove(AT_FDCWD, it->into, NULL);
		source_close(&j->source);
		free(j);
	}
	return r;
}
