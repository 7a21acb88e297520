/* SPDX-License-Identifier: MIT */
/*
 * The parts of a request that do not depend on the HTTP library: the target, split and decoded;
 * typed parameters; the JSON body; the form of ids. An invalid part is replied here, with what
 * would be valid. The server's threads run this.
 */
#include "api/request.h"

#include "api/reply.h"
#include "api/routes.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/own.h"
#include "base/str.h"
#include "storage/store_read.h"

#include <string.h>

/* Decode n bytes of percent-encoded text into *out, and advance *out behind the NUL. In a query '+'
 * is a space. Returns NULL for a bad escape, a NUL byte or bytes that are not UTF-8. */
static const char *decode(const char *from, size_t n, bool query, char **out)
{
	char *start = *out, *to = start;

	for (size_t i = 0; i < n; i++) {
		char c = from[i];

		if (c == '%') {
			int byte = n - i > 2 ? str_hex_byte(from + i + 1) : -1;

			if (byte < 0)
				return NULL;
			c = (char)byte;
			i += 2;
		} else if (c == '+' && query) {
			c = ' ';
		}
		if (!c)
			return NULL;
		*to++ = c;
	}
	*to = '\0';
	*out = to + 1;
	return str_utf8_valid(start, (size_t)(to - start)) ? start : NULL;
}

static int err_encoding(const char *part, struct err *reterr)
{
	return err_set(reterr, ERR_INVALID,
		       "the %s contains an invalid percent escape, a NUL byte or bytes that are "
		       "not UTF-8; encode it as UTF-8 with %%XX",
		       part);
}

static int parse_path(struct request *rq, const char *path, size_t n, char **text,
		      struct err *reterr)
{
	const char *end = path + n;

	if (*path != '/')
		return err_set(reterr, ERR_INVALID, "the request target must start with '/'");
	while (path < end) {
		const char *part = path + 1;
		const char *slash = memchr(part, '/', (size_t)(end - part));
		const char *stop = slash ? slash : end;

		if (rq->segments_n == REQUEST_SEGMENTS_MAX)
			return err_set(reterr, ERR_INVALID,
				       "the path has more than %d parts, and no route has so many",
				       REQUEST_SEGMENTS_MAX);
		rq->segments[rq->segments_n] = decode(part, (size_t)(stop - part), false, text);
		if (!rq->segments[rq->segments_n++])
			return err_encoding("path", reterr);
		path = stop;
	}
	return 0;
}

static int parse_query(struct request *rq, const char *query, char **text, struct err *reterr)
{
	while (*query) {
		size_t n = strcspn(query, "&");
		const char *equals = memchr(query, '=', n);
		size_t name_n = equals ? (size_t)(equals - query) : n;
		struct param *p = &rq->params[rq->params_n];

		if (n) {
			p->name = decode(query, name_n, true, text);
			p->value = equals ? decode(equals + 1, n - name_n - 1, true, text) : "";
			if (!p->name || !p->value)
				return err_encoding("query", reterr);
			rq->params_n++;
		}
		query += n;
		if (*query)
			query++;
	}
	return 0;
}

/* True if the query has at most REQUEST_PARAMS_MAX parameters. Empty ones count. */
static bool params_fit(const char *query)
{
	int n = 1;

	for (; *query; query++)
		if (*query == '&' && ++n > REQUEST_PARAMS_MAX)
			return false;
	return true;
}

int request_parse_uri(struct request *rq, const char *uri, struct err *reterr)
{
	size_t len = strlen(uri), path_n = strcspn(uri, "?#");
	char *text;
	int r;

	if (!params_fit(uri + path_n))
		return err_set(reterr, ERR_UNSUPPORTED,
			       "the query has more than %d parameters; give fewer",
			       REQUEST_PARAMS_MAX);
	if (len > API_URL_MAX)
		return err_set(reterr, ERR_LIMIT, "the URL has %zu bytes; send one of at most %d",
			       len, API_URL_MAX);
	/* Each part loses its separator, so that its NUL needs no extra byte. */
	rq->uri = strdup(uri);
	rq->text = malloc(len + 2);
	if (!rq->uri || !rq->text)
		return err_errno(reterr, ENOMEM, "read the URL");
	text = rq->text;
	r = parse_path(rq, uri, path_n, &text, reterr);
	if (r >= 0 && uri[path_n] == '?')
		r = parse_query(rq, uri + path_n + 1, &text, reterr);
	return r;
}

