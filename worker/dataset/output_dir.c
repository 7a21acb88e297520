/* SPDX-License-Identifier: MIT */
/*
 * Chooses the directory, refuses to replace anything but a saved data set, and renames each part to
 * its place when it is complete.
 */
#include "worker/dataset/output_dir.h"

#include "base/fileio.h"
#include "base/own.h"
#include "base/roots.h"
#include "base/str.h"
#include "base/tree.h"
#include "worker/dataset/saved.h"

#include <stdio.h>
#include <string.h>

static const char *const parts[] = {"train", "test"};

static int too_long(const struct output_dir *p, struct err *reterr)
{
	return err_errno(reterr, ENAMETOOLONG, "write %s", p->root);
}

int output_dir_open(const struct worker *w, struct output_dir *ret, struct err *reterr)
{
	const char *output = json_get_str(w->spec, "output", "");
	char dir[PATH_MAX];

	ret->named = output[0] == '/';
	if (ret->named ? !str_copy(ret->root, sizeof(ret->root), output)
		       : !path_join(ret->root, sizeof(ret->root), w->work, "output"))
		return too_long(ret, reterr);
	for (size_t i = 0; ret->named && i < ARRAY_LEN(parts); i++) {
		if (!path_join(dir, sizeof(dir), ret->root, parts[i]))
			return too_long(ret, reterr);
		if (path_exists(AT_FDCWD, dir) && saved_kind(dir) != SAVED_DATASET)
			return err_at(reterr, ERR_INVALID, "/output",
				      "%s already exists and is not a saved data set; remove it or "
				      "name another directory",
				      dir);
	}
	return 0;
}

int output_dir_part(const struct output_dir *p, const char *part, char *dir, size_t size,
		    struct err *reterr)
{
	char name[32];
	int r;

	str_must_format(name, sizeof(name), p->named ? ".%s.part" : "%s", part);
	if (!path_join(dir, size, p->root, name))
		return too_long(p, reterr);
	r = roots_make_dir(dir, 0755, reterr);
	if (r < 0)
		return r;
	close(r);
	return 0;
}

int output_dir_publish(const struct output_dir *p, const char *part, struct err *reterr)
{
	char from[PATH_MAX], to[PATH_MAX];
	int r = output_dir_part(p, part, from, sizeof(from), reterr);

	if (r < 0 || !p->named)
		return r;
	if (!path_join(to, sizeof(to), p->root, part))
		return too_long(p, reterr);
	r = tree_remove(AT_FDCWD, to, reterr);
	if (r < 0)
		return r;
	if (rename(from, to) < 0)
		return err_errno(reterr, errno, "rename %s to %s", from, to);
	r = dir_sync(AT_FDCWD, p->root);
	return r < 0 ? err_errno(reterr, -r, "sync %s", p->root) : 0;
}
