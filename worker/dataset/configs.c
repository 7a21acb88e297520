/* SPDX-License-Identifier: MIT */
/* See configs.h. */
#include "worker/dataset/configs.h"

#include "base/own.h"
#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the card's entry ---- */

const char *config_name(const json_t *entry)
{
	return json_get_str(entry, "config_name", "default");
}

static bool is_default(const json_t *entry, size_t n)
{
	return n == 1 || str_eq(config_name(entry), "default") ||
	       json_is_true(json_object_get(entry, "default"));
}

const json_t *config_find(const json_t *configs, const char *config)
{
	size_t n = json_array_size(configs);

	for (size_t i = 0; i < n; i++) {
		const json_t *entry = json_array_get(configs, i);

		if (config ? str_eq(config, config_name(entry)) : is_default(entry, n))
			return entry;
	}
	return NULL;
}

/* ---- its files ---- */

static int add_pattern(struct split_groups *g, const char *split, const json_t *pattern,
		       const char *const *paths, size_t n)
{
	const char *text = json_string_value(pattern);
	int r = 0;

	if (text && str_starts(text, "./"))
		text += 2;
	for (size_t i = 0; text && i < n && r >= 0; i++)
		if (split_pattern_match(text, paths[i]))
			r = split_groups_add(g, split, paths[i]);
	return r;
}

/* One pattern or a list of them. */
static int add_patterns(struct split_groups *g, const char *split, const json_t *patterns,
			const char *const *paths, size_t n)
{
	int r = 0;

	if (!json_is_array(patterns))
		return add_pattern(g, split, patterns, paths, n);
	for (size_t i = 0; i < json_array_size(patterns) && r >= 0; i++)
		r = add_pattern(g, split, json_array_get(patterns, i), paths, n);
	return r;
}

/* The card's data_files: a text, a list of texts, or a list of {split, path}. */
static int add_data_files(struct split_groups *g, const json_t *data_files,
			  const char *const *paths, size_t n)
{
	int r = 0;

	if (json_is_string(data_files))
		return add_pattern(g, "train", data_files, paths, n);
	for (size_t i = 0; i < json_array_size(data_files) && r >= 0; i++) {
		const json_t *item = json_array_get(data_files, i);

		if (json_is_object(item))
			r = add_patterns(g, json_get_str(item, "split", "train"),
					 json_object_get(item, "path"), paths, n);
		else
			r = add_pattern(g, "train", item, paths, n);
	}
	split_groups_sort(g);
	return r;
}

/* The paths below `dir` ("": all), without it. The caller frees the list, not the texts. */
static const char **paths_below(const char *dir, const char *const *paths, size_t *n)
{
	const char **list = calloc(*n + 1, sizeof(*list));
	size_t len = strlen(dir), kept = 0;

	while (len && dir[len - 1] == '/')
		len--;
	for (size_t i = 0; list && i < *n; i++) {
		if (!len)
			list[kept++] = paths[i];
		else if (strncmp(paths[i], dir, len) == 0 && paths[i][len] == '/')
			list[kept++] = paths[i] + len + 1;
	}
	*n = kept;
	return list;
}

/* ---- folders that look like configurations ---- */

/* What is the same in two configurations: SPLIT-00000-of-00001.parquet, or SPLIT/0000.parquet as
 * the hub converts data sets. NULL: other names, such as those of partitions. */
static const char *name_in_config(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *parent = slash;

	if (strstr(name, "-of-"))
		return name;
	if (!slash || strspn(name, "0123456789") != strcspn(name, "."))
		return NULL;
	while (parent > path && parent[-1] != '/')
		parent--;
	return parent;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* True if two files of one split have the same name: they lie in different folders. */
static bool is_twice(const struct split_group *g, const char **names)
{
	size_t n = 0;

	for (size_t i = 0; i < g->n; i++)
		if ((names[n] = name_in_config(g->files[i])))
			n++;
	qsort(names, n, sizeof(*names), by_name);
	for (size_t i = 1; i < n; i++)
		if (str_eq(names[i - 1], names[i]))
			return true;
	return false;
}

static void print_folders(const char *const *paths, size_t n, struct buf *names)
{
	const char *last = "";
	size_t last_len = 0;

	for (size_t i = 0; i < n; i++) {
		size_t len = strcspn(paths[i], "/");

		if (!paths[i][len] || (len == last_len && strncmp(paths[i], last, len) == 0))
			continue;
		last = paths[i];
		last_len = len;
		buf_printf(names, "%s'%.*s'", names->len ? ", " : "", (int)len, last);
	}
}

static int without_card(const char *config, const char *const *paths, size_t n,
			struct split_groups *ret, struct buf *names)
{
	OWN(freep) const char **sorted = calloc(n + 1, sizeof(*sorted));
	int r = sorted ? split_groups_init(ret, paths, n) : -ENOMEM;
	bool twice = false;

	for (size_t i = 0; r >= 0 && i < ret->n && !config; i++)
		twice |= is_twice(&ret->items[i], sorted);
	if (r < 0 || !twice)
		return r;
	memcpy(sorted, paths, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), by_name);
	print_folders(sorted, n, names);
	return -ENOENT;
}

int config_splits(const json_t *configs, const char *config, const char *const *paths, size_t n,
		  struct split_groups *ret, struct buf *names)
{
	const json_t *entry = config_find(configs, config);
	const json_t *data_files = json_object_get(entry, "data_files");
	const char *dir = entry ? json_get_str(entry, "data_dir", "")
				: (config && !str_eq(config, "default") ? config : "");
	OWN(freep) const char **below = paths_below(dir, paths, &n);
	int r;

	*ret = (struct split_groups){0};
	for (size_t i = 0; !entry && i < json_array_size(configs); i++)
		buf_printf(names, "%s'%s'", i ? ", " : "", config_name(json_array_get(configs, i)));
	if (!entry && json_array_size(configs))
		return -ENOENT;
	if (!below)
		return -ENOMEM;
	if (data_files)
		r = add_data_files(ret, data_files, below, n);
	else if (entry)
		r = split_groups_init(ret, below, n);
	else
		r = without_card(config, below, n, ret, names);
	return r < 0 ? r : split_groups_prefix(ret, dir);
}
