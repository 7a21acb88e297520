/* SPDX-License-Identifier: MIT */
/*
 * Queries the Invocations metric of CloudWatch for an endpoint, and keeps the newest answer for
 * each row.
 */
#include "daemon/sagemaker/idle.h"
#include "base/log.h"
#include "base/own.h"
#include "base/str.h"
#include "jobs/sagemaker/requests.h"

#include <string.h>

#define MINUTE_S     60
#define HOUR_S	     3600
#define POINTS_MAX   1440 /* in one answer (GetMetricStatistics in the CloudWatch API reference) */
#define KNOWN_US     (MINUTE_S * USEC_PER_SEC) /* an answer is valid for this time */
#define ASK_AGAIN_US (5 * USEC_PER_SEC)	       /* delay after a transport error */

struct sagemaker_idle {
	char endpoint[ID_LEN];
	bool asking, known;
	/* a request counted in a period may have come at the period's end */
	int64_t period_us, slack_us;
	int64_t last_us;  /* end of the last period with an invocation; 0: none */
	int64_t until_us; /* monotonic time of the next query */
	struct sagemaker_idle *next;
};

static struct sagemaker_idle *find(struct manager *mgr, const char *endpoint)
{
	struct sagemaker_idle *i = mgr->sagemaker->idles;

	while (i && !str_eq(i->endpoint, endpoint))
		i = i->next;
	if (i)
		return i;
	i = calloc(1, sizeof(*i));
	if (!i)
		return NULL;
	str_must_copy(i->endpoint, sizeof(i->endpoint), endpoint);
	i->next = mgr->sagemaker->idles;
	mgr->sagemaker->idles = i;
	return i;
}

void sagemaker_idles_free(struct sagemaker *c)
{
	while (c->idles) {
		struct sagemaker_idle *i = c->idles;

		c->idles = i->next;
		free(i);
	}
}

/* ---- the answer ---- */

static void look_at_point(struct sagemaker_idle *i, const json_t *point)
{
	double sum = 0;
	int64_t at;

	if (str_to_double(json_get_str(point, "Sum", "0"), &sum) < 0 || sum <= 0 ||
	    clock_parse(json_get_str(point, "Timestamp", ""), &at) < 0)
		return;
	if (at + i->slack_us > i->last_us)
		i->last_us = at + i->slack_us;
}

static void idle_on_answer(struct manager *mgr, struct sagemaker_call *cc)
{
	const struct aws_call *c = &cc->call;
	struct sagemaker_idle *i = find(mgr, cc->key);
	const json_t *points, *point;
	size_t n;

	if (!i)
		return;
	i->asking = false;
	i->known = c->result == 0 || c->kind == AWS_ERROR_DENIED || c->kind == AWS_ERROR_INVALID;
	i->until_us = clock_mono_us() + (i->known ? KNOWN_US : ASK_AGAIN_US);
	if (c->result < 0) {
		log_event(LOG_LEVEL_WARNING, "invocations_not_read", "endpoint=%s msg=\"%s\"",
			  i->endpoint, c->err.msg);
		return;
	}
	points = json_object_get(json_object_get(c->output, "Datapoints"), "member");
	if (json_is_object(points))
		look_at_point(i, points);
	json_array_foreach(points, n, point)
		look_at_point(i, point);
}

/* ---- querying ---- */

/* Whole seconds, as the service requires. */
static json_t *time_json(int64_t at_us)
{
	char text[CLOCK_TEXT_LEN];

	return json_string(clock_format(text, at_us / USEC_PER_SEC * USEC_PER_SEC));
}

static json_t *question(const struct resource_row *row, const struct endpoint_row *ep,
			const struct sagemaker_idle *i)
{
	int64_t now = clock_now_us();

	return json_pack("{ss ss s[{ss ss} {ss ss}] so so sI s[s]}", "Namespace", "AWS/SageMaker",
			 "MetricName", "Invocations", "Dimensions", "Name", "EndpointName", "Value",
			 row->name, "Name", "VariantName", "Value", SAGEMAKER_VARIANT, "StartTime",
			 time_json(now - ep->lease_idle_us - i->period_us), "EndTime",
			 time_json(now + USEC_PER_SEC), "Period",
			 (json_int_t)(i->period_us / USEC_PER_SEC), "Statistics", "Sum");
}

static void idle_request(struct manager *mgr, const struct endpoint_row *ep,
			 struct sagemaker_idle *i)
{
	OWN(resource_rows_done) struct resource_rows rows = {0};
	struct sagemaker_call *cc = NULL;

	if (store_resource_of_endpoint(mgr->store, ep->id, &rows, NULL) < 0)
		return;
	i->period_us = (ep->lease_idle_us < (POINTS_MAX - 1) * MINUTE_S * USEC_PER_SEC ? MINUTE_S
										       : HOUR_S) *
		       USEC_PER_SEC;
	i->slack_us = ep->lease_idle_us < i->period_us ? ep->lease_idle_us : i->period_us;
	for (size_t r = 0; !cc && r < rows.n; r++) {
		const struct resource_row *row = &rows.rows[r];

		if (row->kind != RESOURCE_ENDPOINT || resource_state_is_final(row->state))
			continue;
		cc = sagemaker_call_new(mgr, AWS_CLOUDWATCH, "GetMetricStatistics", NULL,
					question(row, ep, i));
		if (cc)
			str_assign(cc->text[0], row->region);
	}
	if (!cc)
		return;
	cc->step = SAGEMAKER_STEP_LOOKUP;
	cc->call.region = cc->text[0];
	str_assign(cc->key, ep->id);
	cc->answered = idle_on_answer;
	i->asking = true;
	sagemaker_call_send(cc);
}

int sagemaker_idle_known(struct manager *mgr, const struct endpoint_row *ep, int64_t *last_us)
{
	struct sagemaker_idle *i = mgr->aws ? find(mgr, ep->id) : NULL;

	if (!i)
		return 1;
	if (!i->asking && clock_mono_us() >= i->until_us) {
		i->known = false;
		idle_request(mgr, ep, i);
	}
	if (!i->known)
		return 0;
	if (i->last_us > *last_us)
		*last_us = i->last_us;
	return 1;
}
