/* SPDX-License-Identifier: MIT */
/* The upload of one file to one object: whole, or in parts. Main thread. */
#pragma once

#include "transfer/s3/put.h"

#include <sys/stat.h>

enum upload_state {
	UPLOAD_LOOK,  /* ask for the existing object */
	UPLOAD_BEGIN, /* decided to send it */
	UPLOAD_LIST,  /* list the parts of an earlier attempt */
	UPLOAD_PARTS,
	UPLOAD_FINISH,
	UPLOAD_WAIT, /* one call is under way, nothing to do before its end */
	UPLOAD_OVER,
};

struct upload {
	struct put *put;
	enum upload_state state;
	char *path, *key;
	int fd;
	struct stat st;
	int64_t part_bytes;
	int parts_n, parts_next, parts_done;
	struct s3_part *parts; /* of a multipart upload */
	char id[S3_UPLOAD_ID_MAX];
	int list_after;
	bool looked_again; /* True if an unclear end was already checked */
	struct upload *next;
};

int upload_new(struct put *put, const char *path, const char *key, struct upload **ret,
	       struct err *reterr) MUSTCHECK;
void upload_free(struct upload *u);
/* Send the next request in the slot. 1: sent; 0: nothing to send now, the slot is not used. */
int upload_step(struct upload *u, struct slot *s, struct err *reterr) MUSTCHECK;
