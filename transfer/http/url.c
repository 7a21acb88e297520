/* SPDX-License-Identifier: MIT */
/*
 * The source url: one file over http(s), identified by its SHA-256. The digest is the cache's key,
 * so the same bytes of several addresses are fetched once.
 */
#include "net/url.h"
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "transfer/http/get.h"

#include <ctype.h>
#include <string.h>

#define NAME_SIZE 128

/* The last part of the URL's path as a file name. Its ending tells the file's type. */
static void name_of(const char *url, char name[NAME_SIZE])
{
	const char *path = strstr(url, "://") + 3, *end, *start;
	size_t n = 0;

	path += strcspn(path, "/?#");
	end = path + strcspn(path, "?#");
	start = memrchr(path, '/', (size_t)(end - path));
	start = start ? start + 1 : end;
	if (end - start >= NAME_SIZE) /* keep the end: it has the suffix */
		start = end - NAME_SIZE + 1;
	for (; start < end; start++)
		name[n++] = isalnum((unsigned char)*start) || strchr("._-", *start) ? *start : '_';
	name[n] = '\0';
	if (!n || name[0] == '.')
		str_must_copy(name, NAME_SIZE, "file");
}

static bool is_sha256(const char *hex)
{
	return hex && strlen(hex) == 64 && strspn(hex, "0123456789abcdefABCDEF") == 64;
}

static int fill(struct transfer *t, const struct fetch_item *it, const char *sha256,
		const struct cache_fill *into, struct err *reterr)
{
	char path[PATH_MAX], origin[NET_URL_MAX];
	struct http_get_file get = {.url = it->from,
				    .path = path,
				    .size = -1,
				    .digest = HTTP_SHA256,
				    .hex = sha256,
				    .size_max = t->limits.download,
				    .public_only = !t->limits.private_urls};
	int status, r;

	/* one name during the fill, because another address may have the same bytes */
	if (!path_join(path, sizeof(path), into->path, "file"))
		return err_errno(reterr, ENAMETOOLONG, "fetch %s", it->from);
	r = http_get_file(t, &get, &status, reterr);
	if (r >= 0 || r == -ERR_CANCELLED)
		return r;
	url_origin(it->from, origin, sizeof(origin));
	if (r == -ERR_NOT_FOUND)
		t->failure_code = "data_missing";
	else if (r == -ERR_UNSUPPORTED)
		t->failure_code = "url_private";
	else if (r == -ERR_LIMIT)
		t->failure_code = "too_large";
	else if (r == -ERR_UNAVAILABLE || r == -ETIMEDOUT)
		t->failure_code = "transfer_failed";
	if (r == -ERR_UNSUPPORTED)
		err_set(reterr, ERR_UNSUPPORTED,
			"the address is one of this machine or of a private network; set "
			"local.allow_private_urls to 1 to allow such addresses");
	return err_ctx(reterr, r, "cannot fetch %s from %s", it->pointer, origin);
}

/* Take the file out of the cache, under the name from the URL. */
static int take(struct transfer *t, const struct fetch_item *it, const char *sha256,
		json_t **ret_value, struct err *reterr)
{
	char name[NAME_SIZE], from[PATH_MAX], to[PATH_MAX];
	int r = cache_take(t->cache, sha256, it->into, reterr);

	if (r < 0)
		return r;
	name_of(it->from, name);
	if (!path_join(from, sizeof(from), it->into, "file") ||
	    !path_join(to, sizeof(to), it->into, name))
		return err_errno(reterr, ENAMETOOLONG, "fetch %s", it->from);
	if (rename(from, to) < 0)
		return err_errno(reterr, errno, "put %s in place", to);
	*ret_value = json_string(to);
	return 0;
}

int fetch_url(struct transfer *t, struct fetch_item *it, json_t **ret_value, struct err *reterr)
{
	char sha256[CACHE_KEY_LEN];
	struct cache_fill into;
	int r;

	if (!is_sha256(it->sha256))
		return err_at(reterr, ERR_INVALID, "/dataset/sha256",
			      "a URL needs the sha256 of its bytes, 64 hexadecimal digits");
	for (int i = 0; i < CACHE_KEY_LEN; i++)
		sha256[i] = (char)tolower((unsigned char)it->sha256[i]);
	for (int tries = 0; tries < 3; tries++) {
		r = cache_begin(t->cache, sha256, t->stop, &into, reterr);
		if (r < 0)
			return r;
		if (r == 0) {
			r = fill(t, it, sha256, &into, reterr);
			if (r < 0)
				cache_leave(t->cache, &into);
			else
				r = cache_commit(t->cache, &into, reterr);
			if (r < 0)
				return r;
		}
		r = take(t, it, sha256, ret_value, reterr);
		if (r != -ERR_NOT_FOUND) /* evicted or changed in between: try again */
			return r;
	}
	return r;
}
