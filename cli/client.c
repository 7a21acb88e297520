/* SPDX-License-Identifier: MIT */
/*
 * Requests of the command line client: paths, JSON bodies, and refusals as errors.
 */
#include "cli/client.h"

#include "base/own.h"
#include "base/percent.h"
#include "base/str.h"
#include "cli/show.h"

#include <stdarg.h>
#include <string.h>

#define ASK_TIMEOUT_MS 90000 /* longer than any long poll */

static void path_append(struct request_path *p, const char *text)
{
	size_t room = sizeof(p->text) - p->len, n = strlen(text);

	if (n >= room) {
		p->too_long = true;
		return;
	}
	memcpy(p->text + p->len, text, n + 1);
	p->len += n;
}

static void path_append_escaped(struct request_path *p, const char *text)
{
	struct buf b = BUF_INIT(CLI_PATH_MAX);

	if (percent_encode(&b, text, "") < 0)
		p->too_long = true;
	else
		path_append(p, buf_str(&b));
	buf_done(&b);
}

void request_path(struct request_path *p, const char *fmt, ...)
{
	va_list ap;
	int n;

	*p = (struct request_path){0};
	va_start(ap, fmt);
	n = vsnprintf(p->text, sizeof(p->text), fmt, ap);
	va_end(ap);
	p->too_long = n < 0 || (size_t)n >= sizeof(p->text);
	p->len = p->too_long ? 0 : (size_t)n;
}

void request_path_segment(struct request_path *p, const char *name)
{
	path_append(p, "/");
	path_append_escaped(p, name);
}

void request_path_param(struct request_path *p, const char *key, const char *value)
{
	if (!value)
		return;
	path_append(p, p->has_query ? "&" : "?");
	path_append(p, key);
	path_append(p, "=");
	path_append_escaped(p, value);
	p->has_query = true;
}

static int code_of_status(int status)
{
	switch (status) {
	case 404:
		return ERR_NOT_FOUND;
	case 409:
		return ERR_CONFLICT;
	case 410:
		return ERR_GONE;
	case 413:
		return ERR_LIMIT;
	case 429:
	case 502:
	case 503:
	case 504:
		return ERR_UNAVAILABLE;
	default:
		return ERR_INVALID;
	}
}

/* Turn problem+json into one error: its detail, then a line for each of several "errors" (a single
 * one is already in the detail). */
static int refused(const struct http_reply *reply, struct err *reterr)
{
	OWN(json_decrefp) json_t *problem = NULL;
	struct buf text = BUF_INIT(ERR_MSG_MAX - 1);
	const json_t *errors, *item;
	const char *detail;
	size_t i;
	int r;

	if (json_parse(buf_str(&reply->body), reply->body.len, &problem, NULL) < 0)
		return err_set(reterr, code_of_status(reply->status),
			       "the daemon answered with HTTP status %d and no sentence: %.200s",
			       reply->status, buf_str(&reply->body));
	detail = json_get_str(problem, "detail", json_get_str(problem, "title", "refused"));
	errors = json_object_get(problem, "errors");
	buf_puts(&text, detail);
	for (i = 0; json_array_size(errors) > 1 && (item = json_array_get(errors, i)); i++)
		buf_printf(&text, "\n  %s: %s", json_get_str(item, "pointer", ""),
			   json_get_str(item, "detail", ""));
	r = err_set(reterr, code_of_status(reply->status), "%s", buf_str(&text));
	buf_done(&text);
	return r;
}

static int take_answer(const struct cli *c, struct http_reply *reply, json_t **ret,
		       struct err *reterr)
{
	if (reply->status < 200 || reply->status >= 300)
		return refused(reply, reterr);
	if (!ret)
		return 0;
	if (reply->body.len == 0) {
		*ret = json_null();
		return 0;
	}
	return err_ctx(reterr, json_parse_nul(buf_str(&reply->body), reply->body.len, ret, reterr),
		       "the answer of %s", c->url);
}

