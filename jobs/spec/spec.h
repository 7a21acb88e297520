/* SPDX-License-Identifier: MIT */
/*
 * A submitted pipeline: parse, validate, fill in defaults, build the graph. Pure: no files, no
 * clock, no network. The daemon must check what depends on the machine; such paths are listed
 * (spec_path). The tables of fields (spec/fields.h) are the only source of types, defaults and
 * openapi.json. The API's submit and the daemon call this.
 */
#pragma once

#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "jobs/kind.h"
#include "jobs/reason.h"

#include <stdbool.h>
#include <stdint.h>

#define SPEC_JOBS_MAX		  256 /* jobs in a run */
#define SPEC_NAME_MAX		  63  /* bytes of a name: [a-zA-Z0-9][a-zA-Z0-9_.-]* */
#define SPEC_NEEDS_MAX		  64  /* needs of one job */
#define SPEC_TAGS_MAX		  50
#define SPEC_TAG_NAME_MAX	  128  /* bytes */
#define SPEC_TAG_MAX		  256  /* bytes of a tag's value */
#define SPEC_TAGS_SAGEMAKER_MAX	  44   /* tags of a SageMaker job: 50, less Trainyard's own */
#define SPEC_PROBLEMS_MAX	  20   /* further problems are not listed */
#define SPEC_PATH_MAX		  1024 /* bytes of a path or URI */
#define SPEC_SAGEMAKER_RUNTIME_US (INT64_C(86400) * 1000000) /* SageMaker's own default */
#define SPEC_PRIORITY_MAX	  1000			     /* -1000 … 1000 */
#define SPEC_INPUTS_MAX		  10000			     /* texts of a predict job */
#define SPEC_INPUTS_LOCAL_MAX	  512 /* texts in one request to an endpoint of the local target */

struct spec_field; /* defined in jobs/spec/fields.h */

/* The facts of the machine and the configuration that validation needs. Borrowed for the call. */
struct spec_context {
	bool native;		      /* True if the worker includes the native engine */
	int gpus;		      /* GPUs of this machine */
	int64_t gpu_memory_max_bytes; /* of the GPU with the most memory */
	int cpus;		      /* of all CPU slots together */
	int64_t memory_bytes;	      /* of the machine; local.memory is refused for now */
	const char *python;	      /* default of local.python */
	int64_t lease_ttl_default_us, lease_ttl_max_us;
	int64_t max_runtime_default_us; /* 0: none; SageMaker uses SPEC_SAGEMAKER_RUNTIME_US */
	const char *aws_region;		/* for jobs that name no region; NULL or "": unknown */
	bool aws_role_default; /* True if the configuration has a role for SageMaker jobs */
	/* True if `name` is a registered model: configured or added. */
	bool (*model_known)(void *userdata, const char *name);
	void *userdata;
};

enum need_when {
	NEED_SUCCESS,
	NEED_FAILURE,
	NEED_ALWAYS,
};
const char *need_when_str(enum need_when when);
int need_when_parse(const char *text, enum need_when *ret); /* 0 or -EINVAL */

struct job_need {
	size_t job; /* index into run_spec.jobs */
	enum need_when when;
};

/* A local path (or registered model name) in a job's spec that the daemon must check. */
enum spec_path_use {
	SPEC_PATH_DATASET,    /* a file or directory to read */
	SPEC_PATH_DIRECTORY,  /* a directory to read: channels of a script */
	SPEC_PATH_SAVED,      /* a saved data set to read */
	SPEC_PATH_MODEL,      /* a model directory or a registered model name */
	SPEC_PATH_SOURCE_DIR, /* a directory whose content is frozen */
	SPEC_PATH_SOURCE,     /* a file or directory to read: the source of an upload */
	SPEC_PATH_OUTPUT,     /* a directory to write; it need not exist */
};

struct spec_path {
	char pointer[ERR_FIELD_MAX]; /* into the submitted body */
	enum spec_path_use use;
	bool hub;    /* of a model: True if it is a hub name in case no such directory exists */
	bool of_run; /* of a model: True for the form RUN/job, which precedes the hub name */
	const struct spec_field *field;
	json_t *object;	  /* the object in job_spec.spec with the path; borrowed */
	const char *key;  /* static or inside object */
	const char *path; /* text inside `object` */
};

/* "${job.output}/sub/path", or "${RUN/job.output}/sub/path" for another run. */
struct spec_ref {
	char run[SPEC_NAME_MAX + 1]; /* id or name of the run; "": the same run */
	char job[SPEC_NAME_MAX + 1], output[SPEC_NAME_MAX + 1];
	const char *sub; /* "" or "/sub/path"; inside the text */
};

/* A reference to another run, which the daemon must look up. */
struct spec_foreign {
	char pointer[ERR_FIELD_MAX];
	const struct spec_field *field; /* the field's row, for spec_foreign_check() */
	json_t *object;			/* in job_spec.spec, contains the reference; borrowed */
	const char *key;		/* static or inside object */
	char text[SPEC_PATH_MAX + 1];
};

/* A use of another run's job. While the pin exists, that run is not pruned. */
struct job_pin {
	char job[ID_LEN];
	int attempt;
	bool files; /* True if the job uses files of that run */
};

