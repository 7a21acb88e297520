/* SPDX-License-Identifier: MIT */
/*
 * Rules of "sagemaker". Contradictions are refused for both targets, so that a job moves to
 * SageMaker by a change of `target` alone. Requirements of SageMaker apply only to jobs that run
 * there. The limits are those of the service's model (botocore
 * data/sagemaker/2017-07-24/service-2.json).
 */
#include "base/clock.h"
#include "base/own.h"
#include "base/str.h"
#include "jobs/spec/parse.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define DEPLOY_VOLUME_MAX 512 /* GB */

/* Report a problem at `key` below the current location. */
static void say(struct spec_parse *p, const char *key, enum problem_code code, const char *text)
{
	size_t mark = spec_enter(p, key);

	spec_problem(p, code, "%s", text);
	spec_leave(p, mark);
}

static bool trains(enum job_kind kind)
{
	return kind == JOB_TRAIN || kind == JOB_SCRIPT;
}

static void rule_serverless(struct spec_parse *p, const struct job_spec *job, const json_t *s)
{
	const json_t *serverless = json_object_get(s, "serverless");
	int64_t ready = json_get_int(serverless, "provisioned_concurrency", 0);
	int64_t most = json_get_int(serverless, "max_concurrency", ready);
	size_t mark;

	if (!serverless)
		return;
	if (job->kind != JOB_DEPLOY)
		say(p, "serverless", PROBLEM_INVALID,
		    "'serverless' is for deploy jobs only; give an 'instance_type' instead");
	else if (json_object_get(s, "instance_type"))
		say(p, "serverless", PROBLEM_INVALID,
		    "a deploy is serverless or has an 'instance_type'; remove one of them");
	else if (json_object_get(s, "instance_count"))
		say(p, "serverless", PROBLEM_INVALID,
		    "a serverless deploy has no 'instance_count'; give 'max_concurrency' instead");
	else if (json_object_get(s, "volume_gb"))
		say(p, "volume_gb", PROBLEM_INVALID,
		    "a serverless endpoint has no disk to size; remove 'volume_gb'");
	else if (json_object_get(s, "vpc"))
		say(p, "vpc", PROBLEM_INVALID,
		    "a serverless endpoint cannot be in a VPC; remove 'vpc' or 'serverless'");
	mark = spec_enter(p, "serverless");
	if (ready > most)
		say(p, "provisioned_concurrency", PROBLEM_OUT_OF_RANGE,
		    "'provisioned_concurrency' is more than 'max_concurrency'; lower it");
	spec_leave(p, mark);
}

static int64_t duration_of(const json_t *object, const char *key, int64_t fallback_us)
{
	int64_t us;

	return duration_parse(json_get_str(object, key, ""), &us) == 0 ? us : fallback_us;
}

/* Spot capacity: set how long to wait, and refuse fields that exclude spot. */
static void rule_spot(struct spec_parse *p, const struct job_spec *job, json_t *s)
{
	int64_t run = duration_of(job->spec, "max_runtime", SPEC_SAGEMAKER_RUNTIME_US);
	int64_t wait = duration_of(s, "max_wait", 0), most = INT64_MAX / 2;
	char text[32];
	size_t mark;

	if (!json_get_bool(s, "spot", false)) {
		if (json_object_get(s, "max_wait"))
			say(p, "max_wait", PROBLEM_INVALID,
			    "'max_wait' is for spot capacity only; add 'spot' or remove "
			    "'max_wait'");
		return;
	}
	if (!json_object_get(s, "max_wait") && run < most)
		spec_set(p, s, "max_wait", json_string(duration_format(text, 2 * run)));
	mark = spec_enter(p, "max_wait");
	if (wait > 0 && wait < run)
		spec_problem(p, PROBLEM_OUT_OF_RANGE,
			     "'max_wait' covers waiting and running; make it at least max_runtime, "
			     "which is %s",
			     duration_format(text, run));
	spec_leave(p, mark);
	if (duration_of(s, "keep_alive", 0) > 0)
		say(p, "keep_alive", PROBLEM_INVALID,
		    "spot instances cannot be kept warm; remove 'keep_alive' or 'spot'");
}

static void rule_training_only(struct spec_parse *p, const struct job_spec *job, const json_t *s)
{
	static const char *const fields[] = {"spot", "max_wait", "keep_alive"};
	char text[128];

	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		if (!json_object_get(s, fields[i]))
			continue;
		str_excerptf(text, sizeof(text),
			     "'%s' is for training only; remove it from the endpoint", fields[i]);
		say(p, fields[i], PROBLEM_INVALID, text);
	}
	if (json_get_int(s, "volume_gb", 0) > DEPLOY_VOLUME_MAX)
		say(p, "volume_gb", PROBLEM_OUT_OF_RANGE,
		    "the disk of an endpoint has at most 512 GB; ask for less");
}

