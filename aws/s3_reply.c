/* SPDX-License-Identifier: MIT */
/* S3's answers: the meaning of a failure, the headers of an object, XML lists. */
#include "aws/s3.h"
#include "aws/xml.h"
#include "base/clock.h"
#include "base/own.h"
#include "base/percent.h"
#include "base/str.h"

#include <string.h>
#include <time.h>

enum s3_problem s3_problem_of(const struct s3_call *c)
{
	static const struct {
		const char *code;
		enum s3_problem problem;
	} codes[] = {
		{"NoSuchBucket", S3_NO_BUCKET},
		{"NoSuchKey", S3_NO_KEY},
		{"NoSuchUpload", S3_NO_UPLOAD},
		{"InvalidObjectState", S3_ARCHIVED},
		{"PreconditionFailed", S3_CHANGED},
		{"PermanentRedirect", S3_OTHER_REGION},
		{"AuthorizationHeaderMalformed", S3_OTHER_REGION},
		{"IllegalLocationConstraintException", S3_OTHER_REGION},
		{"BucketAlreadyExists", S3_EXISTS},
	};
	const struct aws_call *a = &c->call;

	if (a->result >= 0)
		return S3_FINE;
	for (size_t i = 0; i < ARRAY_LEN(codes); i++)
		if (str_eq(a->code, codes[i].code))
			return codes[i].problem;
	if (a->status == 412)
		return S3_CHANGED;
	if (a->status == 301)
		return S3_OTHER_REGION;
	if (a->status == 404)
		return a->key ? S3_NO_KEY : S3_NO_BUCKET;
	if (a->kind == AWS_ERROR_CREDENTIALS)
		return S3_CREDENTIALS;
	if (a->kind == AWS_ERROR_DENIED || a->status == 403)
		return S3_DENIED;
	return S3_FAILED;
}

/* ---- texts ---- */

void s3_base64(const unsigned char *data, size_t len, char *ret, size_t size)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t at = 0;

	for (size_t i = 0; i < len && at + 5 <= size; i += 3) {
		unsigned b = (unsigned)data[i] << 16;

		if (i + 1 < len)
			b |= (unsigned)data[i + 1] << 8;
		if (i + 2 < len)
			b |= data[i + 2];
		ret[at++] = digits[b >> 18];
		ret[at++] = digits[b >> 12 & 63];
		ret[at++] = i + 1 < len ? digits[b >> 6 & 63] : '=';
		ret[at++] = i + 2 < len ? digits[b & 63] : '=';
	}
	ret[at] = '\0';
}

void s3_base64_of_hex(const char *hex, char ret[S3_CHECKSUM_MAX])
{
	unsigned char bytes[32];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)str_hex_byte(hex + 2 * i);
	s3_base64(bytes, sizeof(bytes), ret, S3_CHECKSUM_MAX);
}

/* ---- headers ---- */

static void header(const struct s3_call *c, const char *name, char *ret, size_t size)
{
	if (!net_reply_header(&c->call.http, name, ret, size))
		*ret = '\0';
}

static int64_t header_int(const struct s3_call *c, const char *name)
{
	char text[32];
	int64_t v;

	header(c, name, text, sizeof(text));
	return str_to_i64(text, &v) < 0 ? 0 : v;
}

static int64_t header_date(const struct s3_call *c)
{
	struct tm tm = {0};
	char text[64];

	header(c, "Last-Modified", text, sizeof(text));
	if (!strptime(text, "%a, %d %b %Y %H:%M:%S", &tm))
		return 0;
	return (int64_t)timegm(&tm) * USEC_PER_SEC;
}

/* Complete the checksums of an object in parts; its ETag has the number of parts. Its SHA-256 is
 * one over the parts' checksums, "B64-N"; some services leave N to the ETag. Its CRC-32 may be the
 * same, or one of the whole if the service says so. */
static void complete_sums(struct s3_object *o, const char *type)
{
	const char *dash = strchr(o->etag, '-');
	size_t n = strlen(o->sha256);

	if (!dash)
		return;
	if (n && !strchr(o->sha256, '-') &&
	    !str_format(o->sha256 + n, sizeof(o->sha256) - n, "%.*s", (int)strcspn(dash, "\""),
			dash))
		*o->sha256 = '\0'; /* no number of parts has so many digits */
	if (!strchr(o->crc32, '-') && !str_eq(type, "FULL_OBJECT"))
		*o->crc32 = '\0';
}