/* A job of the run. `spec` holds every submitted field and all defaults: name (the kind if it was
 * left out), kind, target, priority; needs as [{"job","when"}] (only the submitted ones; `needs`
 * below also has those from references), bytes as integers, durations as text for duration_parse(),
 * references unchanged (see spec_resolve).
 *
 * A location is text: a local path (absolute after the daemon's check), an s3://bucket/key, or the
 * hub name of a model, which never begins with '/'. A prefix in `output` ends with '/'. A model
 * from a training job of the account is {"training_job": name}. */
struct job_spec {
	char name[SPEC_NAME_MAX + 1];
	enum job_kind kind;
	enum job_target target;
	int priority;
	bool held;
	json_t *spec; /* normalised, with all defaults; owned */
	json_t *tags; /* owned, never NULL */
	struct job_need *needs;
	size_t needs_n;
	struct spec_path *paths;
	size_t paths_n;
	struct spec_foreign *foreign;
	size_t foreign_n;
	struct job_pin *pins; /* filled by the daemon after the look-up */
	size_t pins_n;
	char (*models)[SPEC_NAME_MAX + 1]; /* names of added models in use; filled by the daemon */
	size_t models_n;
};

struct run_spec {
	char name[SPEC_NAME_MAX + 1]; /* "run" if no name was given */
	json_t *body;		      /* as submitted, owned */
	json_t *tags;
	json_t *warnings; /* [{"pointer","detail"}]: values that are valid but suspicious; owned */
	struct job_spec *jobs;
	size_t jobs_n;
};

/* Parse {"name","tags","priority","jobs":[…]}. Returns 0 and *ret (the caller frees it), or
 * -ERR_INVALID if there are problems. Problems are appended to `problems` (an array of
 * {"pointer","code","detail"}, at most SPEC_PROBLEMS_MAX). Codes: unknown_field, wrong_type,
 * out_of_range, missing, unknown_reference, cycle, duplicate, unsupported, too_many, invalid. */
int run_spec_parse(const json_t *body, const struct spec_context *ctx, struct run_spec **ret,
		   json_t *problems, struct err *reterr) MUSTCHECK;
/* Parse the body of POST /v1/jobs: one job, a run of its name. Pointers begin at the job. */
int run_spec_parse_job(const json_t *job, const struct spec_context *ctx, struct run_spec **ret,
		       json_t *problems, struct err *reterr) MUSTCHECK;
/* Call `fn` for each submitted local path of a job: object[key], which `fn` may replace. A negative
 * result of `fn` stops the walk and is returned; else returns 0. */
typedef int (*spec_path_fn)(void *userdata, enum spec_path_use, json_t *object, const char *key);
int spec_visit_paths(json_t *job, spec_path_fn fn, void *userdata) MUSTCHECK;
void run_spec_free(struct run_spec *rs);
void run_spec_freep(struct run_spec **rs);

/* The resources that a stored, normalised spec requests from the scheduler. */
#define SPEC_DEVICES_MAX 16
struct job_resources {
	int gpus;		       /* whole GPUs */
	int64_t gpu_memory_bytes;      /* per GPU; 0: the whole GPU */
	int devices[SPEC_DEVICES_MAX]; /* requested GPU indices; devices_n 0: any */
	int devices_n;
	int cpus;		/* threads; 0: all of the slot */
	int64_t memory_bytes;	/* 0: no limit */
	int64_t max_runtime_us; /* 0: no limit */
	int retry_max;
	uint64_t retry_on; /* a bit for each reason_code that `retry` names, else the defaults */
};
void job_resources_of(const json_t *spec, struct job_resources *ret);

/* Split a reference into its parts. Returns 0; -ENOENT if `s` is no reference; -EINVAL if the
 * reference is malformed. */
int spec_ref_split(const char *s, struct spec_ref *ret);
/* Check that the field accepts the referenced output of another run's job. `other` holds that job's
 * name, kind, target and spec. Appends to `problems`. */
void spec_foreign_check(const struct spec_foreign *f, const struct job_spec *job,
			const struct job_spec *other, json_t *problems);

/* Replace each reference in a copy of `spec`. `find` returns the value of one output, borrowed
 * until the next call, or NULL. -ERR_NOT_FOUND if `find` returns NULL; the message names the
 * reference. */
typedef const char *(*spec_output_fn)(void *userdata, const struct spec_ref *ref);
int spec_resolve(const json_t *spec, spec_output_fn find, void *userdata, json_t **ret,
		 struct err *reterr) MUSTCHECK;
/* A display name for the model of a (resolved) spec: its path, the name of its training job or its
 * hub name; "" if there is none. */
const char *spec_model_name(const json_t *spec);
/* Read an output's value from the (resolved) spec itself: the `output` of a preprocess, train or
 * script job, the ends of an upload or a download. Returns false if the output is in the execution
 * directory (job_output_path), or is known only after the job's end. */
bool spec_output_place(const json_t *spec, const char *output, char *buf, size_t size);
/* The JSON schema (draft 2020-12) of a job, from the tables of fields. New reference. */
json_t *spec_json_schema(void);
