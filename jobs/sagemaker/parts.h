/* SPDX-License-Identifier: MIT */
/*
 * Inside of jobs/sagemaker_*: a request in the making. The first failure is kept and everything
 * after it does nothing, so that a builder checks once at its end with request_end().
 */
#pragma once

#include "base/json.h"
#include "jobs/sagemaker/requests.h"

#include <stdbool.h>
#include <stdint.h>

struct request {
	json_t *body; /* owned */
	json_t *warnings;
	struct err *reterr;
	int r; /* < 0: failed, and *reterr says why */
};

void request_start(struct request *q, json_t *warnings, struct err *reterr);
/* Give the body away: 0 and *ret, or what went wrong. */
int request_end(struct request *q, json_t **ret);
bool request_ok(const struct request *q);
/* Keep a failure that was put into q->reterr; -ENOMEM gets its text here. */
void request_fail(struct request *q, int r);
void request_refuse(struct request *q, int code, const char *field, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void request_warn(struct request *q, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Set a member; takes over `value` (NULL: memory is out). Returns it, borrowed; NULL after a
 * failure, which the other functions take as an object too. */
json_t *request_set(struct request *q, json_t *object, const char *key, json_t *value);
json_t *request_add(struct request *q, json_t *array, json_t *value);

/* Checked texts: `field` is the place in the spec that a refusal points at, `what` its name. */
void request_check_name(struct request *q, const char *name);
void request_name(struct request *q, const char *key, const char *name);
void request_check_uri(struct request *q, const char *uri, const char *field);
void request_uri(struct request *q, json_t *object, const char *key, const char *uri,
		 const char *field);
void request_role(struct request *q, const char *key, const char *role_arn);
void request_kms(struct request *q, json_t *object, const char *key, const char *kms_key);
void request_tags(struct request *q, const json_t *tags);
/* VpcConfig of spec.sagemaker.vpc, if given. */
void request_vpc(struct request *q, const json_t *sagemaker);
/* Add spec.environment to `object`, whose limits are those of `role`: of a training job characters
 * of a value, of a model bytes of a value and of everything together (botocore,
 * ContainerDefinition.Environment). */
void request_environment(struct request *q, json_t *object, const json_t *spec,
			 enum sagemaker_role role);
/* sagemaker.volume_gb, or `fallback` if there is none or the instance type has its own disks
 * instead; then with a warning. */
int64_t request_volume(struct request *q, const json_t *sagemaker, int64_t fallback);
/* The image: `given`, else sagemaker.image ("transformers4.49" chooses from the table), else the
 * table's default. */
void request_image(struct request *q, json_t *object, const char *key, enum sagemaker_role role,
		   const char *given, const char *region, const json_t *spec);
/* InstanceType; refused when the spec names none. Borrowed. */
const char *request_instance_type(struct request *q, const json_t *sagemaker);
/* Whole seconds of a duration in the spec, rounded up; fallback when it is absent. */
int64_t spec_seconds(const json_t *object, const char *key, int64_t fallback);
/* Characters of UTF-8. */
size_t text_chars(const char *s);

/* "g5" of "ml.g5.xlarge". */
bool sagemaker_family(const char *instance_type, char *family, size_t size);
/* True if the family has disks of its own, which its hardware encrypts, instead of a volume. */
bool sagemaker_has_local_disks(const char *instance_type);

/* sagemaker/values.c: HyperParameters of a training: the spec's, as json.dumps writes each, and
 * those that the container's toolkit wants. */
void request_values(struct request *q, const struct sagemaker_training *t, const char *program,
		    int instance_count);
