/* SPDX-License-Identifier: MIT */
/* Internal to jobs/sagemaker/: what all requests share: checked texts, tags, network, environment,
 * image. Pure. */
#pragma once

#include "jobs/sagemaker/request_body.h"
#include "jobs/sagemaker/requests.h"

#include <stdbool.h>
#include <stdint.h>

/* Checks of texts. `field` is the pointer into the spec for a refusal, `what` is its name in the
 * message. */
void request_check_name(struct request *q, const char *name);
void request_name(struct request *q, const char *key, const char *name);
void request_check_uri(struct request *q, const char *uri, const char *field);
void request_uri(struct request *q, json_t *object, const char *key, const char *uri,
		 const char *field);
void request_role(struct request *q, const char *key, const char *role_arn);
void request_kms(struct request *q, json_t *object, const char *key, const char *kms_key);
void request_tags(struct request *q, const json_t *tags);
/* Set VpcConfig from spec.sagemaker.vpc, if given. */
void request_vpc(struct request *q, const json_t *sagemaker);
/* Add spec.environment to `object`. Limits depend on `role`. Training: characters of each value.
 * Model: bytes of each value and of all names and values together (botocore,
 * ContainerDefinition.Environment). */
void request_environment(struct request *q, json_t *object, const json_t *spec,
			 enum sagemaker_role role);
/* sagemaker.volume_gb, or `fallback` if it is absent. If the instance type has its own disks,
 * returns `fallback` and warns. */
int64_t request_volume(struct request *q, const json_t *sagemaker, int64_t fallback);
/* Set the image: `given`, else sagemaker.image ("transformers4.49" selects from the table), else
 * the table's default. */
void request_image(struct request *q, json_t *object, const char *key, enum sagemaker_role role,
		   const char *given, const char *region, const json_t *spec);
/* The InstanceType, borrowed. Refused if the spec names none. */
const char *request_instance_type(struct request *q, const json_t *sagemaker);
/* A duration of the spec in whole seconds, rounded up; `fallback` if it is absent. */
int64_t spec_seconds(const json_t *object, const char *key, int64_t fallback);
/* Number of UTF-8 characters. */
size_t text_chars(const char *s);

/* Read the family of an instance type: "g5" of "ml.g5.xlarge". Returns false if there is none. */
bool sagemaker_family(const char *instance_type, char *family, size_t size);
/* True if the family has local disks, which its hardware encrypts, instead of a volume. */
bool sagemaker_has_local_disks(const char *instance_type);

/* sagemaker/values.c: set the HyperParameters of a training: those of the spec, each as json.dumps
 * writes it, and those of the container's toolkit. */
void request_values(struct request *q, const struct sagemaker_training *t, const char *program,
		    int instance_count);
