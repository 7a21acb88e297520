/* SPDX-License-Identifier: MIT */
/*
 * S3's operations as calls of aws/client.h. s3_*() fills a call, the caller sends it (aws_send() or
 * s3_wait()), s3_*_result() reads the answer. No state; one thread at a time uses a call. Public
 * reference: botocore data/s3/2006-03-01/service-2.json.
 */
#pragma once

#include "aws/client.h"
#include "base/hash.h"

#include <stdbool.h>
#include <stdint.h>

#define S3_KEY_MAX	   1024	    /* bytes of a key */
#define S3_OBJECTS_MAX	   10000000 /* objects of one list, over all pages */
/* A page without an object has a token if everything on it was deleted. */
#define S3_EMPTY_PAGES_MAX 1000
#define S3_ETAG_MAX	   128
#define S3_UPLOAD_ID_MAX   1024
#define S3_CHECKSUM_MAX	   64 /* base64, with the "-N" of a composite checksum */
#define S3_PARTS_MAX	   10000
#define S3_PART_BYTES_MIN  (INT64_C(5) << 20) /* of every part but the last */
#define S3_PART_BYTES_MAX  (INT64_C(5) << 30)
#define S3_LIST_MAX	   1000 /* entries of one page */
#define S3_URI_MAX	   (S3_KEY_MAX + 80)

/* The meaning of a failed call, in addition to the client's kind and err. */
enum s3_problem {
	S3_FINE,
	S3_NO_BUCKET,
	S3_OTHER_REGION,
	S3_DENIED, /* also: the bucket does not belong to the expected account */
	S3_CREDENTIALS,
	S3_NO_KEY,    /* after a HEAD the bucket may be missing, too */
	S3_NO_UPLOAD, /* the multipart upload has ended */
	S3_ARCHIVED,  /* in a storage class that needs a restore first */
	S3_CHANGED,   /* If-Match failed: the object was replaced */
	S3_EXISTS,    /* another account owns a bucket of that name */
	S3_FAILED,    /* any other failure */
};

struct s3_place {
	char bucket[64];
	char key[S3_KEY_MAX + 1]; /* "": the bucket */
};
/* Parse "s3://bucket/key". -ERR_INVALID, with a sentence. */
int s3_parse_uri(const char *uri, struct s3_place *ret, struct err *reterr) MUSTCHECK;

struct s3_bucket { /* texts are borrowed while calls are under way */
	const char *name;
	const char *region;  /* NULL: that of the configuration; the client finds the true one */
	const char *owner;   /* id of the account that must own it; NULL: any */
	const char *kms_key; /* for new objects; NULL: the bucket's default */
};

struct s3_call {
	struct aws_call call; /* call.done and call.userdata are the caller's */
	char *query, *body, *kms_header;
	char headers[12][320];
	char prefix[S3_KEY_MAX + 1]; /* of a list */
	int max;
};

void s3_call_done(
	struct s3_call *c); /* frees it; it may then be filled again; all zero is allowed */
/* Send and wait; not on the net thread. Returns call.result. */
int s3_wait(struct aws *a, struct s3_call *c, struct err *reterr) MUSTCHECK;
enum s3_problem s3_problem_of(const struct s3_call *c);

struct s3_object {
	char key[S3_KEY_MAX + 1]; /* of a list */
	int64_t size;
	char etag[S3_ETAG_MAX]; /* with its quotes */
	int64_t modified_us;
	/* of a HEAD or GET; "": the service has none */
	char sha256[S3_CHECKSUM_MAX], crc32[S3_CHECKSUM_MAX], crc64nvme[S3_CHECKSUM_MAX];
	int64_t part_bytes;	    /* part size of an upload of ours; 0: not known */
	char made_of[HASH_HEX_LEN]; /* hash of the sources of a made object (tar.gz); "": none */
};

/* A body: bytes, or a function as read_body of aws_call. */
struct s3_body {
	const void *data;
	ssize_t (*read)(struct net_request *rq, char *data, size_t size, size_t offset);
	size_t len;
	const char *sha256_hex; /* signed, and kept by S3 as the object's checksum */
};

