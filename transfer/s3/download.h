/* SPDX-License-Identifier: MIT */
/*
 * Objects to files, many ranges at a time. A file is written under another name next to its place,
 * checked, synced and renamed. A large file resumes where an earlier attempt ended.
 */
#pragma once

#include "transfer/s3/pump.h"

#define DOWNLOAD_UNSYNCED_MAX 32

struct s3_source {
	struct transfer *t;
	struct pump *pump;
	struct s3_bucket bucket;
	struct s3_place place;
	const char *uri; /* borrowed */
	char owner[16];
	const json_t *exclude; /* patterns of keys to leave out; NULL: none */
	bool durable; /* True if each file is synced before its rename, and its directory after */
	bool changed; /* True if the failure is an object that was replaced meanwhile */
	int64_t skipped;
	struct {
		int fd;
		char *from, *to;
	} unsynced[DOWNLOAD_UNSYNCED_MAX]; /* complete files that are not renamed yet */
	int unsynced_n;
};

struct download;
/* Prepare the download of *o (key, size, etag, time) to the absolute `path`. Directories are
 * created. Free *ret with download_free(). */
int download_new(struct s3_source *src, const struct s3_object *o, const char *path,
		 struct download **ret, struct err *reterr) MUSTCHECK;
void download_free(struct download *d);
/* Send the next request in the slot. 1: sent; 0: nothing to send now. */
int download_step(struct download *d, struct slot *s, struct err *reterr) MUSTCHECK;
bool download_is_over(const struct download *d);

/* Download one object to one file. Blocking. */
int download_file(struct s3_source *src, const struct s3_object *o, const char *path,
		  struct err *reterr) MUSTCHECK;
/* Download all objects below the prefix src->place.key ("" or ending in '/') into `root`.
 * Blocking. */
int download_tree(struct s3_source *src, const char *root, struct err *reterr) MUSTCHECK;
/* Rename the complete files to their names. If src->durable, sync the file, rename, sync the
 * directory. */
int download_settle(struct s3_source *src, struct err *reterr) MUSTCHECK;