void request_done(struct request *rq)
{
	if (rq->state_free)
		rq->state_free(rq->state);
	json_decref(rq->json);
	buf_done(&rq->body);
	free(rq->idempotency);
	free(rq->rest);
	free(rq->text);
	free(rq->uri);
}

const char *request_param(const struct request *rq, const char *name)
{
	for (size_t i = 0; i < rq->params_n; i++)
		if (str_eq(rq->params[i].name, name))
			return rq->params[i].value;
	return NULL;
}

bool request_param_int(struct request *rq, const char *name, int64_t min, int64_t max,
		       int64_t *value)
{
	const char *s = request_param(rq, name);
	int64_t v;

	if (!s)
		return true;
	if (str_to_i64(s, &v) < 0 || v < min || v > max) {
		reply_problem(rq, 400, "invalid_parameter",
			      "the query parameter '%s' must be an integer from %lld to %lld, "
			      "not '%.64s'",
			      name, (long long)min, (long long)max, s);
		return false;
	}
	*value = v;
	return true;
}

bool request_param_bool(struct request *rq, const char *name, bool *value)
{
	const char *s = request_param(rq, name);

	if (!s)
		return true;
	if (str_eq(s, "1") || str_eq(s, "true") || str_eq(s, "0") || str_eq(s, "false")) {
		*value = *s == '1' || *s == 't';
		return true;
	}
	reply_problem(rq, 400, "invalid_parameter",
		      "the query parameter '%s' must be 1, 0, true or false, not '%.64s'", name, s);
	return false;
}

bool request_param_time(struct request *rq, const char *name, int64_t *value)
{
	const char *s = request_param(rq, name);

	if (!s || clock_parse(s, value) >= 0)
		return true;
	reply_problem(rq, 400, "invalid_parameter",
		      "the query parameter '%s' must be a time such as 2026-01-31T12:00:00Z or a "
		      "date such as 2026-01-31, not '%.64s'",
		      name, s);
	return false;
}

bool request_param_set(struct request *rq, const char *name, request_parse_fn parse,
		       const char *const *names, size_t names_n, uint32_t *value)
{
	const char *s = request_param(rq, name);
	uint32_t bits = 0;

	while (s && *s) {
		char word[32];
		size_t n = strcspn(s, ",");
		const char *near;
		int bit = -1;

		if (n < sizeof(word)) {
			memcpy(word, s, n);
			word[n] = '\0';
		}
		if (n >= sizeof(word) || parse(word, &bit) < 0) {
			near = n < sizeof(word) ? str_nearest(word, names, names_n) : NULL;
			reply_problem(rq, 400, "invalid_parameter",
				      "the query parameter '%s' has the unknown value '%.*s'%s%s%s",
				      name, n > 64 ? 64 : (int)n, s, near ? "; did you mean '" : "",
				      near ? near : "", near ? "'?" : "");
			return false;
		}
		bits |= UINT32_C(1) << bit;
		s += n + (s[n] == ',');
	}
	*value = bits;
	return true;
}

/* True for inputs of a predict job, the only place that may contain U+0000, because only a model
 * reads them. */
static bool may_hold_nul(const char *pointer)
{
	const char *at = pointer;

	if (str_starts(at, "/jobs/")) {
		at += strlen("/jobs/");
		at += strspn(at, "0123456789");
	}
	return str_eq(at, "/inputs");
}

/* Find the first text with a forbidden U+0000, which C would cut; `pointer` becomes its
 * location. */
static bool find_nul(const json_t *j, char *pointer, size_t size)
{
	size_t mark = strlen(pointer), i;
	const char *key;
	json_t *value;

	if (may_hold_nul(pointer))
		return false;
	if (json_is_string(j))
		return memchr(json_string_value(j), '\0', json_string_length(j));
	json_array_foreach((json_t *)j, i, value) {
		json_pointer_add_index(pointer, size, i);
		if (find_nul(value, pointer, size))
			return true;
		pointer[mark] = '\0';
	}
	json_object_foreach((json_t *)j, key, value) {
		json_pointer_add(pointer, size, key);
		if (find_nul(value, pointer, size))
			return true;
		pointer[mark] = '\0';
	}
	return false;
}