void s3_head_object(struct s3_call *c, const struct s3_bucket *b, const char *key);
/* length < 0: to the end; with offset 0 the whole object. etag NULL: any version of the object. */
void s3_get_object(struct s3_call *c, const struct s3_bucket *b, const char *key, int64_t offset,
		   int64_t length, const char *etag,
		   bool (*on_data)(struct net_request *rq, const char *data, size_t len));
/* Read the answer to a HEAD or GET: size (of the whole object, also after a ranged GET), etag,
 * checksums, metadata. */
int s3_object_result(const struct s3_call *c, struct s3_object *ret, struct err *reterr) MUSTCHECK;
void s3_put_object(struct s3_call *c, const struct s3_bucket *b, const char *key,
		   const struct s3_body *body, const char *made_of);

/* token NULL: the first page. delimiter NULL: all keys below the prefix. */
void s3_list(struct s3_call *c, const struct s3_bucket *b, const char *prefix,
	     const char *delimiter, const char *token, int max);
/* A list over all its pages. All zero: before the first page. */
struct s3_pages {
	char *token;		   /* of the next page; NULL: there is none */
	char last[S3_KEY_MAX + 1]; /* key of the newest object */
	int64_t objects;
	int empty; /* pages without an object, one after the other */
};

void s3_pages_done(struct s3_pages *pages);
/* Call fn for each object of a page; false stops. pages->token is then that of the next page.
 * -ERR_CORRUPT: a key without the prefix, or one that is not behind the key before (S3 sorts by
 * bytes). Also: no usable size, more objects than requested, or a list that goes on without a
 * token. Also: S3_EMPTY_PAGES_MAX pages without an object. -ERR_LIMIT beyond S3_OBJECTS_MAX. */
int s3_list_result(const struct s3_call *c, bool (*fn)(const struct s3_object *o, void *userdata),
		   void *userdata, struct s3_pages *pages, struct err *reterr) MUSTCHECK;

struct s3_part {
	char etag[S3_ETAG_MAX];
	char sha256[S3_CHECKSUM_MAX];
	int64_t size; /* filled by s3_list_parts_result() */
};
/* Read the etag of a new object or part. */
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
/* Also fails if a good status has an error in its body. */
int s3_multipart_complete_result(const struct s3_call *c, struct err *reterr) MUSTCHECK;
void s3_multipart_abort(struct s3_call *c, const struct s3_bucket *b, const char *key,
			const char *id);
/* `after`: last part number of the page before; 0: the first page. Fills parts[number - 1] for
 * numbers up to n. *ret_after: for the next page; 0: this is the last. */
void s3_list_parts(struct s3_call *c, const struct s3_bucket *b, const char *key, const char *id,
		   int after);
int s3_list_parts_result(const struct s3_call *c, struct s3_part *parts, int n, int *ret_after,
			 struct err *reterr) MUSTCHECK;
/* List multipart uploads under way below a prefix. Markers NULL: the first page. */
void s3_list_uploads(struct s3_call *c, const struct s3_bucket *b, const char *prefix,
		     const char *key_marker, const char *id_marker);
/* Call fn (false stops) for each upload that may be ours: with SHA-256 checksums, or without a
 * statement. Uploads of one key come in the order of their start. free() the next page's markers;
 * NULL: this is the last. */
int s3_list_uploads_result(const struct s3_call *c,
			   bool (*fn)(const char *key, const char *id, void *userdata),
			   void *userdata, char **ret_key, char **ret_id,
			   struct err *reterr) MUSTCHECK;

void s3_head_bucket(struct s3_call *c, const struct s3_bucket *b);
/* Read the bucket's region; "": the service does not name it. */
void s3_head_bucket_result(const struct s3_call *c, char region[AWS_REGION_MAX]);
void s3_create_bucket(struct s3_call *c, const struct s3_bucket *b, const char *region);

/* Encode 32 bytes in hex as base64, the form of checksums in headers. */
void s3_base64_of_hex(const char *hex, char ret[S3_CHECKSUM_MAX]);
void s3_base64(const unsigned char *data, size_t len, char *ret, size_t size);
