/* SPDX-License-Identifier: MIT */
/* The table of fields of a model's source, its parsing, and its short text. */
#include "jobs/spec/model_source.h"

#include "base/str.h"
#include "jobs/spec/parse.h"
#include "jobs/spec/tables.h"

#include <stdio.h>
#include <string.h>

static const struct spec_field source_fields[] = {
	{.name = "path",
	 .type = FIELD_PATH,
	 .use = SPEC_PATH_MODEL,
	 .help = "A directory with the model's files."},
	{.name = "hub",
	 .type = FIELD_STRING,
	 .min = 1,
	 .max = 96,
	 .check = check_hub_id,
	 .help = "A model of the Hugging Face hub."},
	{.name = "revision",
	 .type = FIELD_STRING,
	 .min = 1,
	 .max = 256,
	 .check = check_revision,
	 .help = "Branch, tag or commit of the hub's model; its main branch when left out."},
};
static const struct spec_table source_table = TABLE("a model", source_fields);

static void check_together(struct spec_parse *p, const json_t *source)
{
	const json_t *path = json_object_get(source, "path"), *hub = json_object_get(source, "hub");

	if (path && hub)
		spec_problem(p, PROBLEM_INVALID,
			     "a model has both 'path' and 'hub'; give one of them");
	else if (!path && !hub)
		spec_problem(p, PROBLEM_MISSING,
			     "a model needs 'path', a directory here, or 'hub', its name on the "
			     "hub");
	else if (path && json_object_get(source, "revision"))
		spec_problem(p, PROBLEM_INVALID, "'revision' belongs to 'hub'; remove it");
}

bool model_name_ok(const char *name)
{
	return strlen(name) <= SPEC_NAME_MAX && spec_name_ok(name);
}

int model_source_parse(const json_t *body, json_t **ret, json_t *problems, struct err *reterr)
{
	struct spec_parse p = {.problems = problems};
	OWN(json_decrefp) json_t *source = spec_object_parse(&p, &source_table, body);

	if (!p.found)
		check_together(&p, source);
	if (p.no_memory || !source)
		return err_errno(reterr, ENOMEM, "read the model's source");
	if (p.found)
		return err_set(reterr, ERR_INVALID, "cannot add the model");
	*ret = TAKE(source);
	return 0;
}

const char *model_source_text(const json_t *source, char *buf, size_t size)
{
	const char *revision = json_get_str(source, "revision", NULL);
	const char *hub = json_get_str(source, "hub", NULL);

	if (hub)
		str_excerptf(buf, size, "the hub's %s%s%s%s", hub, revision ? " (revision " : "",
			     revision ? revision : "", revision ? ")" : "");
	else
		str_excerptf(buf, size, "%s", json_get_str(source, "path", ""));
	return buf;
}