int s3_object_result(const struct s3_call *c, struct s3_object *ret, struct err *reterr)
{
	char range[96], type[32];
	const char *whole;

	memset(ret, 0, sizeof(*ret));
	header(c, "ETag", ret->etag, sizeof(ret->etag));
	header(c, "x-amz-checksum-sha256", ret->sha256, sizeof(ret->sha256));
	header(c, "x-amz-checksum-crc32", ret->crc32, sizeof(ret->crc32));
	header(c, "x-amz-checksum-crc64nvme", ret->crc64nvme, sizeof(ret->crc64nvme));
	header(c, "x-amz-meta-trainyard-made-of", ret->made_of, sizeof(ret->made_of));
	header(c, "x-amz-checksum-type", type, sizeof(type));
	complete_sums(ret, type);
	ret->part_bytes = header_int(c, "x-amz-meta-trainyard-part-bytes");
	ret->modified_us = header_date(c);
	header(c, "Content-Range", range, sizeof(range));
	whole = strchr(range, '/');
	if (!whole || str_to_i64(whole + 1, &ret->size) < 0)
		ret->size = header_int(c, "Content-Length");
	if (!*ret->etag || ret->size < 0)
		return err_set(reterr, ERR_CORRUPT, "%s: the answer has no ETag",
			       c->call.operation);
	return 0;
}

int s3_etag_result(const struct s3_call *c, char etag[S3_ETAG_MAX], struct err *reterr)
{
	header(c, "ETag", etag, S3_ETAG_MAX);
	if (!*etag)
		return err_set(reterr, ERR_CORRUPT, "%s: the answer has no ETag",
			       c->call.operation);
	return 0;
}

void s3_head_bucket_result(const struct s3_call *c, char region[AWS_REGION_MAX])
{
	header(c, "x-amz-bucket-region", region, AWS_REGION_MAX);
}

/* ---- XML ---- */

/* Find the root element `name` of the answer. The caller frees *ret_doc. */
static int root_of(const struct s3_call *c, const char *name, const char *const *lists,
		   json_t **ret_doc, const json_t **ret, struct err *reterr)
{
	const struct buf *reply = &c->call.http.reply;
	int r = xml_parse(buf_str(reply), reply->len, lists, ret_doc, reterr);
	const json_t *error;

	if (r < 0)
		return err_ctx(reterr, r, "%s", c->call.operation);
	*ret = json_object_get(*ret_doc, name);
	error = json_object_get(*ret_doc, "Error");
	if (error)
		return err_set(reterr, EIO, "%s: %s: %s", c->call.operation,
			       json_get_str(error, "Code", "an error"),
			       json_get_str(error, "Message", ""));
	if (!*ret)
		return err_set(reterr, ERR_CORRUPT, "%s: the answer has no <%s>", c->call.operation,
			       name);
	return 0;
}

static int64_t text_int(const json_t *obj, const char *key)
{
	int64_t v;

	return str_to_i64(json_get_str(obj, key, ""), &v) < 0 ? 0 : v;
}

static bool is_truncated(const json_t *root)
{
	return str_eq(json_get_str(root, "IsTruncated", "false"), "true");
}

/* Half an ETag in If-Match would never match. */
static int long_etag(const char *operation, const char *key, struct err *reterr)
{
	return err_set(reterr, ERR_CORRUPT,
		       "%s: the ETag of '%s' has more than %d bytes; those of S3 have at most 40",
		       operation, key, S3_ETAG_MAX - 1);
}

void s3_pages_done(struct s3_pages *pages)
{
	free(pages->token);
	pages->token = NULL;
}

/* Read one object of a page and check it. */
static int read_object(const struct s3_call *c, const json_t *item, const struct s3_pages *pages,
		       struct s3_object *o, struct err *reterr)
{
	*o = (struct s3_object){0};
	if (!percent_decode(json_get_str(item, "Key", ""), true, o->key, sizeof(o->key)) ||
	    !*o->key)
		return err_set(reterr, ERR_CORRUPT,
			       "ListObjectsV2: the answer has a key that cannot be used");
	if (!str_starts(o->key, c->prefix) ||
	    str_to_i64(json_get_str(item, "Size", ""), &o->size) < 0 || o->size < 0)
		return err_set(
			reterr, ERR_CORRUPT,
			"ListObjectsV2: the answer has an object that was not asked for (the "
			"key does not begin with '%s', or the size is not a number of bytes)",
			c->prefix);
	if (strcmp(o->key, pages->last) <= 0)
		return err_set(
			reterr, ERR_CORRUPT,
			"ListObjectsV2: the list names '%s' after '%s': it is not sorted, or "
			"it begins again",
			o->key, pages->last);
	if (!str_copy(o->etag, sizeof(o->etag), json_get_str(item, "ETag", "")))
		return long_etag("ListObjectsV2", o->key, reterr);
	if (clock_parse(json_get_str(item, "LastModified", ""), &o->modified_us) < 0)
		o->modified_us = 0;
	return 0;
}

/* Find the token of the next page. */
static int read_token(const json_t *root, size_t n, struct s3_pages *pages, struct err *reterr)
{
	const char *token = json_get_str(root, "NextContinuationToken", "");

	pages->empty = n ? 0 : pages->empty + 1;
	if (!is_truncated(root))
		return 0;
	if (!*token || pages->empty == S3_EMPTY_PAGES_MAX)
		return err_set(reterr, ERR_CORRUPT, "ListObjectsV2: the list goes on, but %s",
			       *token ? "its pages have no objects" : "there is no token for it");
	pages->token = strdup(token);
	return pages->token ? 0 : err_errno(reterr, ENOMEM, "list the keys");
}

