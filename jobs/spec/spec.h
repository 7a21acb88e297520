/* SPDX-License-Identifier: MIT */
/*
 * A submitted pipeline: parse, validate, fill in defaults, find the graph. Pure: no files, no
 * clock, no network; what must be looked at on the machine is listed for the daemon (spec_path).
 * The tables of fields (spec/fields.h) are the one source for types, defaults and openapi.json.
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
#define SPEC_TAG_MAX		  256  /* bytes of its text */
#define SPEC_TAGS_SAGEMAKER_MAX	  44   /* of a job that runs on SageMaker: 50 less ours */
#define SPEC_PROBLEMS_MAX	  20   /* further ones are not listed */
#define SPEC_PATH_MAX		  1024 /* bytes of a path or URI */
#define SPEC_SAGEMAKER_RUNTIME_US (INT64_C(86400) * 1000000) /* SageMaker's own default */
#define SPEC_PRIORITY_MAX	  1000			     /* -1000 … 1000 */
#define SPEC_INPUTS_MAX		  10000			     /* texts of a predict job */
#define SPEC_INPUTS_LOCAL_MAX	  512 /* texts in one request to an endpoint of the local target */

struct spec_field; /* jobs/spec/fields.h */

/* What validation needs to know of the machine and the configuration. Borrowed for the call. */
struct spec_context {
	bool native;		      /* the worker has the engine */
	int gpus;		      /* GPUs of this machine */
	int64_t gpu_memory_max_bytes; /* of the largest one */
	int cpus;		      /* of the CPU slots together */
	int64_t memory_bytes;	      /* of the machine; local.memory is refused for now */
	const char *python;	      /* default of local.python */
	int64_t lease_ttl_default_us, lease_ttl_max_us;
	int64_t max_runtime_default_us; /* 0: none; on SageMaker SPEC_SAGEMAKER_RUNTIME_US */
	const char *aws_region;		/* of jobs that name none; NULL or "": not known */
	bool aws_role_default; /* the configuration has a role for jobs without sagemaker.role */
	/* True if `name` is a registered model: of the configuration, or added. */
	bool (*model_known)(void *userdata, const char *name);
	void *userdata;
};

enum need_when {
	NEED_SUCCESS,
	NEED_FAILURE,
	NEED_ALWAYS,
};

struct job_need {
	size_t job; /* index into run_spec.jobs */
	enum need_when when;
};

/* A local path (or registered model name) in a job's spec, for the daemon to look at. */
enum spec_path_use {
	SPEC_PATH_DATASET,    /* a file or directory to read */
	SPEC_PATH_DIRECTORY,  /* a directory to read: channels, data */
	SPEC_PATH_MODEL,      /* a model directory or a registered name */
	SPEC_PATH_SOURCE_DIR, /* a directory to freeze */
	SPEC_PATH_SOURCE,     /* a file or directory to read: what an upload sends */
	SPEC_PATH_OUTPUT,     /* a directory to write, which need not exist */
};

struct spec_path {
	char pointer[ERR_FIELD_MAX]; /* into the submitted body */
	enum spec_path_use use;
	bool hub;    /* of a model: if there is no such directory, its name on the hub */
	bool of_run; /* of a model: the form RUN/job, which comes before the hub */
	const struct spec_field *field;
	json_t *object;	  /* the object in job_spec.spec that holds it, borrowed */
	const char *key;  /* static or inside object */
	const char *path; /* inside object */
};

/* "${job.output}/sub/path", or of another run "${RUN/job.output}/sub/path". */
struct spec_ref {
	char run[SPEC_NAME_MAX + 1]; /* its id or name; "": the same run */
	char job[SPEC_NAME_MAX + 1], output[SPEC_NAME_MAX + 1];
	const char *sub; /* inside the text: "" or "/sub/path" */
};

/* A reference to another run, for the daemon to look up. */
struct spec_foreign {
	char pointer[ERR_FIELD_MAX];
	const struct spec_field *field; /* its row, for spec_foreign_check() */
	json_t *object;			/* the object in job_spec.spec that holds it, borrowed */
	const char *key;		/* static or inside object */
	char text[SPEC_PATH_MAX + 1];
};

/* What a job of this run uses of another run; kept, so that it is not pruned. */
struct job_pin {
	char job[ID_LEN];
	int attempt;
	bool files; /* it uses that run's files */
};

/* `spec` holds every field of the job as submitted, with the defaults filled in: name (the kind
 * when it was left out), kind, target, priority, needs as [{"job","when"}] (only those written;
 * `needs` below also has those that follow from references), amounts of bytes as integers, times as
 * text for duration_parse(), references as they are (see spec_resolve).
 *
 * Where something lies is text: a local path (absolute once the daemon has looked at it), an
 * s3://bucket/key (prefixes of `output` end with '/'), or, of a model, its name on the hub, which
 * never begins with '/'. The model of a training job of the account is {"training_job": name}. */
