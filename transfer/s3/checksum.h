/* SPDX-License-Identifier: MIT */
/* Checksums of files as S3 keeps them: of the whole file, or "B64-N" over the checksums of N parts.
 * Public source: the S3 documentation, "Checking object integrity". */
#pragma once

#include "aws/s3.h"

#define PART_BYTES (INT64_C(8) << 20)

/* SHA-256 of a range of a file. -ERR_CONFLICT: the file is shorter. */
int checksum_range(int fd, int64_t offset, int64_t len, char hex[HASH_HEX_LEN],
		   struct err *reterr) MUSTCHECK;
enum checksum_answer {
	CHECKSUM_SAME,
	CHECKSUM_DIFFERS,
	CHECKSUM_UNKNOWN, /* the object has no checksum that can be computed here */
};

/* Running checksum of bytes, to be compared with the object's. */
struct checksum {
	struct s3_object o;
	struct hash *sha, *all; /* of the whole or of a part; over all parts */
	int64_t size, part_left;
	bool wants_crc32, wants_crc64;
	uint32_t crc32;
	uint64_t crc64;
};
void checksum_begin(struct checksum *c, const struct s3_object *o);
void checksum_add(struct checksum *c, const void *data, size_t len);
enum checksum_answer checksum_end(struct checksum *c); /* frees *c */
void checksum_done(struct checksum *c);		       /* frees *c without an answer */

/* The answer from the SHA-256 of each part (n parts of part_bytes). CHECKSUM_UNKNOWN: the object
 * has other parts or another checksum. */
enum checksum_answer checksum_of_parts(const struct s3_object *o, char (*sums)[HASH_HEX_LEN], int n,
				       int64_t part_bytes);
/* Compare the file with the object's checksum. Blocking: reads the whole file, unless the sizes
 * differ. */
int checksum_compare(int fd, int64_t size, const struct s3_object *o, enum checksum_answer *ret,
		     struct err *reterr) MUSTCHECK;
/* Bytes of each part; 0: the file needs more than S3_PARTS_MAX parts. */
int64_t checksum_part_bytes(int64_t size);
int checksum_parts_n(int64_t size, int64_t part_bytes);
/* Running CRC-64/NVME; the first `crc` is 0. */
uint64_t checksum_crc64nvme(uint64_t crc, const void *data, size_t len);
