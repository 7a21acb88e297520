/* SPDX-License-Identifier: MIT */
/* Builds the JSON schema (draft 2020-12) of a job from the tables of fields that the parser
 * uses. */
#include "base/own.h"
#include "jobs/sagemaker/resource.h"
#include "jobs/spec/fields.h"

#include <math.h>

#define NAME_PATTERN	  "^[a-zA-Z0-9][a-zA-Z0-9_.-]*$"
#define REFERENCE_PATTERN "^\\$\\{[a-zA-Z0-9][a-zA-Z0-9_.-]*\\.[a-z]+\\}(/.+)?$"
#define DURATION_PATTERN  "^([0-9]+(d|h|m|s|ms))+$"
#define BYTES_PATTERN	  "^[0-9]+(\\.[0-9]+)? *([KMGT]i?B?|B)?$"

static json_t *table_schema(const struct spec_table *t, unsigned modes);
static json_t *value_schema(const struct spec_field *f, unsigned modes);

static json_t *bound(double v)
{
	return v == trunc(v) ? json_integer((json_int_t)v) : json_real(v);
}

static json_t *words_schema(const struct spec_field *f)
{
	json_t *list = json_array();

	for (size_t i = 0; f->words[i]; i++)
		json_array_append_new(list, json_string(f->words[i]));
	return json_pack("{s:s, s:o}", "type", "string", "enum", list);
}

static json_t *name_schema(const struct spec_field *f)
{
	json_t *name = json_pack("{s:s, s:s, s:i}", "type", "string", "pattern", NAME_PATTERN,
				 "maxLength", SPEC_NAME_MAX);

	if (!f->accepts)
		return name;
	return json_pack("{s:[o, {s:s, s:s}]}", "anyOf", name, "type", "string", "pattern",
			 REFERENCE_PATTERN);
}

static json_t *number_schema(const struct spec_field *f)
{
	return json_pack("{s:s, s:o, s:o}", "type", f->type == FIELD_INT ? "integer" : "number",
			 f->flags & SPEC_ABOVE_MIN ? "exclusiveMinimum" : "minimum", bound(f->min),
			 "maximum", bound(f->max));
}

static json_t *list_schema(const struct spec_field *f, unsigned modes)
{
	json_t *out = json_pack("{s:s, s:o, s:o, s:o}", "type", "array", "minItems", bound(f->min),
				"maxItems", bound(f->max), "items", value_schema(f->item, modes));

	if (f->flags & SPEC_UNIQUE)
		json_object_set_new(out, "uniqueItems", json_true());
	return out;
}

static json_t *map_schema(const struct spec_field *f, unsigned modes)
{
	return json_pack("{s:s, s:o, s:o, s:o}", "type", "object", "minProperties", bound(f->min),
			 "maxProperties", bound(f->max), "additionalProperties",
			 value_schema(f->item, modes));
}

/* `out`, or the row's text form. */
static json_t *or_text(const struct spec_field *f, unsigned modes, json_t *out)
{
	return f->text ? json_pack("{s:[o, o]}", "anyOf", out, value_schema(f->text, modes)) : out;
}

static json_t *object_schema(const struct spec_field *f, unsigned modes)
{
	json_t *object = table_schema(f->table, modes);

	if (!(f->flags & SPEC_SHORT))
		return object;
	return json_pack("{s:[o, o]}", "anyOf", value_schema(&f->table->fields[0], modes), object);
}

static json_t *path_schema(const struct spec_field *f)
{
	json_t *path = json_pack("{s:s, s:i, s:i}", "type", "string", "minLength", 1, "maxLength",
				 SPEC_PATH_MAX);
	json_t *job;

	if (f->remote & REMOTE_ONLY)
		json_object_set_new(path, "pattern",
				    json_string(f->accepts ? "^(s3://|\\$\\{)" : "^s3://"));
	if (!(f->remote & REMOTE_JOB))
		return path;
	job = json_pack("{s:s, s:{s:{s:s, s:i}}, s:[s], s:b}", "type", "object", "properties",
			"training_job", "type", "string", "maxLength", RESOURCE_NAME_MAX,
			"required", "training_job", "additionalProperties", false);
	return json_pack("{s:[o, o, o]}", "anyOf", path, job,
			 table_schema(f->table, SPEC_ANY_MODE));
}

