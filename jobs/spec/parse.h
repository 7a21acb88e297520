/* SPDX-License-Identifier: MIT */
/*
 * Internal to jobs/spec/: the state of one parse. Each finding goes through spec_problem(), which
 * reads the current location from p->pointer. spec_enter() and spec_leave() maintain that location.
 */
#pragma once

#include "base/buf.h"
#include "jobs/spec/fields.h"
#include "jobs/spec/problems.h"

struct spec_parse {
	const struct spec_context *ctx;
	json_t *problems;
	size_t found;		 /* number of problems, including those that are not listed */
	size_t found_before_job; /* problems before the current job */
	bool no_memory;		 /* True if a JSON value could not be allocated */
	unsigned modes;		 /* modes of the current job */
	struct run_spec *run;
	bool single; /* True for POST /v1/jobs: pointers are relative to the job */
	int64_t run_priority;
	char pointer[ERR_FIELD_MAX];
};

/* ---- cursor.c ---- */
void spec_problem(struct spec_parse *p, enum problem_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Add a finding to run_spec.warnings; nothing is refused. */
void spec_warning(struct spec_parse *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* True if the problem list is full: further problems need no message. */
bool spec_enough(const struct spec_parse *p);
/* Move the location to "/key" or "/index" below the current one. Pass the result to
 * spec_leave(). */
size_t spec_enter(struct spec_parse *p, const char *key);
size_t spec_enter_index(struct spec_parse *p, size_t index);
void spec_leave(struct spec_parse *p, size_t mark);
/* Set the location to job i of the run. */
void spec_at_job(struct spec_parse *p, size_t i);

/* composite.c: return the normalised form of a value or an object as a new reference, or NULL after
 * a problem. An object keeps its good fields even if others are bad. */
json_t *spec_value_parse(struct spec_parse *p, const struct spec_field *f, const json_t *v);
json_t *spec_object_parse(struct spec_parse *p, const struct spec_table *t, const json_t *in);
/* As json_object_set_new, but records a failure in p. Takes over `value` and returns it,
 * borrowed. */
json_t *spec_set(struct spec_parse *p, json_t *object, const char *key, json_t *value);

/* value.c: one function for each scalar type; the contract is that of spec_value_parse. */
json_t *spec_string(struct spec_parse *p, const struct spec_field *f, const json_t *v);
json_t *spec_name(struct spec_parse *p, const struct spec_field *f, const json_t *v);
json_t *spec_path(struct spec_parse *p, const struct spec_field *f, const json_t *v);
json_t *spec_int(struct spec_parse *p, const struct spec_field *f, const json_t *v);
json_t *spec_number(struct spec_parse *p, const struct spec_field *f, const json_t *v);
json_t *spec_bool(struct spec_parse *p, const struct spec_field *f, const json_t *v);
json_t *spec_enum(struct spec_parse *p, const struct spec_field *f, const json_t *v);
json_t *spec_duration(struct spec_parse *p, const struct spec_field *f, const json_t *v);
json_t *spec_bytes(struct spec_parse *p, const struct spec_field *f, const json_t *v);
/* Report a wrong type and return NULL. `wanted` is a text such as "a string". */
json_t *spec_wrong_type(struct spec_parse *p, const struct spec_field *f, const json_t *v,
			const char *wanted);

/* reference.c: True if `s` is a valid name (SPEC_NAME_MAX). */
bool spec_name_ok(const char *s);

/* names.c: the name of the run's job that is nearest to `name`; NULL if none is near. */
const char *spec_nearest_job(const struct spec_parse *p, const char *name);
/* Report an unknown field and suggest the intended one. */
void spec_unknown_field(struct spec_parse *p, const struct spec_table *t, const char *name);

/* checks.c: the `check` functions of the tables. */
void check_tags(struct spec_parse *p, const struct spec_field *f, const json_t *v);
void check_environment(struct spec_parse *p, const struct spec_field *f, const json_t *v);
void check_channels(struct spec_parse *p, const struct spec_field *f, const json_t *v);
void check_hyperparameters(struct spec_parse *p, const struct spec_field *f, const json_t *v);
void check_inputs(struct spec_parse *p, const struct spec_field *f, const json_t *v);
void check_regex(struct spec_parse *p, const struct spec_field *f, const json_t *v);
void check_reason(struct spec_parse *p, const struct spec_field *f, const json_t *v);
void check_instance_type(struct spec_parse *p, const struct spec_field *f, const json_t *v);
void check_iam_role(struct spec_parse *p, const struct spec_field *f, const json_t *v);
void check_image(struct spec_parse *p, const struct spec_field *f, const json_t *v);
void check_region(struct spec_parse *p, const struct spec_field *f, const json_t *v);
void check_kms_key(struct spec_parse *p, const struct spec_field *f, const json_t *v);
void check_ec2_id(struct spec_parse *p, const struct spec_field *f, const json_t *v);
void check_memory_mb(struct spec_parse *p, const struct spec_field *f, const json_t *v);
void check_container_path(struct spec_parse *p, const struct spec_field *f, const json_t *v);
void check_hub_id(struct spec_parse *p, const struct spec_field *f, const json_t *v);
void check_revision(struct spec_parse *p, const struct spec_field *f, const json_t *v);
void check_url(struct spec_parse *p, const struct spec_field *f, const json_t *v);
void check_sha256(struct spec_parse *p, const struct spec_field *f, const json_t *v);
void check_delimiter(struct spec_parse *p, const struct spec_field *f, const json_t *v);
void check_glob(struct spec_parse *p, const struct spec_field *f, const json_t *v);
void check_entry_point(struct spec_parse *p, const struct spec_field *f, const json_t *v);

/* rules.c: rules over several fields, and defaults that depend on the machine. The location must be
 * the job. */
void spec_rules(struct spec_parse *p, struct job_spec *job);

/* sources.c: rules of data sources and of result locations. The location must be the job. */
void spec_rule_dataset(struct spec_parse *p, json_t *spec);
void spec_rule_output(struct spec_parse *p, json_t *spec);
void spec_rule_checkpoint(struct spec_parse *p, const struct job_spec *job);
/* sagemaker.c: rules of "sagemaker" and of jobs that run on SageMaker. The location must be the
 * job. */
void spec_rule_sagemaker(struct spec_parse *p, struct job_spec *job);
/* dry_run.c: build the job's SageMaker requests with placeholder names, so that the submit already
 * reports what the builders refuse or warn of. */
void spec_dry_run(struct spec_parse *p, const struct job_spec *job);

/* refs.c: find all references and local paths of all jobs. Each reference adds a need. */
void spec_refs_find(struct spec_parse *p);

/* graph.c */
/* Index of the job of that name; -1 if there is none. */
ssize_t spec_job_find(const struct run_spec *run, const char *name);
/* Check that job names are unique and that needs exist. Call before spec_refs_find. */
void spec_needs_read(struct spec_parse *p);
/* Add a need. If the need exists, its `when` stays. */
void spec_need_add(struct spec_parse *p, struct job_spec *job, size_t other, enum need_when when);
/* Refuse cycles, and two deploys of one endpoint. Call after spec_refs_find. */
void spec_graph_check(struct spec_parse *p);
