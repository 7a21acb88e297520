/* SPDX-License-Identifier: MIT */
/* See hub.h: the files of each split of a data set's repository. The card decides (as `datasets`
 * reads it), or else the file names. */
#include "base/own.h"
#include "base/str.h"
#include "transfer/hub/hub.h"
#include "worker/dataset/configs.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_MAX (ERR_MSG_MAX / 2)

void hub_picks_done(struct hub_picks *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->items[i].file);
		free(p->items[i].name);
	}
	free(p->items);
	*p = (struct hub_picks){0};
}

int hub_picks_add(struct hub_picks *p, const char *file, const char *name)
{
	struct hub_pick *grown = realloc(p->items, (p->n + 1) * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	p->items = grown;
	grown[p->n] = (struct hub_pick){strdup(file), strdup(name)};
	if (!grown[p->n].file || !grown[p->n].name) {
		free(grown[p->n].file);
		free(grown[p->n].name);
		return -ENOMEM;
	}
	p->n++;
	return 0;
}

static int no_memory(struct err *reterr)
{
	return err_errno(reterr, ENOMEM, "choose the files of a repository");
}

/* ---- splits ---- */

static int no_split(const struct hub *h, const struct split_groups *g, const char *split,
		    const char *field, struct err *reterr)
{
	OWN(buf_done) struct buf names = BUF_INIT(NAMES_MAX);
	char what[128];

	for (size_t i = 0; i < g->n; i++)
		buf_printf(&names, "%s'%s'", i ? ", " : "", g->items[i].name);
	hub_what(h, what, sizeof(what));
	h->t->failure_code = "invalid_input";
	if (!split)
		return err_at(reterr, ERR_INVALID, field,
			      "%s has the splits %s, but no train split; name one in 'split'", what,
			      buf_str(&names));
	if (strpbrk(split, "[]+%:"))
		return err_at(reterr, ERR_INVALID, field,
			      "'%s' is not the name of a split; %s has %s. For a part of the rows "
			      "use train_rows and test_rows",
			      split, what, buf_str(&names));
	return err_at(reterr, ERR_INVALID, field, "%s has no split '%s'; it has %s", what, split,
		      buf_str(&names));
}

/* Add the files of a split. The first word of a name in the tree is its split: see
 * split_names.h. */
static int add_split(struct hub_picks *ret, const struct split_group *g, const char *as)
{
	char name[SPLIT_NAME_MAX + 64];
	int r = 0;

	for (size_t i = 0; g && i < g->n && r >= 0; i++) {
		str_must_format(name, sizeof(name), "%s-%05zu-of-%05zu.parquet", as, i, g->n);
		r = hub_picks_add(ret, g->files[i], name);
	}
	return r;
}

/* Pick the splits. A single split is named "train" in the tree whatever its own name is; the job
 * then splits it in two. */
static int pick_splits(const struct hub *h, const struct split_groups *g,
		       const struct hub_wish *wish, struct hub_picks *ret, struct err *reterr)
{
	const char *split = wish->split, *name = wish->test ? wish->test : "test";
	const struct split_group *train = split_groups_find(g, split ? split : "train");
	const struct split_group *test = split ? NULL : split_groups_find(g, name), *spare = NULL;
	int r;

	if (wish->test && !test)
		return no_split(h, g, wish->test, "/dataset/test_split", reterr);
	if (!split && !wish->test)
		spare = split_groups_find(g, "validation");
	if (!split && !train && g->n == 1)
		train = &g->items[0];
	if (!train)
		return no_split(h, g, split, "/dataset/split", reterr);
	r = add_split(ret, train, "train");
	if (r >= 0 && (test ? test : spare) != train)
		r = add_split(ret, test ? test : spare, "test");
	if (r >= 0 && test)
		r = add_split(ret, spare, "validation");
	return r < 0 ? no_memory(reterr) : 0;
}

/* ---- configurations ---- */

static int no_config(const struct hub *h, const char *config, struct buf *names, struct err *reterr)
{
	char what[128];

	hub_what(h, what, sizeof(what));
	h->t->failure_code = "invalid_input";
	if (!config)
		return err_at(reterr, ERR_INVALID, "/dataset/config",
			      "%s has several configurations; name one in 'config': %s", what,
			      buf_str(names));
	return err_at(reterr, ERR_INVALID, "/dataset/config",
		      "%s has no configuration '%s'; it has %s", what, config,
		      names->len ? buf_str(names) : "none by name");
}

/* Paths of the repository that end in .parquet. */
static const char **list_parquet(const struct hub *h, size_t *ret_n)
{
	const json_t *siblings = json_object_get(h->info, "siblings");
	size_t all = json_array_size(siblings);
	const char **list = calloc(all + 1, sizeof(*list));

	*ret_n = 0;
	for (size_t i = 0; list && i < all; i++) {
		const char *path = json_get_str(json_array_get(siblings, i), "rfilename", "");

		if (str_ends(path, ".parquet"))
			list[(*ret_n)++] = path;
	}
	return list;
}

static bool has_file(const struct hub *h, const char *file)
{
	const json_t *siblings = json_object_get(h->info, "siblings");

	for (size_t i = 0; i < json_array_size(siblings); i++)
		if (str_eq(json_get_str(json_array_get(siblings, i), "rfilename", ""), file))
			return true;
	return false;
}

/* Add the files that may name classes (worker/dataset/card.h). A README without dataset_info has no
 * names. */
static int add_card(const struct hub *h, struct hub_picks *ret)
{
	static const char *const files[] = {"README.md", ".huggingface.yaml", "dataset_infos.json"};
	const json_t *card = json_object_get(h->info, "cardData");
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(files) && r >= 0; i++)
		if (has_file(h, files[i]) && (i > 0 || json_object_get(card, "dataset_info")))
			r = hub_picks_add(ret, files[i], files[i]);
	return r;
}

