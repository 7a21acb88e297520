/* SPDX-License-Identifier: MIT */
/* A call as an HTTP request: JSON 1.1 (SageMaker, Logs), query (IAM, STS), REST (S3, runtime). */
#include "aws/internal.h"
#include "base/own.h"
#include "base/percent.h"
#include "base/pytext.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>

#define BODY_MAX   (16 << 20)
#define LINES_MAX  (64 << 10)
#define STALL_US   (INT64_C(60) * 1000000)
#define CALL_US	   (INT64_C(60) * 1000000)
#define LIST_DEPTH 8
#define NAME_MAX_  256 /* bytes of a parameter's name, "Tags.member.1.Key" */

static bool is_json(enum aws_service s)
{
	return s == AWS_SAGEMAKER || s == AWS_LOGS;
}

static bool is_query(enum aws_service s)
{
	return s == AWS_IAM || s == AWS_STS || s == AWS_CLOUDWATCH;
}

/* ---- bodies ---- */

static void put_parameter(struct buf *out, const char *name, const json_t *value, int depth);

static void put_members(struct buf *out, const char *name, const json_t *value, int depth)
{
	char inner[NAME_MAX_];
	const char *key;
	json_t *item;
	size_t i;

	json_array_foreach(value, i, item) {
		str_must_format(inner, sizeof(inner), "%s.member.%zu", name, i + 1);
		put_parameter(out, inner, item, depth + 1);
	}
	json_object_foreach((json_t *)value, key, item) {
		str_must_format(inner, sizeof(inner), "%s.%s", name, key);
		put_parameter(out, inner, item, depth + 1);
	}
}

/* Write a parameter: a list is Name.member.N, a structure Name.Key (botocore/serialize.py,
 * QuerySerializer). */
static void put_parameter(struct buf *out, const char *name, const json_t *value, int depth)
{
	char number[PY_FLOAT_LEN];

	if (json_is_null(value) || depth > LIST_DEPTH)
		return;
	if (json_is_array(value) || json_is_object(value)) {
		put_members(out, name, value, depth);
		return;
	}
	buf_printf(out, "&%s=", name);
	if (json_is_string(value))
		percent_encode(out, json_string_value(value), "");
	else if (json_is_integer(value))
		buf_printf(out, "%lld", (long long)json_integer_value(value));
	else if (json_is_boolean(value))
		buf_puts(out, json_is_true(value) ? "true" : "false");
	else
		buf_puts(out, py_float_repr(json_real_value(value), number));
}

static void make_form(struct inflight_call *f)
{
	static const char *const versions[AWS_SERVICES_] = {
		[AWS_IAM] = "2010-05-08",
		[AWS_STS] = "2011-06-15",
		[AWS_CLOUDWATCH] = "2010-08-01",
	};
	const struct aws_call *c = f->c;
	const char *key;
	json_t *value;

	buf_printf(&f->body, "Action=%s&Version=%s", c->operation, versions[c->service]);
	json_object_foreach((json_t *)c->input, key, value)
		put_parameter(&f->body, key, value, 0);
}

/* Make the body once per call: all attempts send the same bytes. */
static int make_body(struct inflight_call *f, struct err *reterr)
{
	OWN(freep) char *text = NULL;

	if (f->body.max)
		return 0;
	buf_init(&f->body, BODY_MAX);
	if (is_query(f->c->service)) {
		make_form(f);
	} else if (is_json(f->c->service)) {
		text = f->c->input ? json_text(f->c->input) : strdup("{}");
		buf_puts(&f->body, text ? text : "");
		f->body.failed |= !text;
	}
	return buf_ok(&f->body)
		       ? 0
		       : err_set(reterr, ERR_LIMIT, "the request has more than %d bytes", BODY_MAX);
}

/* ---- the address ---- */

/* Make f->url. The part between at.url and '?' is the path, as sent and as signed. */
static int make_url(struct inflight_call *f, struct err *reterr)
{
	const struct aws_call *c = f->c;

	buf_done(&f->url);
	buf_init(&f->url, NET_URL_MAX - 1);
	buf_printf(&f->url, "%s%s", f->at.url, f->at.base_path);
	if (c->service == AWS_RUNTIME) {
		buf_puts(&f->url, c->path ? c->path : "/");
	} else {
		if (c->bucket && f->at.path_style) {
			buf_puts(&f->url, "/");
			percent_encode(&f->url, c->bucket, "");
		}
		if (!c->bucket || !f->at.path_style || c->key)
			buf_puts(&f->url, "/");
		if (c->key)
			percent_encode(&f->url, c->key, "/");
	}
	if (c->query && c->query[0])
		buf_printf(&f->url, "?%s", c->query);
	return buf_ok(&f->url) ? 0
			       : err_set(reterr, ERR_LIMIT, "the address is longer than %d bytes",
					 NET_URL_MAX);
}

/* ---- headers ---- */

struct signing {
	struct sigv4_header headers[ARRAY_LEN(((struct aws_call *)0)->headers) + 2];
	size_t n;
	struct buf names; /* "Name\0" of each line of the caller */
	char target[128];
};

static void add_header(struct inflight_call *f, struct signing *s, const char *name,
		       const char *value)
{
	s->headers[s->n++] = (struct sigv4_header){name, value};
	buf_printf(&f->lines, "%s: %s\n", name, value);
}