int s3_list_result(const struct s3_call *c, bool (*fn)(const struct s3_object *o, void *userdata),
		   void *userdata, struct s3_pages *pages, struct err *reterr)
{
	static const char *const lists[] = {"Contents", NULL};
	OWN(json_decrefp) json_t *doc = NULL;
	const json_t *root, *item;
	size_t i;
	int r = root_of(c, "ListBucketResult", lists, &doc, &root, reterr);

	s3_pages_done(pages);
	if (r < 0)
		return r;
	json_array_foreach(json_object_get(root, "Contents"), i, item) {
		struct s3_object o;

		if (i >= (size_t)c->max)
			return err_set(reterr, ERR_CORRUPT,
				       "ListObjectsV2: the page has more than %d objects", c->max);
		if (pages->objects == S3_OBJECTS_MAX)
			return err_set(reterr, ERR_LIMIT,
				       "s3://…/%s has more than %d objects; name a longer prefix",
				       c->prefix, S3_OBJECTS_MAX);
		r = read_object(c, item, pages, &o, reterr);
		if (r < 0)
			return r;
		pages->objects++;
		memcpy(pages->last, o.key, sizeof(pages->last));
		if (!fn(&o, userdata))
			return 0;
	}
	return read_token(root, i, pages, reterr);
}

int s3_multipart_create_result(const struct s3_call *c, char id[S3_UPLOAD_ID_MAX],
			       struct err *reterr)
{
	OWN(json_decrefp) json_t *doc = NULL;
	const json_t *root;
	int r = root_of(c, "InitiateMultipartUploadResult", NULL, &doc, &root, reterr);

	if (r < 0)
		return r;
	if (!str_copy(id, S3_UPLOAD_ID_MAX, json_get_str(root, "UploadId", "")) || !*id)
		return err_set(reterr, ERR_CORRUPT,
			       "CreateMultipartUpload: the answer has no usable UploadId");
	return 0;
}

int s3_multipart_complete_result(const struct s3_call *c, struct err *reterr)
{
	OWN(json_decrefp) json_t *doc = NULL;
	const json_t *root;

	return root_of(c, "CompleteMultipartUploadResult", NULL, &doc, &root, reterr);
}

int s3_list_parts_result(const struct s3_call *c, struct s3_part *parts, int n, int *ret_after,
			 struct err *reterr)
{
	static const char *const lists[] = {"Part", NULL};
	OWN(json_decrefp) json_t *doc = NULL;
	const json_t *root, *item;
	size_t i;
	int r = root_of(c, "ListPartsResult", lists, &doc, &root, reterr);

	*ret_after = 0;
	if (r < 0)
		return r;
	json_array_foreach(json_object_get(root, "Part"), i, item) {
		int64_t number = text_int(item, "PartNumber");
		struct s3_part *p;

		if (number < 1 || number > n)
			continue;
		p = &parts[number - 1];
		if (!str_copy(p->etag, sizeof(p->etag), json_get_str(item, "ETag", "")))
			return long_etag("ListParts", json_get_str(root, "Key", ""), reterr);
		if (!str_copy(p->sha256, sizeof(p->sha256),
			      json_get_str(item, "ChecksumSHA256", "")))
			p->sha256[0] = '\0'; /* no checksum: the part is sent again */
		p->size = text_int(item, "Size");
	}
	if (is_truncated(root))
		*ret_after = (int)text_int(root, "NextPartNumberMarker");
	return 0;
}

int s3_list_uploads_result(const struct s3_call *c,
			   bool (*fn)(const char *key, const char *id, void *userdata),
			   void *userdata, char **ret_key, char **ret_id, struct err *reterr)
{
	static const char *const lists[] = {"Upload", NULL};
	OWN(json_decrefp) json_t *doc = NULL;
	const json_t *root, *item;
	char key[S3_KEY_MAX + 1];
	size_t i;
	int r = root_of(c, "ListMultipartUploadsResult", lists, &doc, &root, reterr);

	*ret_key = *ret_id = NULL;
	if (r < 0)
		return r;
	json_array_foreach(json_object_get(root, "Upload"), i, item) {
		const char *algorithm = json_get_str(item, "ChecksumAlgorithm", "SHA256");
		const char *id = json_get_str(item, "UploadId", "");

		if (str_eq(algorithm, "SHA256") && *id && strlen(id) < S3_UPLOAD_ID_MAX &&
		    percent_decode(json_get_str(item, "Key", ""), true, key, sizeof(key)) &&
		    !fn(key, id, userdata))
			return 0;
	}
	if (!is_truncated(root))
		return 0;
	if (percent_decode(json_get_str(root, "NextKeyMarker", ""), true, key, sizeof(key)) &&
	    *key) {
		*ret_key = strdup(key);
		*ret_id = strdup(json_get_str(root, "NextUploadIdMarker", ""));
	}
	return 0;
}
