/* SPDX-License-Identifier: MIT */
/* Resolves credentials, the region or endpoints with the environment it is started with:
 *   credentials_probe keys [PROFILE] [REGION] | endpoints | keyring
 * The last two read lines from stdin and answer each with a line of JSON. */
#include "aws/credentials.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/own.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

static const char *const services[AWS_SERVICES_] = {
	[AWS_SAGEMAKER] = "sagemaker",
	[AWS_RUNTIME] = "sagemaker-runtime",
	[AWS_S3] = "s3",
	[AWS_IAM] = "iam",
	[AWS_STS] = "sts",
	[AWS_LOGS] = "logs",
	[AWS_CLOUDWATCH] = "cloudwatch",
	[AWS_SSO] = "sso",
	[AWS_SSO_OIDC] = "sso-oidc",
};

static int say(json_t *out)
{
	char *text = json_text(out);

	printf("%s\n", text ? text : "{}");
	free(text);
	json_decref(out);
	return 0;
}

static int say_keys(const struct aws_config *c, int r, const struct aws_keys *found,
		    const char *source, const struct err *e)
{
	if (r < 0)
		return say(json_pack("{ss si}", "error", e->msg, "code", e->code));
	return say(json_pack("{ss ss ss sI ss ss}", "id", found->id, "secret", found->secret,
			     "token", found->token, "expires",
			     (json_int_t)(found->expires_us / 1000000), "source", source, "region",
			     aws_config_region(c)));
}

static int keys(const struct aws_config *c, struct net *net)
{
	struct aws_keys found;
	struct err e = {0};
	char source[512];
	int r = aws_credentials_resolve(c, net, &found, source, sizeof(source), &e);

	return say_keys(c, r, &found, source, &e);
}

static void count(void *userdata)
{
	__atomic_add_fetch((int *)userdata, 1, __ATOMIC_SEQ_CST);
}

/* "wait" and "get" answer with the keys, "refused" (the keys of the last answer), "clock +SECONDS"
 * and "changes" with a number. */
static int keyring(const struct aws_config *c, struct net *net)
{
	struct aws_credential_cache *k = NULL;
	struct aws_keys found = {0};
	struct err e = {0};
	int64_t ahead_us = 0;
	int changes = 0;
	char line[64];

	if (aws_credential_cache_new(c, net, 0, &k, &e) < 0)
		return say(json_pack("{ss}", "error", e.msg));
	aws_credential_cache_on_change(k, count, &changes);
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		if (str_eq(line, "wait")) {
			say_keys(c, aws_credential_cache_wait(k, &found, &e), &found, "", &e);
		} else if (str_eq(line, "get")) {
			say_keys(c, aws_credential_cache_get(k, &found, &e), &found, "", &e);
		} else {
			if (str_eq(line, "refused"))
				aws_credential_cache_refused(k, &found);
			if (str_starts(line, "clock ")) {
				clock_fake_us(0);
				ahead_us += strtoll(line + 6, NULL, 10) * USEC_PER_SEC;
				clock_fake_us(clock_now_us() + ahead_us);
			}
			say(json_pack("{si}", "changes",
				      __atomic_load_n(&changes, __ATOMIC_SEQ_CST)));
		}
		fflush(stdout);
	}
	aws_credential_cache_free(k);
	return 0;
}

/* Lines "SERVICE REGION [BUCKET]" on stdin. */
static int endpoints(const struct aws_config *c)
{
	char line[512];

	while (fgets(line, sizeof(line), stdin)) {
		char *rest = line, *service = strsep(&rest, " \n"), *region = strsep(&rest, " \n");
		char *bucket = strsep(&rest, " \n");
		struct aws_endpoint at;
		struct err e = {0};

		for (int i = 0; i < AWS_SERVICES_; i++) {
			if (!str_eq(services[i], service))
				continue;
			if (aws_endpoint_of(c, (enum aws_service)i, region,
					    bucket && bucket[0] ? bucket : NULL, &at, &e) < 0)
				say(json_pack("{ss}", "error", e.msg));
			else
				say(json_pack("{ss ss ss ss ss sb}", "url", at.url, "base",
					      at.base_path, "host", at.host, "region",
					      at.sign_region, "service", at.sign_service,
					      "path_style", at.path_style));
		}
		fflush(stdout);
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	struct aws_config_options o = {.profile = argc > 2 ? argv[2] : NULL,
				       .region = argc > 3 ? argv[3] : NULL};
	struct aws_config *c = NULL;
	struct net *net = NULL;
	struct err e = {0};
	int r;

	if (aws_config_load(&o, &c, &e) < 0)
		return say(json_pack("{ss}", "error", e.msg));
	if (str_eq(mode, "endpoints")) {
		r = endpoints(c);
	} else if (net_new(&(struct net_settings){.ca_bundle = aws_config_ca_bundle(c)}, &net, &e) <
		   0) {
		r = say(json_pack("{ss}", "error", e.msg));
	} else {
		r = str_eq(mode, "keyring") ? keyring(c, net) : keys(c, net);
	}
	net_free(net);
	aws_config_free(c);
	return r;
}
