/* SPDX-License-Identifier: MIT */
/* storage/: a data directory that is moved. What the database says of paths below it is true at the
 * new place, and no byte of the file names the old one. */
#include "tests/unit/store_fixture.h"

#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "storage/db.h"
#include "storage/migrate.h"
#include "storage/paths.h"
#include "storage/store_read.h"

#include <limits.h>
#include <string.h>

static const char *packed(const char *text)
{
	static struct buf out = BUF_INIT(1 << 20);

	buf_clear(&out);
	return path_pack("/data", text, &out) ? buf_str(&out) : text;
}

static void test_text_comes_back(void **state)
{
	static const char *const cases[][2] = {
		{"/data/executions/x1", "data:/executions/x1"},
		{"/data/", "data:/"},
		{"/data", "/data"},
		{"/database/x", "/database/x"},
		{"/elsewhere/data/x", "/elsewhere/data/x"},
		{"data:/x", "data::/x"},
		{"data::/x", "data:::/x"},
		{"data:", "data:"},
		{"data:image/png;base64,AA", "data:image/png;base64,AA"},
		{"", ""},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		OWN(buf_done) struct buf back = BUF_INIT(4096);
		const char *stored = packed(cases[i][0]);

		assert_string_equal(stored, cases[i][1]);
		assert_string_equal(path_unpack("/data", stored, &back) ? buf_str(&back) : stored,
				    cases[i][0]);
	}
}

static void test_json_at_any_depth(void **state)
{
	json_t *j = json_pack("{s:[s, {s:s}, [s]], s:s, s:i, s:n}", "list", "/data/a", "in",
			      "/data/b", "data:/c", "other", "/tmp", "n", 1, "nothing");
	OWN(buf_done) struct buf text = BUF_INIT(4096);
	json_t *back;

	paths_put("/data", j, &text);
	assert_string_equal(buf_str(&text),
			    "{\"list\":[\"data:/a\",{\"in\":\"data:/b\"},[\"data::/c\"]],"
			    "\"n\":1,\"nothing\":null,\"other\":\"/tmp\"}");
	assert_non_null(strstr(json_get_str(j, "other", ""), "/tmp")); /* j itself is unchanged */
	assert_string_equal(json_string_value(json_array_get(json_object_get(j, "list"), 0)),
			    "/data/a");
	back = paths_unpack("/new", json_loads(buf_str(&text), 0, NULL));
	assert_string_equal(json_string_value(json_array_get(json_object_get(back, "list"), 0)),
			    "/new/a");
	json_decref(back);
	back = paths_unpack("/data", json_loads(buf_str(&text), 0, NULL));
	assert_true(json_equal(back, j));
	json_decref(back);
	json_decref(j);
}

static char *below(struct fixture *f, const char *rest)
{
	static char paths[4][PATH_MAX];
	static int next;
	char *path = paths[next++ % 4];

	snprintf(path, PATH_MAX, "%s/%s", f->dir, rest);
	return path;
}

static void expect_no_trace(struct fixture *f, const char *of)
{
	OWN(buf_done) struct buf bytes = BUF_INIT(64 << 20);

	OK(f, file_read(AT_FDCWD, below(f, STORE_FILE), &bytes, &f->e));
	assert_null(memmem(bytes.data, bytes.len, of, strlen(of)));
}

static void rename_dir(struct fixture *f)
{
	char was[sizeof(f->dir)];

	store_close(f->st);
	f->st = NULL;
	expect_no_trace(f, f->dir);
	str_must_copy(was, sizeof(was), f->dir);
	f->dir[strlen(f->dir) - 1] ^= 1;
	assert_int_equal(rename(was, f->dir), 0);
	OK(f, store_open(f->dir, &f->st, &f->e));
}

static void insert_execution(struct fixture *f, const char *job, struct execution_row *row)
{
	*row = (struct execution_row){.attempt = 1, .state = EXECUTION_ENDED};
	id_new('x', row->id);
	str_must_copy(row->job, sizeof(row->job), job);
	str_must_copy(row->boot_id, sizeof(row->boot_id), "boot");
	snprintf(row->dir, sizeof(row->dir), "%s/executions/%s", f->dir, row->id);
	BEGIN(f);
	OK(f, store_execution_insert(f->st, row, &f->e));
	COMMIT(f);
}

