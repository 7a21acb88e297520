/* SPDX-License-Identifier: MIT */
/*
 * A file that is being downloaded: beside its place, with a second small file that says which parts
 * are there (a hash each, so that a crash of the machine cannot make a hole count as done).
 */
#pragma once

#include "aws/s3.h"

struct part_file {
	char path[4096], notes_path[4096];
	int fd, notes_fd; /* notes_fd -1: it has one part only */
	int64_t size, part_bytes;
	int parts_n;
	char (*sums)[HASH_HEX_LEN]; /* of each part that is there; "": it is not */
};
#define PART_FILE_NONE                   \
	(struct part_file)               \
	{                                \
		.fd = -1, .notes_fd = -1 \
	}

/* What lies there of the same object (etag and size) is taken over, part by part as its hash says.
 */
int part_file_open(struct part_file *f, const char *final_path, const struct s3_object *o,
		   int64_t part_bytes, struct err *reterr) MUSTCHECK;
void part_file_close(struct part_file *f); /* the files stay */
bool part_file_has(const struct part_file *f, int part);
/* True if an earlier or this try has noted a part: the next one can go on. */
bool part_file_has_any(const struct part_file *f);
int64_t part_file_len(const struct part_file *f, int part);
/* The part has been written. */
int part_file_note(struct part_file *f, int part, struct err *reterr) MUSTCHECK;
/* It is complete: the notes go, the file gets its time; its descriptor is the caller's. */
int part_file_take(struct part_file *f, int64_t modified_us);
void part_file_remove(struct part_file *f);
