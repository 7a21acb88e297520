/* SPDX-License-Identifier: MIT */
/* jobs/spec/spec: good pipelines, their defaults, needs, paths, resources, and the resolving of
 * references. */
#include "tests/unit/spec_fixture.h"

static json_t *spec_of(const struct run_spec *rs, size_t i)
{
	assert_true(i < rs->jobs_n);
	return rs->jobs[i].spec;
}

static json_t *inner(const json_t *obj, const char *key)
{
	json_t *v = json_object_get(obj, key);

	if (!v)
		fail_msg("no '%s'", key);
	return v;
}

static void assert_json(const json_t *got, const char *expected)
{
	OWN(json_decrefp) json_t *want = fixture_json(expected);
	OWN(freep) char *a = json_text(got), *b = json_text(want);

	assert_string_equal(a, b);
}

static void test_documented_pipeline(void **state)
{
	OWN(run_spec_freep) struct run_spec *rs = fixture_good(fixture_pipeline, &fixture_context);
	const struct job_spec *clean = &rs->jobs[4];

	assert_string_equal(rs->name, "imdb");
	assert_int_equal(rs->jobs_n, 5);
	assert_string_equal(rs->jobs[1].name, "train");
	assert_int_equal(rs->jobs[1].kind, JOB_TRAIN);
	assert_int_equal(rs->jobs[1].target, TARGET_LOCAL);
	assert_int_equal(rs->jobs[0].needs_n, 0);
	assert_int_equal(rs->jobs[1].needs_n, 1); /* two references, one need */
	assert_int_equal(rs->jobs[1].needs[0].job, 0);
	assert_int_equal(rs->jobs[1].needs[0].when, NEED_SUCCESS);
	assert_int_equal(rs->jobs[2].needs[0].job, 1);
	assert_int_equal(rs->jobs[3].needs[0].job, 2);
	assert_int_equal(clean->needs_n, 2);
	assert_int_equal(clean->needs[0].job, 3);
	assert_int_equal(clean->needs[0].when, NEED_ALWAYS);
	assert_int_equal(clean->needs[1].job, 2);
	assert_int_equal(clean->needs[1].when, NEED_ALWAYS);
	assert_json(inner(clean->spec, "needs"), "[{'job': 'ask', 'when': 'always'}]");
}

static void test_defaults(void **state)
{
	OWN(run_spec_freep)
	struct run_spec *rs = fixture_good(
		"{'priority': 7, 'jobs': ["
		"{'kind': 'preprocess', 'model': 'm', 'dataset': {'path': 'd.csv'}},"
		"{'kind': 'train', 'model': 'm', 'priority': -3, 'channels': {'train': 't'}},"
		"{'kind': 'evaluate', 'model': 'm', 'data': 't'},"
		"{'kind': 'deploy', 'model': 'm', 'endpoint': 'e'}]}",
		&fixture_context);

	assert_string_equal(rs->name, "run");
	assert_json(rs->tags, "{}");
	assert_string_equal(rs->jobs[0].name, "preprocess");
	assert_int_equal(rs->jobs[0].priority, 7);
	assert_int_equal(rs->jobs[1].priority, -3);
	assert_false(rs->jobs[0].held);
	assert_json(inner(spec_of(rs, 0), "dataset"),
		    "{'path': 'd.csv', 'text_column': 'text', 'label_column': 'label', 'seed': 42, "
		    "'on_bad_row': 'refuse'}");
	assert_string_equal(json_get_str(spec_of(rs, 0), "padding", ""), "none");
	assert_json(inner(spec_of(rs, 1), "hyperparameters"),
		    "{'epochs': 3, 'train_batch_size': 32, 'gradient_accumulation_steps': 1, "
		    "'eval_batch_size': 64, "
		    "'learning_rate': 5e-5, 'lr_scheduler_type': 'linear', 'seed': 42, "
		    "'weight_decay': 0.0, 'max_grad_norm': "
		    "1.0, 'label_smoothing_factor': 0.0, 'class_weights': 'none', 'bf16': 'auto', "
		    "'save_total_limit': 2, 'load_best_model_at_end': false, "
		    "'metric_for_best_model': 'loss'}");
	assert_json(inner(spec_of(rs, 1), "local"), "{'gpus': 1, 'requirements': 'refuse'}");
	assert_json(inner(spec_of(rs, 1), "retry"),
		    "{'max': 2, 'on': ['host_lost', 'quota', 'capacity', 'throttled', "
		    "'spot_interrupted']}");
	assert_int_equal(json_get_int(spec_of(rs, 2), "batch_size", 0), 64);
	assert_int_equal(json_get_int(inner(spec_of(rs, 2), "local"), "gpus", -1), 0);
	assert_json(inner(spec_of(rs, 3), "lease"), "{'ttl': '1h'}");
	assert_string_equal(json_get_str(spec_of(rs, 3), "on_existing", ""), "fail");
	assert_int_equal(json_get_int(inner(spec_of(rs, 3), "local"), "gpus", -1), 1);
}