int hub_pick_dataset(const struct hub *h, const char *config, const struct hub_wish *wish,
		     struct hub_picks *ret, struct err *reterr)
{
	const json_t *configs = json_object_get(json_object_get(h->info, "cardData"), "configs");
	OWN(buf_done) struct buf names = BUF_INIT(NAMES_MAX);
	OWN(split_groups_done) struct split_groups groups = {0};
	OWN(freep) const char **paths = NULL;
	size_t n;
	int r;

	paths = list_parquet(h, &n);
	r = paths ? config_splits(configs, config, paths, n, &groups, &names) : -ENOMEM;
	if (r == -ENOENT)
		return no_config(h, config, &names, reterr);
	if (r < 0)
		return no_memory(reterr);
	if (!groups.n)
		return 1;
	r = pick_splits(h, &groups, wish, ret, reterr);
	return r >= 0 && add_card(h, ret) < 0 ? no_memory(reterr) : r;
}

/* ---- the branch that the hub makes ---- */

static int only_folder(const struct hub *h, const char **paths, size_t n, char *ret, size_t size,
		       struct err *reterr)
{
	OWN(buf_done) struct buf names = BUF_INIT(NAMES_MAX);
	size_t folders = 0, last_len = 0;
	const char *last = "";

	*ret = '\0';
	for (size_t i = 0; i < n; i++) { /* the hub lists them sorted */
		size_t len = strcspn(paths[i], "/");

		if (len == last_len && strncmp(paths[i], last, len) == 0)
			continue;
		last = paths[i];
		last_len = len;
		buf_printf(&names, "%s'%.*s'", folders++ ? ", " : "", (int)len, last);
		if (len < size && (folders == 1 || strncmp(last, "default/", 8) == 0))
			str_must_format(ret, size, "%.*s", (int)len, last);
	}
	if (folders > 1 && !str_eq(ret, "default"))
		return no_config(h, NULL, &names, reterr);
	return 0;
}

static int add_converted(struct split_groups *g, const char *path)
{
	char split[SPLIT_NAME_MAX];
	const char *name = path + (str_starts(path, "partial-") ? strlen("partial-") : 0);
	size_t len = strcspn(name, "/");

	if (!name[len] || len >= sizeof(split))
		return 0;
	memcpy(split, name, len);
	split[len] = '\0';
	return split_groups_add(g, split, path);
}

int hub_pick_converted(const struct hub *h, const char *config, const struct hub_wish *wish,
		       struct hub_picks *ret, struct err *reterr)
{
	OWN(split_groups_done) struct split_groups groups = {0};
	size_t n;
	OWN(freep) const char **all = list_parquet(h, &n), **paths = NULL;
	char only[256];
	int r = 0;

	if (!all)
		return no_memory(reterr);
	if (!config) {
		r = only_folder(h, all, n, only, sizeof(only), reterr);
		if (r < 0)
			return r;
		config = only;
	}
	paths = paths_below(config, all, &n);
	if (!paths)
		return no_memory(reterr);
	for (size_t i = 0; i < n && r >= 0; i++) {
		if (str_starts(paths[i], "partial-"))
			report_warning(h->t->report, "partial_data",
				       "the hub has converted only a part of '%s' to Parquet: %s",
				       h->asked, paths[i]);
		r = add_converted(&groups, paths[i]);
	}
	split_groups_sort(&groups);
	if (r >= 0)
		r = split_groups_prefix(&groups, config);
	if (r < 0)
		return no_memory(reterr);
	return groups.n ? pick_splits(h, &groups, wish, ret, reterr) : 1;
}
