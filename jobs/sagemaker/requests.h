/* SPDX-License-Identifier: MIT */
/*
 * A spec of ours as the bodies that SageMaker takes: CreateTrainingJob, CreateModel,
 * CreateEndpointConfig, CreateEndpoint, UpdateEndpoint, and the container images. Pure: values in,
 * JSON out; the names, URIs and tags are chosen by the caller (daemon/) and committed first. What
 * the service would refuse for its form (names, counts, lengths) is refused here, with a sentence
 * that says what to change; what only the service can know (instance types, quota) is not checked.
 * docs/sagemaker.md says how each field of a spec is used, and where this differs from the SDK.
 *
 * `spec` is always a normalised spec (struct job_spec.spec) whose references are resolved and whose
 * local paths are replaced by s3:// URIs. All members are borrowed for the call. Warnings are texts
 * appended to `warnings`, an array that may be NULL.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SAGEMAKER_VALUES_MAX	  100  /* hyperparameters of one job, ours included */
#define SAGEMAKER_VALUE_NAME_MAX  256  /* characters */
#define SAGEMAKER_VALUE_MAX	  2500 /* characters of one hyperparameter as JSON */
#define SAGEMAKER_VARIABLES_MAX	  100
#define SAGEMAKER_TRAIN_VALUE_MAX 512	     /* characters of an environment variable: training */
#define SAGEMAKER_MODEL_VALUE_MAX 1024	     /* bytes of one of a model, and of its name */
#define SAGEMAKER_MODEL_ENV_MAX	  (32 << 10) /* bytes of a model's names and values together */
#define SAGEMAKER_CHANNELS_MAX	  20
#define SAGEMAKER_URI_MAX	  1024
#define SAGEMAKER_TAGS_MAX	  50
#define SAGEMAKER_IMAGE_MAX	  255
#define SAGEMAKER_REGION_MAX	  32

#define SAGEMAKER_PROGRAM_NATIVE  "train.py" /* of worker/sagemaker_script */
#define SAGEMAKER_CHANNEL_MODEL	  "model"
#define SAGEMAKER_VARIANT	  "AllTraffic"
#define SAGEMAKER_RUNTIME_DEFAULT 86400	       /* seconds, for a job without max_runtime */
#define SAGEMAKER_RUNTIME_MAX	  (28 * 86400) /* seconds */
#define SAGEMAKER_VOLUME_DEFAULT  30	       /* GB */

/* True for the full ARN of a role: "arn:aws…:iam::ACCOUNT:role/[PATH/]NAME", 20 to 2048 bytes. */
bool sagemaker_role_arn_ok(const char *s);

enum sagemaker_role {
	SAGEMAKER_TRAINING,
	SAGEMAKER_INFERENCE,
};

/* The image of Hugging Face's containers for a region and an instance type (NULL for a serverless
 * endpoint: CPU). `version`: of transformers, "4.49.0" or "4.49"; NULL: our default. The result is
 * written to uri (SAGEMAKER_IMAGE_MAX + 1 bytes). -ERR_INVALID with the field "/sagemaker/…": no
 * such version, no account for the region, a family without such a container (inf, trn; training
 * on a CPU); each message names `sagemaker.image`, which replaces the table. */
int sagemaker_image(enum sagemaker_role role, const char *version, const char *region,
		    const char *instance_type, char uri[SAGEMAKER_IMAGE_MAX + 1],
		    struct err *reterr) MUSTCHECK;
/* A train job (native, or with entry_point) or a script job. */
struct sagemaker_training {
	const json_t *spec;
	const char *name;     /* TrainingJobName, chosen by resource_name() */
	const char *region;   /* of the job; sagemaker.region is not looked at */
	const char *role_arn; /* a full ARN; sagemaker.role is not looked at */
	/* NULL: sagemaker.image of the spec (a URI, or "transformers4.49"), else the table's. */
	const char *image;
	const char *source_uri;	     /* s3://…/sourcedir.tar.gz with the program at its root */
	const char *program;	     /* NULL: entry_point, or SAGEMAKER_PROGRAM_NATIVE */
	const char *output_uri;	     /* "s3://bucket/prefix/"; SageMaker adds NAME/output/… */
	const char *checkpoint_uri;  /* NULL: no checkpoints */
	const char *checkpoint_path; /* in the container; NULL: /opt/ml/checkpoints */
	const json_t *tags;	     /* {"key": "value"}, all of them, ours too */
	int service_retries;	     /* RetryStrategy of the service, 1 to 30; 0: none */
};

/* The body of CreateTrainingJob in *ret (new reference). -ERR_INVALID or -ERR_LIMIT with the field
 * in the spec; -ENOMEM. */
int sagemaker_training_request(const struct sagemaker_training *t, json_t **ret, json_t *warnings,
			       struct err *reterr) MUSTCHECK;
/* Seconds that the job may run at most (StoppingCondition): for the price of the worst case. */
int64_t sagemaker_runtime_max_s(const json_t *spec);

/* A deploy job's three resources. Exactly one of model_uri and hub_id is given. */
struct sagemaker_model {
	const json_t *spec;
	const char *name; /* ModelName */
	const char *region;
	const char *role_arn;
	const char *image;	  /* as above */
	const char *model_uri;	  /* an object "s3://…/model.tar.gz", or a prefix "s3://…/" */
	const char *hub_id;	  /* "org/name" on the hub: the container fetches it by itself */
	const char *hub_revision; /* NULL: the newest */
	const json_t *tags;
};

struct sagemaker_endpoint {
	const json_t *spec;
	const char *name;	 /* EndpointName */
	const char *config_name; /* EndpointConfigName */
	const char *model_name;
	const json_t *tags;
};

/* As sagemaker_training_request. */
int sagemaker_model_request(const struct sagemaker_model *m, json_t **ret, json_t *warnings,
			    struct err *reterr) MUSTCHECK;
int sagemaker_endpoint_config_request(const struct sagemaker_endpoint *e, json_t **ret,
				      json_t *warnings, struct err *reterr) MUSTCHECK;
int sagemaker_endpoint_request(const struct sagemaker_endpoint *e, json_t **ret,
			       struct err *reterr) MUSTCHECK;
int sagemaker_endpoint_update_request(const struct sagemaker_endpoint *e, json_t **ret,
				      struct err *reterr) MUSTCHECK;
