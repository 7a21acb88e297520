/* SPDX-License-Identifier: MIT */
/* Requests to S3. s3_reply.c reads the answers. */
#include "aws/s3.h"

#include "base/own.h"
#include "base/percent.h"
#include "base/str.h"

#include <string.h>

#define QUERY_MAX (8 << 10)
#define BODY_MAX  (4 << 20)
#define XMLNS	  "http://s3.amazonaws.com/doc/2006-03-01/"
#define OLD_PLACE "us-east-1" /* the one region that CreateBucket must not name */
#define ATTEMPTS  8	      /* attempts of a call whose failure would lose a long transfer */

int s3_parse_uri(const char *uri, struct s3_place *ret, struct err *reterr)
{
	const char *rest = uri + strlen("s3://");
	size_t n;

	if (!str_starts(uri, "s3://"))
		return err_set(reterr, ERR_INVALID,
			       "'%s' is not an S3 address; write s3://BUCKET/KEY", uri);
	n = strcspn(rest, "/");
	if (n < 3 || n >= sizeof(ret->bucket))
		return err_set(reterr, ERR_INVALID,
			       "'%s' names no bucket; write s3://BUCKET/KEY, where BUCKET has 3 to "
			       "63 characters",
			       uri);
	memcpy(ret->bucket, rest, n);
	ret->bucket[n] = '\0';
	if (!str_copy(ret->key, sizeof(ret->key), rest[n] ? rest + n + 1 : ""))
		return err_set(reterr, ERR_INVALID, "the key of '%.64s…' is longer than %d bytes",
			       uri, S3_KEY_MAX);
	return 0;
}

/* ---- parts of a request ---- */

static void add_header(struct s3_call *c, const char *name, const char *value)
{
	size_t n = c->call.headers_n;

	if (!value || n >= ARRAY_LEN(c->headers))
		return;
	str_must_format(c->headers[n], sizeof(c->headers[n]), "%s: %s", name, value);
	c->call.headers[c->call.headers_n++] = c->headers[n];
}

static void add_header_int(struct s3_call *c, const char *name, int64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)value);
	add_header(c, name, text);
}

static void begin(struct s3_call *c, const char *operation, const char *method,
		  const struct s3_bucket *b, const char *key)
{
	void (*done)(struct aws_call *) = c->call.done;
	void *userdata = c->call.userdata;

	memset(c, 0, sizeof(*c));
	aws_call_init(&c->call, AWS_S3, operation);
	c->call.done = done;
	c->call.userdata = userdata;
	c->call.method = method;
	c->call.region = b->region;
	c->call.bucket = b->name;
	c->call.key = key;
	c->call.attempts_max = ATTEMPTS;
	add_header(c, "x-amz-expected-bucket-owner", b->owner);
}

/* ---- the query: names in order, values escaped ---- */

static void query_add(struct buf *q, const char *name, const char *value)
{
	buf_printf(q, "%s%s=", q->len ? "&" : "", name);
	if (percent_encode(q, value ? value : "", "") < 0)
		q->failed = true;
}

static void query_add_int(struct buf *q, const char *name, int64_t value)
{
	buf_printf(q, "%s%s=%lld", q->len ? "&" : "", name, (long long)value);
}

static void query_set(struct s3_call *c, struct buf *q)
{
	c->query = buf_take(q);
	c->call.query = c->query;
}

static void upload_query(struct s3_call *c, const char *id, int number)
{
	OWN(buf_done) struct buf q = BUF_INIT(QUERY_MAX);

	if (number)
		query_add_int(&q, "partNumber", number);
	query_add(&q, "uploadId", id);
	query_set(c, &q);
}

static void set_body(struct s3_call *c, const struct s3_body *body)
{
	char sum[S3_CHECKSUM_MAX];

	c->call.body = body->data;
	c->call.read_body = body->data ? NULL : body->read;
	c->call.body_len = body->len;
	c->call.payload_hash = body->sha256_hex;
	s3_base64_of_hex(body->sha256_hex, sum);
	add_header(c, "x-amz-sdk-checksum-algorithm", "SHA256");
	add_header(c, "x-amz-checksum-sha256", sum);
}

static void set_kept(struct s3_call *c, const struct s3_bucket *b, int64_t part_bytes,
		     const char *made_of)
{
	if (b->kms_key && *b->kms_key) {
		add_header(c, "x-amz-server-side-encryption", "aws:kms");
		if (asprintf(&c->kms_header, "x-amz-server-side-encryption-aws-kms-key-id: %s",
			     b->kms_key) < 0)
			abort();
		c->call.headers[c->call.headers_n++] = c->kms_header;
	}
	if (part_bytes)
		add_header_int(c, "x-amz-meta-trainyard-part-bytes", part_bytes);
	add_header(c, "x-amz-meta-trainyard-made-of", made_of);
}

/* ---- objects ---- */

void s3_head_object(struct s3_call *c, const struct s3_bucket *b, const char *key)
{
	begin(c, "HeadObject", "HEAD", b, key);
	add_header(c, "x-amz-checksum-mode", "ENABLED");
}

void s3_get_object(struct s3_call *c, const struct s3_bucket *b, const char *key, int64_t offset,
		   int64_t length, const char *etag,
		   bool (*on_data)(struct net_request *rq, const char *data, size_t len))
{
	char range[64];

	begin(c, "GetObject", "GET", b, key);
	if (length >= 0)
		snprintf(range, sizeof(range), "bytes=%lld-%lld", (long long)offset,
			 (long long)(offset + length - 1));
	else
		snprintf(range, sizeof(range), "bytes=%lld-", (long long)offset);
	if (length >= 0 || offset > 0)
		add_header(c, "Range", range);
	else
		add_header(c, "x-amz-checksum-mode", "ENABLED");
	add_header(c, "If-Match", etag);
	c->call.on_data = on_data;
}

