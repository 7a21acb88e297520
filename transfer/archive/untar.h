/* SPDX-License-Identifier: MIT */
/* A tar.gz (or plain tar) object: unpacked into a directory, or searched for small members. Members
 * may be regular files and directories below the root. Links and all other types are refused. */
#pragma once

#include "transfer/s3/reader.h"

#define UNTAR_MEMBERS_MAX 1000000
#define PEEK_MEMBER_MAX	  (1 << 20)

/* Unpack into the existing directory `root`. Blocking. -ERR_CORRUPT, -ERR_LIMIT, -errno of the
 * disk. */
int untar(struct s3_source *src, const struct s3_object *o, const char *root,
	  struct err *reterr) MUSTCHECK;
/* Read the named small members into *ret: {"name": parsed JSON, or else its text}, a new reference.
 * Reading stops after the last one. Missing members are absent. */
int untar_peek(struct s3_source *src, const struct s3_object *o, const json_t *members,
	       json_t **ret, struct err *reterr) MUSTCHECK;
