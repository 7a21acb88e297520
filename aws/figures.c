/* SPDX-License-Identifier: MIT */
/* Counts the attempts of calls by service and outcome, and writes them for GET /metrics. */
#include "aws/internal.h"
#include "base/exposition.h"

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

static const char *const outcomes[AWS_OUTCOMES_] = {
	[AWS_OUTCOME_OK] = "ok",
	[AWS_OUTCOME_THROTTLED] = "throttled",
	[AWS_OUTCOME_TRANSIENT] = "transient",
	[AWS_OUTCOME_REFUSED] = "refused",
};

void attempt_count(struct aws *a, const struct aws_call *c)
{
	enum aws_outcome o = c->result == 0		      ? AWS_OUTCOME_OK
			     : c->kind == AWS_ERROR_THROTTLED ? AWS_OUTCOME_THROTTLED
			     : c->kind == AWS_ERROR_TRANSIENT ? AWS_OUTCOME_TRANSIENT
							      : AWS_OUTCOME_REFUSED;

	atomic_fetch_add_explicit(&a->attempts[c->service][o], 1, memory_order_relaxed);
}

void aws_figures(const struct aws *a, struct buf *out)
{
	exposition_family(out, "trainyard_aws_requests_total", "counter",
			  "Requests to AWS, each attempt by itself: ok, throttled, transient (5xx, "
			  "no connection, time-out), refused.");
	for (int s = 0; s < AWS_SERVICES_; s++)
		for (int o = 0; o < AWS_OUTCOMES_; o++)
			exposition_int(out, "trainyard_aws_requests_total",
				       (int64_t)atomic_load(&a->attempts[s][o]), "service",
				       services[s], "outcome", outcomes[o], NULL);
}
