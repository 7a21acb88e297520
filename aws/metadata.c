/* SPDX-License-Identifier: MIT */
/* Keys from the metadata service of a container or an instance. Public reference: botocore/utils.py
 * (ContainerMetadataFetcher, IMDSFetcher, InstanceMetadataFetcher). */
#include "aws/config.h"
#include "base/clock.h"
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "net/url.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>

#define CONTAINER_US	 (2 * USEC_PER_SEC)
#define CONTAINER_TRIES	 3
#define REPLY_MAX	 (256 << 10)
#define CONTAINER_HOST	 "http://169.254.170.2"
#define INSTANCE_HOST	 "http://169.254.169.254"
#define INSTANCE_HOST6	 "http://[fd00:ec2::254]"
#define INSTANCE_PATH	 "/latest/meta-data/iam/security-credentials/"
/* Keys this close to their end are stale ones of the service; they are used for some more
 * minutes. */
#define STALE_US	 AWS_REFRESH_ADVISORY_US
#define STALE_JITTER_MIN 120 /* seconds */
#define STALE_JITTER_MAX 600

static int metadata_request(struct net *net, const char *method, const char *url,
			    const char *const *headers, size_t headers_n, int64_t timeout_us,
			    struct net_request *rq, struct err *reterr)
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

/* ---- container ---- */