static void test_machine_without_gpu(void **state)
{
	struct spec_context ctx = fixture_context;

	ctx.gpus = 0;
	ctx.max_runtime_default_us = 90 * 60 * USEC_PER_SEC;
	OWN(run_spec_freep)
	struct run_spec *rs = fixture_good(
		"{'jobs': [{'kind': 'train', 'model': 'm', 'channels': {'train': 't'}}]}", &ctx);

	assert_int_equal(json_get_int(inner(spec_of(rs, 0), "local"), "gpus", -1), 0);
	assert_string_equal(json_get_str(spec_of(rs, 0), "max_runtime", ""), "1h30m");
}

static void test_script_mode(void **state)
{
	OWN(run_spec_freep)
	struct run_spec *rs = fixture_good(
		"{'jobs': [{'name': 'a', 'kind': 'train', 'entry_point': 'train.py', 'source_dir': "
		"'src', 'hyperparameters': {'anything': [1, {'a': null}], 'lr': '5e-5'}, "
		"'channels': {'x-1': 'in', 'y': '/abs'}, 'metric_definitions': [{'name': 'loss', "
		"'regex': 'loss=([0-9.]+)'}, {'name': 'b', 'regex': "
		"'(?:[(]|a){2,3}(?P<v>\\\\d+)'}]},"
		"{'name': 'b', 'kind': 'script', 'entry_point': 'lib/run.sh', 'source_dir': 'src', "
		"'channels': {'best': '${a.model}', 'ck': '${a.output}/best'}, 'model': "
		"'${a.output}/checkpoint-7', 'local': {'gpus': 2, 'gpu_memory': '8GiB', 'python': "
		"'/opt/py'}, 'environment': {'TOKENIZERS_PARALLELISM': 'false', 'MAX_TOKENS': "
		"'128', 'HF_TOKEN': ''}}]}",
		&fixture_context);

	assert_json(inner(spec_of(rs, 0), "hyperparameters"),
		    "{'anything': [1, {'a': null}], 'lr': '5e-5'}");
	assert_string_equal(json_get_str(inner(spec_of(rs, 0), "local"), "python", ""),
			    "/usr/bin/python3");
	assert_int_equal(json_get_int(inner(spec_of(rs, 0), "local"), "gpus", -1), 0);
	assert_string_equal(json_get_str(inner(spec_of(rs, 1), "local"), "python", ""), "/opt/py");
	assert_int_equal(json_get_int(inner(spec_of(rs, 1), "local"), "gpu_memory", 0), 8 * GIB);
	assert_int_equal(rs->jobs[0].paths_n, 3);
	assert_int_equal(rs->jobs[1].paths_n, 1);
	assert_int_equal(rs->jobs[1].paths[0].use, SPEC_PATH_SOURCE_DIR);
	assert_string_equal(rs->jobs[1].paths[0].pointer, "/jobs/1/source_dir");
}

