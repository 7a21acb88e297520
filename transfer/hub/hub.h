/* SPDX-License-Identifier: MIT */
/*
 * Models and data sets of the Hugging Face hub, in the hub's own cache: what huggingface_hub
 * (file_download.py) has downloaded is found here and the other way round. Layout, per repository:
 * refs/REVISION holds a commit, snapshots/COMMIT/PATH is a link to blobs/ETAG;
 * .locks/REPO/ETAG.lock is flocked by who downloads ETAG. A model's folder bears the name that was
 * asked for, a data set's its full name, as transformers and datasets do. trainyard/COMMIT.json,
 * ours, is the hub's answer about that commit, for when the hub cannot be asked.
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
	char endpoint[512]; /* no final slash */
	char cache[PATH_MAX / 2];
	char authorization[HTTP_SECRET_MAX]; /* header line; "" without a token */
	const char *token_from;		     /* where it was found, for messages */
	bool offline;
	/* the repository */
	bool dataset;
	char asked[HUB_REPO_MAX]; /* as the job names it */
	char repo[HUB_REPO_MAX];  /* the cache's name of it */
	char revision[HUB_REVISION_MAX];
	char commit[HUB_COMMIT_LEN];
	json_t *info;	 /* {"id", "sha", "siblings": [{"rfilename"}], "cardData": {}} */
	int64_t bytes;	 /* of the files that were not there */
	bool from_cache; /* the hub could not be asked: only what is there */
};

/* Environment and names. -ERR_INVALID: no name of a repository. */
int hub_init(struct hub *h, struct transfer *t, const struct fetch_item *it,
	     struct err *reterr) MUSTCHECK;
void hub_done(struct hub *h);
/* "the data set 'x'" or "the model 'x'", for messages. */
const char *hub_what(const struct hub *h, char *buf, size_t size);

/* Ask the hub about the revision (or what is known of it when it cannot be asked): fills repo,
 * commit, info. One sentence for each: not found, private, gated, token refused, no such revision,
 * offline. */
int hub_describe(struct hub *h, struct err *reterr) MUSTCHECK;
/* The same repository at another revision, such as refs/convert/parquet. 1: there is none. */
int hub_describe_other(struct hub *h, const char *revision, struct err *reterr) MUSTCHECK;
/* The error for an answer that is no success; sets t->failure_code. */
int hub_refused(const struct hub *h, const struct net_request *rq, const char *file,
		struct err *reterr);
/* The error for a hub that cannot be reached (r, from http_get_request). */
int hub_unreachable(const struct hub *h, int r, struct err *reterr);

/* ---- the cache (hub/known.c, hub/store.c) ---- */

/* Folder of the repository. */
bool hub_store_dir(const struct hub *h, char *buf, size_t size);
/* Keep info for commit, and what the revision is. Not being able to is no error. */
void hub_store_info(const struct hub *h);
/* Fill repo, commit and info from the cache. -ERR_NOT_FOUND. */
int hub_store_find(struct hub *h, struct err *reterr) MUSTCHECK;
/* snapshots/COMMIT/FILE of the cache, downloaded when it is not there, its absolute path into
 * `path`. */
int hub_store_file(struct hub *h, const char *file, char path[PATH_MAX],
		   struct err *reterr) MUSTCHECK;

/* ---- which files (hub/model.c, hub/select.c) ---- */

struct hub_pick {
	char *file; /* in the repository */
	char *name; /* in the tree that the job gets */
};

struct hub_picks {
	struct hub_pick *items;
	size_t n;
};

void hub_picks_done(struct hub_picks *p);
/* Keeps copies. 0 or -ENOMEM. */
int hub_picks_add(struct hub_picks *p, const char *file, const char *name);
/* config.json, the tokenizer's files and, unless `tokenizer_only`, model.safetensors (or its
 * parts). -ERR_UNSUPPORTED: no safetensors, -ERR_NOT_FOUND: no model at all. */
int hub_pick_model(const struct hub *h, bool tokenizer_only, struct hub_picks *ret,
		   struct err *reterr) MUSTCHECK;
/* Which splits are asked for. */
struct hub_wish {
	const char *split; /* only this one */
	const char *test;  /* the one that becomes "test" */
};

/* The Parquet files of a configuration as SPLIT-00000-of-00001.parquet: the split that is asked
 * for, or train and test (validation where there is no test). A test that was not asked for has
 * the validation split beside it, in case that no row of it has a label. 1: the repository has no
 * Parquet files that its card or their names make data files. */
int hub_pick_dataset(const struct hub *h, const char *config, const struct hub_wish *wish,
		     struct hub_picks *ret, struct err *reterr) MUSTCHECK;
/* The same for the branch refs/convert/parquet: CONFIG/SPLIT/0000.parquet. */
int hub_pick_converted(const struct hub *h, const char *config, const struct hub_wish *wish,
		       struct hub_picks *ret, struct err *reterr) MUSTCHECK;
