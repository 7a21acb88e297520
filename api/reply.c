/* SPDX-License-Identifier: MIT */
/*
 * Builds replies with libmicrohttpd: JSON, bytes, files, streams, problems, ETags. The only place
 * that maps an error of a lower layer to an HTTP status. The server's threads run this.
 */
#include "api/reply.h"

#include "api/routes.h"
#include "base/log.h"
#include "base/own.h"
#include "base/str.h"

#include <inttypes.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <string.h>

#define STREAM_BLOCK  16384
#define DETAIL_MAX    1024
#define RETRY_AFTER_S 1

/* Set `response` (NULL: memory is out) as the request's reply. */
static void set_response(struct request *rq, unsigned status, struct MHD_Response *response,
			 const char *type)
{
	if (rq->response)
		MHD_destroy_response(rq->response);
	rq->response = response;
	rq->status = status;
	if (!response)
		return;
	if (type)
		reply_header(rq, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	reply_header(rq, "X-Content-Type-Options", "nosniff");
	reply_header(rq, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
}

void reply_header(struct request *rq, const char *name, const char *value)
{
	if (rq->response)
		MHD_add_response_header(rq->response, name, value);
}

void reply_header_int(struct request *rq, const char *name, int64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, value);
	reply_header(rq, name, text);
}

void reply_bytes(struct request *rq, unsigned status, const char *type, char *data, size_t len)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(len, data, MHD_RESPMEM_MUST_FREE);

	if (!response)
		free(data);
	rq->reply_bytes = len;
	set_response(rq, status, response, type);
}

void reply_empty(struct request *rq, unsigned status)
{
	reply_bytes(rq, status, NULL, NULL, 0);
}

static void reply_json_typed(struct request *rq, unsigned status, const char *type, json_t *body)
{
	char *line = body ? json_line(body) : NULL;

	json_decref(body);
	if (line)
		reply_bytes(rq, status, type, line, strlen(line));
	else
		set_response(rq, 500, NULL, NULL);
}

void reply_json(struct request *rq, unsigned status, json_t *body)
{
	reply_json_typed(rq, status, "application/json", body);
}

void reply_json_text(struct request *rq, unsigned status, struct buf *body)
{
	size_t len;
	char *text;

	buf_puts(body, "\n");
	len = body->len;
	text = buf_take(body);
	if (text) {
		reply_bytes(rq, status, "application/json", text, len);
		return;
	}
	buf_done(body);
	set_response(rq, 500, NULL, NULL);
}

void reply_file(struct request *rq, unsigned status, const char *type, int fd, uint64_t offset,
		uint64_t len)
{
	struct MHD_Response *response = MHD_create_response_from_fd_at_offset64(len, fd, offset);

	if (!response)
		close(fd);
	set_response(rq, status, response, type);
}

static ssize_t stream_read(void *cls, uint64_t pos, char *buf, size_t max)
{
	struct stream *s = cls;
	ssize_t n = s->read(s, buf, max);

	if (n == STREAM_END)
		return MHD_CONTENT_READER_END_OF_STREAM;
	return n == STREAM_ABORT ? MHD_CONTENT_READER_END_WITH_ERROR : n;
}

static void stream_free(void *cls)
{
	struct stream *s = cls;

	s->free(s);
}

void reply_stream(struct request *rq, unsigned status, const char *type, struct stream *s)
{
	struct MHD_Response *response = MHD_create_response_from_callback(
		MHD_SIZE_UNKNOWN, STREAM_BLOCK, stream_read, s, stream_free);

	if (!response)
		s->free(s);
	set_response(rq, status, response, type);
}

/* Map a problem to one of SageMaker's few error types. */
static void problem_sagemaker(struct request *rq, unsigned status, const char *detail)
{
	if (status == 503)
		reply_sagemaker(rq, 503, "ServiceUnavailable", NULL, "%s", detail);
	else if (status >= 500)
		reply_sagemaker(rq, 500, "InternalFailure", NULL, "%s", detail);
	else
		reply_sagemaker(rq, 400, "ValidationError", NULL, "%s", detail);
}

__attribute__((format(printf, 5, 0))) static void problem(struct request *rq, unsigned status,
							  const char *code, json_t *errors,
							  const char *fmt, va_list ap)
{
	char detail[DETAIL_MAX], type[64];
	json_t *body;

	str_vexcerptf(detail, sizeof(detail), fmt, ap);
	if (rq->route && rq->route->sagemaker) {
		json_decref(errors);
		problem_sagemaker(rq, status, detail);
		return;
	}
	str_must_format(type, sizeof(type), "urn:trainyard:%s", code);
	body = json_pack("{s:s, s:s, s:i, s:s}", "type", type, "title",
			 MHD_get_reason_phrase_for(status), "status", (int)status, "detail",
			 str_utf8_valid(detail, strlen(detail))
				 ? detail
				 : "the request is not valid UTF-8; send UTF-8 text");
	if (errors)
		json_object_set_new(body, "errors", errors);
	reply_json_typed(rq, status, "application/problem+json", body);
	if (status == 503 || status == 429)
		reply_header_int(rq, MHD_HTTP_HEADER_RETRY_AFTER, RETRY_AFTER_S);
}

