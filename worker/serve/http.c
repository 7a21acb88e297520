/* SPDX-License-Identifier: MIT */
/*
 * The callbacks of libmicrohttpd. A request's connection is suspended while its rows are with the
 * batcher.
 */
#include "worker/serve/http.h"

#include "base/clock.h"
#include "base/own.h"
#include "base/str.h"
#include "worker/serve/listen.h"
#include "worker/serve/payload_csv.h"
#include "worker/serve/tokens.h"

#include <microhttpd.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#define CONNECTION_MEMORY (32 << 10)
#define BUSY_RETRY_S	  "1"
#define DRAIN_LOOK_MS	  5
#define TEXT_JSON	  "application/json"
#define TEXT_CSV	  "text/csv"

struct endpoint {
	struct serving with;
	int work_at;
	char name[64];
	struct MHD_Daemon *daemon;
	struct tokenizer_scratch *scratch; /* of the HTTP thread */
	int64_t bodies;			   /* bytes being received; HTTP thread only */
	atomic_int calls;		   /* requests that have not been answered */
	atomic_int asleep;		   /* of them: suspended connections */
	atomic_bool stopping;
};

/* One request. The HTTP thread owns it, except while the batcher has its job. */
struct call {
	struct endpoint *endpoint;
	struct MHD_Connection *connection;
	struct buf body;
	struct payload payload;
	struct tokens tokens;
	struct batcher_job job;
	int status;  /* 0: no answer yet */
	char *reply; /* owned; NULL if memory is out */
	bool waiting;
	bool csv_body, csv_answer; /* else JSON */
};

static void reply_json(struct call *c, int status, json_t *j)
{
	free(c->reply);
	c->reply = j ? json_text(j) : NULL;
	c->status = c->reply ? status : 500;
	json_decref(j);
}

static void reply_error(struct call *c, int status, const struct err *e)
{
	json_t *j = json_pack("{ss}", "error", e->msg);

	if (j && e->field[0])
		json_object_set_new(j, "field", json_string(e->field));
	reply_json(c, status, j);
}

static void __attribute__((format(printf, 3, 4)))
reply_text(struct call *c, int status, const char *fmt, ...)
{
	struct err e = {0};
	va_list ap;

	va_start(ap, fmt);
	str_vexcerptf(e.msg, sizeof(e.msg), fmt, ap);
	va_end(ap);
	reply_error(c, status, &e);
}

/* Takes over `answers`. */
static void reply_answers(struct call *c, json_t *answers)
{
	if (!c->csv_answer || !answers) {
		reply_json(c, 200, answers);
		return;
	}
	c->reply = payload_csv_answer(answers);
	c->status = c->reply ? 200 : 500;
	json_decref(answers);
}

static int status_of(int r)
{
	switch (-r) {
	case ERR_INVALID:
		return 400;
	case ERR_LIMIT:
		return 413;
	case ERR_DEVICE_OOM:
	case ENOMEM:
		return 507;
	case ERR_UNAVAILABLE:
		return 503;
	default:
		return 500;
	}
}

/* On the inference thread. */
static void http_on_answer(struct batcher_job *job)
{
	struct call *c = job->userdata;

	MHD_resume_connection(c->connection);
}

static void finish_answer(struct call *c)
{
	c->waiting = false;
	atomic_fetch_sub(&c->endpoint->asleep, 1);
	if (c->job.result < 0)
		reply_error(c, status_of(c->job.result), &c->job.err);
	else
		reply_answers(
			c, payload_answer(&c->payload, c->job.logits, &c->endpoint->with.labels));
}

/* Give the tokens to the batcher and suspend the connection. True if it is suspended. The
 * connection is suspended first, because the answer may come at once. */
static bool hand_over(struct call *c)
{
	struct endpoint *p = c->endpoint;
	size_t n = c->payload.rows_n * (size_t)p->with.labels.n;
	struct err e;
	int r;

	c->job = (struct batcher_job){.batch = c->tokens.batch,
				      .logits = calloc(n + 1, sizeof(float)),
				      .done = http_on_answer,
				      .userdata = c};
	if (!c->job.logits) {
		reply_text(c, 507, "out of memory");
		return false;
	}
	if (c->payload.rows_n == 0) {
		reply_answers(c, json_array());
		return false;
	}
	c->waiting = true;
	atomic_fetch_add(&p->asleep, 1);
	MHD_suspend_connection(c->connection);
	r = batcher_put(p->with.batcher, &c->job, &e);
	if (r < 0) {
		c->waiting = false;
		atomic_fetch_sub(&p->asleep, 1);
		reply_error(c, r == -ERR_LIMIT ? 429 : status_of(r), &e);
		MHD_resume_connection(c->connection);
	}
	return true;
}

