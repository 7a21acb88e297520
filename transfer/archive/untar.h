/* SPDX-License-Identifier: MIT */
/* A tar.gz (or plain tar) object: unpacked into a directory, or only looked into. Members are
 * regular files and directories below the root: links and anything else are refused. */
#pragma once

#include "transfer/s3/reader.h"

#define UNTAR_MEMBERS_MAX 1000000
#define PEEK_MEMBER_MAX	  (1 << 20)

/* Into the existing directory `root`. */
int untar(struct get *g, const struct s3_object *o, const char *root, struct err *reterr) MUSTCHECK;
/* The named small members, {"name": parsed JSON, or its text}; stops reading when it has all.
 * Members that are not there are absent. */
int untar_peek(struct get *g, const struct s3_object *o, const json_t *members, json_t **ret,
	       struct err *reterr) MUSTCHECK;
