/* SPDX-License-Identifier: MIT */
/*
 * Builds the canonical request (path, query, headers), the string to sign and the signature, and
 * adds the signed headers to the request.
 */
#include "aws/sigv4.h"

#include "base/hash.h"
#include "base/own.h"
#include "base/percent.h"
#include "base/str.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ALGORITHM     "AWS4-HMAC-SHA256"
#define DATE_LEN      17 /* bytes of 20260131T235959Z and NUL */
#define HEADERS_MAX   64
#define PAIRS_MAX     256
#define CANONICAL_MAX (256 << 10)

/* Never signed, because proxies may change them (botocore/auth.py, SIGNED_HEADERS_BLACKLIST). */
static const char *const unsigned_headers[] = {
	"connection",
	"expect",
	"keep-alive",
	"proxy-authenticate",
	"proxy-authorization",
	"te",
	"trailer",
	"transfer-encoding",
	"upgrade",
	"user-agent",
	"x-amzn-trace-id",
};

/* ---- the canonical path ---- */

/* Remove dot segments and double slashes, like botocore's normalize_url_path. */
static int normalised_path(struct buf *out, const char *path)
{
	const char *starts[1024];
	size_t lens[1024], n = 0;
	bool slash_end = path[0] && path[strlen(path) - 1] == '/';

	for (const char *p = path; *p;) {
		size_t len = strcspn(p, "/");

		if (len == 2 && memcmp(p, "..", 2) == 0)
			n -= n > 0;
		else if (len > 0 && !(len == 1 && *p == '.')) {
			if (n == ARRAY_LEN(starts))
				return -E2BIG;
			starts[n] = p;
			lens[n++] = len;
		}
		p += len + (p[len] == '/');
	}
	for (size_t i = 0; i < n; i++)
		buf_printf(out, "/%.*s", (int)lens[i], starts[i]);
	if (n == 0 || slash_end)
		buf_puts(out, "/");
	return out->failed ? -ENOBUFS : 0;
}

static int canonical_path(struct buf *out, const struct sigv4_request *rq)
{
	OWN(buf_done) struct buf path = BUF_INIT(64 << 10);
	int r;

	if (rq->s3)
		return buf_puts(out, rq->path[0] ? rq->path : "/");
	r = normalised_path(&path, rq->path);
	return r < 0 ? r : percent_encode(out, buf_str(&path), "/");
}

/* ---- the canonical query ---- */

struct pair {
	const char *key, *value;
	size_t key_len, value_len;
};

static int compare_bytes(const char *a, size_t a_len, const char *b, size_t b_len)
{
	int c = memcmp(a, b, a_len < b_len ? a_len : b_len);

	return c ? c : (a_len > b_len) - (a_len < b_len);
}

static int compare_pairs(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;
	int c = compare_bytes(x->key, x->key_len, y->key, y->key_len);

	return c ? c : compare_bytes(x->value, x->value_len, y->value, y->value_len);
}

/* Sort the query, which is already escaped, by keys, then by values. */
static int canonical_query(struct buf *out, const char *query)
{
	struct pair pairs[PAIRS_MAX];
	size_t n = 0;

	while (*query) {
		size_t len = strcspn(query, "&");
		const char *eq = memchr(query, '=', len);
		struct pair *p = &pairs[n];

		if (n == PAIRS_MAX)
			return -E2BIG;
		if (len > 0) {
			p->key = query;
			p->key_len = eq ? (size_t)(eq - query) : len;
			p->value = eq ? eq + 1 : query + len;
			p->value_len = len - p->key_len - (eq != NULL);
			n++;
		}
		query += len + (query[len] == '&');
	}
	qsort(pairs, n, sizeof(pairs[0]), compare_pairs);
	for (size_t i = 0; i < n; i++)
		buf_printf(out, "%s%.*s=%.*s", i ? "&" : "", (int)pairs[i].key_len, pairs[i].key,
			   (int)pairs[i].value_len, pairs[i].value);
	return out->failed ? -ENOBUFS : 0;
}