static void body_release(struct call *c)
{
	c->endpoint->bodies -= (int64_t)c->body.len;
	buf_done(&c->body);
}

/* Answer a complete body. True if the connection is suspended now. */
static bool invoke(struct call *c)
{
	struct endpoint *p = c->endpoint;
	size_t max = p->with.max_tokens;
	struct err e = {0};
	int r = (c->csv_body ? payload_parse_csv : payload_parse)(buf_str(&c->body), c->body.len,
								  &c->payload, &e);

	body_release(c);
	if (r >= 0 && c->csv_answer)
		r = payload_check_csv_answer(&c->payload, &e);
	if (r >= 0) {
		if (c->payload.max_length && (size_t)c->payload.max_length < max)
			max = (size_t)c->payload.max_length;
		r = tokens_make(&c->tokens, p->with.tokenizer, p->scratch, c->payload.rows,
				c->payload.rows_n, max, &e);
	}
	if (r < 0) {
		reply_error(c, r == -ERR_LIMIT ? 400 : status_of(r), &e);
		return false;
	}
	payload_drop_texts(&c->payload);
	return hand_over(c);
}

/* True if a header gives this media type; *ret_any: it gives none, or any. */
static bool header_is(struct call *c, const char *header, const char *media, bool *ret_any)
{
	const char *type = MHD_lookup_connection_value(c->connection, MHD_HEADER_KIND, header);
	size_t n = type ? strcspn(type, ";, ") : 0;

	*ret_any = !n || strncmp(type, "*/*", n) == 0;
	return n == strlen(media) && strncasecmp(type, media, n) == 0;
}

/* True if the body's type is known. Other answers than CSV are JSON, whatever is accepted. */
static bool read_types(struct call *c)
{
	bool any;

	c->csv_answer = header_is(c, MHD_HTTP_HEADER_ACCEPT, TEXT_CSV, &any);
	c->csv_body = header_is(c, MHD_HTTP_HEADER_CONTENT_TYPE, TEXT_CSV, &any);
	return c->csv_body || any || header_is(c, MHD_HTTP_HEADER_CONTENT_TYPE, TEXT_JSON, &any);
}

static int64_t body_announced(struct call *c)
{
	const char *text = MHD_lookup_connection_value(c->connection, MHD_HEADER_KIND,
						       MHD_HTTP_HEADER_CONTENT_LENGTH);
	int64_t n;

	return text && str_to_i64(text, &n) >= 0 ? n : 0;
}

/* Check what the request line and the headers can refuse. */
static void check_head(struct call *c, const char *url, const char *method)
{
	bool ping = str_eq(url, "/ping"), stopping = atomic_load(&c->endpoint->stopping);

	if (!ping && !str_eq(url, "/invocations"))
		reply_text(c, 404, "there is no path '%.100s'; use /ping or /invocations", url);
	else if (!str_eq(method, ping ? "GET" : "POST"))
		reply_text(c, 405, "%s takes %s", url, ping ? "GET" : "POST");
	else if (stopping)
		reply_text(c, 503, "the server is stopping");
	else if (ping)
		reply_json(c, 200, json_pack("{ss}", "status", "Healthy"));
	else if (!read_types(c))
		reply_text(c, 415, "the content type must be " TEXT_JSON " or " TEXT_CSV);
	else if (body_announced(c) > ENDPOINT_BODY_MAX)
		reply_text(c, 413, "the body is larger than %d bytes, the limit",
			   ENDPOINT_BODY_MAX);
}

static void take_body(struct call *c, const char *data, size_t len)
{
	if (c->status)
		return; /* read to its end, not kept */
	if (c->endpoint->bodies + (int64_t)len > ENDPOINT_BODIES_MAX) {
		body_release(c);
		reply_text(c, 429, "too many requests are being received; try again later");
	} else if (buf_put(&c->body, data, len) < 0) {
		body_release(c);
		reply_text(c, 413, "the body is larger than %d bytes, the limit",
			   ENDPOINT_BODY_MAX);
	} else {
		c->endpoint->bodies += (int64_t)len;
	}
}

