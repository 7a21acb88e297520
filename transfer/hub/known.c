/* SPDX-License-Identifier: MIT */
/* See hub.h: what the cache knows about repositories, for use if the hub cannot be reached. */
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "transfer/hub/hub.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define TAG_TEXT                                                        \
	"Signature: 8a477f597d28d172789f06886806bc55\n"                 \
	"# This file is a cache directory tag, see https://bford.info/" \
	"cachedir/\n"
#define DEPTH_MAX 16

static bool folder_of(const char *cache, bool dataset, const char *repo, char *buf, size_t size)
{
	const char *slash = strchr(repo, '/');
	int owner = slash ? (int)(slash - repo) : 0;

	return snprintf(buf, size, "%s/%s--%.*s%s%s", cache, dataset ? "datasets" : "models", owner,
			repo, slash ? "--" : "", slash ? slash + 1 : repo) < (int)size;
}

bool hub_store_dir(const struct hub *h, char *buf, size_t size)
{
	return folder_of(h->cache, h->dataset, h->repo, buf, size);
}

/* ---- keeping ---- */

/* Keep only what hub/select.c reads. */
static json_t *essence(const json_t *info)
{
	json_t *files = json_array(), *file, *configs;
	const json_t *card = json_object_get(info, "cardData");
	size_t i;
	json_t *all = json_object_get(info, "siblings");

	json_array_foreach(all, i, file)
		json_array_append_new(
			files, json_pack("{ss}", "rfilename", json_get_str(file, "rfilename", "")));
	configs = json_object_get(card, "configs");
	return json_pack("{ss ss so s{so}}", "id", json_get_str(info, "id", ""), "sha",
			 json_get_str(info, "sha", ""), "siblings", files, "cardData", "configs",
			 configs ? json_incref(configs) : json_null());
}

static int write_text(const char *path, const char *text)
{
	char parent[PATH_MAX];

	str_must_copy(parent, sizeof(parent), path);
	*strrchr(parent, '/') = '\0';
	if (dir_make(AT_FDCWD, parent, 0755, NULL) < 0)
		return -EIO;
	return file_write_atomic(AT_FDCWD, path, text, strlen(text), 0644, NULL);
}

void hub_store_info(const struct hub *h)
{
	OWN(json_decrefp) json_t *kept = essence(h->info);
	OWN(freep) char *text = kept ? json_text(kept) : NULL;
	OWN(buf_done) struct buf old = BUF_INIT(HUB_COMMIT_LEN);
	char dir[PATH_MAX / 2], path[PATH_MAX];

	if (!text || !hub_store_dir(h, dir, sizeof(dir)))
		return;
	str_must_format(path, sizeof(path), "%s/trainyard/%s.json", dir, h->commit);
	if (write_text(path, text) < 0)
		return;
	str_must_format(path, sizeof(path), "%s/CACHEDIR.TAG", h->cache);
	if (!path_exists(AT_FDCWD, path) && write_text(path, TAG_TEXT) < 0)
		return;
	str_must_format(path, sizeof(path), "%s/refs/%s", dir, h->revision);
	if (str_eq(h->revision, h->commit) ||
	    (file_read(AT_FDCWD, path, &old, NULL) >= 0 && str_eq(buf_str(&old), h->commit)))
		return;
	if (write_text(path, h->commit) < 0)
		return; /* the next job then asks the hub again */
}

/* ---- finding ---- */

/* Find the full name of a short one: "imdb" is cached under the only folder that ends so. */
static void find_full_name(struct hub *h)
{
	char end[HUB_REPO_MAX + 2], found[2 * HUB_REPO_MAX] = "", dir[PATH_MAX];
	struct dirent *d;
	DIR *all;
	int n = 0;

	if (!h->dataset || strchr(h->asked, '/') ||
	    (hub_store_dir(h, dir, sizeof(dir)) && path_is_dir(AT_FDCWD, dir)))
		return;
	all = opendir(h->cache);
	if (!all)
		return;
	str_must_format(end, sizeof(end), "--%s", h->asked);
	while ((d = readdir(all))) {
		size_t len = strlen(d->d_name), skip = strlen("datasets--");

		if (!str_starts(d->d_name, "datasets--") || !str_ends(d->d_name, end) ||
		    len <= skip + strlen(end) || len - skip >= HUB_REPO_MAX)
			continue;
		str_must_format(found, sizeof(found), "%.*s/%s", (int)(len - skip - strlen(end)),
				d->d_name + skip, h->asked);
		n++;
	}
	closedir(all);
	if (n == 1)
		str_must_copy(h->repo, sizeof(h->repo), found);
}

