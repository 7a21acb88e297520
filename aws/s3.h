/* SPDX-License-Identifier: MIT */
/*
 * S3's operations as calls of aws/client.h: s3_*() fills a call, the caller sends it (aws_send or
 * s3_wait), s3_*_result() reads the answer. No state of its own; a call is used by one thread at a
 * time. Public reference: botocore data/s3/2006-03-01/service-2.json.
 */
#pragma once

#include "aws/client.h"
#include "base/hash.h"

#include <stdbool.h>
#include <stdint.h>

#define S3_KEY_MAX	  1024 /* bytes of a key */
#define S3_ETAG_MAX	  128
#define S3_UPLOAD_ID_MAX  1024
#define S3_CHECKSUM_MAX	  64 /* base64, "-N" of a composite one included */
#define S3_PARTS_MAX	  10000
#define S3_PART_BYTES_MIN (INT64_C(5) << 20) /* of every part but the last */
#define S3_PART_BYTES_MAX (INT64_C(5) << 30)
#define S3_LIST_MAX	  1000 /* entries of one page */
#define S3_URI_MAX	  (S3_KEY_MAX + 80)

/* What a failed call means; also the client's kind and err. */
enum s3_problem {
	S3_FINE,
	S3_NO_BUCKET,
	S3_OTHER_REGION,
	S3_DENIED, /* also: the bucket is not the expected account's */
	S3_CREDENTIALS,
	S3_NO_KEY,    /* a HEAD does not tell a missing bucket from a missing key */
	S3_NO_UPLOAD, /* the multipart upload has ended */
	S3_ARCHIVED,  /* in a storage class that must be restored first */
	S3_CHANGED,   /* If-Match failed: another object by now */
	S3_EXISTS,    /* the bucket's name is taken by another account */
	S3_FAILED,    /* anything else */
};

struct s3_place {
	char bucket[64];
	char key[S3_KEY_MAX + 1]; /* "": the bucket */
};
/* "s3://bucket/key". -ERR_INVALID with a sentence. */
int s3_parse_uri(const char *uri, struct s3_place *ret, struct err *reterr) MUSTCHECK;

struct s3_bucket { /* texts borrowed as long as calls are under way */
	const char *name;
	const char *region;  /* NULL: the configuration's; the client finds the true one */
	const char *owner;   /* account id that it must belong to; NULL: any */
	const char *kms_key; /* for what is put; NULL: the bucket's default */
};

struct s3_call {
	struct aws_call call; /* call.done and call.userdata are the caller's */
	char *query, *body;
	char headers[12][320];
	char prefix[S3_KEY_MAX + 1]; /* of a list */
	int max;
};

void s3_call_done(struct s3_call *c); /* may be filled again; all zero is fine */
/* Send and wait. Returns call.result. */
int s3_wait(struct aws *a, struct s3_call *c, struct err *reterr) MUSTCHECK;
enum s3_problem s3_problem_of(const struct s3_call *c);

struct s3_object {
	char key[S3_KEY_MAX + 1]; /* of a list */
	int64_t size;
	char etag[S3_ETAG_MAX]; /* with its quotes */
	int64_t modified_us;
	/* of a head or get; "" when the service has none */
	char sha256[S3_CHECKSUM_MAX], crc32[S3_CHECKSUM_MAX], crc64nvme[S3_CHECKSUM_MAX];
	int64_t part_bytes;	    /* that it was uploaded with by us; 0: not said */
	char made_of[HASH_HEX_LEN]; /* what a made-up object (tar.gz) was made of; "" */
};

/* A body: bytes, or read_body as in aws_call. */
struct s3_body {
	const void *data;
	ssize_t (*read)(struct net_request *rq, char *data, size_t size, size_t offset);
	size_t len;
	const char *sha256_hex; /* signed, and kept by S3 as the object's checksum */
};

