/* SPDX-License-Identifier: MIT */
/*
 * The bearer token of an SSO session, from the cache that `aws sso login` writes. The token is
 * renewed there with its refresh token, so that a session lasts for days without a login. Public
 * reference: botocore/tokens.py (SSOTokenProvider), AWS IAM Identity Center OIDC API (CreateToken).
 */
#include "aws/config.h"
#include "base/clock.h"
#include "base/fileio.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/own.h"
#include "base/str.h"

#include <limits.h>
#include <string.h>
#include <time.h>

#define CACHE_MAX  (256 << 10)
#define SERVICE_US (20 * USEC_PER_SEC)
#define WINDOW_US  (15 * 60 * USEC_PER_SEC) /* time before the expiry from which to renew */

/* Parse "2026-01-02T03:04:05Z"; older AWS CLIs write "…UTC". */
static int expiry_of(const char *text, int64_t *ret_us)
{
	char zulu[64];
	size_t n = strlen(text);

	if (!str_ends(text, "UTC") || n >= sizeof(zulu))
		return clock_parse(text, ret_us);
	str_must_format(zulu, sizeof(zulu), "%.*sZ", (int)n - 3, text);
	return clock_parse(zulu, ret_us);
}

/* Write the expiry in whole seconds, like other programs. */
static void set_expiry(json_t *token, int64_t seconds)
{
	time_t at = (time_t)(clock_now_us() / USEC_PER_SEC + seconds);
	char text[32];
	struct tm tm;

	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&at, &tm));
	json_set_str(token, "expiresAt", text);
}

static bool may_renew(const struct aws_sso *sso, const json_t *cached)
{
	int64_t until_us = 0;

	return sso->is_session && json_get_str(cached, "refreshToken", "")[0] &&
	       json_get_str(cached, "clientId", "")[0] &&
	       json_get_str(cached, "clientSecret", "")[0] &&
	       expiry_of(json_get_str(cached, "registrationExpiresAt", ""), &until_us) >= 0 &&
	       until_us > clock_now_us();
}

/* Make the new content of the cache from CreateToken's answer. */
static int new_token(const struct aws_sso *sso, const json_t *cached, const struct net_request *rq,
		     json_t **ret, struct err *reterr)
{
	static const char *const kept[] = {"clientId", "clientSecret", "registrationExpiresAt"};
	OWN(json_decrefp) json_t *in = NULL, *token = json_object();
	const char *access;

	if (json_parse(buf_str(&rq->reply), rq->reply.len, &in, NULL) < 0)
		return err_set(reterr, ERR_INVALID, "SSO did not answer with JSON");
	if (rq->status != 200)
		return err_set(reterr, rq->status >= 500 ? ERR_UNAVAILABLE : ERR_INVALID,
			       "SSO answered with HTTP status %d%s%.100s", rq->status,
			       json_get_str(in, "error", NULL) ? ": " : "",
			       json_get_str(in, "error", ""));
	access = json_get_str(in, "accessToken", "");
	if (!access[0])
		return err_set(reterr, ERR_INVALID, "SSO answered without a token");
	json_set_str(token, "startUrl", sso->url);
	json_set_str(token, "region", sso->region);
	json_set_str(token, "accessToken", access);
	set_expiry(token, json_get_int(in, "expiresIn", 0));
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		json_object_set(token, kept[i], json_object_get(cached, kept[i]));
	if (json_object_get(in, "refreshToken"))
		json_object_set(token, "refreshToken", json_object_get(in, "refreshToken"));
	*ret = TAKE(token);
	return 0;
}

static int renew(const struct aws_config *c, const struct aws_sso *sso, struct net *net,
		 const json_t *cached, json_t **ret, struct err *reterr)
{
	OWN(json_decrefp)
	json_t *body = json_pack("{ss ss ss ss}", "grantType", "refresh_token", "clientId",
				 json_get_str(cached, "clientId", ""), "clientSecret",
				 json_get_str(cached, "clientSecret", ""), "refreshToken",
				 json_get_str(cached, "refreshToken", ""));
	OWN(freep) char *text = json_text(body);
	OWN(buf_done) struct buf url = BUF_INIT(4096);
	struct aws_endpoint at;
	struct net_request rq;
	int r = aws_endpoint_of(c, AWS_SSO_OIDC, sso->region, NULL, &at, reterr);

	if (r < 0)
		return r;
	if (!text)
		return err_errno(reterr, ENOMEM, "renew the SSO session");
	buf_printf(&url, "%s%s/token", at.url, at.base_path);
	net_request_init(&rq);
	rq.method = "POST";
	rq.url = buf_str(&url);
	rq.headers[rq.headers_n++] = "Content-Type: application/json";
	rq.body = text;
	rq.body_len = strlen(text);
	rq.timeout_us = SERVICE_US;
	rq.reply_max = CACHE_MAX;
	r = net_wait(net, &rq, reterr);
	if (r == 0)
		r = new_token(sso, cached, &rq, ret, reterr);
	net_request_done(&rq);
	return r;
}

/* Save the token. A failure is only logged: the token is still valid. */
static void keep(const char *path, const json_t *token)
{
	OWN(freep) char *text = json_text(token);
	struct err e;

	if (text && file_write_atomic(AT_FDCWD, path, text, strlen(text), 0600, &e) < 0)
		log_event(LOG_LEVEL_WARNING, "sso_token_not_kept", "msg=\"%s\"", e.msg);
}

static int use(const char *name, const json_t *token, char *ret, size_t size, struct err *reterr)
{
	if (!str_copy(ret, size, json_get_str(token, "accessToken", "")) || !ret[0])
		return err_set(reterr, ERR_INVALID,
			       "there is no SSO session for '%s': run `aws sso login`", name);
	return 0;
}

int aws_sso_token(const struct aws_config *c, const struct aws_sso *sso, struct net *net, char *ret,
		  size_t size, struct err *reterr)
{
	OWN(json_decrefp) json_t *cached = NULL, *fresh = NULL;
	char hex[HASH_SHA1_HEX_LEN], path[PATH_MAX];
	const char *home = aws_env(c, "HOME");
	int64_t now = clock_now_us(), expires_us = 0;
	struct err err = {0};
	int r = 0;

	hash_sha1(sso->name, strlen(sso->name), hex);
	if (!str_format(path, sizeof(path), "%s/.aws/sso/cache/%s.json", home ? home : "", hex))
		return err_set(reterr, ERR_INVALID,
			       "the path of the SSO cache below HOME ('%.64s…') has more than %zu "
			       "bytes",
			       home, sizeof(path) - 1);
	if (json_read_file(AT_FDCWD, path, CACHE_MAX, &cached, NULL) < 0 ||
	    expiry_of(json_get_str(cached, "expiresAt", ""), &expires_us) < 0)
		return use(sso->name, NULL, ret, size, reterr);
	if (expires_us - now < WINDOW_US && may_renew(sso, cached)) {
		r = renew(c, sso, net, cached, &fresh, &err);
		if (r >= 0) {
			keep(path, fresh);
			return use(sso->name, fresh, ret, size, reterr);
		}
	}
	if (expires_us > now)
		return use(sso->name, cached, ret, size, reterr);
	if (r < 0)
		return err_set(reterr, -r,
			       "the SSO session for '%s' has expired and was not renewed (%s): run "
			       "`aws sso login`",
			       sso->name, err.msg);
	return err_set(reterr, ERR_INVALID,
		       "the SSO session for '%s' has expired: run `aws sso login`", sso->name);
}