static int add_files(json_t *siblings, const char *root, const char *below, int depth)
{
	char path[PATH_MAX];
	struct dirent *d;
	struct stat st;
	DIR *dir;

	if (depth > DEPTH_MAX || !path_join(path, sizeof(path), root, below) ||
	    !(dir = opendir(path)))
		return -ENOENT;
	while ((d = readdir(dir))) {
		if (d->d_name[0] == '.' ||
		    snprintf(path, sizeof(path), "%s%s%s", below, *below ? "/" : "", d->d_name) >=
			    (int)sizeof(path) ||
		    fstatat(dirfd(dir), d->d_name, &st, 0) < 0)
			continue;
		if (S_ISDIR(st.st_mode))
			add_files(siblings, root, path, depth + 1);
		else if (S_ISREG(st.st_mode))
			json_array_append_new(siblings, json_pack("{ss}", "rfilename", path));
	}
	closedir(dir);
	return 0;
}

/* Make info from the files that huggingface_hub has fetched, without an answer of the hub. */
static json_t *info_of_snapshot(const struct hub *h, const char *dir)
{
	json_t *siblings = json_array();
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/snapshots/%s", dir, h->commit) >= (int)sizeof(path) ||
	    add_files(siblings, path, "", 0) < 0) {
		json_decref(siblings);
		return NULL;
	}
	return json_pack("{ss ss so}", "id", h->repo, "sha", h->commit, "siblings", siblings);
}

/* `datasets` writes no refs/main, because it asks for commits. If the cache has only one commit,
 * take that. */
static bool find_only_commit(struct hub *h, const char *dir)
{
	char path[PATH_MAX];
	struct dirent *d;
	DIR *all;
	bool fits = false;
	int n = 0;

	if (!path_join(path, sizeof(path), dir, "snapshots") || !(all = opendir(path)))
		return false;
	while ((d = readdir(all)))
		if (d->d_name[0] != '.' && n++ == 0)
			fits = str_copy(h->commit, sizeof(h->commit), d->d_name);
	closedir(all);
	return n == 1 && fits;
}

static bool find_commit(struct hub *h, const char *dir)
{
	OWN(buf_done) struct buf text = BUF_INIT(HUB_COMMIT_LEN);
	char path[PATH_MAX];
	size_t len = HUB_COMMIT_LEN - 1;

	if (strlen(h->revision) == len && strspn(h->revision, "0123456789abcdef") == len) {
		memcpy(h->commit, h->revision, HUB_COMMIT_LEN);
		return true;
	}
	if (snprintf(path, sizeof(path), "%s/refs/%s", dir, h->revision) >= (int)sizeof(path))
		return false;
	if (file_read(AT_FDCWD, path, &text, NULL) < 0)
		return str_eq(h->revision, "main") && find_only_commit(h, dir);
	if (!str_format(h->commit, sizeof(h->commit), "%.*s", (int)strcspn(buf_str(&text), "\n"),
			buf_str(&text)))
		return false;
	return strlen(h->commit) == len && strspn(h->commit, "0123456789abcdef") == len;
}

int hub_store_find(struct hub *h, struct err *reterr)
{
	char dir[PATH_MAX / 2], path[PATH_MAX], what[128];
	json_t *info = NULL;

	find_full_name(h);
	if (hub_store_dir(h, dir, sizeof(dir)) && find_commit(h, dir)) {
		str_must_format(path, sizeof(path), "%s/trainyard/%s.json", dir, h->commit);
		if (json_read_file(AT_FDCWD, path, HUB_INFO_MAX, &info, NULL) < 0)
			info = info_of_snapshot(h, dir);
	}
	if (!info) {
		h->t->failure_code = "data_missing";
		return err_set(reterr, ERR_NOT_FOUND,
			       "%s at revision '%s' is not in the hub's cache (%s)",
			       hub_what(h, what, sizeof(what)), h->revision, h->cache);
	}
	h->from_cache = true;
	json_decref(h->info);
	h->info = info;
	return 0;
}