/* Returns false if an error was replied. */
static bool check_texts(struct request *rq)
{
	char pointer[ERR_FIELD_MAX] = "";

	if (!find_nul(rq->json, pointer, sizeof(pointer)))
		return true;
	reply_problems(rq, 422, "invalid_body",
		       json_pack("[{s:s, s:s, s:s}]", "pointer", pointer, "code", "invalid",
				 "detail",
				 "the text contains U+0000, which only 'inputs' of a predict job "
				 "may contain; remove the character"),
		       "%s: the text contains U+0000, which only 'inputs' of a predict job may "
		       "contain; remove the character",
		       pointer);
	return false;
}

bool request_read_json(struct request *rq)
{
	struct err e;
	int r;

	if (rq->route->body == BODY_RAW)
		return true;
	if (!rq->body.len) {
		if (rq->route->body != BODY_JSON)
			return true;
		reply_problem(rq, 400, "malformed_json", "the body is empty; send a JSON object");
		return false;
	}
	r = json_check_counts(rq->body.data, rq->body.len, REQUEST_VALUES_MAX,
			      REQUEST_CONTAINERS_MAX, &e);
	if (r >= 0)
		r = json_parse_nul(rq->body.data, rq->body.len, &rq->json, &e);
	buf_done(&rq->body);
	if (r == -ERR_LIMIT) {
		reply_problem(rq, 413, "too_large", "the body: %s", e.msg);
		return false;
	}
	if (r < 0) {
		reply_problem(rq, 400, "malformed_json", "the body: %s", e.msg);
		return false;
	}
	if (!json_is_object(rq->json)) {
		reply_problem(rq, 400, "malformed_json", "the body must be a JSON object, not %s",
			      json_type_name(rq->json));
		return false;
	}
	return check_texts(rq);
}

bool request_fields(struct request *rq, const char *const *names, size_t n)
{
	json_t *errors = NULL, *value;
	const char *key;

	json_object_foreach(rq->json, key, value) {
		const char *near = n ? str_nearest(key, names, n) : NULL;
		char pointer[ERR_FIELD_MAX] = "";
		bool known = false;

		for (size_t i = 0; i < n && !known; i++)
			known = str_eq(key, names[i]);
		if (known)
			continue;
		json_pointer_add(pointer, sizeof(pointer), key);
		errors = errors ? errors : json_array();
		json_array_append_new(errors,
				      json_pack("{s:s, s:s, s:o}", "pointer", pointer, "code",
						"unknown_field", "detail",
						json_sprintf("unknown field '%.64s'%s%s%s", key,
							     near ? "; did you mean '" : "",
							     near ? near : "", near ? "'?" : "")));
	}
	if (!errors)
		return true;
	reply_problems(rq, 422, "invalid_body", errors,
		       n ? "the body has an unknown field"
			 : "the body of this request takes no fields; send {} or no body");
	return false;
}

bool request_id(struct request *rq, char kind)
{
	const char *id = rq->args[0], *noun = kind == 'j' ? "job" : "run";
	char other = kind == 'j' ? 'r' : 'j';

	if (id_valid(kind, id))
		return true;
	if (id_valid(other, id))
		reply_problem(rq, 404, "not_found",
			      "'%s' is the id of a %s, not of a %s; see /v1/%ss/%s", id,
			      other == 'j' ? "job" : "run", noun, other == 'j' ? "job" : "run", id);
	else
		reply_problem(rq, 404, "not_found",
			      "'%.64s' is not the id of a %s: ids have %d characters and start "
			      "with '%c'; GET /v1/%ss lists them",
			      id, noun, ID_LEN - 1, kind, noun);
	return false;
}

struct store_reader *request_reader(struct request *rq)
{
	struct err e;
	int r;

	if (rq->reader)
		return rq->reader;
	r = api_reader_take(rq->api, &rq->reader, &e);
	if (r >= 0)
		return rq->reader;
	reply_error(rq, r, &e);
	return NULL;
}

json_t *request_endpoint(struct request *rq)
{
	struct store_reader *sr = request_reader(rq);
	json_t *endpoint;
	struct err e;
	int r;

	if (!sr)
		return NULL;
	r = store_read_endpoint(sr, rq->args[0], &endpoint, &e);
	if (r >= 0)
		return endpoint;
	reply_error(rq, r, &e);
	return NULL;
}
