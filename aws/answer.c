/* SPDX-License-Identifier: MIT */
/* Reads the answer of an attempt: the error's code and message in each protocol, or the output. */
#include "aws/internal.h"
#include "aws/xml.h"
#include "base/own.h"
#include "base/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const lists[] = {"member", NULL};

int answer_fail(struct aws_call *c, enum aws_error_kind kind, int code, const char *fmt, ...)
{
	char text[AWS_MESSAGE_MAX + AWS_CODE_MAX + 64];
	va_list ap;

	va_start(ap, fmt);
	str_vexcerptf(text, sizeof(text), fmt, ap);
	va_end(ap);
	c->kind = kind;
	c->result = err_set(&c->err, code, "%s: %s", c->operation, text);
	return c->result;
}

/* ---- errors ---- */

/* Set the message without secrets: some services repeat the signed request in it, session token
 * included. */
static void take_message(struct inflight_call *f, const char *text)
{
	static const char *const before[] = {"The Canonical String", "\n\nThe String-to-Sign"};
	const char *secrets[] = {f->keys.secret, f->keys.token};
	OWN(freep) char *copy = strdup(text ? text : "");
	char *at;

	for (size_t i = 0; copy && i < ARRAY_LEN(before); i++)
		if ((at = strstr(copy, before[i])))
			*at = '\0';
	for (size_t i = 0; copy && i < ARRAY_LEN(secrets); i++)
		if (secrets[i][0] && (at = strstr(copy, secrets[i])))
			*at = '\0';
	str_excerpt(f->c->message, sizeof(f->c->message), copy ? copy : "");
	for (at = f->c->message; *at; at++)
		if (*at == '\n' || *at == '\r')
			*at = ' ';
	while (at > f->c->message && at[-1] == ' ')
		*--at = '\0';
}

/* Shorten "com.amazonaws.sagemaker#ResourceInUse:http://…" to "ResourceInUse"
 * (botocore/parsers.py). */
static void take_code(struct aws_call *c, const char *text)
{
	const char *hash;
	size_t n = strcspn(text, ":");

	hash = memrchr(text, '#', n);
	if (hash) {
		n -= (size_t)(hash + 1 - text);
		text = hash + 1;
	}
	str_must_format(c->code, sizeof(c->code), "%.*s", (int)(n < sizeof(c->code) ? n : 0), text);
}

/* Replace \u0000, which is legal in JSON but not in our texts. A script may print NUL and fail
 * with that message. */
static void replace_nul(struct buf *reply)
{
	for (size_t i = 0; i + 5 < reply->len; i++) {
		if (reply->data[i] != '\\')
			continue;
		if (memcmp(reply->data + i, "\\u0000", 6) == 0)
			memcpy(reply->data + i + 2, "fffd", 4);
		i++; /* skip the escaped character */
	}
}

static void read_json_error(struct inflight_call *f)
{
	OWN(json_decrefp) json_t *in = NULL;
	struct aws_call *c = f->c;
	char type[256];
	const char *message;

	if (c->service != AWS_RUNTIME) /* the container's text is passed on unchanged */
		replace_nul(&c->http.reply);
	if (json_parse(buf_str(&c->http.reply), c->http.reply.len, &in, NULL) < 0)
		in = json_object();
	if (net_reply_header(&c->http, "x-amzn-ErrorType", type, sizeof(type)))
		take_code(c, type);
	else
		take_code(c, json_get_str(in, "__type",
					  json_get_str(in, "code", json_get_str(in, "Code", ""))));
	message = json_get_str(in, "message", json_get_str(in, "Message", NULL));
	take_message(f, message);
}

/* Find the error: <Error> in S3, <ErrorResponse><Error> in IAM and STS, sometimes inside
 * <Errors>. */
static const json_t *find_error(const json_t *in)
{
	const json_t *found = json_object_get(in, "Error");
	const char *name;
	json_t *inner;

	json_object_foreach((json_t *)in, name, inner) {
		if (!found)
			found = find_error(inner);
	}
	return found;
}

static void read_xml_error(struct inflight_call *f)
{
	OWN(json_decrefp) json_t *in = NULL;
	struct aws_call *c = f->c;
	const json_t *error;
	const char *id;

	if (xml_parse(buf_str(&c->http.reply), c->http.reply.len, NULL, &in, NULL) < 0)
		return;
	error = find_error(in);
	if (!error)
		return;
	take_code(c, json_get_str(error, "Code", ""));
	take_message(f, json_get_str(error, "Message", NULL));
	id = json_get_str(error, "Region", "");
	if (*id && !str_copy(f->region, sizeof(f->region), id))
		f->region[0] = '\0'; /* no region has such a name */
	id = json_get_str(json_object_get(in, "ErrorResponse"), "RequestId", NULL);
	id = id ? id : json_get_str(error, "RequestId", NULL);
	if (id && !c->request_id[0])
		str_excerpt(c->request_id, sizeof(c->request_id), id);
}