void s3_head_object(struct s3_call *c, const struct s3_bucket *b, const char *key);
/* length < 0: to the end, from 0: all of it. etag NULL: whichever object. */
void s3_get_object(struct s3_call *c, const struct s3_bucket *b, const char *key, int64_t offset,
		   int64_t length, const char *etag,
		   bool (*on_data)(struct net_request *rq, const char *data, size_t len));
/* Of a head or a get: size (of a ranged get: of the whole), etag, checksums, metadata. */
int s3_object_result(const struct s3_call *c, struct s3_object *ret, struct err *reterr) MUSTCHECK;
void s3_put_object(struct s3_call *c, const struct s3_bucket *b, const char *key,
		   const struct s3_body *body, const char *made_of);

/* token NULL: the first page. delimiter NULL: everything below the prefix. */
void s3_list(struct s3_call *c, const struct s3_bucket *b, const char *prefix,
	     const char *delimiter, const char *token, int max);
/* fn for each object (false: stop). A key that does not begin with the prefix, a negative size and
 * more objects than were asked for are refused here, for all callers (-ERR_CORRUPT). *ret_token is
 * the next page's, heap, NULL: the last. */
int s3_list_result(const struct s3_call *c, bool (*fn)(const struct s3_object *o, void *userdata),
		   void *userdata, char **ret_token, struct err *reterr) MUSTCHECK;

struct s3_part {
	char etag[S3_ETAG_MAX];
	char sha256[S3_CHECKSUM_MAX];
	int64_t size; /* of s3_list_parts_result */
};
/* The etag that a put or a part was given. */
int s3_etag_result(const struct s3_call *c, char etag[S3_ETAG_MAX], struct err *reterr) MUSTCHECK;
void s3_multipart_create(struct s3_call *c, const struct s3_bucket *b, const char *key,
			 int64_t part_bytes, const char *made_of);
int s3_multipart_create_result(const struct s3_call *c, char id[S3_UPLOAD_ID_MAX],
			       struct err *reterr) MUSTCHECK;
void s3_upload_part(struct s3_call *c, const struct s3_bucket *b, const char *key, const char *id,
		    int number, const struct s3_body *body);
/* parts[0] is number 1. */
void s3_multipart_complete(struct s3_call *c, const struct s3_bucket *b, const char *key,
			   const char *id, const struct s3_part *parts, int n);
/* A good status with an error in its body is a failure. */
int s3_multipart_complete_result(const struct s3_call *c, struct err *reterr) MUSTCHECK;
void s3_multipart_abort(struct s3_call *c, const struct s3_bucket *b, const char *key,
			const char *id);
/* after: the last number of the page before, 0 for the first. Fills parts[number - 1] for numbers
 * up to n; *ret_after: where to go on, 0: that was all. */
void s3_list_parts(struct s3_call *c, const struct s3_bucket *b, const char *key, const char *id,
		   int after);
int s3_list_parts_result(const struct s3_call *c, struct s3_part *parts, int n, int *ret_after,
			 struct err *reterr) MUSTCHECK;
/* Multipart uploads under way below a prefix; markers NULL: the first page. */
void s3_list_uploads(struct s3_call *c, const struct s3_bucket *b, const char *prefix,
		     const char *key_marker, const char *id_marker);
/* fn (false: stop) for each that may be ours (SHA-256 checksums, or not said), those of one key in
 * the order in which they were started. The next page's markers are heap, NULL: that was all. */
int s3_list_uploads_result(const struct s3_call *c,
			   bool (*fn)(const char *key, const char *id, void *userdata),
			   void *userdata, char **ret_key, char **ret_id,
			   struct err *reterr) MUSTCHECK;

void s3_head_bucket(struct s3_call *c, const struct s3_bucket *b);
/* "" when the service does not say. */
void s3_head_bucket_result(const struct s3_call *c, char region[AWS_REGION_MAX]);
void s3_create_bucket(struct s3_call *c, const struct s3_bucket *b, const char *region);

/* 32 bytes in hex → base64, as checksums are sent. */
void s3_base64_of_hex(const char *hex, char ret[S3_CHECKSUM_MAX]);
void s3_base64(const unsigned char *data, size_t len, char *ret, size_t size);
