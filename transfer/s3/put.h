/* SPDX-License-Identifier: MIT */
/* Pushes: local files to objects, many parts at a time; what is there already is not sent again. */
#pragma once

#include "transfer/s3/pump.h"
#include "transfer/tree.h"

/* One entry of "push"; texts borrowed from the message. */
struct push_item {
	const char *pointer, *to;
	char from[PATH_MAX]; /* absolute */
	enum transfer_form form;
	const json_t *exclude;
	bool make_bucket;
	const char *region; /* the bucket has to lie there; NULL: anywhere */
	bool overwrite;	    /* send it whatever lies there */
	const char *kms_key;
};
/* *ret_value: the uri, a new reference. */
int push_s3(struct transfer *t, const struct push_item *it, json_t **ret_value,
	    struct err *reterr) MUSTCHECK;

/* ---- what its parts share ---- */

/* Multipart uploads under way at the destination, of an earlier try. */
struct pending {
	char *key, *id;
};

struct put {
	struct transfer *t;
	struct pump *pump;
	const struct push_item *item;
	struct s3_place place; /* of item->to */
	struct s3_bucket bucket;
	char owner[16];
	char region[AWS_REGION_MAX];
	bool occupied; /* something lies there that may be the same: look before each file */
	struct pending *pending;
	size_t pending_n;
	int64_t skipped; /* files */
};

/* Find or make the bucket, and look for objects and unfinished uploads at the destination. */
int put_open(struct put *p, struct err *reterr) MUSTCHECK;
/* After everything has been given up or is done. */
void put_close(struct put *p);
/* The newest upload of an earlier try for this key, taken out of the list; others of the same key
 * are ended. false: there is none. */
bool put_take_pending(struct put *p, const char *key, char id[S3_UPLOAD_ID_MAX]);
/* End a multipart upload for good; best effort. Nothing of it may be under way. */
void put_abort(struct put *p, const char *key, const char *id);
/* s3://bucket/key in a new string. */
json_t *put_uri(const struct put *p, const char *key);

/* The tree as one tar.gz object; its files are put into another order. */
int put_tar_gz(struct put *p, const char *root, struct tree *tree, const char *key,
	       struct err *reterr) MUSTCHECK;
