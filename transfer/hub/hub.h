/* SPDX-License-Identifier: MIT */
/*
 * Models and data sets of the Hugging Face hub, in the hub's own cache. Files that huggingface_hub
 * (file_download.py) has downloaded are found here, and the other way round. Layout per repository:
 * refs/REVISION holds a commit, snapshots/COMMIT/PATH is a link to blobs/ETAG. The process that
 * downloads ETAG holds a flock on .locks/REPO/ETAG.lock.
 * A model's folder has the name that was asked for, a data set's folder the full name, as in
 * transformers and datasets. trainyard/COMMIT.json is our own: the hub's answer about a commit, for
 * use if the hub cannot be reached.
 *
 * Environment, as huggingface_hub reads it: HF_ENDPOINT, HF_TOKEN (HUGGING_FACE_HUB_TOKEN),
 * HF_TOKEN_PATH, HF_HUB_DISABLE_IMPLICIT_TOKEN, HF_HOME, HF_HUB_CACHE (HUGGINGFACE_HUB_CACHE),
 * HF_HUB_OFFLINE (TRANSFORMERS_OFFLINE), XDG_CACHE_HOME, HOME.
 */
#pragma once

#include "jobs/hub_id.h"
#include "transfer/http/get.h"

#define HUB_REPO_MAX	 (HUB_ID_MAX + 1)
#define HUB_COMMIT_LEN	 41
#define HUB_REVISION_MAX 256
#define HUB_FILES_MAX	 50000	    /* of one repository */
#define HUB_INFO_MAX	 (32 << 20) /* bytes of the answer about it */

struct hub {
	struct transfer *t;
	char endpoint[512]; /* without a final slash */
	char cache[PATH_MAX / 2];
	char authorization[HTTP_SECRET_MAX]; /* header line; "": no token */
	const char *token_from;		     /* its source, for messages */
	bool offline;
	/* The repository: */
	bool dataset;
	char asked[HUB_REPO_MAX]; /* its name in the job's spec */
	char repo[HUB_REPO_MAX];  /* its name in the cache */
	char revision[HUB_REVISION_MAX];
	char commit[HUB_COMMIT_LEN];
	json_t *info;	 /* {"id", "sha", "siblings": [{"rfilename"}], "cardData": {}} */
	int64_t bytes;	 /* sum of the files that were not in the cache */
	bool from_cache; /* True if the hub cannot be reached: use only cached files */
};

/* Read the environment and the names. -ERR_INVALID: not a repository's name. Free *h with
 * hub_done(). */
int hub_init(struct hub *h, struct transfer *t, const struct fetch_item *it,
	     struct err *reterr) MUSTCHECK;
void hub_done(struct hub *h);
/* "the data set 'x'" or "the model 'x'", for messages. */
const char *hub_what(const struct hub *h, char *buf, size_t size);

/* Ask the hub about the revision; if it cannot be reached, use what the cache knows. Fills repo,
 * commit, info. Each refusal has its own sentence: not found, private, gated, token refused, no
 * such revision, offline. */
int hub_describe(struct hub *h, struct err *reterr) MUSTCHECK;
/* The same for another revision, such as refs/convert/parquet. 1: the revision does not exist. */
int hub_describe_other(struct hub *h, const char *revision, struct err *reterr) MUSTCHECK;
/* The error of an answer without success. Sets t->failure_code. */
int hub_refused(const struct hub *h, const struct net_request *rq, const char *file,
		struct err *reterr);
/* The error if the hub cannot be reached (r: of http_get_request). */
int hub_unreachable(const struct hub *h, int r, struct err *reterr);

/* ---- the cache (hub/known.c, hub/store.c) ---- */

/* Path of the repository's folder. False if `buf` is too small. */
bool hub_store_dir(const struct hub *h, char *buf, size_t size);
/* Save info for the commit, and the revision's commit. A failure is ignored. */
void hub_store_info(const struct hub *h);
/* Fill repo, commit and info from the cache. -ERR_NOT_FOUND. */
int hub_store_find(struct hub *h, struct err *reterr) MUSTCHECK;
/* Download snapshots/COMMIT/FILE of the cache if it is missing. `path` gets its absolute path. */
int hub_store_file(struct hub *h, const char *file, char path[PATH_MAX],
		   struct err *reterr) MUSTCHECK;

/* ---- which files (hub/model.c, hub/select.c) ---- */

struct hub_pick {
	char *file; /* in the repository */
	char *name; /* in the job's tree */
};

struct hub_picks {
	struct hub_pick *items;
	size_t n;
};

void hub_picks_done(struct hub_picks *p);
/* Add copies of both names. 0 or -ENOMEM. */
int hub_picks_add(struct hub_picks *p, const char *file, const char *name);
/* Pick config.json, the tokenizer's files and, unless `tokenizer_only`, model.safetensors (or its
 * parts). -ERR_UNSUPPORTED: no safetensors, -ERR_NOT_FOUND: no model at all. */
int hub_pick_model(const struct hub *h, bool tokenizer_only, struct hub_picks *ret,
		   struct err *reterr) MUSTCHECK;
/* The splits that the item asks for. */
struct hub_wish {
	const char *split; /* only this one; NULL: all */
	const char *test;  /* the one that becomes "test"; NULL: none is named */
};

/* Pick the Parquet files of a configuration, named SPLIT-00000-of-00001.parquet: the requested
 * split, or train and test. Without a test split, validation takes its place.
 * If the item names no test split, validation is added beside test, in case test has no labels. 1:
 * neither the card nor the names make a Parquet file of the repository a data file. */
int hub_pick_dataset(const struct hub *h, const char *config, const struct hub_wish *wish,
		     struct hub_picks *ret, struct err *reterr) MUSTCHECK;
/* The same for the branch refs/convert/parquet: CONFIG/SPLIT/0000.parquet. */
int hub_pick_converted(const struct hub *h, const char *config, const struct hub_wish *wish,
		       struct hub_picks *ret, struct err *reterr) MUSTCHECK;