static void test_paths_can_be_replaced(void **state)
{
	OWN(run_spec_freep)
	struct run_spec *rs = fixture_good(
		"{'jobs': [{'kind': 'preprocess', 'model': 'minilm', 'dataset': {'train': {'path': "
		"'a.csv'}, 'test': {'path': 'b.csv'}}},"
		"{'name': 't', 'kind': 'train', 'model': './dir', 'channels': {'train': "
		"'${preprocess.train}', 'test': 'x/test'}}]}",
		&fixture_context);
	const struct job_spec *prep = &rs->jobs[0], *train = &rs->jobs[1];
	bool seen[3] = {false};

	assert_int_equal(prep->paths_n, 3);
	for (size_t i = 0; i < prep->paths_n; i++) {
		const struct spec_path *path = &prep->paths[i];

		seen[0] |= str_eq(path->pointer, "/jobs/0/dataset/train/path") &&
			   path->use == SPEC_PATH_DATASET && str_eq(path->path, "a.csv");
		seen[1] |= str_eq(path->pointer, "/jobs/0/dataset/test/path");
		seen[2] |= str_eq(path->pointer, "/jobs/0/model") && !path->hub &&
			   path->use == SPEC_PATH_MODEL;
		json_set_str(path->object, path->key, "/abs");
	}
	assert_true(seen[0] && seen[1] && seen[2]);
	assert_string_equal(json_get_str(prep->spec, "model", ""), "/abs");
	assert_string_equal(json_get_str(inner(inner(prep->spec, "dataset"), "train"), "path", ""),
			    "/abs");
	assert_int_equal(train->paths_n, 2); /* the reference is not one */
	for (size_t i = 0; i < train->paths_n; i++)
		assert_false(train->paths[i].hub);
}

/* A text in the place of the list of labels is a model. */
static void test_labels_of_a_model(void **state)
{
	OWN(run_spec_freep)
	struct run_spec *rs = fixture_good(
		"{'jobs': [{'kind': 'train', 'model': 'm', 'channels': {'train': 't'}},"
		"{'kind': 'preprocess', 'model': 'm', 'dataset': {'path': 'd.csv', "
		"'labels': '${train.model}'}},"
		"{'name': 'p2', 'kind': 'preprocess', 'model': 'm', 'dataset': {'path': 'd.csv', "
		"'labels': 'some/model'}}]}",
		&fixture_context);
	bool found = false;

	assert_int_equal(rs->jobs[1].needs_n, 1);
	assert_int_equal(rs->jobs[1].needs[0].job, 0);
	for (size_t i = 0; i < rs->jobs[2].paths_n; i++)
		found |= strcmp(rs->jobs[2].paths[i].pointer, "/jobs/2/dataset/labels") == 0 &&
			 rs->jobs[2].paths[i].use == SPEC_PATH_MODEL;
	assert_true(found);
}

static void test_needs(void **state)
{
	OWN(run_spec_freep)
	struct run_spec *rs = fixture_good(
		"{'jobs': [{'name': 'a', 'kind': 'script', 'entry_point': 's', 'source_dir': 'd'},"
		"{'name': 'b.c', 'kind': 'script', 'entry_point': 's', 'source_dir': 'd', 'needs': "
		"['a']},"
		"{'name': 'd', 'kind': 'script', 'entry_point': 's', 'source_dir': 'd', 'needs': "
		"[{'job': 'a', 'when': 'failure'}, {'job': 'b.c', 'when': 'always'}]},"
		"{'name': 'e', 'kind': 'script', 'entry_point': 's', 'source_dir': 'd', 'model': "
		"'${b.c.model}'},"
		"{'name': 'f', 'kind': 'delete-endpoint', 'endpoint': 'other', 'needs': ['a']}]}",
		&fixture_context);

	assert_int_equal(rs->jobs[1].needs[0].when, NEED_SUCCESS);
	assert_int_equal(rs->jobs[2].needs_n, 2);
	assert_int_equal(rs->jobs[2].needs[0].when, NEED_FAILURE);
	assert_int_equal(rs->jobs[2].needs[1].when, NEED_ALWAYS);
	assert_int_equal(rs->jobs[3].needs[0].job, 1);		   /* the name has a dot */
	assert_int_equal(rs->jobs[4].needs[0].when, NEED_SUCCESS); /* not an endpoint of this run */
}

