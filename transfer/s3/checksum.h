/* SPDX-License-Identifier: MIT */
/* Checksums of files as S3 keeps them: of the whole, or "B64-N" over the checksums of N parts. */
#pragma once

#include "aws/s3.h"

#define PART_BYTES (INT64_C(8) << 20)

/* SHA-256 of a piece of a file. -ERR_CONFLICT: the file is shorter. */
int checksum_range(int fd, int64_t offset, int64_t len, char hex[HASH_HEX_LEN],
		   struct err *reterr) MUSTCHECK;
enum checksum_answer {
	CHECKSUM_SAME,
	CHECKSUM_DIFFERS,
	CHECKSUM_UNKNOWN, /* the object has none that can be computed here */
};

/* Bytes from first to last against what the object is said to hold. */
struct checksum {
	struct s3_object o;
	struct hash *sha, *all; /* of the whole or of a part; over the parts */
	int64_t size, part_left;
	bool wants_crc32, wants_crc64;
	uint32_t crc32;
	uint64_t crc64;
};
void checksum_begin(struct checksum *c, const struct s3_object *o);
void checksum_add(struct checksum *c, const void *data, size_t len);
enum checksum_answer checksum_end(struct checksum *c); /* releases it */
void checksum_done(struct checksum *c);		       /* the same without an answer */

/* The same from the SHA-256 of each part (n of part_bytes), where that says it: else
 * CHECKSUM_UNKNOWN. */
enum checksum_answer checksum_of_parts(const struct s3_object *o, char (*sums)[HASH_HEX_LEN], int n,
				       int64_t part_bytes);
/* Compare the file with the object's checksum. Reads all of the file, unless sizes differ. */
int checksum_compare(int fd, int64_t size, const struct s3_object *o, enum checksum_answer *ret,
		     struct err *reterr) MUSTCHECK;
/* Parts of so many bytes each; 0: it cannot be uploaded in S3_PARTS_MAX parts. */
int64_t checksum_part_bytes(int64_t size);
int checksum_parts_n(int64_t size, int64_t part_bytes);
/* CRC-64/NVME, running: start with 0. */
uint64_t checksum_crc64nvme(uint64_t crc, const void *data, size_t len);
