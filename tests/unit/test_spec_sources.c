/* SPDX-License-Identifier: MIT */
/* jobs/spec/spec: where data, models and results lie: this machine, S3, the web, the hub. */
#include "tests/unit/spec_refusal.h"

#include "jobs/hub_id.h"
#include "jobs/sagemaker/resource.h"

#define UPLOAD(more)   RUN("{'kind': 'upload'" more "}")
#define DOWNLOAD(more) RUN("{'kind': 'download'" more "}")
#define EVALUATE(m)    RUN("{'kind': 'evaluate', 'data': 'd', 'model': " m "}")
#define SHA	       "0123456789abcdef0123456789abcdef0123456789abcdef0123456789ABCDEF"

static void test_dataset_sources(void **state)
{
	static const char *const good[] = {
		DATASET("'path': 'd', 'delimiter': '\\t', 'quoting': 'none'"),
		DATASET("'s3': 's3://abc/reviews.csv.gz'"),
		DATASET("'s3': 's3://abc/folder/'"),
		DATASET("'url': 'https://host.example/x.csv?a=b', 'sha256': '" SHA "'"),
		DATASET("'url': 'http://[::1]:8080/x', 'sha256': '" SHA "'"),
		DATASET("'hub': 'imdb'"),
		DATASET("'hub': 'stanfordnlp/imdb', 'config': 'plain_text', 'revision': 'main', "
			"'split': 'train', 'train_rows': 5, 'test_rows': 5"),
		DATASET("'train': {'path': 's3://abc/train.jsonl'}, 'test': {'path': 'here.csv'}"),
	};

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		OWN(run_spec_freep) struct run_spec *rs = fixture_good(good[i], &fixture_context);

		/* the model, and what lies on this machine */
		assert_int_equal(rs->jobs[0].paths_n, i == 0 || i == 7 ? 2 : 1);
	}
}