/* Add the caller's header lines; at[i] is the start of name i in the copy. */
static int add_given(struct inflight_call *f, struct signing *s, struct err *reterr)
{
	const struct aws_call *c = f->c;
	size_t at[ARRAY_LEN(c->headers)];

	for (size_t i = 0; i < c->headers_n; i++) {
		const char *colon = strchr(c->headers[i], ':');

		if (!colon || colon == c->headers[i] || strpbrk(c->headers[i], "\r\n"))
			return err_set(reterr, ERR_INVALID,
				       "header %zu is not one line 'Name: "
				       "value'",
				       i + 1);
		at[i] = s->names.len;
		buf_put(&s->names, c->headers[i], (size_t)(colon - c->headers[i]));
		buf_put(&s->names, "", 1);
	}
	if (!buf_ok(&s->names))
		return err_set(reterr, ERR_LIMIT, "the names of the headers are too long together");
	for (size_t i = 0; i < c->headers_n; i++) {
		const char *value = strchr(c->headers[i], ':') + 1;

		add_header(f, s, s->names.data + at[i], value + strspn(value, " "));
	}
	return 0;
}

static void add_own(struct inflight_call *f, struct signing *s)
{
	const struct aws_call *c = f->c;

	if (is_json(c->service)) {
		str_must_format(s->target, sizeof(s->target), "%s.%s",
				c->service == AWS_LOGS ? "Logs_20140328" : "SageMaker",
				c->operation);
		add_header(f, s, "Content-Type", "application/x-amz-json-1.1");
		add_header(f, s, "X-Amz-Target", s->target);
	} else if (is_query(c->service)) {
		add_header(f, s, "Content-Type",
			   "application/x-www-form-urlencoded; charset=utf-8");
	}
}

static int sign(struct inflight_call *f, const struct signing *s, int64_t now_us,
		struct err *reterr)
{
	const struct net_request *http = &f->c->http;
	const char *rest = buf_str(&f->url) + strlen(f->at.url);
	OWN(freep) char *path = strndup(rest, strcspn(rest, "?"));
	const char *query = strchr(rest, '?');
	struct sigv4_request rq = {
		.method = http->method,
		.host = f->at.host,
		.path = path,
		.query = query ? query + 1 : "",
		.headers = s->headers,
		.headers_n = s->n,
		.body = http->body,
		.body_len = http->body ? http->body_len : 0,
		.payload_hash = f->c->payload_hash,
		.service = f->at.sign_service,
		.region = f->at.sign_region,
		.s3 = f->c->service == AWS_S3,
		.now_us = now_us,
	};

	if (!path)
		return err_errno(reterr, ENOMEM, "sign a request");
	if (f->c->read_body && !rq.payload_hash)
		rq.payload_hash = SIGV4_UNSIGNED_PAYLOAD;
	return sigv4_sign(&rq, &f->keys, &f->lines, reterr);
}

static int make_headers(struct inflight_call *f, int64_t now_us, struct err *reterr)
{
	struct signing s = {.names = BUF_INIT(LINES_MAX)};
	struct net_request *http = &f->c->http;
	char *rest, *line;
	int r;

	buf_done(&f->lines);
	buf_init(&f->lines, LINES_MAX);
	add_own(f, &s);
	r = add_given(f, &s, reterr);
	if (r == 0)
		r = sign(f, &s, now_us, reterr);
	buf_done(&s.names);
	if (r < 0)
		return r;
	buf_printf(&f->lines, "amz-sdk-invocation-id: %s\namz-sdk-request: attempt=%d; max=%d\n",
		   f->invocation, f->c->attempts, f->attempts_max);
	if (!buf_ok(&f->lines))
		return err_set(reterr, ERR_LIMIT, "the headers have more than %d bytes", LINES_MAX);
	rest = f->lines.data;
	while ((line = strsep(&rest, "\n"))) {
		if (!line[0])
			continue;
		if (http->headers_n == NET_HEADERS_MAX)
			return err_set(reterr, ERR_LIMIT, "the request has more than %d headers",
				       NET_HEADERS_MAX);
		http->headers[http->headers_n++] = line;
	}
	return 0;
}

/* ---- all of it ---- */

static void set_limits(struct aws_call *c)
{
	bool streams = c->service == AWS_S3 && (c->body_len || c->read_body || c->on_data);

	c->http.timeout_us = c->timeout_us ? c->timeout_us : streams ? 0 : CALL_US;
	c->http.stall_us = c->timeout_us > STALL_US ? c->timeout_us : STALL_US;
	c->http.reply_max = c->reply_max ? c->reply_max : AWS_REPLY_MAX;
}

int request_make(struct inflight_call *f, const char *region, int64_t now_us, struct err *reterr)
{
	struct aws_call *c = f->c;
	bool rest = !is_json(c->service) && !is_query(c->service);
	int r = aws_endpoint_of(f->aws->config, c->service, region, c->bucket, &f->at, reterr);

	if (r == 0)
		r = make_body(f, reterr);
	if (r == 0)
		r = make_url(f, reterr);
	if (r < 0)
		return r;
	net_request_done(&c->http);
	net_request_init(&c->http);
	c->http.method = rest ? (c->method ? c->method : "GET") : "POST";
	c->http.url = f->url.data;
	c->http.body = rest ? c->body : f->body.data;
	c->http.body_len = rest ? c->body_len : f->body.len;
	c->http.read_body = c->read_body;
	set_limits(c);
	return make_headers(f, now_us, reterr);
}
