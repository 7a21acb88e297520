/* SPDX-License-Identifier: MIT */
/* Look-ups in the tables of fields.h: a row by its name, the role of an output. */
#include "base/own.h"
#include "base/str.h"
#include "jobs/spec/fields.h"

bool spec_field_in(const struct spec_field *f, unsigned modes)
{
	return f->modes == SPEC_ANY_MODE || f->modes & modes;
}

const struct spec_field *spec_field_find(const struct spec_table *t, const char *name,
					 unsigned modes)
{
	for (size_t i = 0; i < t->n; i++)
		if (spec_field_in(&t->fields[i], modes) && str_eq(name, t->fields[i].name))
			return &t->fields[i];
	return NULL;
}

bool spec_field_is_open(const struct spec_table *t, const char *name, unsigned modes)
{
	const struct spec_field *f = spec_field_find(t, name, modes);

	return f && f->type != FIELD_LATER;
}

unsigned spec_output_role(enum job_kind kind, const char *output)
{
	static const struct {
		enum job_kind kind;
		const char *output;
		unsigned role;
	} roles[] = {
		{JOB_PREPROCESS, "train", ROLE_DATASET},
		{JOB_PREPROCESS, "test", ROLE_DATASET},
		{JOB_TRAIN, "model", ROLE_MODEL},
		{JOB_TRAIN, "output", ROLE_DIRECTORY},
		{JOB_TRAIN, "metrics", ROLE_FILE},
		{JOB_EVALUATE, "metrics", ROLE_FILE},
		{JOB_DEPLOY, "endpoint", ROLE_ENDPOINT},
		{JOB_PREDICT, "predictions", ROLE_VALUE},
		{JOB_UPLOAD, "uri", ROLES_INPUT},
		{JOB_UPLOAD, "path", ROLE_VALUE},
		{JOB_DOWNLOAD, "uri", ROLE_VALUE},
		{JOB_DOWNLOAD, "path", ROLES_INPUT},
		{JOB_SCRIPT, "model", ROLE_MODEL},
		{JOB_SCRIPT, "output", ROLE_DIRECTORY},
		{JOB_TRAIN, "checkpoints", ROLE_DIRECTORY},
		{JOB_SCRIPT, "checkpoints", ROLE_DIRECTORY},
	};

	for (size_t i = 0; i < ARRAY_LEN(roles); i++)
		if (roles[i].kind == kind && str_eq(output, roles[i].output))
			return roles[i].role;
	return 0;
}

const char *spec_role_str(unsigned roles)
{
	static const char *const names[] = {"a data set", "a model",	 "a directory",
					    "a file",	  "an endpoint", "a value"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (roles & 1u << i)
			return names[i];
	return "nothing";
}
