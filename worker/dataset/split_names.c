/* SPDX-License-Identifier: MIT */
/* The rules in their order, the groups, and the matching of a card's patterns. */
#include "worker/dataset/split_names.h"

#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_DIGITS 5 /* of 00000-of-00001 */

static const struct {
	const char *split;
	const char *words[5];
} keywords[] = {
	{"train", {"train", "training"}},
	{"validation", {"validation", "valid", "dev", "val"}},
	{"test", {"test", "testing", "eval", "evaluation"}},
};

static bool is_separator(char c)
{
	return c && (strchr("-._ ", c) || isdigit((unsigned char)c));
}

/* The position of the word in the `len` bytes of a name, with separators or the name's ends around
 * it; else NULL. `open`: the name's own end also ends a word (folders; in a file's name a suffix
 * follows). */
static const char *find_word(const char *name, size_t len, const char *word, bool open)
{
	size_t n = strlen(word);

	for (size_t i = 0; i + n <= len; i++) {
		if (memcmp(name + i, word, n) != 0 || (i > 0 && !is_separator(name[i - 1])))
			continue;
		if (i + n == len ? open : is_separator(name[i + n]))
			return name + i;
	}
	return NULL;
}

static bool file_has_word(const char *path, const char *word)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	return find_word(name, strlen(name), word, false) != NULL;
}

static bool folder_has_word(const char *path, const char *word)
{
	for (const char *slash; (slash = strchr(path, '/')); path = slash + 1)
		if (find_word(path, (size_t)(slash - path), word, true))
			return true;
	return false;
}

const char *split_word(const char *path)
{
	const char *first = NULL;

	for (const char *part = path; part; part = strchr(part, '/')) {
		size_t len;

		part += *part == '/';
		len = strcspn(part, "/");
		for (size_t k = 0; k < sizeof(keywords) / sizeof(keywords[0]); k++) {
			for (size_t w = 0; keywords[k].words[w]; w++) {
				const char *at =
					find_word(part, len, keywords[k].words[w], part[len]);

				if (at && (!first || at < first))
					first = at;
			}
		}
		if (first)
			break;
	}
	return first;
}

static bool digits(const char *s)
{
	for (int i = 0; i < NUMBER_DIGITS; i++)
		if (!isdigit((unsigned char)s[i]))
			return false;
	return true;
}

/* data/SPLIT-00000-of-00001*.*: the split's name. */
static bool sharded(const char *path, char split[SPLIT_NAME_MAX])
{
	const char *name = path + strlen("data/"), *of;

	if (!str_starts(path, "data/") || strchr(name, '/'))
		return false;
	for (of = strstr(name, "-of-"); of; of = strstr(of + 1, "-of-")) {
		size_t len = (size_t)(of - name);

		if (len < NUMBER_DIGITS + 2 || len - NUMBER_DIGITS - 1 >= SPLIT_NAME_MAX ||
		    !digits(of - NUMBER_DIGITS) || of[-NUMBER_DIGITS - 1] != '-' ||
		    !digits(of + 4) || !strchr(of, '.'))
			continue;
		memcpy(split, name, len - NUMBER_DIGITS - 1);
		split[len - NUMBER_DIGITS - 1] = '\0';
		return true;
	}
	return false;
}

/* Hidden parts and "__" folders of a path or pattern. */
static int set_apart(const char *path)
{
	int n = 0;

	for (const char *part = path; part; part = strchr(part, '/')) {
		part += *part == '/';
		n += part[0] == '.' || (str_starts(part, "__") && strchr(part, '/'));
	}
	return n;
}

int split_groups_add(struct split_groups *g, const char *split, const char *path)
{
	struct split_group *group = (struct split_group *)split_groups_find(g, split);
	char **files;

	if (strlen(split) >= SPLIT_NAME_MAX)
		return 0;
	if (!group) {
		group = realloc(g->items, (g->n + 1) * sizeof(*group));
		if (!group)
			return -ENOMEM;
		g->items = group;
		group = &g->items[g->n++];
		*group = (struct split_group){0};
		str_must_copy(group->name, sizeof(group->name), split);
	}
	files = realloc(group->files, (group->n + 1) * sizeof(*files));
	if (!files)
		return -ENOMEM;
	group->files = files;
	files[group->n] = strdup(path);
	if (!files[group->n])
		return -ENOMEM;
	group->n++;
	return 0;
}

static int add_sharded(struct split_groups *g, const char *const *paths, size_t n)
{
	char split[SPLIT_NAME_MAX];
	int r = 0;

	for (size_t i = 0; i < n && r >= 0; i++)
		if (!set_apart(paths[i]) && sharded(paths[i], split))
			r = split_groups_add(g, split, paths[i]);
	return r;
}