/* ---- the canonical headers ---- */

struct header {
	char name[128]; /* lower case */
	const char *value;
	size_t at; /* order as given, for headers of the same name */
};

static bool is_signed(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(unsigned_headers); i++)
		if (str_eq(name, unsigned_headers[i]))
			return false;
	return true;
}

static int compare_headers(const void *a, const void *b)
{
	const struct header *x = a, *y = b;
	int c = strcmp(x->name, y->name);

	return c ? c : (x->at > y->at) - (x->at < y->at);
}

static int add_header(struct header *list, size_t *n, const char *name, const char *value)
{
	struct header *h = &list[*n];
	size_t len = strlen(name);

	if (*n == HEADERS_MAX || len >= sizeof(h->name))
		return -E2BIG;
	for (size_t i = 0; i <= len; i++)
		h->name[i] = (char)tolower((unsigned char)name[i]);
	if (!is_signed(h->name))
		return 0;
	h->value = value;
	h->at = (*n)++;
	return 0;
}

/* Write the value without outer blanks, each inner run as one space. */
static void put_value(struct buf *out, const char *value)
{
	bool blank = false, begun = false;

	for (; *value; value++) {
		if (*value == ' ' || *value == '\t' || *value == '\n' || *value == '\r') {
			blank = true;
			continue;
		}
		if (blank && begun)
			buf_puts(out, " ");
		blank = false;
		begun = true;
		buf_put(out, value, 1);
	}
}

/* Collect all signed headers, sorted: the caller's and those of the signature. */
static int collect_headers(const struct sigv4_request *rq, const struct aws_keys *keys,
			   const char *date, const char *payload, struct header *list,
			   size_t *ret_n)
{
	size_t n = 0;
	int r = add_header(list, &n, "host", rq->host);

	for (size_t i = 0; r >= 0 && i < rq->headers_n; i++)
		r = add_header(list, &n, rq->headers[i].name, rq->headers[i].value);
	if (r >= 0)
		r = add_header(list, &n, "x-amz-date", date);
	if (r >= 0 && keys->token[0])
		r = add_header(list, &n, "x-amz-security-token", keys->token);
	if (r >= 0 && rq->s3)
		r = add_header(list, &n, "x-amz-content-sha256", payload);
	qsort(list, n, sizeof(list[0]), compare_headers);
	*ret_n = n;
	return r;
}

static void put_headers(struct buf *out, const struct header *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool again = i > 0 && str_eq(list[i].name, list[i - 1].name);

		if (again)
			buf_puts(out, ",");
		else
			buf_printf(out, "%s%s:", i ? "\n" : "", list[i].name);
		put_value(out, list[i].value);
	}
	buf_puts(out, "\n\n");
}

static void put_names(struct buf *out, const struct header *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (i == 0 || !str_eq(list[i].name, list[i - 1].name))
			buf_printf(out, "%s%s", i ? ";" : "", list[i].name);
}

/* ---- signing ---- */

struct signing {
	char date[DATE_LEN];
	char payload[HASH_HEX_LEN];
	struct header headers[HEADERS_MAX];
	size_t headers_n;
};

static int prepare(const struct sigv4_request *rq, const struct aws_keys *keys, struct signing *s,
		   struct err *reterr)
{
	time_t at = (time_t)(rq->now_us / 1000000);
	struct tm tm;
	int r;

	gmtime_r(&at, &tm);
	strftime(s->date, sizeof(s->date), "%Y%m%dT%H%M%SZ", &tm);
	if (rq->payload_hash)
		str_must_copy(s->payload, sizeof(s->payload), rq->payload_hash);
	else
		hash_bytes(rq->body ? rq->body : "", rq->body_len, s->payload);
	r = collect_headers(rq, keys, s->date, s->payload, s->headers, &s->headers_n);
	return r < 0 ? err_set(reterr, ERR_LIMIT,
			       "a request to AWS has more than %d headers, or one with too long a "
			       "name",
			       HEADERS_MAX)
		     : 0;
}

