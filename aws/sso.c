/* SPDX-License-Identifier: MIT */
/* Keys of an SSO session that `aws sso login` has opened (sso_token.c finds its token). Public
 * reference: botocore/credentials.py (SSOProvider). */
#include "aws/config.h"
#include "base/clock.h"
#include "base/own.h"
#include "base/percent.h"
#include "base/str.h"

#include <string.h>

#define REPLY_MAX  (256 << 10)
#define SERVICE_US (20 * USEC_PER_SEC)

/* Read the settings of a profile and of its sso-session. Both must agree. */
static int sso_settings(const struct aws_config *c, const char *profile, struct aws_sso *ret,
			struct err *reterr)
{
	static const char *const keys[] = {"sso_start_url", "sso_region", "sso_account_id",
					   "sso_role_name"};
	const char *session = aws_profile_key(c, profile, "sso_session");
	const json_t *section = session ? json_object_get(c->sessions, session) : NULL;
	const char *values[ARRAY_LEN(keys)];

	if (session && !section)
		return err_set(reterr, ERR_INVALID,
			       "profile '%s' names the sso-session '%s', which is not in %s",
			       profile, session, c->config_path);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const char *mine = aws_profile_key(c, profile, keys[i]);
		const char *its = json_get_str(section, keys[i], NULL);

		if (mine && its && !str_eq(mine, its))
			return err_set(reterr, ERR_INVALID,
				       "%s of profile '%s' differs from that of its sso-session "
				       "'%s'; use one value in both",
				       keys[i], profile, session);
		values[i] = its ? its : mine;
		if (!values[i])
			return err_set(reterr, ERR_INVALID, "profile '%s' uses SSO and needs %s",
				       profile, keys[i]);
	}
	*ret = (struct aws_sso){
		.name = session ? session : values[0],
		.is_session = session != NULL,
		.url = values[0],
		.region = values[1],
		.account = values[2],
		.role = values[3],
	};
	return 0;
}

/* Read the role's keys from one level down: {"roleCredentials": {…}}. */
static int role_credentials(const struct net_request *rq, struct aws_keys *ret, struct err *reterr)
{
	OWN(json_decrefp) json_t *in = NULL;
	OWN(freep) char *text = NULL;

	if (rq->status != 200)
		return err_set(reterr, rq->status >= 500 ? ERR_UNAVAILABLE : ERR_INVALID,
			       "SSO answered with HTTP status %d; if the session has ended, run "
			       "`aws sso login`",
			       rq->status);
	if (json_parse(buf_str(&rq->reply), rq->reply.len, &in, NULL) < 0)
		return err_set(reterr, ERR_INVALID, "SSO did not answer with JSON");
	text = json_text(json_object_get(in, "roleCredentials"));
	return aws_keys_from_json(text ? text : "{}", text ? strlen(text) : 2, "accessKeyId",
				  "secretAccessKey", "sessionToken", "expiration", "SSO", ret,
				  reterr);
}

int aws_keys_from_sso(const struct aws_config *c, const char *profile, struct net *net,
		      struct aws_keys *ret, struct err *reterr)
{
	OWN(buf_done) struct buf url = BUF_INIT(4096);
	OWN(buf_done) struct buf header = BUF_INIT(16 << 10);
	char token[8192];
	struct aws_endpoint at;
	struct net_request rq;
	struct aws_sso sso = {0};
	int r = sso_settings(c, profile, &sso, reterr);

	if (r >= 0)
		r = aws_sso_token(c, &sso, net, token, sizeof(token), reterr);
	if (r >= 0)
		r = aws_endpoint_of(c, AWS_SSO, sso.region, NULL, &at, reterr);
	if (r < 0)
		return r;
	buf_printf(&url, "%s%s/federation/credentials?account_id=", at.url, at.base_path);
	percent_encode(&url, sso.account, "");
	buf_puts(&url, "&role_name=");
	percent_encode(&url, sso.role, "");
	buf_printf(&header, "x-amz-sso_bearer_token: %s", token);
	net_request_init(&rq);
	rq.url = buf_str(&url);
	rq.headers[rq.headers_n++] = buf_str(&header);
	rq.timeout_us = SERVICE_US;
	rq.reply_max = REPLY_MAX;
	r = net_wait(net, &rq, reterr);
	if (r == 0)
		r = role_credentials(&rq, ret, reterr);
	net_request_done(&rq);
	return r;
}
