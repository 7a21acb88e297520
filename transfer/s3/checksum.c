/* SPDX-License-Identifier: MIT */
/*
 * Computes SHA-256 and CRC-64/NVME of a file, whole or in parts, and compares the result with the
 * checksums that S3 reports.
 */
#include "transfer/s3/checksum.h"

#include "base/own.h"
#include "base/str.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h> /* crc32 */

#define CHUNK	   (128 << 10) /* fits the second-level cache */
#define PART_STEP  (INT64_C(1) << 20)
#define CRC64_POLY UINT64_C(0x9a6c9329ac4bc9b5) /* reflected */

int checksum_parts_n(int64_t size, int64_t part_bytes)
{
	return size == 0 ? 1 : (int)((size + part_bytes - 1) / part_bytes);
}

int64_t checksum_part_bytes(int64_t size)
{
	int64_t least = (size + S3_PARTS_MAX - 1) / S3_PARTS_MAX;

	if (least <= PART_BYTES)
		return PART_BYTES;
	least = (least + PART_STEP - 1) / PART_STEP * PART_STEP;
	return least <= S3_PART_BYTES_MAX ? least : 0;
}

/* ---- CRC-64/NVME, eight bytes a step ---- */

static uint64_t crc64_tables[8][256];

static void make_tables(void)
{
	for (unsigned i = 0; i < 256; i++) {
		uint64_t c = i;

		for (int bit = 0; bit < 8; bit++)
			c = c & 1 ? c >> 1 ^ CRC64_POLY : c >> 1;
		crc64_tables[0][i] = c;
	}
	for (int k = 1; k < 8; k++)
		for (unsigned i = 0; i < 256; i++) {
			uint64_t c = crc64_tables[k - 1][i];

			crc64_tables[k][i] = crc64_tables[0][c & 255] ^ c >> 8;
		}
}

uint64_t checksum_crc64nvme(uint64_t crc, const void *data, size_t len)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	const unsigned char *p = data;

	pthread_once(&once, make_tables);
	crc = ~crc;
	for (; len >= 8; len -= 8, p += 8) {
		uint64_t v = 0;

		for (int i = 7; i >= 0; i--)
			v = v << 8 | p[i];
		crc ^= v;
		v = 0;
		for (int k = 0; k < 8; k++)
			v ^= crc64_tables[7 - k][crc >> 8 * k & 255];
		crc = v;
	}
	for (; len; len--, p++)
		crc = crc64_tables[0][(crc ^ *p) & 255] ^ crc >> 8;
	return ~crc;
}

/* ---- against an object ---- */

static int64_t part_bytes_of(const struct s3_object *o)
{
	return o->part_bytes > 0 ? o->part_bytes : PART_BYTES;
}

/* True if a SHA-256 over parts can be computed: the size of the parts is known, or it is our
 * own. */
static bool parts_are_known(const struct s3_object *o)
{
	const char *dash = strchr(o->sha256, '-');
	int64_t n;

	return dash && str_to_i64(dash + 1, &n) >= 0 && n <= S3_PARTS_MAX &&
	       checksum_parts_n(o->size, part_bytes_of(o)) == n;
}

void checksum_begin(struct checksum *c, const struct s3_object *o)
{
	*c = (struct checksum){.o = *o};
	if (parts_are_known(o)) {
		c->all = hash_new();
		c->part_left = part_bytes_of(o);
		c->sha = hash_new();
	} else if (*o->sha256 && !strchr(o->sha256, '-')) {
		c->part_left = INT64_MAX;
		c->sha = hash_new();
	} else if (*o->crc32 && !strchr(o->crc32, '-')) {
		c->wants_crc32 = true;
	} else if (*o->crc64nvme) {
		c->wants_crc64 = true;
	}
}

