/* SPDX-License-Identifier: MIT */
/*
 * Objects to files, many ranges at a time. A file is written beside its place under another name,
 * checked, synced and renamed; a large one goes on where an earlier try was ended.
 */
#pragma once

#include "transfer/s3/pump.h"

#define DOWNLOAD_UNSYNCED_MAX 32

struct get {
	struct transfer *t;
	struct pump *pump;
	struct s3_bucket bucket;
	struct s3_place place;
	const char *uri; /* borrowed */
	char owner[16];
	const json_t *exclude; /* patterns of what is left out, NULL: none */
	bool durable;	       /* sync each file before it gets its name, then its directory */
	bool changed;	       /* the failure is that an object was replaced meanwhile */
	int64_t skipped;
	struct {
		int fd;
		char *from, *to;
	} unsynced[DOWNLOAD_UNSYNCED_MAX]; /* complete, not yet under their names */
	int unsynced_n;
};

struct download;
/* The object to the file `path` (absolute; directories are made). *o: key, size, etag, time. */
int download_new(struct get *g, const struct s3_object *o, const char *path, struct download **ret,
		 struct err *reterr) MUSTCHECK;
void download_free(struct download *d);
/* Use the slot for the next thing to ask. 1: done so; 0: nothing now. */
int download_step(struct download *d, struct slot *s, struct err *reterr) MUSTCHECK;
bool download_is_over(const struct download *d);

/* One object to one file. */
int download_file(struct get *g, const struct s3_object *o, const char *path,
		  struct err *reterr) MUSTCHECK;
/* Everything below the prefix g->place.key ("" or ending in '/') into `root`. */
int download_tree(struct get *g, const char *root, struct err *reterr) MUSTCHECK;
/* Give the complete files their names, for good if g->durable: file, name, directory. */
int download_settle(struct get *g, struct err *reterr) MUSTCHECK;
