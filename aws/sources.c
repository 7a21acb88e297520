/* SPDX-License-Identifier: MIT */
/*
 * Keys from services over HTTP: a container's and an instance's metadata, SSO, STS. Public
 * reference: botocore/credentials.py, botocore/utils.py (IMDSFetcher, ContainerMetadataFetcher).
 */
#include "aws/config.h"
#include "aws/xml.h"
#include "base/clock.h"
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"

#include <string.h>

#define METADATA_US    (2 * USEC_PER_SEC)
#define SERVICE_US     (20 * USEC_PER_SEC)
#define REPLY_MAX      (256 << 10)
#define CONTAINER_HOST "http://169.254.170.2"
#define INSTANCE_HOST  "http://169.254.169.254"
#define INSTANCE_HOST6 "http://[fd00:ec2::254]"
#define INSTANCE_PATH  "/latest/meta-data/iam/security-credentials/"

/* ---- one small exchange ---- */

static int ask(struct net *net, const char *method, const char *url, const char *const *headers,
	       size_t headers_n, int64_t timeout_us, struct net_request *rq, struct err *reterr)
{
	net_request_init(rq);
	rq->method = method;
	rq->url = url;
	for (size_t i = 0; i < headers_n; i++)
		rq->headers[rq->headers_n++] = headers[i];
	rq->connect_timeout_us = timeout_us;
	rq->timeout_us = timeout_us;
	rq->reply_max = REPLY_MAX;
	return net_wait(net, rq, reterr);
}

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
	const char *key_id, *key_secret, *key_token;

	*ret = (struct aws_keys){0};
	if (json_parse(text, len, &in, NULL) < 0)
		return err_set(reterr, ERR_INVALID, "%s did not answer with JSON", what);
	key_id = json_get_str(in, id, "");
	key_secret = json_get_str(in, secret, "");
	key_token = json_get_str(in, token, "");
	if (!key_id[0] || !key_secret[0])
		return err_set(reterr, ERR_INVALID, "the answer of %s has no %s or no %s", what, id,
			       secret);
	if (!str_copy(ret->id, sizeof(ret->id), key_id) ||
	    !str_copy(ret->secret, sizeof(ret->secret), key_secret) ||
	    !str_copy(ret->token, sizeof(ret->token), key_token) ||
	    expires_of(json_object_get(in, expires), &ret->expires_us) < 0)
		return err_set(reterr, ERR_INVALID,
			       "%s answered with a key that is too long or a time that is none",
			       what);
	return 0;
}

/* ---- container ---- */

static bool container_host_allowed(const char *url)
{
	static const char *const hosts[] = {"169.254.170.2", "169.254.170.23", "[fd00:ec2::23]",
					    "localhost",     "127.0.0.1",      "[::1]"};
	const char *host = strstr(url, "://");
	size_t n;

	if (str_starts(url, "https://"))
		return true;
	if (!str_starts(url, "http://"))
		return false;
	host += 3;
	n = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/?");
	for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
		if (strlen(hosts[i]) == n && strncmp(host, hosts[i], n) == 0)
			return true;
	return n > 4 && strncmp(host, "127.", 4) == 0;
}

