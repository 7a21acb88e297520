/* SPDX-License-Identifier: MIT */
/*
 * The checks of a request's head, in this order: each header, the framing of the body, the
 * encoding, the origin, and the length of the body. The first failure replies and ends the checks.
 */
#include "api/head.h"

#include "api/guard.h"
#include "api/reply.h"
#include "api/routes.h"
#include "base/own.h"
#include "base/str.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* A repeated header has two meanings: different readers would choose different ones (RFC 9112,
 * 11.2). */
static const char *const single[] = {
	"Host",		"Content-Length",   "Transfer-Encoding",
	"Content-Type", "Content-Encoding", "Content-Range",
	"Origin",	"Expect",	    "Authorization",
	"Range",	"Idempotency-Key",
};

struct headers {
	struct request *rq;
	size_t n, bytes;
	unsigned seen[ARRAY_LEN(single)];
};

static void refuse(struct request *rq, unsigned status, const char *code, const char *text)
{
	rq->abrupt = true;
	reply_problem(rq, status, code, "%s", text);
	reply_header(rq, "Connection", "close");
}

/* True for a token of RFC 9110, 5.6.2. */
static bool is_token(const char *s)
{
	static const char marks[] = "!#$%&'*+-.^_`|~";
	const char *c;

	for (c = s; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr(marks, *c))
			return false;
	return c > s;
}

static bool has_control(const char *s)
{
	for (; *s; s++)
		if (((unsigned char)*s < ' ' && *s != '\t') || *s == 0x7f)
			return true;
	return false;
}

/* Returns false if an error was replied. */
static bool on_header(const char *name, const char *value, void *userdata)
{
	struct headers *h = userdata;
	char text[128];

	h->n++;
	h->bytes += strlen(name) + strlen(value);
	if (h->n > HEAD_HEADERS_MAX || h->bytes > HEAD_BYTES_MAX) {
		snprintf(text, sizeof(text),
			 "the request has too many headers; send at most %d headers of %d bytes "
			 "together",
			 HEAD_HEADERS_MAX, HEAD_BYTES_MAX);
		refuse(h->rq, 431, "headers_too_large", text);
		return false;
	}
	if (!is_token(name)) {
		refuse(h->rq, 400, "invalid_header",
		       "the name of a header contains a character that HTTP does not allow; remove "
		       "the character");
		return false;
	}
	for (size_t i = 0; i < ARRAY_LEN(single); i++) {
		if (strcasecmp(name, single[i]) != 0 || h->seen[i]++ == 0)
			continue;
		str_excerptf(text, sizeof(text), "the header '%s' appears twice; send it once",
			     single[i]);
		refuse(h->rq, 400, "invalid_header", text);
		return false;
	}
	if (!has_control(value))
		return true;
	str_excerptf(text, sizeof(text),
		     "the header '%.40s' contains a control character; remove the character", name);
	refuse(h->rq, 400, "invalid_header", text);
	return false;
}

/* Refuse a request whose end of the body is uncertain. */
static bool check_framing(struct request *rq)
{
	const char *coding = request_header(rq, "Transfer-Encoding");
	const char *length = request_header(rq, "Content-Length");
	int64_t n;

	if (coding && length)
		refuse(rq, 400, "invalid_header",
		       "the request has both Transfer-Encoding and Content-Length; send one of "
		       "them");
	else if (coding && strcasecmp(coding, "chunked") != 0)
		refuse(rq, 400, "invalid_header",
		       "the Transfer-Encoding is not supported; use 'chunked'");
	else if (length && (str_to_i64(length, &n) < 0 || n < 0))
		refuse(rq, 400, "invalid_header", "Content-Length must be a number of bytes");
	else
		return true;
	return false;
}

static bool check_encoding(struct request *rq)
{
	const char *encoding = request_header(rq, "Content-Encoding");

	if (!encoding || strcasecmp(encoding, "identity") == 0)
		return true;
	reply_problem(rq, 415, "unsupported_media_type",
		      "'Content-Encoding: %.40s' is not supported; send the body unencoded",
		      encoding);
	return false;
}

static bool check_origin(struct request *rq)
{
	const char *host = request_header(rq, "Host");
	const char *origin = request_header(rq, "Origin");

	if (host ? !guard_host_valid(host) : !rq->old) {
		refuse(rq, 400, "invalid_header", "the Host header must be NAME or NAME:PORT");
		return false;
	}
	if (!rq->local && !guard_host_ok(host, rq->api->host)) {
		reply_problem(rq, 403, "forbidden_host",
			      "the Host header '%.100s' does not name this machine; use %s",
			      host ? host : "", rq->api->url);
		return false;
	}
	if (!str_eq(rq->method, "GET") && !guard_origin_ok(origin, host)) {
		reply_problem(rq, 403, "forbidden_origin",
			      "a web page of '%.100s' may not send this request; use a page of "
			      "this host, or a client that sends no Origin header",
			      origin);
		return false;
	}
	return true;
}

int64_t head_body_length(const struct request *rq)
{
	const char *text = request_header(rq, "Content-Length");
	int64_t n;

	if (request_header(rq, "Transfer-Encoding"))
		return -1;
	return text && str_to_i64(text, &n) >= 0 ? n : 0;
}

bool head_body_too_large(struct request *rq, size_t max)
{
	if (!max)
		reply_problem(rq, 400, "unexpected_body", "%s %s takes no body; send none",
			      rq->method, rq->route->pattern);
	else
		reply_problem(
			rq, 413, "too_large",
			"the body is larger than %zu bytes, the limit of this request; send a "
			"smaller one",
			max);
	return false;
}

static bool check_body(struct request *rq)
{
	const char *type = request_header(rq, "Content-Type");
	size_t max = route_body_max(rq->route, rq->api->body_max_bytes);
	int64_t len = head_body_length(rq);

	buf_init(&rq->body, max);
	if (!len)
		return true;
	if (!max || (len > 0 && (uint64_t)len > max))
		return head_body_too_large(rq, max);
	if (!check_encoding(rq))
		return false;
	if (rq->route->body == BODY_RAW || guard_type_is_json(type))
		return true;
	reply_problem(rq, 415, "unsupported_media_type",
		      "the body must be sent with 'Content-Type: application/json', not %s%.80s%s",
		      type ? "'" : "", type ? type : "without one", type ? "'" : "");
	return false;
}

void head_check(struct request *rq)
{
	struct headers h = {.rq = rq};

	if (rq->response) { /* the first line was refused; nothing else is checked */
		rq->abrupt = true;
		reply_header(rq, "Connection", "close");
		return;
	}
	if (rq->conn->crowded) {
		reply_problem(rq, 503, "busy", "%s has too many open connections; close some",
			      rq->conn->peer);
		reply_header(rq, "Connection", "close");
		return;
	}
	if (!request_headers(rq, on_header, &h) || !check_framing(rq))
		return;
	if (api_stopping(rq->api)) {
		reply_problem(rq, 503, "stopping",
			      "the daemon is stopping; try again when it runs again");
		return;
	}
	if (check_origin(rq) && routes_find(rq) && routes_check_params(rq) && check_body(rq))
		rq->step = rq->route->handler;
}
