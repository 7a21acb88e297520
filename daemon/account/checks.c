/* SPDX-License-Identifier: MIT */
/* Checks, from a role's policies alone, if the role has the permissions that a job needs. The
 * results are plain sentences. Threads of the account service. */
#include "aws/policy.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/account/parts.h"

#include <stdio.h>
#include <string.h>

#define ACTIONS_MAX  6
#define RESOURCE_MAX 512

struct need {
	const char *name, *what;
	const char *actions[ACTIONS_MAX];
	/* placeholders: %P partition, %B bucket, %R region, %A account */
	const char *resource;
};

static const struct need needs[] = {
	{"s3_list", "list s3://%B", {"s3:ListBucket"}, "arn:%P:s3:::%B"},
	{"s3_read", "read s3://%B/", {"s3:GetObject"}, "arn:%P:s3:::%B/*"},
	{"s3_write", "write to s3://%B/", {"s3:PutObject"}, "arn:%P:s3:::%B/*"},
	{"ecr_login", "log in to the container registry", {"ecr:GetAuthorizationToken"}, "*"},
	{"ecr_pull",
	 "pull container images",
	 {"ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability"},
	 "arn:%P:ecr:%R:*:repository/*"},
	{"logs",
	 "write CloudWatch logs",
	 {"logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents",
	  "logs:DescribeLogStreams"},
	 "arn:%P:logs:%R:%A:log-group:/aws/sagemaker/*"},
	{"metrics", "write CloudWatch metrics", {"cloudwatch:PutMetricData"}, "*"},
};

/* Copy part i of an ARN ("arn", partition, service, region, account, ...). */
static void arn_part(const char *arn, int i, char *ret, size_t size)
{
	while (i-- > 0 && (arn = strchr(arn, ':')))
		arn++;
	str_excerptf(ret, size, "%.*s", arn ? (int)strcspn(arn, ":") : 0, arn ? arn : "");
}

static void fill(const struct account_checked *c, const char *pattern, char *ret, size_t size)
{
	struct buf out = BUF_INIT(size - 1);
	char part[64];

	for (; *pattern; pattern++) {
		if (pattern[0] != '%') {
			buf_put(&out, pattern, 1);
			continue;
		}
		pattern++;
		part[0] = '\0';
		if (*pattern == 'P')
			arn_part(c->role_arn, 1, part, sizeof(part));
		else if (*pattern == 'A')
			arn_part(c->role_arn, 4, part, sizeof(part));
		buf_puts(&out, *pattern == 'B' ? c->bucket : *pattern == 'R' ? c->region : part);
	}
	str_must_copy(ret, size, buf_str(&out));
	buf_done(&out);
}

static enum policy_answer may(const struct account_checked *c, const char *action,
			      const char *resource)
{
	enum policy_answer own = policy_allows(c->documents, action, resource);
	enum policy_answer bound =
		c->boundary ? policy_allows(c->boundary, action, resource) : POLICY_YES;

	if (bound < own)
		own = bound;
	return c->unread && bound != POLICY_NO ? POLICY_MAYBE : own;
}

static json_t *check(const struct account_checked *c, const struct need *need)
{
	char what[128], resource[RESOURCE_MAX];
	enum policy_answer worst = POLICY_YES;
	const char *action = "";
	json_t *words;

	fill(c, need->what, what, sizeof(what));
	fill(c, need->resource, resource, sizeof(resource));
	for (size_t i = 0; i < ACTIONS_MAX && need->actions[i]; i++) {
		enum policy_answer one = may(c, need->actions[i], resource);

		if (one < worst) {
			worst = one;
			action = need->actions[i];
		}
	}
	if (worst == POLICY_YES)
		words = json_sprintf("may %s", what);
	else if (worst == POLICY_NO)
		words = json_sprintf("may not %s: %s on %s is not allowed", what, action, resource);
	else if (c->unread)
		words = json_sprintf("perhaps may %s: some policies of the role cannot be read",
				     what);
	else
		words = json_sprintf(
			"perhaps may %s: %s on %s is allowed under a condition or in part", what,
			action, resource);
	return json_pack("{ss so so}", "need", need->name, "allowed", policy_answer_json(worst),
			 "words", words);
}

static json_t *check_trust(const struct account_checked *c)
{
	enum policy_answer trust =
		c->trust ? policy_trusts(c->trust, "sagemaker.amazonaws.com") : POLICY_NO;
	const char *words =
		trust == POLICY_YES ? "SageMaker may assume this role"
		: trust == POLICY_NO
			? "SageMaker may not assume this role: its trust policy must allow "
			  "sts:AssumeRole to the service sagemaker.amazonaws.com"
			: "SageMaker may assume this role under the conditions of its trust policy";

	return json_pack("{ss so ss}", "need", "trust", "allowed", policy_answer_json(trust),
			 "words", words);
}

json_t *account_checks(const struct account_checked *c)
{
	json_t *out = json_array();

	json_array_append_new(out, check_trust(c));
	for (size_t i = 0; i < ARRAY_LEN(needs); i++)
		json_array_append_new(out, check(c, &needs[i]));
	json_array_append_new(
		out, json_pack("{ss ss ss}", "need", "pass_role", "allowed", "maybe", "words",
			       "the daemon's own identity must be allowed to pass this role "
			       "(iam:PassRole), which is known when a job is created"));
	return out;
}
