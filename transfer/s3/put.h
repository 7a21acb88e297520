/* SPDX-License-Identifier: MIT */
/* Pushes: local files to objects, many parts at a time. Objects that are already there are not sent
 * again. */
#pragma once

#include "transfer/s3/pump.h"
#include "transfer/tree.h"

/* One entry of "push". Texts are borrowed from the message. */
struct push_item {
	const char *pointer, *to;
	char from[PATH_MAX]; /* absolute */
	enum transfer_form form;
	const json_t *exclude;
	bool make_bucket;
	const char *region; /* where the bucket must be; NULL: anywhere */
	bool overwrite;	    /* True if existing objects are replaced without a check */
	const char *kms_key;
};
/* Carry out one entry. *ret_value: the URI, a new reference. Blocking. */
int push_s3(struct transfer *t, const struct push_item *it, json_t **ret_value,
	    struct err *reterr) MUSTCHECK;

/* ---- what its parts share ---- */

/* A multipart upload of an earlier attempt, under way at the destination. */
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
	bool occupied; /* True if the destination has objects: compare before each file */
	struct pending *pending;
	size_t pending_n;
	int64_t skipped; /* files */
};

/* Find or create the bucket, and list objects and unfinished uploads at the destination.
 * Blocking. */
int put_open(struct put *p, struct err *reterr) MUSTCHECK;
/* Call it after the last call of this push has ended. */
void put_close(struct put *p);
/* Take the newest upload of an earlier attempt for this key out of the list. Others of the same key
 * are aborted. False if there is none. */
bool put_take_pending(struct put *p, const char *key, char id[S3_UPLOAD_ID_MAX]);
/* Abort a multipart upload for good, best effort. No call of it may be under way. */
void put_abort(struct put *p, const char *key, const char *id);
/* "s3://bucket/key", a new reference. */
json_t *put_uri(const struct put *p, const char *key);

/* Send the tree as one tar.gz object. Reorders tree->files. */
int put_tar_gz(struct put *p, const char *root, struct tree *tree, const char *key,
	       struct err *reterr) MUSTCHECK;