static unsigned nibble(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static void add_sum(struct hash *all, const char *hex)
{
	unsigned char raw[32];

	for (int b = 0; b < 32; b++)
		raw[b] = (unsigned char)(nibble(hex[2 * b]) << 4 | nibble(hex[2 * b + 1]));
	hash_update(all, raw, sizeof(raw));
}

static void end_part(struct checksum *c)
{
	char hex[HASH_HEX_LEN];

	hash_hex(c->sha, hex);
	hash_free(TAKE(c->sha));
	add_sum(c->all, hex);
}

/* Write "B64-N". */
static void text_of_parts(struct hash *all, const struct s3_object *o, char ret[S3_CHECKSUM_MAX])
{
	char hex[HASH_HEX_LEN];
	size_t n;

	hash_hex(all, hex);
	s3_base64_of_hex(hex, ret);
	n = strlen(ret);
	if (!str_copy(ret + n, S3_CHECKSUM_MAX - n, strchr(o->sha256, '-')))
		*ret = '\0'; /* equal to no checksum */
}

enum checksum_answer checksum_of_parts(const struct s3_object *o, char (*sums)[HASH_HEX_LEN], int n,
				       int64_t part_bytes)
{
	OWN(hash_freep) struct hash *all = hash_new();
	char mine[S3_CHECKSUM_MAX];

	if (!parts_are_known(o) || part_bytes_of(o) != part_bytes)
		return CHECKSUM_UNKNOWN;
	for (int i = 0; i < n; i++)
		add_sum(all, sums[i]);
	text_of_parts(all, o, mine);
	if (str_eq(mine, o->sha256))
		return CHECKSUM_SAME;
	return o->part_bytes > 0 ? CHECKSUM_DIFFERS : CHECKSUM_UNKNOWN;
}

void checksum_add(struct checksum *c, const void *data, size_t len)
{
	const char *p = data;

	c->size += (int64_t)len;
	if (c->wants_crc32)
		c->crc32 = (uint32_t)crc32_z(c->crc32, data, len);
	else if (c->wants_crc64)
		c->crc64 = checksum_crc64nvme(c->crc64, data, len);
	while (len && (c->sha || c->all)) {
		size_t n = (int64_t)len < c->part_left ? len : (size_t)c->part_left;

		if (!c->sha)
			c->sha = hash_new();
		hash_update(c->sha, p, n);
		p += n;
		len -= n;
		c->part_left -= (int64_t)n;
		if (c->part_left == 0) {
			end_part(c);
			c->part_left = part_bytes_of(&c->o);
		}
	}
}

void checksum_done(struct checksum *c)
{
	hash_free(TAKE(c->sha));
	hash_free(TAKE(c->all));
}

static void big_endian(uint64_t v, int bytes, char ret[S3_CHECKSUM_MAX])
{
	unsigned char raw[8];

	for (int i = 0; i < bytes; i++)
		raw[i] = (unsigned char)(v >> 8 * (bytes - 1 - i));
	s3_base64(raw, (size_t)bytes, ret, S3_CHECKSUM_MAX);
}

enum checksum_answer checksum_end(struct checksum *c)
{
	const struct s3_object *o = &c->o;
	char mine[S3_CHECKSUM_MAX] = "", hex[HASH_HEX_LEN];
	const char *theirs = o->sha256;

	if (c->all && c->sha)
		end_part(c);
	if (c->all) {
		text_of_parts(c->all, o, mine);
	} else if (c->sha) {
		hash_hex(c->sha, hex);
		s3_base64_of_hex(hex, mine);
	} else if (c->wants_crc32) {
		theirs = o->crc32;
		big_endian(c->crc32, 4, mine);
	} else if (c->wants_crc64) {
		theirs = o->crc64nvme;
		big_endian(c->crc64, 8, mine);
	}
	checksum_done(c);
	if (c->size != o->size)
		return CHECKSUM_DIFFERS;
	if (!*mine)
		return CHECKSUM_UNKNOWN;
	if (str_eq(mine, theirs))
		return CHECKSUM_SAME;
	/* the part size of another program is only a guess */
	return strchr(theirs, '-') && o->part_bytes <= 0 ? CHECKSUM_UNKNOWN : CHECKSUM_DIFFERS;
}

/* ---- of a file ---- */

static int read_range(int fd, int64_t offset, int64_t len, struct hash *sha, struct checksum *c,
		      struct err *reterr)
{
	OWN(freep) char *chunk = malloc(CHUNK);

	if (!chunk)
		return err_errno(reterr, ENOMEM, "compute a checksum");
	while (len > 0) {
		ssize_t n = pread(fd, chunk, len < CHUNK ? (size_t)len : CHUNK, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(reterr, errno, "read a file for its checksum");
		if (n == 0)
			return err_set(reterr, ERR_CONFLICT,
				       "a file became shorter while the transfer read it");
		if (sha)
			hash_update(sha, chunk, (size_t)n);
		else
			checksum_add(c, chunk, (size_t)n);
		offset += n;
		len -= n;
	}
	return 0;
}

int checksum_range(int fd, int64_t offset, int64_t len, char hex[HASH_HEX_LEN], struct err *reterr)
{
	OWN(hash_freep) struct hash *sha = hash_new();
	int r = read_range(fd, offset, len, sha, NULL, reterr);

	if (r >= 0)
		hash_hex(sha, hex);
	return r;
}

int checksum_compare(int fd, int64_t size, const struct s3_object *o, enum checksum_answer *ret,
		     struct err *reterr)
{
	struct checksum c;
	int r = 0;

	*ret = CHECKSUM_DIFFERS;
	if (size != o->size)
		return 0;
	checksum_begin(&c, o);
	if (c.sha || c.all || c.wants_crc32 || c.wants_crc64)
		r = read_range(fd, 0, size, NULL, &c, reterr);
	else
		c.size = size;
	if (r >= 0)
		*ret = checksum_end(&c);
	else
		checksum_done(&c);
	return r;
}
