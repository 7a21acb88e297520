/* SPDX-License-Identifier: MIT */
/* Keys from STS, and the parser for answers with keys. Public reference: botocore/credentials.py
 * (AssumeRoleProvider, AssumeRoleWithWebIdentityProvider). */
#include "aws/config.h"
#include "aws/xml.h"
#include "base/clock.h"
#include "base/own.h"
#include "base/percent.h"
#include "base/str.h"

#include <string.h>

#define SERVICE_US (20 * USEC_PER_SEC)
#define REPLY_MAX  (256 << 10)

static int expires_of(const json_t *value, int64_t *ret_us)
{
	*ret_us = 0;
	if (json_is_integer(value)) /* SSO: milliseconds */
		*ret_us = json_integer_value(value) * 1000;
	else if (json_is_string(value))
		return clock_parse(json_string_value(value), ret_us);
	return 0;
}

int aws_keys_from_json(const char *text, size_t len, const char *id, const char *secret,
		       const char *token, const char *expires, const char *what,
		       struct aws_keys *ret, struct err *reterr)
{
	OWN(json_decrefp) json_t *in = NULL;
	const char *key_id, *key_secret, *key_token, *message;

	*ret = (struct aws_keys){0};
	if (json_parse(text, len, &in, NULL) < 0)
		return err_set(reterr, ERR_INVALID, "%s did not answer with JSON", what);
	key_id = json_get_str(in, id, "");
	key_secret = json_get_str(in, secret, "");
	key_token = json_get_str(in, token, "");
	message = json_get_str(in, "Message", "");
	if (!key_id[0] || !key_secret[0])
		return err_set(reterr, ERR_INVALID, "the answer of %s lacks %s or %s%s%.200s", what,
			       id, secret, message[0] ? ": " : "", message);
	if (!str_copy(ret->id, sizeof(ret->id), key_id) ||
	    !str_copy(ret->secret, sizeof(ret->secret), key_secret) ||
	    !str_copy(ret->token, sizeof(ret->token), key_token) ||
	    expires_of(json_object_get(in, expires), &ret->expires_us) < 0)
		return err_set(reterr, ERR_INVALID,
			       "%s answered with a key that is too long or a time that is invalid",
			       what);
	return 0;
}

/* ---- STS ---- */

static int keys_from_sts(const struct net_request *rq, struct aws_keys *ret, struct err *reterr)
{
	OWN(json_decrefp) json_t *in = NULL;
	OWN(freep) char *text = NULL;
	const json_t *at = NULL;
	const char *name;
	json_t *value;
	int r = xml_parse(buf_str(&rq->reply), rq->reply.len, NULL, &in, reterr);

	if (rq->status >= 500 || rq->status == 429)
		return err_set(reterr, ERR_UNAVAILABLE, "STS answered with HTTP status %d",
			       rq->status);
	if (r < 0)
		return err_ctx(reterr, r, "STS answered with HTTP status %d", rq->status);
	if (rq->status != 200) {
		at = json_object_get(json_object_get(in, "ErrorResponse"), "Error");
		return err_set(reterr, ERR_INVALID, "STS refused (%s): %s",
			       json_get_str(at, "Code", "no code"),
			       json_get_str(at, "Message", "no message"));
	}
	json_object_foreach(in, name, value) /* …Response → …Result → Credentials */
	{
		const char *inner;
		json_t *result;

		json_object_foreach(value, inner, result) {
			if (json_object_get(result, "Credentials"))
				at = json_object_get(result, "Credentials");
		}
	}
	text = at ? json_text(at) : NULL;
	return aws_keys_from_json(text ? text : "{}", text ? strlen(text) : 2, "AccessKeyId",
				  "SecretAccessKey", "SessionToken", "Expiration", "STS", ret,
				  reterr);
}

static void form_pair(struct buf *body, const char *name, const char *value)
{
	if (!value)
		return;
	buf_printf(body, "&%s=", name);
	percent_encode(body, value, "");
}

static int sts_headers(const struct aws_endpoint *at, const struct aws_keys *keys,
		       const struct buf *body, struct buf *lines, struct err *reterr)
{
	struct sigv4_header type = {"Content-Type", "application/x-www-form-urlencoded"};
	char path[AWS_URL_MAX + 1];
	struct sigv4_request rq = {
		.method = "POST",
		.host = at->host,
		.path = path,
		.query = "",
		.headers = &type,
		.headers_n = 1,
		.body = body->data,
		.body_len = body->len,
		.service = at->sign_service,
		.region = at->sign_region,
		.now_us = clock_now_us(),
	};

	str_must_format(path, sizeof(path), "%s/", at->base_path);
	buf_printf(lines, "Content-Type: %s\n", type.value);
	return keys ? sigv4_sign(&rq, keys, lines, reterr) : 0;
}

int aws_keys_from_role(const struct aws_config *c, const struct aws_role *role, struct net *net,
		       const struct aws_keys *keys, struct aws_keys *ret, struct err *reterr)
{
	OWN(buf_done) struct buf body = BUF_INIT(64 << 10);
	OWN(buf_done) struct buf lines = BUF_INIT(64 << 10);
	char url[AWS_URL_MAX * 2 + 2];
	struct aws_endpoint at;
	struct net_request rq;
	char *rest, *line;
	int r = aws_endpoint_of(c, AWS_STS, c->region[0] ? c->region : role->region, NULL, &at,
				reterr);

	if (r < 0)
		return r;
	buf_printf(&body, "Action=%s&Version=2011-06-15",
		   keys ? "AssumeRole" : "AssumeRoleWithWebIdentity");
	form_pair(&body, "RoleArn", role->arn);
	form_pair(&body, "RoleSessionName", role->session ? role->session : "trainyard");
	form_pair(&body, "ExternalId", role->external_id);
	form_pair(&body, "DurationSeconds", role->duration);
	form_pair(&body, "WebIdentityToken", role->web_token);
	r = sts_headers(&at, keys, &body, &lines, reterr);
	if (r < 0)
		return r;
	str_must_format(url, sizeof(url), "%s%s/", at.url, at.base_path);
	net_request_init(&rq);
	rq.method = "POST";
	rq.url = url;
	rq.body = body.data;
	rq.body_len = body.len;
	rq.timeout_us = SERVICE_US;
	rq.reply_max = REPLY_MAX;
	rest = lines.data;
	while (rest && (line = strsep(&rest, "\n")))
		if (line[0] && rq.headers_n < NET_HEADERS_MAX)
			rq.headers[rq.headers_n++] = line;
	r = net_wait(net, &rq, reterr);
	if (r == 0)
		r = keys_from_sts(&rq, ret, reterr);
	net_request_done(&rq);
	return r < 0 ? err_ctx(reterr, r, "assume the role %s", role->arn) : 0;
}