static int add_named(struct split_groups *g, const char *const *paths, size_t n,
		     bool (*has)(const char *path, const char *word))
{
	int r = 0;

	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < sizeof(keywords) / sizeof(keywords[0]); k++) {
			bool found = false;

			for (size_t w = 0; keywords[k].words[w]; w++)
				found |= has(paths[i], keywords[k].words[w]);
			if (found && !set_apart(paths[i]) && r >= 0)
				r = split_groups_add(g, keywords[k].split, paths[i]);
		}
	}
	return r;
}

int split_groups_init(struct split_groups *ret, const char *const *paths, size_t n)
{
	bool unnamed;
	int r;

	*ret = (struct split_groups){0};
	r = add_sharded(ret, paths, n);
	if (r >= 0 && !ret->n)
		r = add_named(ret, paths, n, folder_has_word);
	if (r >= 0 && !ret->n)
		r = add_named(ret, paths, n, file_has_word);
	unnamed = !ret->n;
	for (size_t i = 0; r >= 0 && unnamed && i < n; i++)
		if (!set_apart(paths[i]))
			r = split_groups_add(ret, "train", paths[i]);
	split_groups_sort(ret);
	return r;
}

static int rank(const char *name)
{
	for (size_t k = 0; k < sizeof(keywords) / sizeof(keywords[0]); k++)
		if (str_eq(name, keywords[k].split))
			return (int)k;
	return (int)(sizeof(keywords) / sizeof(keywords[0]));
}

static int by_split(const void *a, const void *b)
{
	const struct split_group *x = a, *y = b;
	int by_rank = rank(x->name) - rank(y->name);

	return by_rank ? by_rank : strcmp(x->name, y->name);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void split_groups_sort(struct split_groups *g)
{
	if (g->n)
		qsort(g->items, g->n, sizeof(*g->items), by_split);
	for (size_t i = 0; i < g->n; i++)
		if (g->items[i].n)
			qsort(g->items[i].files, g->items[i].n, sizeof(char *), by_name);
}

const struct split_group *split_groups_find(const struct split_groups *g, const char *name)
{
	for (size_t i = 0; i < g->n; i++)
		if (str_eq(g->items[i].name, name))
			return &g->items[i];
	return NULL;
}

int split_groups_prefix(struct split_groups *g, const char *dir)
{
	size_t len = strlen(dir);

	while (len && dir[len - 1] == '/')
		len--;
	for (size_t i = 0; len && i < g->n; i++) {
		for (size_t j = 0; j < g->items[i].n; j++) {
			char *full = NULL;

			if (asprintf(&full, "%.*s/%s", (int)len, dir, g->items[i].files[j]) < 0)
				return -ENOMEM;
			free(g->items[i].files[j]);
			g->items[i].files[j] = full;
		}
	}
	return 0;
}

struct split_group split_groups_take(struct split_groups *g, const char *name)
{
	struct split_group *found = (struct split_group *)split_groups_find(g, name), taken = {0};

	if (!found)
		return taken;
	taken = *found;
	found->files = NULL;
	found->n = 0;
	return taken;
}

void split_group_done(struct split_group *group)
{
	for (size_t i = 0; i < group->n; i++)
		free(group->files[i]);
	free(group->files);
	*group = (struct split_group){0};
}

void split_groups_done(struct split_groups *g)
{
	for (size_t i = 0; i < g->n; i++)
		split_group_done(&g->items[i]);
	free(g->items);
	*g = (struct split_groups){0};
}

/* Match one name of the path with one part of the pattern. */
static bool part_match(const char *pattern, size_t pattern_len, const char *name, size_t name_len)
{
	char *p = strndup(pattern, pattern_len), *s = strndup(name, name_len);
	bool same = p && s && fnmatch(p, s, FNM_NOESCAPE) == 0;

	free(p);
	free(s);
	return same;
}

static bool glob_match(const char *pattern, const char *path)
{
	size_t n = strcspn(pattern, "/"), m = strcspn(path, "/");

	if (n == 2 && memcmp(pattern, "**", 2) == 0) {
		if (!pattern[2] || glob_match(pattern + 3, path))
			return true;
		return path[m] && glob_match(pattern, path + m + 1);
	}
	if (!part_match(pattern, n, path, m))
		return false;
	if (!pattern[n] || !path[m])
		return !pattern[n] && !path[m];
	return glob_match(pattern + n + 1, path + m + 1);
}

bool split_pattern_match(const char *pattern, const char *path)
{
	/* such parts only match when the pattern names them */
	return glob_match(pattern, path) && set_apart(pattern) == set_apart(path);
}