static int path_check(const struct request_path *p, struct err *reterr)
{
	if (p->too_long)
		return err_set(reterr, ERR_LIMIT,
			       "the request is longer than %d bytes; give fewer or shorter words",
			       CLI_PATH_MAX);
	return 0;
}

static int send(struct cli *c, const char *method, const struct request_path *p, const void *body,
		size_t len, json_t **ret, struct err *reterr)
{
	struct http_request req = {.method = method,
				   .path = p->text,
				   .body = body,
				   .body_len = len,
				   .timeout_ms = ASK_TIMEOUT_MS};
	struct http_reply reply = {0};
	int r = path_check(p, reterr);

	if (r < 0)
		return r;
	r = http_send(c->http, &req, &reply, reterr);
	if (r >= 0)
		r = take_answer(c, &reply, ret, reterr);
	http_reply_done(&reply);
	return r;
}

int client_request(struct cli *c, const char *method, const struct request_path *p,
		   const json_t *body, json_t **ret, struct err *reterr)
{
	OWN(freep) char *text = body ? json_text(body) : NULL;

	if (body && !text)
		return err_errno(reterr, ENOMEM, "write the request");
	return send(c, method, p, text, text ? strlen(text) : 0, ret, reterr);
}

int client_show(struct cli *c, const struct request_path *p, json_t **ret, struct err *reterr)
{
	int r = client_request(c, "GET", p, NULL, ret, reterr);

	if (r < 0 || !c->json)
		return r < 0 ? r : 1;
	show_json(*ret);
	return 0;
}

int client_stream(struct cli *c, const struct request_path *p,
		  bool (*on_data)(void *userdata, const char *data, size_t len), void *userdata,
		  struct err *reterr)
{
	struct http_request req = {
		.method = "GET", .path = p->text, .on_data = on_data, .userdata = userdata};
	struct http_reply reply = {0};
	int r = path_check(p, reterr);

	if (r < 0)
		return r;
	r = http_send(c->http, &req, &reply, reterr);
	if (r >= 0 && (reply.status < 200 || reply.status >= 300))
		r = refused(&reply, reterr);
	http_reply_done(&reply);
	return r;
}

bool client_may_retry(int r)
{
	return r == -ERR_UNAVAILABLE || r == -ETIMEDOUT || r == -EIO;
}

static int find_job(struct cli *c, const char *run, const char *name, char id[ID_LEN],
		    struct err *reterr)
{
	OWN(json_decrefp) json_t *answer = NULL;
	struct request_path p;
	json_t *job;
	size_t i;
	int r;

	request_path(&p, "/v1/runs/%s", run);
	r = client_request(c, "GET", &p, NULL, &answer, reterr);
	if (r < 0)
		return r;
	json_array_foreach(json_object_get(answer, "jobs"), i, job)
		if (str_eq(json_get_str(job, "name", ""), name) &&
		    str_copy(id, ID_LEN, json_get_str(job, "id", "")))
			return 0;
	return err_set(reterr, ERR_NOT_FOUND,
		       "run %s has no job named '%s'; 'trainyard show %s' lists its jobs", run,
		       name, run);
}

int client_resolve(struct cli *c, const char *typed, char id[ID_LEN], bool *ret_is_run,
		   struct err *reterr)
{
	const char *slash = strchr(typed, '/');
	char run[ID_LEN];

	id[0] = '\0';
	if (ret_is_run)
		*ret_is_run = false;
	if (slash && (size_t)(slash - typed) == ID_LEN - 1) {
		str_must_format(run, sizeof(run), "%.*s", ID_LEN - 1, typed);
		if (id_valid('r', run))
			return find_job(c, run, slash + 1, id, reterr);
	}
	if (id_valid('j', typed) || (ret_is_run && id_valid('r', typed))) {
		if (ret_is_run)
			*ret_is_run = typed[0] == 'r';
		str_must_copy(id, ID_LEN, typed);
		return 0;
	}
	return err_set(reterr, ERR_INVALID, "'%s' is not the id of a job%s; give an id or RUN/NAME",
		       typed, ret_is_run ? " or a run" : "");
}
