/* SPDX-License-Identifier: MIT */
/*
 * Facts of the account for the start of a job: the identity (STS), the ARN of a role (IAM), the
 * location of a training job's model. Queried once, cached, and queried again after LOOKUP_KEEP_US.
 * A clear "no" is cached only for LOOKUP_NO_US, so that a correction takes effect soon. Manager's
 * thread.
 */
#include "daemon/sagemaker/lookup.h"
#include "base/log.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/sagemaker/controller.h"

#include <string.h>

#define LOOKUP_KEEP_US	(3600 * USEC_PER_SEC)
#define LOOKUP_NO_US	(15 * USEC_PER_SEC)
#define LOOKUP_AGAIN_US (5 * USEC_PER_SEC) /* delay after a transport error */

struct sagemaker_lookup {
	char key[512];
	char value[2049];
	enum sagemaker_known known;
	enum reason_code code;
	struct err why;
	bool asking;
	int64_t until_us; /* expiry, monotonic */
	struct sagemaker_lookup *next;
};

static struct sagemaker_lookup *find(struct sagemaker *c, const char *key)
{
	struct sagemaker_lookup *l = c->lookups;

	while (l && !str_eq(l->key, key))
		l = l->next;
	if (l)
		return l;
	l = calloc(1, sizeof(*l));
	if (!l)
		abort(); /* one kilobyte could not be allocated: no recovery is possible */
	str_copy(l->key, sizeof(l->key), key);
	l->next = c->lookups;
	c->lookups = l;
	return l;
}

void sagemaker_lookups_free(struct sagemaker *c)
{
	while (c->lookups) {
		struct sagemaker_lookup *l = c->lookups;

		c->lookups = l->next;
		free(l);
	}
}

static const char *value_of(const struct aws_call *c)
{
	if (str_eq(c->operation, "GetCallerIdentity"))
		return json_get_str(c->output, "Account", "");
	if (str_eq(c->operation, "GetRole"))
		return json_get_str(json_object_get(c->output, "Role"), "Arn", "");
	return json_get_str(json_object_get(c->output, "ModelArtifacts"), "S3ModelArtifacts", "");
}

/* True for a clear "no", with a message; false for a transport error. */
static bool is_no(const struct aws_call *c, struct sagemaker_lookup *l)
{
	const char *what = strchr(l->key, ':');

	what = what ? what + 1 : l->key;
	if (c->result == 0) {
		l->code = REASON_DATA_MISSING;
		err_set(&l->why, ERR_INVALID, "training job '%s' has no model, because it is %s",
			what, json_get_str(c->output, "TrainingJobStatus", "not finished"));
		return true;
	}
	if (c->kind == AWS_ERROR_NOT_FOUND) {
		bool role = str_eq(c->operation, "GetRole");

		l->code = role ? REASON_ROLE_INVALID : REASON_DATA_MISSING;
		err_set(&l->why, ERR_INVALID,
			role ? "this account has no IAM role '%s'; `trainyard roles` lists the "
			       "roles that SageMaker may assume"
			     : "this account has no training job '%s' in this region",
			what);
		return true;
	}
	if (c->kind != AWS_ERROR_DENIED && c->kind != AWS_ERROR_INVALID)
		return false;
	l->code = c->kind == AWS_ERROR_DENIED ? REASON_ACCESS_DENIED : REASON_REFUSED;
	err_set(&l->why, ERR_INVALID, "%s", c->err.msg);
	return true;
}

static void on_looked_up(struct manager *mgr, struct sagemaker_call *cc)
{
	const struct aws_call *c = &cc->call;
	struct sagemaker_lookup *l = find(mgr->sagemaker, cc->key);
	const char *value = c->result == 0 ? value_of(c) : "";
	int64_t now = clock_mono_us();

	l->asking = false;
	if (value[0]) {
		l->known = SAGEMAKER_KNOWN;
		l->until_us = now + LOOKUP_KEEP_US;
		str_copy(l->value, sizeof(l->value), value);
	} else if (is_no(c, l)) {
		l->known = SAGEMAKER_KNOWN_NO;
		l->until_us = now + LOOKUP_NO_US;
	} else {
		l->known = SAGEMAKER_UNKNOWN;
		l->why = c->err;
		l->until_us = now + LOOKUP_AGAIN_US;
	}
	manager_want_schedule(mgr);
}

static void ask(struct manager *mgr, struct sagemaker_lookup *l, const struct sagemaker_question *q)
{
	struct sagemaker_call *cc = sagemaker_call_new(mgr, q->service, q->operation, NULL,
						       json_incref((json_t *)q->input));

	if (!cc)
		return;
	cc->step = SAGEMAKER_STEP_LOOKUP;
	str_copy(cc->key, sizeof(cc->key), l->key);
	str_copy(cc->text[0], sizeof(cc->text[0]), q->region ? q->region : "");
	cc->call.region = cc->text[0];
	cc->answered = on_looked_up;
	l->asking = true;
	sagemaker_call_send(cc);
}

enum sagemaker_known sagemaker_look_up(struct manager *mgr, const struct sagemaker_question *q,
				       const char **ret, enum reason_code *ret_code,
				       struct err *reterr)
{
	struct sagemaker_lookup *l = find(mgr->sagemaker, q->key);
	/* While the target is paused every fact is queried again, because an answer ends the
	 * pause. */
	bool stale = clock_mono_us() >= l->until_us || mgr->sagemaker->pause.code != REASON_NONE;

	if (stale && !l->asking && mgr->aws && clock_mono_us() >= mgr->sagemaker->pause_until_us)
		ask(mgr, l, q);
	*ret = l->value;
	*ret_code = l->code;
	if (l->known == SAGEMAKER_KNOWN)
		return SAGEMAKER_KNOWN; /* also while a new query is running */
	if (l->known == SAGEMAKER_KNOWN_NO && !stale) {
		*reterr = l->why;
		return SAGEMAKER_KNOWN_NO;
	}
	err_set(reterr, ERR_UNAVAILABLE, "%s%s", q->words, l->why.msg[0] ? ": " : "");
	if (l->why.msg[0])
		err_set(reterr, ERR_UNAVAILABLE, "%s (%s)", q->words, l->why.msg);
	return SAGEMAKER_UNKNOWN;
}