/* ---- jobs that run on SageMaker ---- */

static void rule_needed(struct spec_parse *p, const struct job_spec *job, const json_t *s)
{
	bool refused = p->found > p->found_before_job; /* possibly a problem with this very field */

	if (!json_object_get(s, "instance_type") && !json_object_get(s, "serverless") && !refused)
		say(p, "instance_type", PROBLEM_MISSING,
		    job->kind == JOB_DEPLOY ? "on SageMaker the job needs an instance; give "
					      "'sagemaker.instance_type', such as ml.m5.xlarge, or "
					      "'sagemaker.serverless'"
					    : "on SageMaker the job needs an instance; give "
					      "'sagemaker.instance_type', such as ml.g5.xlarge");
	if (!json_object_get(s, "role") && !p->ctx->aws_role_default && !refused)
		say(p, "role", PROBLEM_MISSING,
		    "on SageMaker the job needs an IAM role; give 'sagemaker.role', or set "
		    "aws.role in the configuration");
}

/* True if the text has only letters, digits, spaces and _.:/=+-@. Non-ASCII characters are left to
 * the service. */
static bool tag_text_ok(const char *s)
{
	for (; *s; s++)
		if (!((unsigned char)*s & 0x80) && !isalnum((unsigned char)*s) &&
		    !strchr(" _.:/=+-@", *s))
			return false;
	return true;
}

/* A tag before `key` whose name AWS considers equal, because it ignores case; NULL if there is
 * none. */
static const char *same_tag_before(const json_t *tags, const char *key)
{
	const char *other;
	json_t *value;

	json_object_foreach((json_t *)tags, other, value) {
		if (other == key)
			return NULL;
		if (strcasecmp(other, key) == 0)
			return other;
	}
	return NULL;
}

static void rule_tags(struct spec_parse *p, const struct job_spec *job)
{
	size_t n = json_object_size(job->tags), mark = spec_enter(p, "tags"), inner;
	const char *key, *other;
	json_t *value;

	if (n > SPEC_TAGS_SAGEMAKER_MAX)
		spec_problem(p, PROBLEM_TOO_MANY,
			     "the job has %zu tags; use at most %d on SageMaker, because the "
			     "daemon adds its own",
			     n, SPEC_TAGS_SAGEMAKER_MAX);
	json_object_foreach(job->tags, key, value) {
		inner = spec_enter(p, key);
		if (!tag_text_ok(key) || !tag_text_ok(json_string_value(value)))
			spec_problem(p, PROBLEM_INVALID,
				     "AWS does not accept this tag; use letters, digits, spaces "
				     "and _.:/=+-@");
		other = same_tag_before(job->tags, key);
		if (other)
			spec_problem(p, PROBLEM_INVALID,
				     "'%s' and '%s' are one name for AWS; keep one of them", other,
				     key);
		spec_leave(p, inner);
	}
	spec_leave(p, mark);
}

/* Warn of "sagemaker" fields that have no effect, because the kind always runs on this machine. */
static void warn_of_unused(struct spec_parse *p, const struct job_spec *job, const json_t *s)
{
	bool sends = job->kind == JOB_UPLOAD || job->kind == JOB_PREPROCESS;
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)s, key, value) {
		size_t mark = spec_enter(p, key);

		if (!(str_eq(key, "kms_key") && sends) &&
		    !(str_eq(key, "region") && json_is_object(json_object_get(job->spec, "model"))))
			spec_warning(p,
				     "'%s' is ignored, because %s jobs always run on this machine",
				     key, job_kind_str(job->kind));
		spec_leave(p, mark);
	}
}

void spec_rule_sagemaker(struct spec_parse *p, struct job_spec *job)
{
	json_t *s = json_object_get(job->spec, "sagemaker");
	bool there = job_runs_at(job->kind, job->target) == TARGET_SAGEMAKER;
	size_t mark = spec_enter(p, "sagemaker");

	if (s && job_runs_at(job->kind, TARGET_SAGEMAKER) == TARGET_SAGEMAKER) {
		rule_serverless(p, job, s);
		if (trains(job->kind))
			rule_spot(p, job, s);
		else
			rule_training_only(p, job, s);
	} else if (s && job->target == TARGET_SAGEMAKER)
		warn_of_unused(p, job, s);
	if (there)
		rule_needed(p, job, s);
	spec_leave(p, mark);
	if (!there)
		return;
	rule_tags(p, job);
	if (p->found == p->found_before_job)
		spec_dry_run(p, job);
}
