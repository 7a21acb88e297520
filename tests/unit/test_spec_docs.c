/* SPDX-License-Identifier: MIT */
/*
 * docs/specs.md has a row for every field, made from the tables that the parser uses. With --print
 * this program writes those tables, for pasting.
 */
#include "tests/unit/spec_fixture.h"

#include "base/fileio.h"
#include "jobs/spec/fields.h"

#include <glob.h>
#include <stdio.h>

#define TABLES_MAX 32
#define KINDS_TEXT 256
#define TYPE_TEXT  1024

static const char *type_text(const struct spec_field *f, char *buf, size_t size)
{
	char low[32], high[32], words[128];

	snprintf(low, sizeof(low), "%.12g", f->min);
	snprintf(high, sizeof(high), "%.12g", f->max);
	switch (f->type) {
	case FIELD_STRING:
		return "text";
	case FIELD_NAME:
		return f->accepts ? "name or reference" : "name";
	case FIELD_PATH:
		snprintf(buf, size, "%s%s%s%s", f->remote & REMOTE_ONLY ? "" : "path",
			 f->remote & REMOTE_S3 ? &", s3://…"[f->remote & REMOTE_ONLY ? 2 : 0] : "",
			 f->remote & REMOTE_JOB ? ", object" : "", f->accepts ? ", reference" : "");
		return buf;
	case FIELD_INT:
	case FIELD_NUMBER:
		snprintf(buf, size, "%s, %s %s to %s",
			 f->type == FIELD_INT ? "whole number" : "number",
			 f->flags & SPEC_ABOVE_MIN ? "above" : "from", low, high);
		return buf;
	case FIELD_BOOL:
		return "true or false";
	case FIELD_ENUM:
		buf[0] = '\0';
		for (size_t i = 0; f->words[i]; i++)
			snprintf(buf + strlen(buf), size - strlen(buf), "%s`%s`", i ? " " : "",
				 f->words[i]);
		return buf;
	case FIELD_DURATION:
		return "time";
	case FIELD_BYTES:
		return "bytes";
	case FIELD_OBJECT:
		return "object, see below";
	case FIELD_LIST:
		snprintf(buf, size, "list, at most %s%s", high,
			 f->text ? "; or a path or reference" : "");
		return buf;
	case FIELD_MAP:
		snprintf(buf, size, "object of your names, at most %s", high);
		if (f->text)
			snprintf(buf + strlen(buf), size - strlen(buf), "; or %s",
				 type_text(f->text, words, sizeof(words)));
		return buf;
	case FIELD_ANY:
		return "see there";
	case FIELD_JOBS:
		snprintf(buf, size, "list, 1 to %s", high);
		return buf;
	case FIELD_LATER:
		break;
	}
	return "";
}

/* "preprocess, train (script)": where the row applies. */
static const char *kinds_text(const struct spec_field *f, char *buf, size_t size)
{
	buf[0] = '\0';
	if (f->modes == SPEC_ANY_MODE)
		return "all";
	for (int i = 0; i < SPEC_MODES_; i++)
		if (f->modes & 1u << i)
			snprintf(buf + strlen(buf), size - strlen(buf), "%s%s", *buf ? ", " : "",
				 i == JOB_KINDS_ ? "train with a script"
						 : job_kind_str((enum job_kind)i));
	return buf;
}

static void row_text(const struct spec_table *t, const struct spec_field *f, struct buf *out)
{
	char type[TYPE_TEXT], kinds[KINDS_TEXT];
	const char *need = f->flags & SPEC_REQUIRED ? "needed" : "";

	if (f->fallback && !str_eq(f->fallback, "{}"))
		need = f->fallback;
	buf_printf(out, "| `%s` | ", f->name);
	if (t == &spec_job_table)
		buf_printf(out, "%s | ", kinds_text(f, kinds, sizeof(kinds)));
	buf_printf(out, "%s | %s | %s |\n", type_text(f, type, sizeof(type)), need, f->help);
}

/* Every table that can be reached, each once. */
static size_t collect(const struct spec_table *t, const struct spec_table **tables, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (tables[i] == t)
			return n;
	assert_true(n < TABLES_MAX);
	tables[n++] = t;
	for (size_t i = 0; i < t->n; i++) {
		if (t->fields[i].table)
			n = collect(t->fields[i].table, tables, n);
		if (t->fields[i].item && t->fields[i].item->table)
			n = collect(t->fields[i].item->table, tables, n);
	}
	return n;
}

static size_t all_tables(const struct spec_table **tables)
{
	return collect(&spec_job_table, tables, collect(&spec_run_table, tables, 0));
}

static void table_text(const struct spec_table *t, struct buf *out)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->fields[i].type != FIELD_LATER)
			row_text(t, &t->fields[i], out);
}