static void test_delete_endpoint_by_name(void **state)
{
	OWN(run_spec_freep)
	struct run_spec *rs = fixture_good(
		"{'jobs': [{'kind': 'deploy', 'model': 'm', 'endpoint': 'e'},"
		"{'name': 'one', 'kind': 'delete-endpoint', 'endpoint': 'e', 'needs': ['deploy']},"
		"{'name': 'two', 'kind': 'delete-endpoint', 'endpoint': '${deploy.endpoint}', "
		"'needs': [{'job': 'deploy', 'when': 'success'}]}]}",
		&fixture_context);

	assert_int_equal(rs->jobs[1].needs[0].when, NEED_ALWAYS);
	assert_int_equal(rs->jobs[2].needs_n, 1);
	assert_int_equal(rs->jobs[2].needs[0].when, NEED_SUCCESS); /* as written */
}

static void test_one_job(void **state)
{
	OWN(json_decrefp)
	json_t *job = fixture_json(
		"{'kind': 'preprocess', 'name': 'p', 'model': 'm', 'tags': {'a': 'b'}, 'dataset': "
		"{'path': 'x'}}");
	OWN(json_decrefp) json_t *bad = fixture_json("{'kind': 'preproces'}");
	OWN(json_decrefp) json_t *problems = json_array();
	OWN(run_spec_freep) struct run_spec *rs = NULL, *none = NULL;
	struct err e = {0};

	assert_int_equal(run_spec_parse_job(job, &fixture_context, &rs, problems, &e), 0);
	assert_string_equal(rs->name, "p");
	assert_json(rs->tags, "{'a': 'b'}");
	assert_json(rs->jobs[0].tags, "{'a': 'b'}");
	assert_true(str_eq(rs->jobs[0].paths[0].pointer, "/dataset/path") ||
		    str_eq(rs->jobs[0].paths[1].pointer, "/dataset/path"));
	assert_true(json_equal(rs->body, job));
	assert_int_equal(run_spec_parse_job(bad, &fixture_context, &none, problems, &e),
			 -ERR_INVALID);
	assert_null(none);
	assert_true(fixture_has(problems, "/kind", "invalid", "did you mean 'preprocess'?"));
	assert_string_equal(e.field, "/kind");
}

static void test_resources(void **state)
{
	OWN(run_spec_freep)
	struct run_spec *rs = fixture_good(
		"{'jobs': [{'kind': 'script', 'entry_point': 's', 'source_dir': 'd', "
		"'max_runtime': "
		"'2h', 'retry': {'max': 5, 'on': ['oom', 'gpu_lost']}, 'local': {'gpus': 1, "
		"'gpu_memory': 1073741824, 'devices': [1, 0], 'cpus': 4}},"
		"{'kind': 'predict', 'endpoint': 'e', 'inputs': [['a', 'b']]}]}",
		&fixture_context);
	OWN(json_decrefp) json_t *empty = json_object();
	struct job_resources r;

	job_resources_of(rs->jobs[0].spec, &r);
	assert_int_equal(r.gpus, 1);
	assert_int_equal(r.gpu_memory_bytes, GIB);
	assert_int_equal(r.devices_n, 2);
	assert_int_equal(r.devices[0], 1);
	assert_int_equal(r.devices[1], 0);
	assert_int_equal(r.cpus, 4);
	assert_int_equal(r.memory_bytes, 0);
	assert_int_equal(r.max_runtime_us, 7200 * USEC_PER_SEC);
	assert_int_equal(r.retry_max, 5);
	assert_int_equal(r.retry_on, UINT64_C(1) << REASON_OOM | UINT64_C(1) << REASON_GPU_LOST);
	job_resources_of(rs->jobs[1].spec, &r);
	assert_int_equal(r.gpus, 0);
	assert_int_equal(r.max_runtime_us, 0);
	assert_int_equal(r.retry_max, 2);
	assert_true(r.retry_on & UINT64_C(1) << REASON_HOST_LOST);
	job_resources_of(empty, &r);
	assert_int_equal(r.gpus, 0);
	assert_int_equal(r.retry_max, 0);
}