struct job_spec {
	char name[SPEC_NAME_MAX + 1];
	enum job_kind kind;
	enum job_target target;
	int priority;
	bool held;
	json_t *spec; /* normalised: all defaults filled in; owned */
	json_t *tags; /* owned, never NULL */
	struct job_need *needs;
	size_t needs_n;
	struct spec_path *paths;
	size_t paths_n;
	struct spec_foreign *foreign;
	size_t foreign_n;
	struct job_pin *pins; /* by the daemon, after the look-up */
	size_t pins_n;
	char (*models)[SPEC_NAME_MAX + 1]; /* likewise: names of added models that it uses */
	size_t models_n;
};

struct run_spec {
	char name[SPEC_NAME_MAX + 1]; /* "run" when none was given */
	json_t *body;		      /* as submitted, owned */
	json_t *tags;
	json_t *warnings; /* [{"pointer","detail"}]: what is good but probably not meant; owned */
	struct job_spec *jobs;
	size_t jobs_n;
};

/* body: {"name","tags","priority","jobs":[…]}. Problems are appended to `problems` (a JSON array of
 * {"pointer","code","detail"}, at most SPEC_PROBLEMS_MAX): codes are unknown_field, wrong_type,
 * out_of_range, missing, unknown_reference, cycle, duplicate, unsupported, too_many, invalid.
 * 0 and *ret (caller frees), or -ERR_INVALID when there are problems. */
int run_spec_parse(const json_t *body, const struct spec_context *ctx, struct run_spec **ret,
		   json_t *problems, struct err *reterr) MUSTCHECK;
/* The body of POST /v1/jobs: one job, a run of its name. Pointers start at the job ("/kind"). */
int run_spec_parse_job(const json_t *job, const struct spec_context *ctx, struct run_spec **ret,
		       json_t *problems, struct err *reterr) MUSTCHECK;
/* Call `fn` for each local path of a job as it was written: object[key], which `fn` may replace. A
 * negative result of `fn` ends it and is its result; else 0. */
typedef int (*spec_path_fn)(void *userdata, enum spec_path_use, json_t *object, const char *key);
int spec_visit_paths(json_t *job, spec_path_fn fn, void *userdata) MUSTCHECK;
void run_spec_free(struct run_spec *rs);
void run_spec_freep(struct run_spec **rs);

/* What a stored, normalised spec asks of the scheduler. */
#define SPEC_DEVICES_MAX 16
struct job_resources {
	int gpus;		       /* whole GPUs to hold */
	int64_t gpu_memory_bytes;      /* per GPU; 0: the whole GPU */
	int devices[SPEC_DEVICES_MAX]; /* wished indices; devices_n 0: any */
	int devices_n;
	int cpus;		/* threads; 0: all of the slot */
	int64_t memory_bytes;	/* 0: no limit */
	int64_t max_runtime_us; /* 0: no limit */
	int retry_max;
	uint64_t retry_on; /* bit per reason_code; what `retry` names, else the defaults */
};
void job_resources_of(const json_t *spec, struct job_resources *ret);

/* The parts of a reference. 0; -ENOENT: `s` is none; -EINVAL: a broken one. */
int spec_ref_split(const char *s, struct spec_ref *ret);
/* Check that the field takes the output that the reference names: one of another run's job, whose
 * name, kind, target and spec are in `other`. Appends to `problems`. */
void spec_foreign_check(const struct spec_foreign *f, const struct job_spec *job,
			const struct job_spec *other, json_t *problems);

/* Replace every reference in a copy of `spec`. `find` gives the value of one output (borrowed until
 * the next call) or NULL; then -ERR_NOT_FOUND names the reference. */
typedef const char *(*spec_output_fn)(void *userdata, const struct spec_ref *ref);
int spec_resolve(const json_t *spec, spec_output_fn find, void *userdata, json_t **ret,
		 struct err *reterr) MUSTCHECK;
/* What to call the model of a (resolved) spec: its place, the name of its training job or its name
 * on the hub; "" when there is none. */
const char *spec_model_name(const json_t *spec);
/* The value of an output that the (resolved) spec itself says: where a preprocess job with `output`
 * writes, where a download goes. False: it lies in the execution's directory (job_output_path), or
 * only the end of the job tells. */
bool spec_output_place(const json_t *spec, const char *output, char *buf, size_t size);
/* One job's JSON schema object (draft 2020-12) for openapi.json, from the field tables. New ref. */
json_t *spec_json_schema(void);