static void test_every_field_is_documented(void **state)
{
	OWN(buf_done) struct buf docs = BUF_INIT(1 << 20);
	const struct spec_table *tables[TABLES_MAX];
	size_t n = all_tables(tables);
	struct err e = {0};

	if (file_read(AT_FDCWD, SOURCE_ROOT "/docs/specs.md", &docs, &e) < 0)
		fail_msg("%s", e.msg);
	assert_true(n > 10);
	for (size_t i = 0; i < n; i++) {
		OWN(buf_done) struct buf text = BUF_INIT(1 << 16);

		table_text(tables[i], &text);
		if (!strstr(buf_str(&docs), buf_str(&text)))
			fail_msg("docs/specs.md lacks the rows of %s:\n%s", tables[i]->what,
				 buf_str(&text));
	}
}

/* The pipeline of the documentation is a good one. */
static void test_documented_pipeline_is_valid(void **state)
{
	OWN(buf_done) struct buf docs = BUF_INIT(1 << 20);
	OWN(json_decrefp) json_t *body = NULL, *problems = json_array();
	OWN(run_spec_freep) struct run_spec *rs = NULL;
	struct err e = {0};
	const char *from, *to;

	if (file_read(AT_FDCWD, SOURCE_ROOT "/docs/specs.md", &docs, &e) < 0)
		fail_msg("%s", e.msg);
	from = strstr(buf_str(&docs), "```json\n");
	assert_non_null(from);
	from += strlen("```json\n");
	to = strstr(from, "```");
	assert_int_equal(json_parse(from, (size_t)(to - from), &body, &e), 0);
	if (run_spec_parse(body, &fixture_context, &rs, problems, &e) < 0)
		fail_msg("%s: %s", e.field, e.msg);
	assert_int_equal(rs->jobs_n, 6);
}

/* So is every example. */
static void test_examples_are_valid(void **state)
{
	glob_t found = {0};

	assert_int_equal(glob(SOURCE_ROOT "/examples/*/*.json", 0, NULL, &found), 0);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		OWN(json_decrefp) json_t *body = NULL, *problems = json_array();
		OWN(run_spec_freep) struct run_spec *rs = NULL;
		struct err e = {0};

		assert_int_equal(json_read_file(AT_FDCWD, found.gl_pathv[i], 1 << 20, &body, &e),
				 0);
		if (run_spec_parse(body, &fixture_context, &rs, problems, &e) < 0)
			fail_msg("%s%s: %s", found.gl_pathv[i], e.field, e.msg);
	}
	globfree(&found);
}

static json_t *example(const char *name)
{
	char path[sizeof(SOURCE_ROOT) + 64];
	json_t *body = NULL;
	struct err e = {0};

	snprintf(path, sizeof(path), SOURCE_ROOT "/examples/imdb/%s", name);
	if (json_read_file(AT_FDCWD, path, 1 << 20, &body, &e) < 0)
		fail_msg("%s: %s", path, e.msg);
	return body;
}

/* One word moves a job: the two examples differ in nothing else. */
static void test_examples_differ_in_the_target_only(void **state)
{
	OWN(json_decrefp) json_t *local = example("local.json"), *cloud = example("sagemaker.json");
	const json_t *jobs = json_object_get(local, "jobs");
	int moved = 0;
	size_t i;
	json_t *job;

	assert_false(json_equal(local, cloud));
	json_array_foreach(json_object_get(cloud, "jobs"), i, job) {
		const char *here = json_get_str(json_array_get(jobs, i), "target", NULL);

		if (!str_eq(json_get_str(job, "target", NULL), "sagemaker"))
			continue;
		moved++;
		assert_string_equal(here, "local");
		json_object_set_new(job, "target", json_string(here));
	}
	assert_int_equal(moved, 2);
	assert_true(json_equal(local, cloud));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_field_is_documented),
		cmocka_unit_test(test_documented_pipeline_is_valid),
		cmocka_unit_test(test_examples_are_valid),
		cmocka_unit_test(test_examples_differ_in_the_target_only),
	};
	const struct spec_table *tables[TABLES_MAX];

	if (argc < 2 || !str_eq(argv[1], "--print"))
		return cmocka_run_group_tests(tests, NULL, NULL);
	for (size_t i = 0, n = all_tables(tables); i < n; i++) {
		OWN(buf_done) struct buf text = BUF_INIT(1 << 16);
		bool job = tables[i] == &spec_job_table;

		table_text(tables[i], &text);
		printf("\n### %s\n| field | %stype | default | what it is |\n| --- | %s--- | --- | "
		       "--- |\n%s",
		       tables[i]->what, job ? "kinds | " : "", job ? "--- | " : "", buf_str(&text));
	}
	return 0;
}