/* Of the hub's data sets a row without a label is left out, of one's own it ends the job. */
static void test_bad_rows_by_default(void **state)
{
	static const char *const cases[][2] = {
		{DATASET("'path': 'd'"), "refuse"},
		{DATASET("'s3': 's3://abc/folder/'"), "refuse"},
		{DATASET("'hub': 'imdb'"), "skip"},
		{DATASET("'hub': 'imdb', 'on_bad_row': 'refuse'"), "refuse"},
		{DATASET("'path': 'd', 'on_bad_row': 'skip', 'no_label': -1"), "skip"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		OWN(run_spec_freep)
		struct run_spec *rs = fixture_good(cases[i][0], &fixture_context);
		const json_t *dataset = json_object_get(rs->jobs[0].spec, "dataset");

		assert_string_equal(json_get_str(dataset, "on_bad_row", ""), cases[i][1]);
	}
}

static void test_bad_datasets(void **state)
{
	static const struct refusal cases[] = {
		{DATASET("'path': 'd', 's3': 's3://abc/d'"), "/jobs/0/dataset", "invalid",
		 "both 'path' and 's3'"},
		{DATASET("'hub': 'imdb', 'url': 'https://h/x', 'sha256': '" SHA "'"),
		 "/jobs/0/dataset", "invalid", "both 'url' and 'hub'"},
		{DATASET("'s3': 's3://abc/d', 'test': {'path': 'x'}"), "/jobs/0/dataset", "invalid",
		 "has 's3' and also"},
		{DATASET("'s3': 'abc/d'"), "/jobs/0/dataset/s3", "invalid",
		 "not an S3 address, which 's3' needs"},
		{DATASET("'s3': 's3://a/d'"), "/jobs/0/dataset/s3", "invalid",
		 "'a' is not the name of a bucket"},
		{DATASET("'s3': 's3://abc/../d'"), "/jobs/0/dataset/s3", "invalid", "'..'"},
		{DATASET("'s3': 'https://abc.s3.amazonaws.com/d'"), "/jobs/0/dataset/s3",
		 "unsupported", "give s3://bucket/key"},
		{DATASET("'s3': {'bucket': 'abc'}"), "/jobs/0/dataset/s3", "wrong_type",
		 "must be a string"},
		{DATASET("'url': 'https://h/x'"), "/jobs/0/dataset", "missing", "needs 'sha256'"},
		{DATASET("'url': 'ftp://h/x', 'sha256': '" SHA "'"), "/jobs/0/dataset/url",
		 "invalid", "write https://"},
		{DATASET("'url': 'https:///x', 'sha256': '" SHA "'"), "/jobs/0/dataset/url",
		 "invalid", "write https://"},
		{DATASET("'url': 'https://me:pw@h/x', 'sha256': '" SHA "'"), "/jobs/0/dataset/url",
		 "invalid", "user or password"},
		{DATASET("'url': 'https://h/x', 'sha256': '0" SHA "'"), "/jobs/0/dataset/sha256",
		 "out_of_range", "at most 64"},
		{DATASET("'url': 'https://h/x', 'sha256': 'abc'"), "/jobs/0/dataset/sha256",
		 "invalid", "64 hexadecimal digits"},
		{DATASET("'path': 'd', 'sha256': '" SHA "'"), "/jobs/0/dataset/sha256", "invalid",
		 "belongs to 'url'"},
		{DATASET("'path': 'd', 'split': 'train'"), "/jobs/0/dataset/split", "invalid",
		 "belongs to 'hub'"},
		{DATASET("'train': {'path': 'a'}, 'test': {'path': 'b'}, 'config': 'x'"),
		 "/jobs/0/dataset", "invalid", "'config' works with"},
		{DATASET("'s3': 's3://abc/d', 'revision': 'x'"), "/jobs/0/dataset/revision",
		 "invalid", "belongs to 'hub'"},
		{DATASET("'hub': 'a/b/c'"), "/jobs/0/dataset/hub", "invalid",
		 "such as stanfordnlp/imdb"},
		{DATASET("'hub': 'datasets imdb'"), "/jobs/0/dataset/hub", "invalid",
		 "not a name on the hub"},
	};

	check_all(cases, ARRAY_LEN(cases));
}

static void test_bad_reading_of_datasets(void **state)
{
	static const struct refusal cases[] = {
		{DATASET("'hub': 'imdb', 'test_split': 'train'"), "/jobs/0/dataset", "invalid",
		 "the split to train on"},
		{DATASET("'hub': 'imdb', 'split': 'a', 'test_split': 'b'"), "/jobs/0/dataset",
		 "invalid", "remove 'test_split'"},
		{DATASET("'train': {'path': 'a'}, 'test': {'path': 'b'}, 'test_split': 'b'"),
		 "/jobs/0/dataset", "invalid", "'test_split' works with"},
		{DATASET("'path': 'd', 'delimiter': 'tab'"), "/jobs/0/dataset/delimiter", "invalid",
		 "write a tab"},
		{DATASET("'path': 'd', 'delimiter': ';;'"), "/jobs/0/dataset/delimiter", "invalid",
		 "one character"},
		{DATASET("'path': 'd', 'delimiter': 'x'"), "/jobs/0/dataset/delimiter", "invalid",
		 "no letter"},
		{DATASET("'path': 'd', 'quoting': 'all'"), "/jobs/0/dataset/quoting", "invalid",
		 "one of minimal, none"},
		{DATASET("'hub': 'imdb', 'quoting': 'none'"), "/jobs/0/dataset", "invalid",
		 "are for CSV files"},
		{DATASET("'path': 'd', 'on_bad_row': 'ignore'"), "/jobs/0/dataset/on_bad_row",
		 "invalid", "one of refuse, skip"},
		{DATASET("'path': 'd', 'no_label': '-1'"), "/jobs/0/dataset/no_label", "wrong_type",
		 "whole number"},
	};

	check_all(cases, ARRAY_LEN(cases));
}

static void test_models(void **state)
{
	static const struct {
		const char *model;
		bool local, hub, of_run; /* it is listed as a path, and as what */
	} cases[] = {
		{"'minilm'", true, false, false},
		{"'some/dir'", true, true, true},
		{"'./some/dir'", true, false, false},
		{"'/some/dir'", true, false, false},
		{"'plainword'", true, false, false},
		{"'distilbert-base-uncased'", true, true, false},
		{"'org/name/more'", true, false, false},
		{"'s3://abc/model/'", false, false, false},
		{"'s3://abc/x/model.tar.gz'", false, false, false},
		{"{'training_job': 'my-job-2026'}", false, false, false},
		{"{'hub': 'minilm'}", false, false, false},
		{"{'hub': 'org/name', 'revision': 'refs/pr/1'}", false, false, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[256];

		snprintf(text, sizeof(text), EVALUATE("%s"), cases[i].model);
		OWN(run_spec_freep) struct run_spec *rs = fixture_good(text, &fixture_context);
		const struct job_spec *job = &rs->jobs[0];
		bool seen = false;

		for (size_t p = 0; p < job->paths_n; p++) {
			if (job->paths[p].use != SPEC_PATH_MODEL)
				continue;
			seen = true;
			assert_int_equal(job->paths[p].hub, cases[i].hub);
			assert_int_equal(job->paths[p].of_run, cases[i].of_run);
		}
		if (seen != cases[i].local)
			fail_msg("%s", cases[i].model);
	}
}

static void test_bad_models(void **state)
{
	static const struct refusal cases[] = {
		{EVALUATE("{'training_job': 'a', 'region': 'b'}"), "/jobs/0/model", "invalid",
		 "{\"training_job\": name}"},
		{EVALUATE("{'training_job': ''}"), "/jobs/0/model", "invalid", "at most 63"},
		{EVALUATE("{'training_job': '-a'}"), "/jobs/0/model", "invalid", "hyphens"},
		{EVALUATE("{'training_job': 'a-'}"), "/jobs/0/model", "invalid", "hyphens"},
		{EVALUATE("{'training_job': 'a.b'}"), "/jobs/0/model", "invalid", "hyphens"},
		{EVALUATE("{'training_job': 7}"), "/jobs/0/model", "invalid", "{\"training_job\""},
		{EVALUATE("{'job': 'a'}"), "/jobs/0/model", "wrong_type",
		 "text, {\"training_job\": name} or {\"hub\": name}"},
		{EVALUATE("{'hub': 'a/b', 'split': 'x'}"), "/jobs/0/model/split", "unknown_field",
		 "a model of the hub"},
		{EVALUATE("{'hub': 'a b'}"), "/jobs/0/model/hub", "invalid", "a name on the hub"},
		{EVALUATE("{'hub': 'a/b', 'revision': 'a b'}"), "/jobs/0/model/revision", "invalid",
		 "a branch, a tag or a commit"},
		{EVALUATE("{'hub': 'a/b', 'revision': '../x'}"), "/jobs/0/model/revision",
		 "invalid", "not a revision"},
		{EVALUATE("{'revision': 'main'}"), "/jobs/0/model", "wrong_type",
		 "{\"hub\": name}"},
		{EVALUATE("'https://huggingface.co/a/b'"), "/jobs/0/model", "unsupported",
		 "a model of the hub as org/name"},
		{EVALUATE("'s3://UPPER/model/'"), "/jobs/0/model", "invalid", "name of a bucket"},
		{RUN("{'kind': 'evaluate', 'model': 'm', 'data': {'training_job': 'a'}}"),
		 "/jobs/0/data", "wrong_type", "must be a string"},
	};
	char text[256], name[RESOURCE_NAME_MAX + 2];

	check_all(cases, ARRAY_LEN(cases));
	for (size_t n = RESOURCE_NAME_MAX; n <= RESOURCE_NAME_MAX + 1; n++) {
		OWN(json_decrefp) json_t *body = NULL, *problems = json_array();
		OWN(run_spec_freep) struct run_spec *rs = NULL;

		memset(name, 'j', n);
		name[n] = '\0';
		snprintf(text, sizeof(text), EVALUATE("{'training_job': '%s'}"), name);
		body = fixture_json(text);
		assert_int_equal(run_spec_parse(body, &fixture_context, &rs, problems, NULL),
				 n == RESOURCE_NAME_MAX ? 0 : -ERR_INVALID);
	}
}

static void test_names_of_models(void **state)
{
	static const struct {
		const char *model, *name;
	} cases[] = {
		{"'s3://abc/m/'", "s3://abc/m/"},
		{"{'training_job': 'a'}", "a"},
		{"{'hub': 'a/b', 'revision': 'c'}", "a/b"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[256];

		snprintf(text, sizeof(text), EVALUATE("%s"), cases[i].model);
		OWN(run_spec_freep) struct run_spec *rs = fixture_good(text, &fixture_context);

		assert_string_equal(spec_model_name(rs->jobs[0].spec), cases[i].name);
	}
	OWN(run_spec_freep)
	struct run_spec *none = fixture_good(RUN(SCRIPT("")), &fixture_context);

	assert_string_equal(spec_model_name(none->jobs[0].spec), "");
}

static void test_hub_ids(void **state)
{
	static const char *const good[] = {"imdb", "stanfordnlp/imdb", "a.b/c_d-e.f", "a", "0/1"};
	static const char *const bad[] = {"",	  "/",	  "a/",	     "/a",   "a/b/c",
					  "a b",  "a--b", "a..b",    "-a",   "a-",
					  ".a/b", "a/b.", "a/b.git", "a\nb", "\303\274/x"};
	char text[HUB_ID_MAX + 2];

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(hub_id_ok(good[i]));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (hub_id_ok(bad[i]))
			fail_msg("'%s'", bad[i]);
	memset(text, 'a', sizeof(text));
	text[HUB_ID_MAX] = '\0';
	assert_true(hub_id_ok(text));
	text[HUB_ID_MAX] = 'a';
	text[HUB_ID_MAX + 1] = '\0';
	assert_false(hub_id_ok(text));
	assert_true(hub_model_ok("bert-base-uncased"));
	assert_false(hub_model_ok("bert-base-uncased-2"));
	assert_true(hub_model_ok("me/bert-base-uncased-2"));
}

static void test_transfers(void **state)
{
	static const struct refusal cases[] = {
		{UPLOAD(", 'source': 'd'"), "/jobs/0/destination", "missing",
		 "needs 'destination'"},
		{UPLOAD(", 'destination': 's3://abc/d/'"), "/jobs/0/source", "missing",
		 "needs 'source'"},
		{UPLOAD(", 'source': 'd', 'destination': '/elsewhere'"), "/jobs/0/destination",
		 "invalid", "write s3://bucket/key"},
		{UPLOAD(", 'source': 's3://abc/d', 'destination': 's3://abc/e'"), "/jobs/0/source",
		 "unsupported", "is in S3, but 'source' is read on this machine"},
		{UPLOAD(", 'source': 'd', 'destination': 's3://abc/d/', 'exclude': ['/abs']"),
		 "/jobs/0/exclude/0", "invalid", "relative to the source"},
		{UPLOAD(", 'source': 'd', 'destination': 's3://abc/d/', 'exclude': ['']"),
		 "/jobs/0/exclude/0", "out_of_range", "at least 1"},
		{UPLOAD(", 'source': 'd', 'destination': 's3://abc/d/', 'if_exists': 'skip'"),
		 "/jobs/0/if_exists", "invalid", "skip_same"},
		{DOWNLOAD(""), "/jobs/0/source", "missing", "needs 'source'"},
		{DOWNLOAD(", 'source': 'd'"), "/jobs/0/source", "invalid", "which 'source' needs"},
		{DOWNLOAD(", 'source': 's3://abc/d', 'destination': 's3://abc/e'"),
		 "/jobs/0/destination", "unsupported", "download the data"},
		{RUN(PREP("") ", {'kind': 'download', 'source': '${prep.train}'}"),
		 "/jobs/1/source", "invalid", "is already on this machine"},
		{DOWNLOAD(", 'source': 's3://abc/d', 'if_exists': 'overwrite'"),
		 "/jobs/0/if_exists", "unknown_field", "field of upload jobs"},
		{DOWNLOAD(", 'source': 's3://abc/d', 'destination': '${x.model}'"),
		 "/jobs/0/destination", "invalid", "cannot be a reference"},
	};

	check_all(cases, ARRAY_LEN(cases));
}

/* What each kind says of its outputs beforehand. */
static void test_output_places(void **state)
{
	static const struct {
		const char *job, *output, *place; /* NULL: only the end tells */
	} cases[] = {
		{"{'kind': 'preprocess', 'model': 'm', 'dataset': {'path': 'd'}}", "train", NULL},
		{"{'kind': 'preprocess', 'model': 'm', 'dataset': {'path': 'd'}, 'output': "
		 "'s3://abc/p'}",
		 "train", "s3://abc/p/train/"},
		{"{'kind': 'preprocess', 'model': 'm', 'dataset': {'path': 'd'}, 'output': "
		 "'s3://abc'}",
		 "test", "s3://abc/test/"},
		{"{'kind': 'preprocess', 'model': 'm', 'dataset': {'path': 'd'}, 'output': "
		 "'/data/out/'}",
		 "test", "/data/out/test"},
		{"{'kind': 'preprocess', 'model': 'm', 'dataset': {'path': 'd'}, 'output': '/o'}",
		 "other", NULL},
		{"{'kind': 'upload', 'source': '/d', 'destination': 's3://abc/d/'}", "path", "/d"},
		{"{'kind': 'upload', 'source': '/d', 'destination': 's3://abc/d/'}", "uri", NULL},
		{"{'kind': 'download', 'source': 's3://abc/d/'}", "path", NULL},
		{"{'kind': 'download', 'source': 's3://abc/d/'}", "uri", "s3://abc/d/"},
		{"{'kind': 'download', 'source': 's3://abc/d/', 'destination': '/here'}", "path",
		 "/here"},
		{"{'kind': 'script', 'entry_point': 'a', 'source_dir': 'd'}", "model", NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[512], place[SPEC_PATH_MAX * 2] = "";

		snprintf(text, sizeof(text), RUN("%s"), cases[i].job);
		OWN(run_spec_freep) struct run_spec *rs = fixture_good(text, &fixture_context);
		bool known =
			spec_output_place(rs->jobs[0].spec, cases[i].output, place, sizeof(place));

		assert_int_equal(known, cases[i].place != NULL);
		if (known)
			assert_string_equal(place, cases[i].place);
	}
}

/* What an upload or download leaves may be anything. */
static void test_transfers_are_referred_to(void **state)
{
	OWN(run_spec_freep)
	struct run_spec *rs = fixture_good(
		RUN("{'name': 'get', 'kind': 'download', 'source': 's3://abc/m/', 'exclude': "
		    "['checkpoint-*/**', 'logs']},"
		    "{'name': 'put', 'kind': 'upload', 'source': '${get.path}/sub', 'destination': "
		    "'s3://abc/n/', 'if_exists': 'overwrite'},"
		    "{'name': 'e', 'kind': 'evaluate', 'model': '${get.path}', 'data': "
		    "'${put.uri}/test'},"
		    "{'name': 'prep', 'kind': 'preprocess', 'model': 'minilm', 'dataset': {'hub': "
		    "'imdb'}, 'output': 's3://abc/p'},"
		    "{'name': 'mirror', 'kind': 'download', 'source': '${prep.train}'},"
		    "{'name': 'again', 'kind': 'download', 'source': '${put.uri}', 'destination': "
		    "'out'},"
		    "{'name': 'one', 'kind': 'upload', 'source': '${e.metrics}', 'destination': "
		    "'s3://abc/metrics.json'}"),
		&fixture_context);

	assert_int_equal(rs->jobs[0].paths_n, 0);
	assert_int_equal(rs->jobs[5].paths_n, 1);
	assert_int_equal(rs->jobs[5].paths[0].use, SPEC_PATH_OUTPUT);
	assert_string_equal(json_get_str(rs->jobs[0].spec, "if_exists", "none"), "none");
	assert_int_equal(rs->jobs[2].needs_n, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dataset_sources),
		cmocka_unit_test(test_bad_rows_by_default),
		cmocka_unit_test(test_bad_datasets),
		cmocka_unit_test(test_bad_reading_of_datasets),
		cmocka_unit_test(test_models),
		cmocka_unit_test(test_bad_models),
		cmocka_unit_test(test_names_of_models),
		cmocka_unit_test(test_hub_ids),
		cmocka_unit_test(test_transfers),
		cmocka_unit_test(test_output_places),
		cmocka_unit_test(test_transfers_are_referred_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