static enum MHD_Result send_reply(struct call *c)
{
	static char memory[] = "{\"error\":\"out of memory\"}";
	char *text = c->reply ? TAKE(c->reply) : memory;
	struct MHD_Response *response = MHD_create_response_from_buffer(
		strlen(text), text,
		text == memory ? MHD_RESPMEM_PERSISTENT : MHD_RESPMEM_MUST_FREE);
	enum MHD_Result r;

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
				c->csv_answer && c->status == 200 ? TEXT_CSV : TEXT_JSON);
	if (c->status == 429)
		MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, BUSY_RETRY_S);
	if (c->status == 405)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, POST");
	r = MHD_queue_response(c->connection, (unsigned)c->status, response);
	MHD_destroy_response(response);
	return r;
}

static struct call *call_new(struct endpoint *p, struct MHD_Connection *connection)
{
	struct call *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->endpoint = p;
	c->connection = connection;
	buf_init(&c->body, ENDPOINT_BODY_MAX);
	atomic_fetch_add(&p->calls, 1);
	return c;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *data,
				  size_t *data_len, void **con_cls)
{
	struct call *c = *con_cls;

	if (!c) {
		c = *con_cls = call_new(cls, connection);
		if (!c)
			return MHD_NO;
		check_head(c, url, method);
		/* An answer before the end of the body closes the connection, and a client that
		 * still writes may never see the answer. */
		return c->status && body_announced(c) > ENDPOINT_DISCARD_MAX ? send_reply(c)
									     : MHD_YES;
	}
	if (*data_len) {
		take_body(c, data, *data_len);
		*data_len = 0;
		return MHD_YES;
	}
	if (c->waiting)
		finish_answer(c);
	else if (!c->status && invoke(c))
		return MHD_YES;
	return send_reply(c);
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
			 enum MHD_RequestTerminationCode cause)
{
	struct call *c = *con_cls;

	if (!c)
		return;
	body_release(c);
	payload_done(&c->payload);
	tokens_done(&c->tokens);
	free(c->job.logits);
	free(c->reply);
	atomic_fetch_sub(&c->endpoint->calls, 1);
	free(c);
	*con_cls = NULL;
}

static void endpoint_free(struct endpoint *p)
{
	tokenizer_scratch_free(p->scratch);
	free(p);
}

int endpoint_start(const struct serving *serving, int work_at, const char *name,
		   struct endpoint **ret, struct err *reterr)
{
	struct endpoint *p = calloc(1, sizeof(*p));
	int fd = -1;

	if (!p || !(p->scratch = tokenizer_scratch_new())) {
		free(p);
		return err_errno(reterr, ENOMEM, "start the server");
	}
	p->with = *serving;
	p->work_at = work_at;
	str_must_copy(p->name, sizeof(p->name), name);
	fd = serve_listen(work_at, name, reterr);
	if (fd < 0) {
		endpoint_free(p);
		return fd;
	}
	p->daemon = MHD_start_daemon(
		MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC, 0, NULL,
		NULL, on_request, p, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED,
		on_completed, p, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)ENDPOINT_CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)ENDPOINT_IDLE_TIMEOUT_S, MHD_OPTION_END);
	if (!p->daemon) {
		close(fd);
		endpoint_free(p);
		return err_errno(reterr, errno ? errno : EIO, "start the server");
	}
	*ret = p;
	return 0;
}

void endpoint_stop(struct endpoint *p)
{
	int64_t deadline_us = clock_mono_us() + ENDPOINT_DRAIN_MAX_MS * USEC_PER_MSEC;
	struct timespec look = {.tv_nsec = DRAIN_LOOK_MS * 1000000L};
	int fd;

	if (!p)
		return;
	atomic_store(&p->stopping, true);
	unlinkat(p->work_at, p->name, 0);
	fd = MHD_quiesce_daemon(p->daemon);
	while (atomic_load(&p->calls) > 0 && clock_mono_us() < deadline_us)
		nanosleep(&look, NULL);
	batcher_abandon(p->with.batcher);
	while (atomic_load(&p->asleep) > 0) /* libmicrohttpd requires none at its end */
		nanosleep(&look, NULL);
	MHD_stop_daemon(p->daemon);
	if (fd >= 0)
		close(fd);
	endpoint_free(p);
}