void s3_put_object(struct s3_call *c, const struct s3_bucket *b, const char *key,
		   const struct s3_body *body, const char *made_of)
{
	begin(c, "PutObject", "PUT", b, key);
	set_kept(c, b, 0, made_of);
	set_body(c, body);
}

void s3_list(struct s3_call *c, const struct s3_bucket *b, const char *prefix,
	     const char *delimiter, const char *token, int max)
{
	OWN(buf_done) struct buf q = BUF_INIT(QUERY_MAX);

	begin(c, "ListObjectsV2", "GET", b, NULL);
	if (token)
		query_add(&q, "continuation-token", token);
	if (delimiter)
		query_add(&q, "delimiter", delimiter);
	str_must_copy(c->prefix, sizeof(c->prefix), prefix);
	c->max = max;
	query_add(&q, "encoding-type", "url");
	query_add_int(&q, "list-type", 2);
	query_add_int(&q, "max-keys", max);
	query_add(&q, "prefix", prefix);
	query_set(c, &q);
}

/* ---- multipart ---- */

void s3_multipart_create(struct s3_call *c, const struct s3_bucket *b, const char *key,
			 int64_t part_bytes, const char *made_of)
{
	begin(c, "CreateMultipartUpload", "POST", b, key);
	c->call.query = "uploads=";
	add_header(c, "x-amz-checksum-algorithm", "SHA256");
	set_kept(c, b, part_bytes, made_of);
}

void s3_upload_part(struct s3_call *c, const struct s3_bucket *b, const char *key, const char *id,
		    int number, const struct s3_body *body)
{
	begin(c, "UploadPart", "PUT", b, key);
	upload_query(c, id, number);
	set_body(c, body);
}

void s3_multipart_complete(struct s3_call *c, const struct s3_bucket *b, const char *key,
			   const char *id, const struct s3_part *parts, int n)
{
	OWN(buf_done) struct buf body = BUF_INIT(BODY_MAX);

	begin(c, "CompleteMultipartUpload", "POST", b, key);
	upload_query(c, id, 0);
	buf_puts(&body, "<CompleteMultipartUpload xmlns=\"" XMLNS "\">");
	for (int i = 0; i < n; i++) {
		buf_puts(&body, "<Part>");
		if (*parts[i].sha256)
			buf_printf(&body, "<ChecksumSHA256>%s</ChecksumSHA256>", parts[i].sha256);
		buf_printf(&body, "<ETag>%s</ETag><PartNumber>%d</PartNumber></Part>",
			   parts[i].etag, i + 1);
	}
	buf_puts(&body, "</CompleteMultipartUpload>");
	c->call.body_len = body.len;
	c->body = buf_take(&body);
	c->call.body = c->body;
	add_header(c, "Content-Type", "application/xml");
}

void s3_multipart_abort(struct s3_call *c, const struct s3_bucket *b, const char *key,
			const char *id)
{
	begin(c, "AbortMultipartUpload", "DELETE", b, key);
	upload_query(c, id, 0);
}

void s3_list_parts(struct s3_call *c, const struct s3_bucket *b, const char *key, const char *id,
		   int after)
{
	OWN(buf_done) struct buf q = BUF_INIT(QUERY_MAX);

	begin(c, "ListParts", "GET", b, key);
	if (after)
		query_add_int(&q, "part-number-marker", after);
	query_add(&q, "uploadId", id);
	query_set(c, &q);
}

void s3_list_uploads(struct s3_call *c, const struct s3_bucket *b, const char *prefix,
		     const char *key_marker, const char *id_marker)
{
	OWN(buf_done) struct buf q = BUF_INIT(QUERY_MAX);

	begin(c, "ListMultipartUploads", "GET", b, NULL);
	query_add(&q, "encoding-type", "url");
	if (key_marker)
		query_add(&q, "key-marker", key_marker);
	query_add(&q, "prefix", prefix);
	if (id_marker)
		query_add(&q, "upload-id-marker", id_marker);
	query_add(&q, "uploads", "");
	query_set(c, &q);
}

/* ---- buckets ---- */

void s3_head_bucket(struct s3_call *c, const struct s3_bucket *b)
{
	begin(c, "HeadBucket", "HEAD", b, NULL);
}

void s3_create_bucket(struct s3_call *c, const struct s3_bucket *b, const char *region)
{
	OWN(buf_done) struct buf body = BUF_INIT(BODY_MAX);
	struct s3_bucket anyone = {.name = b->name, .region = region};

	begin(c, "CreateBucket", "PUT", &anyone, NULL);
	if (str_eq(region, OLD_PLACE))
		return;
	buf_printf(&body,
		   "<CreateBucketConfiguration xmlns=\"" XMLNS "\"><LocationConstraint>%s"
		   "</LocationConstraint></CreateBucketConfiguration>",
		   region);
	c->call.body_len = body.len;
	c->body = buf_take(&body);
	c->call.body = c->body;
	add_header(c, "Content-Type", "application/xml");
}

/* ---- the call itself ---- */

void s3_call_done(struct s3_call *c)
{
	aws_call_done(&c->call);
	free(c->query);
	free(c->body);
	free(c->kms_header);
	c->query = c->body = c->kms_header = NULL;
}

int s3_wait(struct aws *a, struct s3_call *c, struct err *reterr)
{
	return aws_wait(a, &c->call, reterr);
}