static void test_moved_directory(void **state)
{
	struct fixture *f = *state;
	struct run_spec *rs = make_run("one", 1, false);
	OWN(json_decrefp) json_t *outputs = NULL;
	OWN(job_rows_done) struct job_rows jobs = {0};
	OWN(endpoint_row_done) struct endpoint_row ep = make_endpoint("ep"), found = {0};
	struct execution_row row, read;
	struct attempt_dir place;
	struct store_reader *sr = NULL;
	json_t *answer = NULL;
	char run[ID_LEN];
	int attempt;

	id_new('r', run);
	json_object_set_new(rs->jobs[0].spec, "source_dir", json_string(below(f, "sources/ab")));
	str_must_copy(ep.model, sizeof(ep.model), below(f, "executions/x1/work/model"));
	json_object_set_new(ep.spec, "model", json_string(ep.model));
	BEGIN(f);
	OK(f, store_run_insert(f->st, rs, run, T0, NULL, &f->e));
	OK(f, store_jobs_of_run(f->st, run, &jobs, &f->e));
	OK(f, store_attempt_insert(f->st, jobs.rows[0].id, T0, &attempt, &f->e));
	outputs = json_pack("{s:s}", "model", below(f, "executions/x1/work/model"));
	OK(f, store_job_set_outputs(f->st, jobs.rows[0].id, outputs, &f->e));
	OK(f, store_attempt_set_result(f->st, jobs.rows[0].id, 1, NULL, outputs, &f->e));
	OK(f, store_event(f->st, "checkpoint", NULL, jobs.rows[0].id, NULL,
			  json_pack("{s:s}", "path", below(f, "c")), T0, &f->e));
	OK(f, store_endpoint_insert(f->st, &ep, &f->e));
	COMMIT(f);
	insert_execution(f, jobs.rows[0].id, &row);

	rename_dir(f);
	job_rows_done(&jobs);
	OK(f, store_jobs_of_run(f->st, run, &jobs, &f->e));
	assert_string_equal(json_get_str(jobs.rows[0].spec, "source_dir", ""),
			    below(f, "sources/ab"));
	assert_string_equal(json_get_str(jobs.rows[0].outputs, "model", ""),
			    below(f, "executions/x1/work/model"));
	OK(f, store_execution_last(f->st, row.job, &read, &f->e));
	assert_int_equal(strncmp(read.dir, f->dir, strlen(f->dir)), 0);
	assert_true(str_ends(read.dir, row.id));
	OK(f, store_endpoint_find(f->st, "ep", &found, &f->e));
	assert_string_equal(found.model, below(f, "executions/x1/work/model"));
	assert_string_equal(json_get_str(found.spec, "model", ""), found.model);

	OK(f, store_reader_open(f->dir, &sr, &f->e));
	OK(f, store_read_attempt_dir(sr, jobs.rows[0].id, 1, &place, &f->e));
	assert_string_equal(place.dir, read.dir);
	OK(f, store_read_job(sr, jobs.rows[0].id, &answer, &f->e));
	assert_string_equal(json_get_str(json_object_get(answer, "outputs"), "model", ""),
			    found.model);
	json_decref(answer);
	store_reader_close(sr);
	free_run(rs);
}

/* What version 5 wrote, with whole paths: of the directory where it lay then. */
static void write_version_5(struct fixture *f, const char *old)
{
	OWN(db_closep) struct db *db = NULL;
	OWN(buf_done) struct buf sql = BUF_INIT(65536);

	assert_int_equal(unlink(below(f, STORE_FILE)), 0);
	OK(f, db_open(below(f, STORE_FILE), DB_WRITER, &db, &f->e));
	OK(f, migrate(db, below(f, STORE_FILE), migrations, 5, &f->e));
	buf_printf(
		&sql,
		"INSERT INTO meta (key, value) VALUES ('generation', 'g');"
		"INSERT INTO runs (n, id, name, state, tags, created_us, seq) VALUES "
		"(1, 'r1', 'r', 'running', '{}', 1, 1);"
		"INSERT INTO run_bodies VALUES (1, '{\"a\":\"%s/in\",\"b\":\"data:/x\"}');"
		"INSERT INTO jobs (n, id, run, idx, name, kind, target, state, place, priority, "
		"held, created_us, queued_us, tags, seq, outputs) VALUES (1, 'j1', 'r1', 0, 'j', "
		"'train', 'local', 'succeeded', 'cpu', 0, 0, 1, 1, '{}', 1, "
		"'{\"model\":\"%s/executions/x1/work/model\",\"other\":\"/old\"}');"
		"INSERT INTO job_specs VALUES (1, '{\"source_dir\":\"%s/sources/ab\"}');"
		"INSERT INTO executions VALUES (1, 'x1', 'j1', 1, NULL, '%s/executions/x1', "
		"'ended', 'b', 1, '[]', 0, 1, 0, 1, 1, 0, 0);"
		"INSERT INTO endpoints VALUES (1, 'e1', 'ep', 'local', 'in_service', 1, '', '', "
		"'r1', 'j1', '%s/executions/x1/work/model', '{\"model\":\"%s/executions/x1/work/"
		"model\"}', NULL, 1, 0, 1, 1, 0, 0, 1, 1, 0, 1, NULL);",
		old, old, old, old, old, old);
	OK(f, db_begin(db, &f->e));
	OK(f, db_script(db, buf_str(&sql), &f->e));
	OK(f, db_commit(db, &f->e));
}

