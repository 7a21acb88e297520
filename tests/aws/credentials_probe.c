/* SPDX-License-Identifier: MIT */
/* Resolves credentials, the region or an endpoint with the environment it is started with:
 *   credentials_probe keys [PROFILE] | endpoint SERVICE REGION [BUCKET] */
#include "aws/credentials.h"
#include "base/json.h"
#include "base/own.h"
#include "base/str.h"

#include <string.h>

static const char *const services[AWS_SERVICES_] = {
	[AWS_SAGEMAKER] = "sagemaker",
	[AWS_RUNTIME] = "sagemaker-runtime",
	[AWS_S3] = "s3",
	[AWS_IAM] = "iam",
	[AWS_STS] = "sts",
	[AWS_LOGS] = "logs",
	[AWS_SSO] = "sso",
};

static int say(json_t *out)
{
	char *text = json_text(out);

	printf("%s\n", text ? text : "{}");
	free(text);
	json_decref(out);
	return 0;
}

static int keys(const struct aws_config *c)
{
	struct aws_keys found;
	struct net *net = NULL;
	struct err e = {0};
	char source[512];
	int r = net_new(NULL, &net, &e);

	if (r == 0)
		r = aws_credentials_resolve(c, net, &found, source, sizeof(source), &e);
	net_free(net);
	if (r < 0)
		return say(json_pack("{ss}", "error", e.msg));
	return say(json_pack("{ss ss ss sI ss ss}", "id", found.id, "secret", found.secret, "token",
			     found.token, "expires", (json_int_t)(found.expires_us / 1000000),
			     "source", source, "region", aws_config_region(c)));
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
	bool is_keys = argc > 1 && str_eq(argv[1], "keys");
	struct aws_config_options o = {.profile = is_keys && argc > 2 ? argv[2] : NULL};
	struct aws_config *c = NULL;
	struct err e = {0};
	int r;

	if (aws_config_load(&o, &c, &e) < 0)
		return say(json_pack("{ss}", "error", e.msg));
	r = is_keys ? keys(c) : endpoints(c);
	aws_config_free(c);
	return r;
}