static int canonical(const struct sigv4_request *rq, const struct signing *s, struct buf *ret,
		     struct err *reterr)
{
	int r;

	buf_printf(ret, "%s\n", rq->method);
	r = canonical_path(ret, rq);
	buf_puts(ret, "\n");
	if (r >= 0)
		r = canonical_query(ret, rq->query ? rq->query : "");
	buf_puts(ret, "\n");
	put_headers(ret, s->headers, s->headers_n);
	put_names(ret, s->headers, s->headers_n);
	buf_printf(ret, "\n%s", s->payload);
	return r < 0 || !buf_ok(ret)
		       ? err_set(reterr, ERR_LIMIT, "a request to AWS is too long to be signed")
		       : 0;
}

int sigv4_canonical(const struct sigv4_request *rq, const struct aws_keys *keys, struct buf *ret,
		    struct err *reterr)
{
	struct signing s;
	int r = prepare(rq, keys, &s, reterr);

	return r < 0 ? r : canonical(rq, &s, ret, reterr);
}

static void mac(const unsigned char *key, size_t key_len, const char *text, unsigned char *ret)
{
	unsigned int len = 32;

	if (!HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)text, strlen(text), ret,
		  &len))
		abort(); /* fails only if memory is out */
}

static void signature(const struct sigv4_request *rq, const struct aws_keys *keys, const char *date,
		      const char *text, char hex[HASH_HEX_LEN])
{
	unsigned char a[32], b[32];
	char first[sizeof(keys->secret) + 4], day[9];

	str_must_format(first, sizeof(first), "AWS4%s", keys->secret);
	str_must_format(day, sizeof(day), "%.8s", date);
	mac((const unsigned char *)first, strlen(first), day, a);
	mac(a, sizeof(a), rq->region, b);
	mac(b, sizeof(b), rq->service, a);
	mac(a, sizeof(a), "aws4_request", b);
	mac(b, sizeof(b), text, a);
	for (size_t i = 0; i < sizeof(a); i++)
		snprintf(hex + 2 * i, 3, "%02x", a[i]);
	OPENSSL_cleanse(first, sizeof(first));
}

static void put_lines(struct buf *lines, const struct sigv4_request *rq,
		      const struct aws_keys *keys, const struct signing *s, const char *scope,
		      const char *hex)
{
	buf_printf(lines, "X-Amz-Date: %s\n", s->date);
	if (keys->token[0])
		buf_printf(lines, "X-Amz-Security-Token: %s\n", keys->token);
	if (rq->s3)
		buf_printf(lines, "X-Amz-Content-SHA256: %s\n", s->payload);
	buf_printf(lines, "Authorization: " ALGORITHM " Credential=%s/%s, SignedHeaders=", keys->id,
		   scope);
	put_names(lines, s->headers, s->headers_n);
	buf_printf(lines, ", Signature=%s\n", hex);
}

int sigv4_sign(const struct sigv4_request *rq, const struct aws_keys *keys, struct buf *lines,
	       struct err *reterr)
{
	OWN(buf_done) struct buf text = BUF_INIT(CANONICAL_MAX);
	OWN(buf_done) struct buf to_sign = BUF_INIT(1024);
	char scope[256], hex[HASH_HEX_LEN];
	struct signing s;
	int r = prepare(rq, keys, &s, reterr);

	if (r >= 0)
		r = canonical(rq, &s, &text, reterr);
	if (r < 0)
		return r;
	str_must_format(scope, sizeof(scope), "%.8s/%s/%s/aws4_request", s.date, rq->region,
			rq->service);
	hash_bytes(text.data, text.len, hex);
	buf_printf(&to_sign, ALGORITHM "\n%s\n%s\n%s", s.date, scope, hex);
	signature(rq, keys, s.date, buf_str(&to_sign), hex);
	put_lines(lines, rq, keys, &s, scope, hex);
	return buf_ok(lines) ? 0 : err_set(reterr, ERR_LIMIT, "the signed headers are too long");
}