static const char *find_output(void *userdata, const struct spec_ref *ref)
{
	int *calls = userdata;

	(*calls)++;
	if (str_eq(ref->job, "prep") && str_eq(ref->output, "train"))
		return "/data/x1/work/output/train";
	if (str_eq(ref->job, "a") && str_eq(ref->output, "output"))
		return "/data/x2/work/output";
	return NULL;
}

static void test_resolve(void **state)
{
	OWN(json_decrefp)
	json_t *spec = fixture_json(
		"{'kind': 'script', 'entry_point': 's', 'source_dir': 'd', 'channels': {'t': "
		"'${prep.train}', 'u': '/plain'}, 'model': '${a.output}/best/one', "
		"'hyperparameters': {'text': '${prep.train}'}}");
	OWN(json_decrefp) json_t *got = NULL, *none = NULL, *before = json_deep_copy(spec);
	OWN(json_decrefp)
	json_t *missing =
		fixture_json("{'kind': 'evaluate', 'model': 'm', 'data': '${prep.test}'}");
	struct err e = {0};
	int calls = 0;

	assert_int_equal(spec_resolve(spec, find_output, &calls, &got, &e), 0);
	assert_int_equal(calls, 2);
	assert_json(inner(got, "channels"), "{'t': '/data/x1/work/output/train', 'u': '/plain'}");
	assert_string_equal(json_get_str(got, "model", ""), "/data/x2/work/output/best/one");
	assert_json(inner(got, "hyperparameters"), "{'text': '${prep.train}'}");
	assert_true(json_equal(spec, before));
	assert_int_equal(spec_resolve(missing, find_output, &calls, &none, &e), -ERR_NOT_FOUND);
	assert_null(none);
	assert_non_null(strstr(e.msg, "${prep.test}"));
}

static void test_schema_has_every_kind(void **state)
{
	OWN(json_decrefp) json_t *schema = spec_json_schema();
	const json_t *list = json_object_get(schema, "anyOf");
	const json_t *train = NULL, *rate;

	assert_int_equal(json_array_size(list), 10); /* 9 kinds, and train with a script */
	for (size_t i = 0; i < json_array_size(list); i++)
		if (str_eq(json_get_str(json_array_get(list, i), "title", ""), "train"))
			train = json_array_get(list, i);
	assert_non_null(train);
	rate = inner(inner(inner(inner(train, "properties"), "hyperparameters"), "properties"),
		     "learning_rate");
	assert_int_equal(json_get_int(rate, "exclusiveMinimum", -1), 0);
	assert_int_equal(json_get_int(rate, "maximum", -1), 1);
	assert_true(json_get_num(rate, "default", 0) == 5e-5);
	assert_null(json_object_get(inner(train, "properties"), "secrets"));
	assert_json(inner(inner(train, "properties"), "kind"), "{'const': 'train'}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_documented_pipeline),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_machine_without_gpu),
		cmocka_unit_test(test_script_mode),
		cmocka_unit_test(test_paths_can_be_replaced),
		cmocka_unit_test(test_labels_of_a_model),
		cmocka_unit_test(test_needs),
		cmocka_unit_test(test_delete_endpoint_by_name),
		cmocka_unit_test(test_one_job),
		cmocka_unit_test(test_resources),
		cmocka_unit_test(test_resolve),
		cmocka_unit_test(test_schema_has_every_kind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
