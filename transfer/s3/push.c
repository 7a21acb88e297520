/* SPDX-License-Identifier: MIT */
/* One entry of "push": a file, a tree, or a tree as tar.gz. */
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "transfer/s3/upload.h"

#include <string.h>

struct files {
	struct put *put;
	const char *root, *prefix;
	const struct tree *tree;
	size_t next;
	struct upload *active;
	int active_n;
};

/* ---- many files ---- */

static int open_next(struct files *f, struct upload **ret, struct err *reterr)
{
	const char *path = f->tree->files[f->next].path;
	char full[PATH_MAX], key[S3_KEY_MAX + 1];
	int n = snprintf(key, sizeof(key), "%s%s", f->prefix, path), r;

	*ret = NULL;
	if (n >= (int)sizeof(key)) {
		f->put->t->failure_code = "name_too_long";
		return err_set(reterr, ERR_INVALID,
			       "'%s' cannot be a key of S3, because with its prefix it is longer "
			       "than %d bytes",
			       path, S3_KEY_MAX);
	}
	if (*path ? !path_join(full, sizeof(full), f->root, path)
		  : !str_copy(full, PATH_MAX, f->root))
		return err_errno(reterr, ENAMETOOLONG, "upload '%s'", path);
	f->next++;
	r = upload_new(f->put, full, key, ret, reterr);
	if (r < 0)
		return r;
	(*ret)->next = f->active;
	f->active = *ret;
	f->active_n++;
	return 0;
}

static void drop_finished(struct files *f)
{
	for (struct upload **at = &f->active; *at;) {
		struct upload *u = *at;

		if (u->state != UPLOAD_OVER) {
			at = &u->next;
			continue;
		}
		*at = u->next;
		upload_free(u);
		f->active_n--;
	}
}

/* Send the next request in the slot. 1: sent; 0: nothing to send now. */
static int feed(struct files *f, struct slot *s, struct err *reterr)
{
	int r = 0;

	for (struct upload *u = f->active; u && r == 0; u = u->next)
		r = upload_step(u, s, reterr);
	while (r == 0 && f->next < f->tree->n && f->active_n < PUMP_SLOTS) {
		struct upload *u;

		r = open_next(f, &u, reterr);
		if (r == 0)
			r = upload_step(u, s, reterr);
	}
	return r;
}

static int send_all(struct files *f, struct err *reterr)
{
	int r = 0;

	while (r >= 0) {
		struct slot *s;

		r = transfer_stopped(f->put->t, reterr);
		while (r >= 0 && (s = pump_slot(f->put->pump))) {
			r = feed(f, s, reterr);
			if (r != 1) {
				pump_release(s);
				break;
			}
		}
		drop_finished(f);
		if (r < 0 || f->put->pump->flying == 0)
			break;
		r = pump_turn(f->put->pump, reterr);
		drop_finished(f);
	}
	return r;
}

/* Send each of the tree's files, which lie below the directory root, to prefix + path. */
static int put_files(struct put *p, const char *root, const struct tree *tree, const char *prefix,
		     struct err *reterr)
{
	struct files f = {.put = p, .root = root, .prefix = prefix, .tree = tree};
	int r = send_all(&f, reterr);

	if (r < 0)
		pump_drain(p->pump);
	while (f.active) {
		struct upload *u = f.active;

		f.active = u->next;
		if (*u->id)
			put_abort(p, u->key, u->id);
		upload_free(u);
	}
	return r;
}

/* ---- the item ---- */

static int push_tree(struct put *p, json_t **ret_value, struct err *reterr)
{
	OWN(tree_done) struct tree tree = {0};
	char *prefix = p->place.key;
	size_t n = strlen(prefix);
	int r;

	r = tree_read(p->item->from, p->item->exclude, &tree, reterr);
	if (r < 0)
		return r;
	if (n && prefix[n - 1] != '/') {
		if (n == S3_KEY_MAX)
			return err_set(reterr, ERR_INVALID, "the prefix '%s' is too long", prefix);
		memcpy(prefix + n, "/", 2);
	}
	transfer_expect(p->t, tree.bytes);
	*ret_value = put_uri(p, prefix);
	return put_files(p, p->item->from, &tree, prefix, reterr);
}

static int push_file(struct put *p, json_t **ret_value, struct err *reterr)
{
	struct tree_file file = {.path = (char *)""};
	struct tree tree = {.files = &file, .n = 1};
	struct stat st;

	if (stat(p->item->from, &st) < 0)
		return err_errno(reterr, errno, "read '%s'", p->item->from);
	transfer_expect(p->t, st.st_size);
	*ret_value = put_uri(p, p->place.key);
	return put_files(p, p->item->from, &tree, p->place.key, reterr);
}

static int push_tar_gz(struct put *p, json_t **ret_value, struct err *reterr)
{
	OWN(tree_done) struct tree tree = {0};
	int r = tree_read(p->item->from, p->item->exclude, &tree, reterr);

	if (r < 0)
		return r;
	transfer_expect(p->t, tree.bytes);
	*ret_value = put_uri(p, p->place.key);
	return put_tar_gz(p, p->item->from, &tree, p->place.key, reterr);
}

int push_s3(struct transfer *t, const struct push_item *it, json_t **ret_value, struct err *reterr)
{
	struct put p = {.t = t, .item = it};
	int r = put_open(&p, reterr);

	*ret_value = NULL;
	if (r >= 0 && it->form != FORM_TREE && !*p.place.key)
		r = err_set(reterr, ERR_INVALID, "'%s' must name a key below the bucket", it->to);
	if (r >= 0)
		r = it->form == FORM_TREE     ? push_tree(&p, ret_value, reterr)
		    : it->form == FORM_TAR_GZ ? push_tar_gz(&p, ret_value, reterr)
					      : push_file(&p, ret_value, reterr);
	put_close(&p);
	if (r == -EILSEQ)
		t->failure_code = "name_encoding";
	if (r >= 0 || !*ret_value)
		return r;
	json_decref(*ret_value);
	*ret_value = NULL;
	return r;
}
