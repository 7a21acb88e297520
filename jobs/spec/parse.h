/* SPDX-License-Identifier: MIT */
/*
 * Inside of jobs/spec/: the state of one parse. Every finding goes through spec_problem(), which
 * takes the current place from p->pointer; spec_enter() and spec_leave() keep that place.
 */
#pragma once

#include "base/buf.h"
#include "jobs/spec/fields.h"
#include "jobs/spec/problems.h"

struct spec_parse {
	const struct spec_context *ctx;
	json_t *problems;
	size_t found;		 /* problems, also those that are not listed */
	size_t found_before_job; /* found before the job at hand */
	bool no_memory;		 /* a JSON value could not be made */
	unsigned modes;		 /* of the job at hand */
	struct run_spec *run;
	bool single; /* POST /v1/jobs: pointers are relative to the job */
	int64_t run_priority;
	char pointer[ERR_FIELD_MAX];
};

/* ---- cursor.c ---- */
void spec_problem(struct spec_parse *p, enum problem_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* A finding that refuses nothing: run_spec.warnings. */
void spec_warning(struct spec_parse *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* True if the problem list is full: further problems need no message. */
bool spec_enough(const struct spec_parse *p);
/* Go to "/key" or "/index" below the current place; give the result to spec_leave(). */
size_t spec_enter(struct spec_parse *p, const char *key);
size_t spec_enter_index(struct spec_parse *p, size_t index);
void spec_leave(struct spec_parse *p, size_t mark);
/* Start again at job i of the run. */
void spec_at_job(struct spec_parse *p, size_t i);

/* composite.c: the normalised form of a value or an object, a new reference; NULL after a
 * problem. An object keeps its good fields when others are bad. */
json_t *spec_value_parse(struct spec_parse *p, const struct spec_field *f, const json_t *v);
json_t *spec_object_parse(struct spec_parse *p, const struct spec_table *t, const json_t *in);
/* json_object_set_new that remembers failure. Takes over `value`; returns it, borrowed. */
json_t *spec_set(struct spec_parse *p, json_t *object, const char *key, json_t *value);

/* value.c: one function for each scalar type, as spec_value_parse. */
json_t *spec_string(struct spec_parse *p, const struct spec_field *f, const json_t *v);
json_t *spec_name(struct spec_parse *p, const struct spec_field *f, const json_t *v);
json_t *spec_path(struct spec_parse *p, const struct spec_field *f, const json_t *v);
json_t *spec_int(struct spec_parse *p, const struct spec_field *f, const json_t *v);
json_t *spec_number(struct spec_parse *p, const struct spec_field *f, const json_t *v);
json_t *spec_bool(struct spec_parse *p, const struct spec_field *f, const json_t *v);
json_t *spec_enum(struct spec_parse *p, const struct spec_field *f, const json_t *v);
json_t *spec_duration(struct spec_parse *p, const struct spec_field *f, const json_t *v);
json_t *spec_bytes(struct spec_parse *p, const struct spec_field *f, const json_t *v);
/* Say that the type is wrong; NULL. `wanted` is like "a string". */
json_t *spec_wrong_type(struct spec_parse *p, const struct spec_field *f, const json_t *v,
			const char *wanted);

/* reference.c: true if `s` may be a name: SPEC_NAME_MAX bytes, as its comment says. */
bool spec_name_ok(const char *s);

/* names.c: the job of the run with the nearest name; NULL: none is near. */
const char *spec_nearest_job(const struct spec_parse *p, const char *name);
/* Say that there is no such field, and which one is probably meant. */
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

/* rules.c: rules over several fields and defaults that depend on the machine; at the job. */
void spec_rules(struct spec_parse *p, struct job_spec *job);

/* sources.c: where data comes from and results go to; at the job. */
void spec_rule_dataset(struct spec_parse *p, json_t *spec);
void spec_rule_output(struct spec_parse *p, json_t *spec);
void spec_rule_checkpoint(struct spec_parse *p, const struct job_spec *job);
/* sagemaker.c: rules of "sagemaker" and of jobs that run there; at the job. */
void spec_rule_sagemaker(struct spec_parse *p, struct job_spec *job);
/* dry_run.c: make the job's requests to SageMaker, with stand-ins for what is not known yet:
 * what the builders refuse or warn of is said at the submit. */
void spec_trial(struct spec_parse *p, const struct job_spec *job);

/* refs.c: find every reference and local path of all jobs; needs follow from references. */
void spec_refs_find(struct spec_parse *p);

/* graph.c */
/* Index of the job of that name; -1: none. */
ssize_t spec_job_find(const struct run_spec *run, const char *name);
/* The names of the jobs are unique, their needs exist. Before spec_refs_find. */
void spec_needs_read(struct spec_parse *p);
/* Add a need once; a present one keeps its `when`. */
void spec_need_add(struct spec_parse *p, struct job_spec *job, size_t other, enum need_when when);
/* True if the job's endpoint comes from a deploy of the same run. */
bool spec_endpoint_is_ours(const struct run_spec *run, const struct job_spec *job);
/* No cycles, no two deploys of one endpoint. After spec_refs_find. */
void spec_graph_check(struct spec_parse *p);
