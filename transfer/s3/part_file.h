/* SPDX-License-Identifier: MIT */
/*
 * A file during its download, next to its place. A second small file notes the finished parts with
 * their hashes, so that a hole after a crash does not count as a part.
 */
#pragma once

#include "aws/s3.h"

struct part_file {
	char path[4096], notes_path[4096];
	int fd, notes_fd; /* notes_fd -1: the file has only one part */
	int64_t size, part_bytes;
	int parts_n;
	char (*sums)[HASH_HEX_LEN]; /* SHA-256 of each finished part; "": not finished */
};
#define PART_FILE_NONE                   \
	(struct part_file)               \
	{                                \
		.fd = -1, .notes_fd = -1 \
	}

/* Open or create the files. Parts of an earlier attempt at the same object (etag and size) are kept
 * if their hash is right. */
int part_file_open(struct part_file *f, const char *final_path, const struct s3_object *o,
		   int64_t part_bytes, struct err *reterr) MUSTCHECK;
void part_file_close(struct part_file *f); /* the files stay */
bool part_file_has(const struct part_file *f, int part);
/* True if this or an earlier attempt has noted a part, so that a next attempt can resume. */
bool part_file_has_any(const struct part_file *f);
int64_t part_file_len(const struct part_file *f, int part);
/* Note that a part is written. Reads the part again to hash it, so it blocks; nothing is synced. */
int part_file_note(struct part_file *f, int part, struct err *reterr) MUSTCHECK;
/* Call it when the file is complete: removes the notes and sets the file's time. Returns the
 * descriptor, which the caller owns. */
int part_file_take(struct part_file *f, int64_t modified_us);
void part_file_remove(struct part_file *f);
