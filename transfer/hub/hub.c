/* SPDX-License-Identifier: MIT */
/* The source hub: describe the repository, choose files, fetch each into the hub's cache, and make
 * a tree for the job. */
#include "transfer/hub/hub.h"

#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "transfer/cache_tree.h"

#include <string.h>
#include <sys/stat.h>

#define CONVERTED "refs/convert/parquet"

/* For the branch main the hub has Parquet conversions of data sets with other files. */
static int pick_any_dataset(struct hub *h, const struct fetch_item *it, struct hub_picks *picks,
			    struct err *reterr)
{
	bool main = str_eq(h->revision, "main");
	struct hub_wish wish = {.split = it->split, .test = it->test_split};
	char what[128];
	int r = hub_pick_dataset(h, it->config, &wish, picks, reterr);

	if (r == 1 && main) {
		r = hub_describe_other(h, CONVERTED, reterr);
		if (r == 0)
			r = hub_pick_converted(h, it->config, &wish, picks, reterr);
	}
	if (r != 1)
		return r;
	h->t->failure_code = "unsupported";
	return err_at(reterr, ERR_UNSUPPORTED, "/dataset/hub",
		      "%s has no Parquet files%s%s%s%s; download its files and give dataset.path",
		      hub_what(h, what, sizeof(what)), it->config ? " of the configuration '" : "",
		      it->config ? it->config : "", it->config ? "'" : "",
		      main ? ", and the hub has converted no file to Parquet" : "");
}

static int place(const char *from, const char *into, const char *name, struct err *reterr)
{
	char real[PATH_MAX], to[PATH_MAX];

	if (!realpath(from, real))
		return err_errno(reterr, errno, "read %s", from);
	if (!path_join(to, sizeof(to), into, name))
		return err_errno(reterr, ENAMETOOLONG, "write %s", into);
	return cache_tree_link_file(real, to, reterr);
}

static int make_tree(struct hub *h, const struct fetch_item *it, const struct hub_picks *picks,
		     struct err *reterr)
{
	char path[PATH_MAX];
	int r = 0;

	if (mkdir(it->into, 0755) < 0)
		return err_errno(reterr, errno, "make the folder %s", it->into);
	for (size_t i = 0; i < picks->n && r >= 0; i++) {
		r = transfer_stopped(h->t, reterr);
		if (r >= 0)
			r = hub_store_file(h, picks->items[i].file, path, reterr);
		if (r >= 0)
			r = place(path, it->into, picks->items[i].name, reterr);
	}
	return r;
}

int fetch_hub(struct transfer *t, struct fetch_item *it, json_t **ret_value, struct err *reterr)
{
	OWN(hub_done) struct hub h = {0};
	OWN(hub_picks_done) struct hub_picks picks = {0};
	/* a preprocess job needs only the tokenizer and the configuration */
	bool tokenizer_only = str_eq(json_get_str(t->message, "kind", ""), "preprocess");
	int r = hub_init(&h, t, it, reterr);

	if (r >= 0)
		r = hub_describe(&h, reterr);
	if (r >= 0)
		r = h.dataset ? pick_any_dataset(&h, it, &picks, reterr)
			      : hub_pick_model(&h, tokenizer_only, &picks, reterr);
	if (r >= 0)
		r = make_tree(&h, it, &picks, reterr);
	if (r < 0)
		return r;
	printf("%s: commit %s of %s\n", it->from, h.commit, h.endpoint);
	*ret_value = json_string(it->into);
	return 0;
}
