/* SPDX-License-Identifier: MIT */
/* See hub.h: the environment and the item name the hub, the cache, the token and the repository. */
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "transfer/hub/hub.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TOKEN_MAX 400

static const char *env(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

static bool env_is_true(const char *name)
{
	static const char *const words[] = {"1", "ON", "YES", "TRUE"};
	const char *value = env(name);

	for (size_t i = 0; value && i < ARRAY_LEN(words); i++)
		if (strcasecmp(value, words[i]) == 0)
			return true;
	return false;
}

/* Replace "~/" by HOME. */
static bool expand(const char *path, char *buf, size_t size)
{
	const char *home = env("HOME");

	if (path[0] == '~' && (path[1] == '/' || !path[1]))
		return snprintf(buf, size, "%s%s", home ? home : "", path + 1) < (int)size;
	return str_copy(buf, size, path);
}

static bool find_home(char *buf, size_t size)
{
	const char *home = env("HF_HOME"), *xdg = env("XDG_CACHE_HOME");
	char base[PATH_MAX];

	if (home)
		return expand(home, buf, size);
	return expand(xdg ? xdg : "~/.cache", base, sizeof(base)) &&
	       path_join(buf, size, base, "huggingface");
}

static bool find_cache(struct hub *h, const char *home)
{
	const char *cache = env("HF_HUB_CACHE");

	if (!cache)
		cache = env("HUGGINGFACE_HUB_CACHE");
	if (cache)
		return expand(cache, h->cache, sizeof(h->cache));
	return path_join(h->cache, sizeof(h->cache), home, "hub");
}

/* Take one word as the token. The rest of the variable or file is never sent. */
static int use_token(struct hub *h, const char *token, const char *from, struct err *reterr)
{
	size_t len;

	while (isspace((unsigned char)*token))
		token++;
	for (len = strlen(token); len && isspace((unsigned char)token[len - 1]);)
		len--;
	if (!len)
		return 0;
	for (size_t i = 0; i < len; i++)
		if (!isgraph((unsigned char)token[i]) || len > TOKEN_MAX)
			return err_set(reterr, ERR_INVALID,
				       "%s does not hold a valid token of the hub", from);
	h->token_from = from;
	str_must_format(h->authorization, sizeof(h->authorization), "Authorization: Bearer %.*s",
			(int)len, token);
	return 0;
}

static int find_token(struct hub *h, const char *home, struct err *reterr)
{
	static const char *const names[] = {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"};
	OWN(buf_done) struct buf text = BUF_INIT(TOKEN_MAX + 64);
	char path[PATH_MAX];
	const char *file = env("HF_TOKEN_PATH");

	if (env_is_true("HF_HUB_DISABLE_IMPLICIT_TOKEN"))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (env(names[i]))
			return use_token(h, env(names[i]), names[i], reterr);
	if (file ? !expand(file, path, sizeof(path))
		 : !path_join(path, sizeof(path), home, "token"))
		return err_errno(reterr, ENAMETOOLONG, "read the hub's token");
	if (file_read(AT_FDCWD, path, &text, NULL) < 0)
		return 0; /* no token file */
	return use_token(h, buf_str(&text), "the token file", reterr);
}

static int init_place(struct hub *h, struct err *reterr)
{
	const char *endpoint = env("HF_ENDPOINT");
	char home[PATH_MAX / 2 - 8];
	size_t len;

	if (!endpoint)
		endpoint = HUB_ENDPOINT_DEFAULT;
	if ((!str_starts(endpoint, "http://") && !str_starts(endpoint, "https://")) ||
	    !str_copy(h->endpoint, sizeof(h->endpoint), endpoint))
		return err_set(reterr, ERR_INVALID,
			       "HF_ENDPOINT is not an http:// or https:// address: %s", endpoint);
	for (len = strlen(h->endpoint); len && h->endpoint[len - 1] == '/';)
		h->endpoint[--len] = '\0';
	if (!find_home(home, sizeof(home)) || !find_cache(h, home))
		return err_errno(reterr, ENAMETOOLONG, "open the hub's cache");
	if (h->cache[0] != '/')
		return err_set(reterr, ERR_INVALID,
			       "the hub's cache must be an absolute path, not '%s'; set HF_HOME or "
			       "HF_HUB_CACHE",
			       h->cache);
	h->offline = env_is_true("HF_HUB_OFFLINE") || env_is_true("TRANSFORMERS_OFFLINE");
	return find_token(h, home, reterr);
}

static bool is_revision(const char *name)
{
	return *name && strlen(name) < HUB_REVISION_MAX && path_is_inside(name) &&
	       !strpbrk(name, " \t\r\n~^:?*[\\");
}

int hub_init(struct hub *h, struct transfer *t, const struct fetch_item *it, struct err *reterr)
{
	const char *name = it->from + strlen("hub:");

	*h = (struct hub){.t = t, .dataset = str_starts(name, "datasets/")};
	if (!h->dataset && !str_starts(name, "models/"))
		return err_at(reterr, ERR_INVALID, it->pointer, "'%s' is not an address of the hub",
			      it->from);
	name = strchr(name, '/') + 1;
	if (!hub_id_ok(name))
		return err_at(reterr, ERR_INVALID, it->pointer,
			      "'%s' is not the name of a repository of the hub; write one such as "
			      "'stanfordnlp/imdb'",
			      name);
	if (it->revision && !is_revision(it->revision))
		return err_at(reterr, ERR_INVALID, it->pointer,
			      "'%s' is not a revision; name a branch, a tag or a commit",
			      it->revision);
	str_must_copy(h->asked, sizeof(h->asked), name);
	str_must_copy(h->repo, sizeof(h->repo), name);
	str_must_copy(h->revision, sizeof(h->revision), it->revision ? it->revision : "main");
	return init_place(h, reterr);
}

void hub_done(struct hub *h)
{
	json_decref(h->info);
	memset(h->authorization, 0, sizeof(h->authorization));
	h->info = NULL;
}

const char *hub_what(const struct hub *h, char *buf, size_t size)
{
	str_excerptf(buf, size, "the %s '%s'", h->dataset ? "data set" : "model", h->asked);
	return buf;
}