void reply_problem(struct request *rq, unsigned status, const char *code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	problem(rq, status, code, NULL, fmt, ap);
	va_end(ap);
}

void reply_problems(struct request *rq, unsigned status, const char *code, json_t *errors,
		    const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	problem(rq, status, code, errors, fmt, ap);
	va_end(ap);
}

void reply_sagemaker(struct request *rq, unsigned status, const char *type, json_t *more,
		     const char *fmt, ...)
{
	char message[DETAIL_MAX];
	json_t *body = more ? more : json_object();
	va_list ap;

	va_start(ap, fmt);
	str_vexcerptf(message, sizeof(message), fmt, ap);
	va_end(ap);
	json_object_set_new(body, "Message", json_string(message));
	reply_json(rq, status, body);
	reply_header(rq, "x-amzn-ErrorType", type);
	if (status == 503 || status == 429)
		reply_header_int(rq, MHD_HTTP_HEADER_RETRY_AFTER, RETRY_AFTER_S);
}

void reply_error(struct request *rq, int r, const struct err *e)
{
	static const struct {
		int r;
		unsigned status;
		const char *code;
	} known[] = {
		{-ERR_INVALID, 400, "invalid_parameter"},
		{-ERR_NOT_FOUND, 404, "not_found"},
		{-ERR_EXISTS, 409, "exists"},
		{-ERR_CONFLICT, 409, "conflict"},
		{-ERR_LIMIT, 503, "busy"},
		{-ERR_UNSUPPORTED, 422, "unsupported"},
		{-ERR_GONE, 410, "gone"},
		{-ERR_PRUNED, 410, "pruned"},
		{-ERR_REMOVED, 410, "removed_outside"},
		{-ERR_UNAVAILABLE, 503, "unavailable"},
		{-ERR_STALE, 503, "unavailable"},
		{-ERR_REUSED, 422, "idempotency_key_reused"},
		{-ETIMEDOUT, 504, "timed_out"},
		{-EMFILE, 503, "busy"},
		{-ENFILE, 503, "busy"},
		{-ENOSPC, 507, "disk_full"},
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (known[i].r == r) {
			reply_problem(rq, known[i].status, known[i].code, "%s", e->msg);
			return;
		}
	}
	log_event(LOG_LEVEL_ERROR, "api_error", "method=%s uri=%.200s msg=\"%s\"", rq->method,
		  rq->uri ? rq->uri : "", e->msg);
	reply_problem(rq, 500, "internal", "%s", e->msg);
}

/* True if `etag` (with quotes, without W/) is in an If-None-Match list, or the list is "*". */
static bool etag_listed(const char *list, const char *etag)
{
	size_t n = strlen(etag);

	while (*list) {
		size_t len;

		list += strspn(list, " \t,");
		if (*list == '*')
			return true;
		if (str_starts(list, "W/"))
			list += 2;
		len = strcspn(list, ", \t");
		if (len == n && memcmp(list, etag, n) == 0)
			return true;
		list += len;
	}
	return false;
}

bool reply_etag(struct request *rq, const char *etag)
{
	const char *have = request_header(rq, MHD_HTTP_HEADER_IF_NONE_MATCH);
	char quoted[128], weak[132];
	bool same;

	str_must_format(quoted, sizeof(quoted), "\"%s\"", etag);
	str_must_format(weak, sizeof(weak), "W/%s", quoted);
	same = have && str_eq(rq->method, "GET") && etag_listed(have, quoted);
	if (same)
		reply_empty(rq, MHD_HTTP_NOT_MODIFIED);
	if (rq->response)
		reply_header(rq, MHD_HTTP_HEADER_ETAG, weak);
	return same;
}

void reply_item(struct request *rq, json_t *item)
{
	char etag[96];

	str_must_format(etag, sizeof(etag), "%s-%" PRId64, store_reader_generation(rq->reader),
			json_get_int(item, "seq", 0));
	reply_json(rq, 200, item);
	reply_etag(rq, etag);
}

int reply_send(struct request *rq)
{
	enum MHD_Result r;

	if (!rq->response)
		return -1;
	r = MHD_queue_response(rq->connection, rq->status, rq->response);
	MHD_destroy_response(rq->response);
	rq->response = NULL;
	return r == MHD_YES ? 0 : -1;
}