static int container_token(const struct aws_config *c, struct buf *line, struct err *reterr)
{
	const char *path = aws_env(c, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	const char *token = aws_env(c, "AWS_CONTAINER_AUTHORIZATION_TOKEN");
	OWN(buf_done) struct buf text = BUF_INIT(16 << 10);

	if (path) {
		int r = file_read(AT_FDCWD, path, &text, reterr);

		if (r < 0)
			return r;
		token = buf_str(&text);
	}
	if (!token)
		return 0;
	if (strpbrk(token, "\r\n"))
		return err_set(reterr, ERR_INVALID,
			       "the authorization token for container credentials has a line end "
			       "in it");
	buf_printf(line, "Authorization: %s", token);
	return buf_ok(line) ? 0 : err_set(reterr, ERR_LIMIT, "the container's token is too long");
}

int aws_keys_from_container(const struct aws_config *c, struct net *net, struct aws_keys *ret,
			    struct err *reterr)
{
	const char *relative = aws_env(c, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *full = aws_env(c, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
	OWN(buf_done) struct buf line = BUF_INIT(16 << 10);
	struct net_request rq;
	const char *headers[2] = {"Accept: application/json"};
	char url[AWS_URL_MAX];
	int r;

	snprintf(url, sizeof(url), "%s%s", relative ? CONTAINER_HOST : "",
		 relative ? relative : full);
	if (!relative && !container_host_allowed(url))
		return err_set(reterr, ERR_INVALID,
			       "AWS_CONTAINER_CREDENTIALS_FULL_URI must be https, or http to this "
			       "machine or a container's metadata address");
	r = container_token(c, &line, reterr);
	if (r < 0)
		return r;
	headers[1] = buf_str(&line);
	for (int tries = 0; tries < 3; tries++) {
		r = ask(net, "GET", url, headers, line.len ? 2 : 1, METADATA_US, &rq, reterr);
		if (r == 0 && rq.status == 200)
			r = aws_keys_from_json(rq.reply.data, rq.reply.len, "AccessKeyId",
					       "SecretAccessKey", "Token", "Expiration",
					       "the container's credentials service", ret, reterr);
		else if (r == 0)
			r = err_set(reterr, ERR_UNAVAILABLE,
				    "the container's credentials service answered %d", rq.status);
		net_request_done(&rq);
		if (r == 0)
			break;
	}
	return r;
}

/* ---- instance (IMDSv2) ---- */

static const char *instance_host(const struct aws_config *c)
{
	const char *url = aws_env(c, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
	const char *mode = aws_env(c, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");

	if (url)
		return url;
	return mode && (str_eq(mode, "ipv6") || str_eq(mode, "IPv6")) ? INSTANCE_HOST6
								      : INSTANCE_HOST;
}

static int64_t instance_timeout(const struct aws_config *c)
{
	const char *text = aws_env(c, "AWS_METADATA_SERVICE_TIMEOUT");
	double seconds;

	return text && str_to_double(text, &seconds) == 0 && seconds > 0 && seconds <= 60
		       ? (int64_t)(seconds * 1e6)
		       : USEC_PER_SEC;
}

/* *ret_header is "" when the service is too old to give tokens (then it is asked without). */
static int instance_token(const struct aws_config *c, struct net *net, const char *host,
			  char *ret_header, size_t size, struct err *reterr)
{
	const char *headers[] = {"x-aws-ec2-metadata-token-ttl-seconds: 21600"};
	const char *no_old = aws_env(c, "AWS_EC2_METADATA_V1_DISABLED");
	struct net_request rq;
	char url[AWS_URL_MAX];
	int r;

	snprintf(url, sizeof(url), "%s/latest/api/token", host);
	ret_header[0] = '\0';
	r = ask(net, "PUT", url, headers, 1, instance_timeout(c), &rq, reterr);
	if (r == 0 && rq.status == 200)
		snprintf(ret_header, size, "x-aws-ec2-metadata-token: %.*s", (int)rq.reply.len,
			 buf_str(&rq.reply));
	else if (r == 0 && (rq.status == 403 || rq.status == 404 || rq.status == 405) &&
		 !(no_old && str_eq(no_old, "true")))
		r = 0;
	else if (r == 0)
		r = err_set(reterr, ERR_UNAVAILABLE, "the instance's metadata service answered %d",
			    rq.status);
	net_request_done(&rq);
	return r;
}

int aws_keys_from_instance(const struct aws_config *c, struct net *net, struct aws_keys *ret,
			   struct err *reterr)
{
	const char *off = aws_env(c, "AWS_EC2_METADATA_DISABLED"), *host = instance_host(c);
	char token[512], url[AWS_URL_MAX], role[256];
	const char *headers[] = {token};
	struct net_request rq;
	int r;

	if (off && (str_eq(off, "true") || str_eq(off, "True")))
		return err_set(reterr, ERR_NOT_FOUND, "AWS_EC2_METADATA_DISABLED is set");
	r = instance_token(c, net, host, token, sizeof(token), reterr);
	if (r < 0)
		return r;
	snprintf(url, sizeof(url), "%s" INSTANCE_PATH, host);
	r = ask(net, "GET", url, headers, token[0] != '\0', instance_timeout(c), &rq, reterr);
	if (r == 0 && rq.status != 200)
		r = err_set(reterr, ERR_NOT_FOUND, "this instance has no role (answer %d)",
			    rq.status);
	snprintf(role, sizeof(role), "%.*s", (int)strcspn(buf_str(&rq.reply), "\r\n"),
		 buf_str(&rq.reply));
	net_request_done(&rq);
	if (r < 0)
		return r;
	snprintf(url, sizeof(url), "%s" INSTANCE_PATH "%s", host, role);
	r = ask(net, "GET", url, headers, token[0] != '\0', instance_timeout(c), &rq, reterr);
	if (r == 0)
		r = aws_keys_from_json(buf_str(&rq.reply), rq.reply.len, "AccessKeyId",
				       "SecretAccessKey", "Token", "Expiration",
				       "the instance's metadata service", ret, reterr);
	net_request_done(&rq);
	return r;
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

	if (r < 0)
		return err_ctx(reterr, r, "STS answered %d", rq->status);
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
	sigv4_escape(body, value, false);
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

	snprintf(path, sizeof(path), "%s/", at->base_path);
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
	int r = aws_endpoint_of(c, AWS_STS, role->region, NULL, &at, reterr);

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
	snprintf(url, sizeof(url), "%s%s/", at.url, at.base_path);
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