static void describe(struct inflight_call *f)
{
	struct aws_call *c = f->c;

	if (!c->code[0])
		snprintf(c->code, sizeof(c->code), "%d", c->status);
	c->kind = error_kind(c->service, c->operation, c->code, c->message, c->status);
	/* a HEAD has no code for ExpiredToken */
	if (c->status == 400 && f->keys.token[0] && str_eq(c->http.method, "HEAD"))
		c->kind = AWS_ERROR_CREDENTIALS;
	if (c->message[0])
		answer_fail(c, c->kind, error_code(c->kind), "%s: %s", c->code, c->message);
	else
		answer_fail(c, c->kind, error_code(c->kind),
			    "the service answered %s without a reason", c->code);
}

static void read_error(struct inflight_call *f)
{
	struct aws_call *c = f->c;

	if (buf_str(&c->http.reply)[0] == '<')
		read_xml_error(f);
	else
		read_json_error(f);
	describe(f);
	/* a throttled call was certainly not carried out */
	c->uncertain |= c->status >= 500 && c->kind == AWS_ERROR_TRANSIENT;
}

/* ---- good answers ---- */

/* S3 sends 200 for these before they are done (botocore/handlers.py, _handle_200_error). */
static bool may_fail_late(const struct aws_call *c)
{
	return c->service == AWS_S3 &&
	       (str_eq(c->operation, "CompleteMultipartUpload") ||
		str_eq(c->operation, "CopyObject") || str_eq(c->operation, "UploadPartCopy"));
}

static int read_query_output(struct aws_call *c, struct err *reterr)
{
	OWN(json_decrefp) json_t *in = NULL;
	const char *name, *inner;
	json_t *response, *result;
	int r = xml_parse(buf_str(&c->http.reply), c->http.reply.len, lists, &in, reterr);

	if (r < 0)
		return r;
	json_object_foreach(in, name, response) {
		if (!str_ends(name, "Response"))
			return err_set(
				reterr, ERR_CORRUPT,
				"the answer is the XML element <%s>, which is not a response",
				name);
		json_object_foreach(response, inner, result)
			if (str_ends(inner, "Result"))
				c->output = json_is_object(result) ? json_incref(result) : NULL;
	}
	if (!c->output)
		c->output = json_object();
	return 0;
}

static int read_json_output(struct aws_call *c, struct err *reterr)
{
	int r = 0;

	replace_nul(&c->http.reply);
	if (c->http.reply.len == 0)
		c->output = json_object();
	else
		r = json_parse_names(buf_str(&c->http.reply), c->http.reply.len, &c->output,
				     reterr);
	if (r == 0 && !json_is_object(c->output))
		r = err_set(reterr, ERR_CORRUPT, "the answer is %s, not a JSON object",
			    json_type_name(c->output));
	return r;
}

static int check_late(struct inflight_call *f, struct err *reterr)
{
	OWN(json_decrefp) json_t *in = NULL;
	int r = xml_parse(buf_str(&f->c->http.reply), f->c->http.reply.len, NULL, &in, reterr);

	if (r < 0 || !json_object_get(in, "Error"))
		return r;
	f->c->status = 500;
	read_error(f);
	return 0;
}

static void read_output(struct inflight_call *f)
{
	struct aws_call *c = f->c;
	struct err e = {0};
	int r = 0;

	if (may_fail_late(c)) {
		r = check_late(f, &e);
		if (c->result < 0)
			return;
	} else if (c->service == AWS_IAM || c->service == AWS_STS || c->service == AWS_CLOUDWATCH)
		r = read_query_output(c, &e);
	else if (c->service != AWS_S3 && c->service != AWS_RUNTIME)
		r = read_json_output(c, &e);
	if (r == 0)
		return;
	json_decref(TAKE(c->output));
	c->uncertain = true;
	answer_fail(c, AWS_ERROR_UNREADABLE, ERR_CORRUPT, "%s", e.msg);
}

/* ---- no answer ---- */

static void read_failure(struct aws_call *c)
{
	enum aws_error_kind kind = c->http.result == -ERR_LIMIT	    ? AWS_ERROR_UNREADABLE
				   : c->http.result == -ERR_INVALID ? AWS_ERROR_INVALID
								    : AWS_ERROR_TRANSIENT;

	c->uncertain |= c->http.sent;
	answer_fail(c, kind, -c->http.result, "%s", c->http.err.msg);
}

void answer_read(struct inflight_call *f)
{
	static const char *const ids[] = {"x-amzn-RequestId", "x-amz-request-id"};
	struct aws_call *c = f->c;

	c->result = 0;
	c->kind = AWS_ERROR_NONE;
	c->err = (struct err){0};
	c->code[0] = c->message[0] = c->request_id[0] = f->region[0] = '\0';
	c->status = c->http.status;
	for (size_t i = 0; i < ARRAY_LEN(ids) && !c->request_id[0]; i++)
		if (!net_reply_header(&c->http, ids[i], c->request_id, sizeof(c->request_id)))
			c->request_id[0] = '\0';
	if (!net_reply_header(&c->http, "x-amz-bucket-region", f->region, sizeof(f->region)))
		f->region[0] = '\0';
	if (c->http.result < 0)
		read_failure(c);
	else if (c->status >= 200 && c->status < 300)
		read_output(f);
	else
		read_error(f);
}
