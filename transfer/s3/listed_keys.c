/* SPDX-License-Identifier: MIT */
/* Turns each listed key into a path, and checks it against the keys before it. */
#include "transfer/s3/listed_keys.h"

#include "base/fileio.h"
#include "base/str.h"
#include "transfer/exclude.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

void listed_keys_done(struct listed_keys *k)
{
	while (k->open_n)
		free(k->open[--k->open_n]);
}

const char *listed_key_path(const char *key, int64_t size, const char *prefix,
			    const json_t *exclude)
{
	const char *path = key + strlen(prefix);

	if (size == 0 && str_ends(key, "/"))
		return NULL;
	return exclude_matches(exclude, path) ? NULL : path;
}

static bool has_long_part(const char *path)
{
	for (size_t n; *path; path += n + (path[n] == '/')) {
		n = strcspn(path, "/");
		if (n > NAME_MAX)
			return true;
	}
	return false;
}

/* Check for a key that is also a folder. Lists are sorted: between "p/a" and "p/a/b" all keys begin
 * with "p/a". */
static int check_conflict(struct listed_keys *k, const char *key, struct err *reterr)
{
	while (k->open_n && !str_starts(key, k->open[k->open_n - 1]))
		free(k->open[--k->open_n]);
	for (size_t i = 0; i < k->open_n; i++) {
		if (key[strlen(k->open[i])] != '/')
			continue;
		k->t->failure_code = "key_conflict";
		return err_set(reterr, ERR_INVALID,
			       "s3://%s holds both '%s' and '%s', and a file cannot also be a "
			       "directory; leave one out with 'exclude'",
			       k->bucket, k->open[i], key);
	}
	if (k->open_n == LISTED_KEYS_OPEN_MAX)
		return err_set(reterr, ERR_INVALID, "more than %d keys begin with each other",
			       LISTED_KEYS_OPEN_MAX);
	k->open[k->open_n] = strdup(key);
	return k->open[k->open_n++] ? 0 : err_errno(reterr, ENOMEM, "list the keys");
}

int listed_keys_add(struct listed_keys *k, const char *key, int64_t size, struct err *reterr)
{
	const char *path = listed_key_path(key, size, k->prefix, k->exclude);
	int r;

	k->files += !(size == 0 && str_ends(key, "/"));
	if (!path)
		return 0;
	if (!path_is_inside(path) || str_ends(path, "/")) {
		k->t->failure_code = "invalid_input";
		return err_set(reterr, ERR_INVALID,
			       "s3://%s/%s cannot become a file, because its key is not a path",
			       k->bucket, key);
	}
	if (has_long_part(path)) {
		k->t->failure_code = "name_too_long";
		return err_set(reterr, ERR_INVALID,
			       "s3://%s/%s cannot become a file, because a part of its key is "
			       "longer than %d bytes",
			       k->bucket, key, NAME_MAX);
	}
	r = check_conflict(k, key, reterr);
	return r < 0 ? r : transfer_add_size(k->t, k->uri, size, &k->bytes, reterr);
}