static json_t *value_schema(const struct spec_field *f, unsigned modes)
{
	switch (f->type) {
	case FIELD_PATH:
		return path_schema(f);
	case FIELD_STRING:
		return json_pack("{s:s, s:o, s:o}", "type", "string", "minLength", bound(f->min),
				 "maxLength", bound(f->max));
	case FIELD_NAME:
		return name_schema(f);
	case FIELD_INT:
	case FIELD_NUMBER:
		return number_schema(f);
	case FIELD_BOOL:
		return json_pack("{s:s}", "type", "boolean");
	case FIELD_ENUM:
		return words_schema(f);
	case FIELD_DURATION:
		return json_pack("{s:s, s:s}", "type", "string", "pattern", DURATION_PATTERN);
	case FIELD_BYTES:
		return json_pack("{s:[{s:s, s:o, s:o}, {s:s, s:s}]}", "anyOf", "type", "integer",
				 "minimum", bound(f->min), "maximum", bound(f->max), "type",
				 "string", "pattern", BYTES_PATTERN);
	case FIELD_OBJECT:
		return object_schema(f, modes);
	case FIELD_LIST:
		return or_text(f, modes, list_schema(f, modes));
	case FIELD_MAP:
		return or_text(f, modes, map_schema(f, modes));
	case FIELD_ANY:
	case FIELD_JOBS:
		return json_object();
	case FIELD_LATER:
		return json_false();
	}
	return json_object();
}

static json_t *field_schema(const struct spec_field *f, unsigned modes)
{
	json_t *out = value_schema(f, modes);

	if (f->help && json_is_object(out))
		json_object_set_new(out, "description", json_string(f->help));
	if (f->fallback && json_is_object(out))
		json_object_set_new(out, "default", json_loads(f->fallback, JSON_DECODE_ANY, NULL));
	return out;
}

static json_t *table_schema(const struct spec_table *t, unsigned modes)
{
	json_t *properties = json_object(), *required = json_array(), *out;

	for (size_t i = 0; i < t->n; i++) {
		const struct spec_field *f = &t->fields[i];

		if (!spec_field_in(f, modes) || f->type == FIELD_LATER)
			continue;
		json_object_set_new(properties, f->name, field_schema(f, modes));
		if (f->flags & SPEC_REQUIRED)
			json_array_append_new(required, json_string(f->name));
	}
	out = json_pack("{s:s, s:b, s:o}", "type", "object", "additionalProperties", 0,
			"properties", properties);
	if (json_array_size(required))
		json_object_set(out, "required", required);
	json_decref(required);
	return out;
}

/* The fields of one kind; "kind" has only one value. */
static json_t *kind_schema(const char *title, const char *kind, unsigned mode)
{
	json_t *out = table_schema(&spec_job_table, mode);
	json_t *properties = json_object_get(out, "properties");

	json_object_set_new(properties, "kind", json_pack("{s:s}", "const", kind));
	json_object_set_new(out, "title", json_string(title));
	return out;
}

json_t *spec_json_schema(void)
{
	json_t *list = json_array();

	for (int kind = 0; kind < JOB_KINDS_; kind++) {
		const char *name = job_kind_str((enum job_kind)kind);

		json_array_append_new(list, kind_schema(name, name, SPEC_MODE(kind)));
	}
	json_array_append_new(list, kind_schema("train with a script", "train", SPEC_TRAIN_SCRIPT));
	return json_pack("{s:s, s:o}", "description", "One job of a run.", "anyOf", list);
}
