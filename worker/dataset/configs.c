/* SPDX-License-Identifier: MIT */
/* Selects files by the card's patterns, or by folders and file names. */
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

const char **paths_below(const char *dir, const char *const *paths, size_t *n)
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

/* ---- configurations without a card ---- */

struct span {
	const char *at;
	size_t len;
};

/* The file's name before "-00000-of-00001"; 0 if it has no such part. */
static size_t stem_len(const char *name)
{
	const char *of = strstr(name, "-of-");
	size_t len = of ? (size_t)(of - name) : 0, end = len;

	while (len && name[len - 1] >= '0' && name[len - 1] <= '9')
		len--;
	return len && len < end && name[len - 1] == '-' ? len - 1 : 0;
}

/* Leave out partitions: folders such as year=2024, and those below. */
static size_t without_partitions(const char *dir, size_t len)
{
	const char *equal = memchr(dir, '=', len);

	if (!equal)
		return len;
	len = (size_t)(equal - dir);
	while (len && dir[len] != '/')
		len--;
	return len;
}

/* The configuration in the path alone: the folders before the one or the file that names the split;
 * or else CONFIG of CONFIG-train-00000-of-00001.parquet. Empty: none. */
static struct span config_of(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	const char *word = split_word(path), *part = word ? word : name;
	size_t len;

	while (part > path && part[-1] != '/')
		part--;
	if (part > path)
		len = without_partitions(path, (size_t)(part - path - 1));
	else
		len = 0;
	if (!word && !stem_len(name))
		len = 0;
	if (len || (part > path && !word))
		return (struct span){path, len};
	len = stem_len(name);
	word = split_word(name);
	if (word && word < name + len)
		len = (size_t)(word - name);
	while (len && strchr("-._ ", name[len - 1]))
		len--;
	return (struct span){name, len};
}

static bool is_config(const char *path, const char *config)
{
	struct span s = config_of(path);

	return s.len == strlen(config) && memcmp(s.at, config, s.len) == 0;
}

static bool same(struct span a, struct span b)
{
	return a.len == b.len && memcmp(a.at, b.at, a.len) == 0;
}

static bool is_mixed(const struct split_group *g)
{
	for (size_t i = 1; i < g->n; i++)
		if (!same(config_of(g->files[0]), config_of(g->files[i])))
			return true;
	return false;
}

static int by_config(const void *a, const void *b)
{
	struct span x = config_of(*(const char *const *)a), y = config_of(*(const char *const *)b);
	int order = memcmp(x.at, y.at, x.len < y.len ? x.len : y.len);

	return order ? order : (x.len > y.len) - (x.len < y.len);
}

static void print_configs(const char *dir, const char **paths, size_t n, struct buf *names)
{
	qsort(paths, n, sizeof(*paths), by_config);
	for (size_t i = 0; i < n; i++) {
		struct span s = config_of(paths[i]);

		if (s.len && (!i || !same(s, config_of(paths[i - 1]))))
			buf_printf(names, "%s'%s%s%.*s'", names->len ? ", " : "", dir,
				   *dir ? "/" : "", (int)s.len, s.at);
	}
}

/* Group `paths`, which are below `dir`. Their order changes. */
static int without_card(const char *config, const char *dir, const char **paths, size_t n,
			struct split_groups *ret, struct buf *names)
{
	int r = split_groups_init(ret, paths, n);
	bool mixed = false;

	/* "default" takes all files, as `datasets` does */
	for (size_t i = 0; r >= 0 && i < ret->n && (!config || !str_eq(config, "default")); i++)
		mixed |= is_mixed(&ret->items[i]);
	if (r < 0 || !mixed)
		return r;
	print_configs(dir, paths, n, names);
	return -ENOENT;
}

/* Add to `into` the paths whose file name alone names the configuration. */
static size_t keep_config(const char *config, const char *const *paths, size_t n, const char **into)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (is_config(paths[i], config))
			into[kept++] = paths[i];
	return kept;
}

int config_splits(const json_t *configs, const char *config, const char *const *paths, size_t n,
		  struct split_groups *ret, struct buf *names)
{
	const json_t *entry = config_find(configs, config);
	const json_t *data_files = json_object_get(entry, "data_files");
	const char *dir = entry ? json_get_str(entry, "data_dir", "")
				: (config && !str_eq(config, "default") ? config : "");
	size_t below_n = n;
	OWN(freep) const char **below = paths_below(dir, paths, &below_n);
	int r;

	*ret = (struct split_groups){0};
	for (size_t i = 0; !entry && i < json_array_size(configs); i++)
		buf_printf(names, "%s'%s'", i ? ", " : "", config_name(json_array_get(configs, i)));
	if (!entry && json_array_size(configs))
		return -ENOENT;
	if (!below)
		return -ENOMEM;
	if (!entry && !below_n && *dir) {
		below_n = keep_config(config, paths, n, below);
		dir = "";
	}
	if (data_files)
		r = add_data_files(ret, data_files, below, below_n);
	else if (entry)
		r = split_groups_init(ret, below, below_n);
	else
		r = without_card(config, dir, below, below_n, ret, names);
	return r < 0 ? r : split_groups_prefix(ret, dir);
}
