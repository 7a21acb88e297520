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

static const struct fact {
	enum aws_service service;
	const char *operation;
	const char *input;	   /* the key of the name; NULL: no input */
	const char *object, *text; /* where the answer has the fact; no object: at its top */
	const char *words;	   /* for messages */
	bool regional;		   /* True if each region has its own */
} facts[] = {
	[SAGEMAKER_FACT_ACCOUNT] = {AWS_STS, "GetCallerIdentity", NULL, NULL, "Account",
				    "looks up who we are in AWS", false},
	[SAGEMAKER_FACT_ROLE] = {AWS_IAM, "GetRole", "RoleName", "Role", "Arn",
				 "looks up the IAM role", false},
	[SAGEMAKER_FACT_MODEL] = {AWS_SAGEMAKER, "DescribeTrainingJob", "TrainingJobName",
				  "ModelArtifacts", "S3ModelArtifacts", "looks up the training job",
				  true},
};

struct sagemaker_lookup {
	enum sagemaker_fact fact;
	char name[256];
	char key[512];
	char value[2049];
	enum sagemaker_known known;
	enum reason_code code;
	struct err err;
	bool asking;
	int64_t until_us; /* expiry, monotonic */
	struct sagemaker_lookup *next;
};

static struct sagemaker_lookup *find(struct sagemaker *c, const char *key)
{
	struct sagemaker_lookup *l = c->lookups;

	while (l && !str_eq(l->key, key))
		l = l->next;
	return l;
}

static struct sagemaker_lookup *find_or_make(struct sagemaker *c, enum sagemaker_fact fact,
					     const char *name, const char *region)
{
	struct sagemaker_lookup *l;
	char key[sizeof(l->key)];

	str_must_format(key, sizeof(key), "%s:%s:%s", facts[fact].operation,
			facts[fact].regional ? region : "", name);
	l = find(c, key);
	if (l)
		return l;
	l = calloc(1, sizeof(*l));
	if (!l)
		abort(); /* a few kilobytes could not be allocated: no recovery is possible */
	l->fact = fact;
	str_must_copy(l->name, sizeof(l->name), name);
	str_assign(l->key, key);
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

static const char *value_of(const struct aws_call *c, const struct fact *f)
{
	const json_t *object = f->object ? json_object_get(c->output, f->object) : c->output;

	return json_get_str(object, f->text, "");
}

/* True for a clear "no", with a message; false for a transport error. */
static bool is_no(const struct aws_call *c, struct sagemaker_lookup *l)
{
	if (c->result == 0) {
		l->code = REASON_DATA_MISSING;
		err_set(&l->err, ERR_INVALID, "training job '%s' has no model, because it is %s",
			l->name, json_get_str(c->output, "TrainingJobStatus", "not finished"));
		return true;
	}
	if (c->kind == AWS_ERROR_NOT_FOUND) {
		bool role = l->fact == SAGEMAKER_FACT_ROLE;

		l->code = role ? REASON_ROLE_INVALID : REASON_DATA_MISSING;
		err_set(&l->err, ERR_INVALID,
			role ? "this account has no IAM role '%s'; `trainyard roles` lists the "
			       "roles that SageMaker may assume"
			     : "this account has no training job '%s' in this region",
			l->name);
		return true;
	}
	if (c->kind != AWS_ERROR_DENIED && c->kind != AWS_ERROR_INVALID)
		return false;
	l->code = c->kind == AWS_ERROR_DENIED ? REASON_ACCESS_DENIED : REASON_REFUSED;
	err_set(&l->err, ERR_INVALID, "%s", c->err.msg);
	return true;
}

static void take_value(struct sagemaker_lookup *l, const char *value)
{
	l->known = SAGEMAKER_KNOWN;
	if (str_copy(l->value, sizeof(l->value), value))
		return;
	l->known = SAGEMAKER_KNOWN_NO;
	l->code = REASON_REFUSED;
	l->value[0] = '\0';
	err_set(&l->err, ERR_INVALID,
		"AWS answered with a value of %zu bytes, and the limit is %zu", strlen(value),
		sizeof(l->value) - 1);
}

static void on_looked_up(struct manager *mgr, struct sagemaker_call *cc)
{
	const struct aws_call *c = &cc->call;
	struct sagemaker_lookup *l = find(mgr->sagemaker, cc->key);
	const char *value = c->result == 0 ? value_of(c, &facts[l->fact]) : "";
	int64_t now = clock_mono_us();

	l->asking = false;
	if (value[0]) {
		take_value(l, value);
		l->until_us = now + (l->known == SAGEMAKER_KNOWN ? LOOKUP_KEEP_US : LOOKUP_NO_US);
	} else if (is_no(c, l)) {
		l->known = SAGEMAKER_KNOWN_NO;
		l->until_us = now + LOOKUP_NO_US;
	} else {
		l->known = SAGEMAKER_UNKNOWN;
		l->err = c->err;
		l->until_us = now + LOOKUP_AGAIN_US;
	}
	manager_want_schedule(mgr);
}

static void lookup_request(struct manager *mgr, struct sagemaker_lookup *l, const char *region)
{
	const struct fact *f = &facts[l->fact];
	json_t *input = f->input ? json_pack("{ss}", f->input, l->name) : json_object();
	struct sagemaker_call *cc = sagemaker_call_new(mgr, f->service, f->operation, NULL, input);

	if (!cc)
		return;
	cc->step = SAGEMAKER_STEP_LOOKUP;
	str_assign(cc->key, l->key);
	str_must_copy(cc->text[0], sizeof(cc->text[0]), region);
	cc->call.region = cc->text[0];
	cc->answered = on_looked_up;
	l->asking = true;
	sagemaker_call_send(cc);
}

enum sagemaker_known sagemaker_look_up(struct manager *mgr, enum sagemaker_fact fact,
				       const char *name, const char *region, char *ret, size_t size,
				       enum reason_code *ret_code, struct err *reterr)
{
	struct sagemaker_lookup *l = find_or_make(mgr->sagemaker, fact, name, region);
	/* While the target is paused every fact is queried again, because an answer ends the
	 * pause. */
	bool stale = clock_mono_us() >= l->until_us || mgr->sagemaker->pause.code != REASON_NONE;

	if (stale && !l->asking && mgr->aws && clock_mono_us() >= mgr->sagemaker->pause_until_us)
		lookup_request(mgr, l, region);
	*ret_code = l->code;
	if (l->known == SAGEMAKER_KNOWN && str_copy(ret, size, l->value))
		return SAGEMAKER_KNOWN; /* also while a new query is running */
	if (l->known == SAGEMAKER_KNOWN) {
		*ret_code = REASON_REFUSED;
		err_set(reterr, ERR_INVALID, "%s: the answer '%.64s…' has more than %zu bytes",
			facts[fact].words, l->value, size - 1);
		return SAGEMAKER_KNOWN_NO;
	}
	if (l->known == SAGEMAKER_KNOWN_NO && !stale) {
		*reterr = l->err;
		return SAGEMAKER_KNOWN_NO;
	}
	err_set(reterr, ERR_UNAVAILABLE, "%s", facts[fact].words);
	if (l->err.msg[0])
		err_set(reterr, ERR_UNAVAILABLE, "%s (%s)", facts[fact].words, l->err.msg);
	return SAGEMAKER_UNKNOWN;
}
