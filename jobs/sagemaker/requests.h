/* SPDX-License-Identifier: MIT */
/*
 * Builds SageMaker request bodies from a spec: CreateTrainingJob, CreateModel,
 * CreateEndpointConfig, CreateEndpoint, UpdateEndpoint, and container images. Pure: values in, JSON
 * out. The caller (daemon/) chooses names, URIs and tags and commits them first. A builder refuses
 * a request with an invalid form (names, counts, lengths); its message has the remedy. A builder
 * does not check what only the service knows (instance types, quota). docs/sagemaker.md documents
 * the use of each field and the differences from the SDK.
 *
 * `spec` is a normalised spec (struct job_spec.spec) with resolved references and s3:// URIs in
 * place of local paths. All members are borrowed for the call. Warnings are texts, appended to the
 * array `warnings`, which may be NULL.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SAGEMAKER_VALUES_MAX	  100  /* hyperparameters of one job, including Trainyard's own */
#define SAGEMAKER_VALUE_NAME_MAX  256  /* characters */
#define SAGEMAKER_VALUE_MAX	  2500 /* characters of one hyperparameter as JSON */
#define SAGEMAKER_VARIABLES_MAX	  100
/* characters of an environment variable of a training job */
#define SAGEMAKER_TRAIN_VALUE_MAX 512
/* bytes of an environment variable of a model, and of its name */
#define SAGEMAKER_MODEL_VALUE_MAX 1024
#define SAGEMAKER_MODEL_ENV_MAX	  (32 << 10) /* bytes of all names and values of a model */
#define SAGEMAKER_CHANNELS_MAX	  20
#define SAGEMAKER_URI_MAX	  1024
#define SAGEMAKER_TAGS_MAX	  50
#define SAGEMAKER_IMAGE_MAX	  255

#define SAGEMAKER_PROGRAM_NATIVE  "train.py" /* in worker/sagemaker_script */
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

/* Find the Hugging Face container image for a region and an instance type (NULL: a serverless
 * endpoint on CPU). `version` is that of transformers, "4.49.0" or "4.49"; NULL: the default.
 * Writes at most SAGEMAKER_IMAGE_MAX + 1 bytes to `uri`. -ERR_INVALID with the field "/sagemaker/…"
 * if the version is unknown, the region has no account, or the family has no such container (inf,
 * trn; training on a CPU). Each message names `sagemaker.image`, which replaces the table. */
int sagemaker_image(enum sagemaker_role role, const char *version, const char *region,
		    const char *instance_type, char uri[SAGEMAKER_IMAGE_MAX + 1],
		    struct err *reterr) MUSTCHECK;
/* A train job (native, or with entry_point) or a script job. */
struct sagemaker_training {
	const json_t *spec;
	const char *name;     /* TrainingJobName, from resource_name() */
	const char *region;   /* region of the job; sagemaker.region is ignored */
	const char *role_arn; /* a full ARN; sagemaker.role is ignored */
	/* NULL: sagemaker.image of the spec (a URI, or "transformers4.49"), else the table's
	 * image. */
	const char *image;
	/* s3://…/sourcedir.tar.gz with the program at the archive's root */
	const char *source_uri;
	const char *program;	     /* NULL: entry_point, or SAGEMAKER_PROGRAM_NATIVE */
	const char *output_uri;	     /* "s3://bucket/prefix/"; SageMaker appends NAME/output/… */
	const char *checkpoint_uri;  /* NULL: no checkpoints */
	const char *checkpoint_path; /* path in the container; NULL: /opt/ml/checkpoints */
	const json_t *tags;	     /* {"key": "value"}: all tags, including Trainyard's own */
	int service_retries;	     /* the service's RetryStrategy, 1 to 30; 0: none */
};

/* Build the body of CreateTrainingJob; *ret is a new reference. -ERR_INVALID or -ERR_LIMIT with the
 * field in the spec; -ENOMEM. */
int sagemaker_training_request(const struct sagemaker_training *t, json_t **ret, json_t *warnings,
			       struct err *reterr) MUSTCHECK;
/* Maximum runtime in seconds (StoppingCondition), for the price of the worst case. */
int64_t sagemaker_runtime_max_s(const json_t *spec);

/* The three resources of a deploy job. Exactly one of model_uri and hub_id is given. */
struct sagemaker_model {
	const json_t *spec;
	const char *name; /* ModelName */
	const char *region;
	const char *role_arn;
	const char *image;	  /* as in struct sagemaker_training */
	const char *model_uri;	  /* an object "s3://…/model.tar.gz", or a prefix "s3://…/" */
	const char *hub_id;	  /* "org/name" on the hub; the container downloads the model */
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

/* As sagemaker_training_request(). */
int sagemaker_model_request(const struct sagemaker_model *m, json_t **ret, json_t *warnings,
			    struct err *reterr) MUSTCHECK;
int sagemaker_endpoint_config_request(const struct sagemaker_endpoint *e, json_t **ret,
				      json_t *warnings, struct err *reterr) MUSTCHECK;
/* True if the body of a CreateEndpointConfig has a serverless variant. */
bool sagemaker_config_is_serverless(const json_t *config);
int sagemaker_endpoint_request(const struct sagemaker_endpoint *e, json_t **ret,
			       struct err *reterr) MUSTCHECK;
int sagemaker_endpoint_update_request(const struct sagemaker_endpoint *e, json_t **ret,
				      struct err *reterr) MUSTCHECK;