/* A path beyond what a row can take, written by hand: an error, and never a path that is cut. */
static void test_a_path_that_does_not_fit_is_an_error(void **state)
{
	struct fixture *f = *state;
	OWN(buf_done) struct buf sql = BUF_INIT(1 << 16);
	struct execution_row row, read;
	struct attempt_dir place = {0};
	struct store_reader *sr = NULL;
	char run[ID_LEN], ids[1][ID_LEN];
	struct db *db = NULL;

	insert_run(f, "one", 1, false, T0, run, ids);
	BEGIN(f);
	OK(f, store_attempt_insert(f->st, ids[0], T0, &(int){0}, &f->e));
	COMMIT(f);
	insert_execution(f, ids[0], &row);
	store_close(f->st);
	f->st = NULL;
	OK(f, db_open(below(f, STORE_FILE), DB_WRITER, &db, &f->e));
	buf_printf(&sql, "UPDATE executions SET dir = '/%0*d'", SPEC_PATH_MAX, 7);
	OK(f, db_begin(db, &f->e));
	OK(f, db_script(db, buf_str(&sql), &f->e));
	OK(f, db_commit(db, &f->e));
	db_close(db);
	OK(f, store_open(f->dir, &f->st, &f->e));
	assert_int_equal(store_execution_last(f->st, ids[0], &read, &f->e), -ERR_LIMIT);
	assert_non_null(strstr(f->e.msg, "a path of 1025 bytes, and the limit is 1023"));
	OK(f, store_reader_open(f->dir, &sr, &f->e));
	assert_int_equal(store_read_attempt_dir(sr, ids[0], 1, &place, &f->e), -ERR_LIMIT);
	store_reader_close(sr);
}

static void expect_upgraded(struct fixture *f, const char *old)
{
	OWN(job_row_done) struct job_row job = {0};
	OWN(endpoint_row_done) struct endpoint_row ep = {0};
	struct execution_row row;

	store_close(f->st);
	f->st = NULL;
	write_version_5(f, old);
	OK(f, store_open(f->dir, &f->st, &f->e));
	OK(f, store_job_get(f->st, "j1", &job, &f->e));
	assert_string_equal(json_get_str(job.spec, "source_dir", ""), below(f, "sources/ab"));
	assert_string_equal(json_get_str(job.outputs, "model", ""),
			    below(f, "executions/x1/work/model"));
	assert_string_equal(json_get_str(job.outputs, "other", ""), "/old");
	OK(f, store_execution_last(f->st, "j1", &row, &f->e));
	assert_string_equal(row.dir, below(f, "executions/x1"));
	OK(f, store_endpoint_find(f->st, "ep", &ep, &f->e));
	assert_string_equal(ep.model, below(f, "executions/x1/work/model"));
	assert_string_equal(json_get_str(ep.spec, "model", ""), ep.model);
	rename_dir(f);
}

static void test_upgrade_makes_paths_relative(void **state)
{
	struct fixture *f = *state;

	expect_upgraded(f, f->dir);
}

static void test_upgrade_after_a_move(void **state)
{
	struct fixture *f = *state;

	expect_upgraded(f, "/var/lib/the old \xc3\xa4");
}

/* What stands behind a quote inside of a text is no path. */
static void test_upgrade_leaves_quoted_paths(void **state)
{
	static const char spec[] = "{\"args\":\"cat \\\"%s/in\\\" \\\"data:/q\\\"\"}";
	struct fixture *f = *state;
	OWN(job_row_done) struct job_row job = {0};
	struct db *db = NULL;
	char text[256], args[256];

	store_close(f->st);
	f->st = NULL;
	write_version_5(f, f->dir);
	snprintf(text, sizeof(text), spec, f->dir);
	OK(f, db_open(below(f, STORE_FILE), DB_WRITER, &db, &f->e));
	OK(f, db_begin(db, &f->e));
	OK(f, db_run(db, "UPDATE job_specs SET spec = ?", DB_ARGS(DB_TEXT(text)), &f->e));
	OK(f, db_commit(db, &f->e));
	db_close(db);
	OK(f, store_open(f->dir, &f->st, &f->e));
	OK(f, store_job_get(f->st, "j1", &job, &f->e));
	snprintf(args, sizeof(args), "cat \"%s/in\" \"data:/q\"", f->dir);
	assert_string_equal(json_get_str(job.spec, "args", ""), args);
}

int main(void)
{
#define CASE(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_comes_back),
		cmocka_unit_test(test_json_at_any_depth),
		CASE(test_moved_directory),
		CASE(test_a_path_that_does_not_fit_is_an_error),
		CASE(test_upgrade_makes_paths_relative),
		CASE(test_upgrade_after_a_move),
		CASE(test_upgrade_leaves_quoted_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