static bool address_allowed(const char *host)
{
	static const char *const hosts[] = {"169.254.170.2", "169.254.170.23", "localhost"};
	struct in_addr v4;

	for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
		if (str_eq(host, hosts[i]))
			return true;
	return inet_pton(AF_INET, host, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127;
}

static bool address6_allowed(const char *host)
{
	struct in6_addr given, metadata;

	return inet_pton(AF_INET6, host, &given) == 1 &&
	       inet_pton(AF_INET6, "fd00:ec2::23", &metadata) == 1 &&
	       (IN6_IS_ADDR_LOOPBACK(&given) || memcmp(&given, &metadata, sizeof(given)) == 0);
}

/* True for https to any host, and for http to this machine or a container's metadata address, by
 * number or "localhost". Other names could resolve to another host. */
static bool container_url_allowed(const char *url)
{
	struct url_parts parts;

	return url_split(url, &parts) && !parts.has_user &&
	       (parts.https || address_allowed(parts.host) || address6_allowed(parts.host));
}

static int container_token(const struct aws_config *c, struct buf *line, struct err *reterr)
{
	const char *path = aws_env(c, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	const char *token = aws_env(c, "AWS_CONTAINER_AUTHORIZATION_TOKEN");
	OWN(buf_done) struct buf text = BUF_INIT(16 << 10);

	if (path) {
		int r = file_read(AT_FDCWD, path, &text, reterr);

		if (r < 0)
			return err_ctx(reterr, r, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
		token = buf_str(&text);
	}
	if (!token)
		return 0;
	if (strpbrk(token, "\r\n"))
		return err_set(
			reterr, ERR_INVALID,
			"the authorization token for container credentials contains a line break");
	buf_printf(line, "Authorization: %s", token);
	return buf_ok(line) ? 0 : err_set(reterr, ERR_LIMIT, "the container's token is too long");
}

static int ask_container(struct net *net, const char *url, const char *const *headers,
			 size_t headers_n, struct aws_keys *ret, struct err *reterr)
{
	struct net_request rq;
	int r = metadata_request(net, "GET", url, headers, headers_n, CONTAINER_US, &rq, reterr);

	if (r == 0 && rq.status == 200)
		r = aws_keys_from_json(buf_str(&rq.reply), rq.reply.len, "AccessKeyId",
				       "SecretAccessKey", "Token", "Expiration",
				       "the container's credentials service", ret, reterr);
	else if (r == 0)
		r = err_set(reterr, ERR_UNAVAILABLE,
			    "the container's credentials service answered with HTTP status %d",
			    rq.status);
	net_request_done(&rq);
	return r;
}

int aws_keys_from_container(const struct aws_config *c, struct net *net, struct aws_keys *ret,
			    struct err *reterr)
{
	const char *relative = aws_env(c, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *full = aws_env(c, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
	OWN(buf_done) struct buf line = BUF_INIT(16 << 10);
	const char *headers[2] = {"Accept: application/json"};
	struct timespec pause = {.tv_sec = 1};
	char url[AWS_URL_MAX];
	int r;

	if (!str_format(url, sizeof(url), "%s%s", relative ? CONTAINER_HOST : "",
			relative ? relative : full))
		return err_set(reterr, ERR_INVALID,
			       "AWS_CONTAINER_CREDENTIALS_%s_URI has more than %zu bytes; correct "
			       "it",
			       relative ? "RELATIVE" : "FULL",
			       sizeof(url) - 1 - (relative ? strlen(CONTAINER_HOST) : 0));
	if (relative ? relative[0] != '/' : !container_url_allowed(url))
		return err_set(reterr, ERR_INVALID,
			       relative ? "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI must begin with "
					  "'/'"
					: "AWS_CONTAINER_CREDENTIALS_FULL_URI must be https, or "
					  "http to this machine or a container's metadata address");
	r = container_token(c, &line, reterr);
	if (r < 0)
		return r;
	headers[1] = buf_str(&line);
	for (int tries = 1;; tries++) {
		r = ask_container(net, url, headers, line.len ? 2 : 1, ret, reterr);
		if (r == 0 || tries == CONTAINER_TRIES)
			return r;
		nanosleep(&pause, NULL);
	}
}

/* ---- instance (IMDSv2) ---- */

#define TOKEN_HEADER "x-aws-ec2-metadata-token: "
#define TOKEN_MAX    1024 /* bytes of a token; those of AWS have 56 */

struct instance {
	struct net *net;
	const char *host;
	int64_t timeout_us;
	int attempts;
	bool no_v1;
	/* header line; "": the service is too old for tokens */
	char token[sizeof(TOKEN_HEADER) + TOKEN_MAX];
};

/* A variable, or else the profile's key. */
static const char *setting(const struct aws_config *c, const char *variable, const char *key)
{
	const char *text = aws_env(c, variable);

	return text ? text : aws_profile_key(c, c->profile, key);
}

static void instance_settings(const struct aws_config *c, struct instance *in)
{
	const char *mode = setting(c, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
				   "ec2_metadata_service_endpoint_mode");
	const char *timeout =
		setting(c, "AWS_METADATA_SERVICE_TIMEOUT", "metadata_service_timeout");
	const char *attempts =
		setting(c, "AWS_METADATA_SERVICE_NUM_ATTEMPTS", "metadata_service_num_attempts");
	const char *no_v1 = setting(c, "AWS_EC2_METADATA_V1_DISABLED", "ec2_metadata_v1_disabled");
	double seconds;
	int64_t n;

	in->host = setting(c, "AWS_EC2_METADATA_SERVICE_ENDPOINT", "ec2_metadata_service_endpoint");
	if (!in->host)
		in->host = mode && strcasecmp(mode, "ipv6") == 0 ? INSTANCE_HOST6 : INSTANCE_HOST;
	in->timeout_us = USEC_PER_SEC;
	if (timeout && str_to_double(timeout, &seconds) == 0 && seconds > 0 && seconds <= 60)
		in->timeout_us = (int64_t)(seconds * 1e6);
	in->attempts = attempts && str_to_i64(attempts, &n) == 0 && n > 0 && n <= 10 ? (int)n : 1;
	in->no_v1 = no_v1 && strcasecmp(no_v1, "true") == 0;
}

static int instance_url(const struct instance *in, const char *path, const char *role,
			char ret[AWS_URL_MAX], struct err *reterr)
{
	size_t n = strlen(in->host);

	while (n > 0 && in->host[n - 1] == '/')
		n--;
	if (str_format(ret, AWS_URL_MAX, "%.*s%s%s", (int)n, in->host, path, role))
		return 0;
	return err_set(reterr, ERR_INVALID,
		       "the address of the instance's metadata service, '%.64s…', has more than %d "
		       "bytes; correct ec2_metadata_service_endpoint",
		       in->host, AWS_URL_MAX - 1);
}

/* Keep the token of a reply as a header line. */
static int take_token(struct instance *in, const struct net_request *rq, struct err *reterr)
{
	const char *text = buf_str(&rq->reply);

	if (str_format(in->token, sizeof(in->token), TOKEN_HEADER "%.*s",
		       (int)strcspn(text, "\r\n"), text))
		return 0;
	in->token[0] = '\0';
	return err_set(reterr, ERR_UNAVAILABLE,
		       "the instance's metadata service gave a token of more than %d bytes",
		       TOKEN_MAX);
}

/* Get a token. Some services have none, or their answer cannot pass a container's network (one
 * hop). They are then asked without a token, unless that is forbidden. */
static int instance_token(struct instance *in, struct err *reterr)
{
	static const char *const headers[] = {"x-aws-ec2-metadata-token-ttl-seconds: 21600"};
	char url[AWS_URL_MAX];
	int r = instance_url(in, "/latest/api/token", "", url, reterr);

	if (r < 0)
		return r;
	for (int i = 0; i < in->attempts; i++) {
		struct net_request rq;
		bool old;

		r = metadata_request(in->net, "PUT", url, headers, 1, in->timeout_us, &rq, reterr);
		old = r == 0 ? rq.status == 403 || rq.status == 404 || rq.status == 405
			     : r == -ETIMEDOUT && rq.sent;
		if (r == 0 && rq.status == 200)
			r = take_token(in, &rq, reterr);
		else if (old)
			r = in->no_v1 ? err_set(reterr, ERR_UNAVAILABLE,
						"the instance's metadata service gives no token, "
						"and IMDSv1 is disabled")
				      : 0;
		else if (r == 0)
			r = err_set(reterr, ERR_UNAVAILABLE,
				    "the instance's metadata service answered with HTTP status %d",
				    rq.status);
		net_request_done(&rq);
		if (r == 0 || old)
			break;
	}
	return r;
}

/* Send one GET below INSTANCE_PATH. The answer must be 200 with a body. */
static int instance_get(const struct instance *in, const char *role, struct net_request *rq,
			struct err *reterr)
{
	const char *headers[] = {in->token};
	char url[AWS_URL_MAX];
	int r = instance_url(in, INSTANCE_PATH, role, url, reterr);

	net_request_init(rq);
	if (r < 0)
		return r;
	r = -ERR_UNAVAILABLE;
	for (int i = 0; r < 0 && i < in->attempts; i++) {
		net_request_done(rq);
		r = metadata_request(in->net, "GET", url, headers, in->token[0] != '\0',
				     in->timeout_us, rq, reterr);
		if (r == 0 && (rq->status != 200 || !rq->reply.len))
			r = err_set(reterr, ERR_NOT_FOUND,
				    "this instance has no role (HTTP status %d)", rq->status);
	}
	return r;
}

/* Extend keys that are about to end, or have ended: this shows an outage of the service. Use them
 * further, and ask again after some minutes. */
static void extend_stale(struct aws_keys *keys)
{
	unsigned jitter = 0;
	int64_t now = clock_now_us(), window;

	if (getrandom(&jitter, sizeof(jitter), 0) != (ssize_t)sizeof(jitter))
		jitter = 0;
	jitter = STALE_JITTER_MIN + jitter % (STALE_JITTER_MAX - STALE_JITTER_MIN + 1);
	window = STALE_US + (int64_t)jitter * USEC_PER_SEC;
	if (keys->expires_us && keys->expires_us - window <= now)
		keys->expires_us = now + window;
}

int aws_keys_from_instance(const struct aws_config *c, struct net *net, struct aws_keys *ret,
			   struct err *reterr)
{
	const char *off = aws_env(c, "AWS_EC2_METADATA_DISABLED");
	struct instance in = {.net = net};
	struct net_request rq;
	char role[256];
	int r;

	if (off && strcasecmp(off, "true") == 0)
		return err_set(reterr, ERR_NOT_FOUND,
			       "AWS_EC2_METADATA_DISABLED is true, so the role of the instance is "
			       "not used");
	instance_settings(c, &in);
	r = instance_token(&in, reterr);
	if (r < 0)
		return r;
	r = instance_get(&in, "", &rq, reterr);
	if (r == 0 && !str_format(role, sizeof(role), "%.*s",
				  (int)strcspn(buf_str(&rq.reply), "\r\n"), buf_str(&rq.reply)))
		r = err_set(reterr, ERR_UNAVAILABLE,
			    "the instance's metadata service gave a role name of more than %zu "
			    "bytes",
			    sizeof(role) - 1);
	net_request_done(&rq);
	if (r < 0)
		return r;
	r = instance_get(&in, role, &rq, reterr);
	if (r == 0)
		r = aws_keys_from_json(buf_str(&rq.reply), rq.reply.len, "AccessKeyId",
				       "SecretAccessKey", "Token", "Expiration",
				       "the instance's metadata service", ret, reterr);
	net_request_done(&rq);
	if (r == 0)
		extend_stale(ret);
	return r;
}
