/* SPDX-License-Identifier: MIT */
/*
 * jobs/spec: what is refused, each with its place, code and a word of its sentence; limits at the
 * edge and one past; and random damage to a good spec, which must never do more than be refused.
 */
#include "tests/unit/spec_fixture.h"

#include <stdio.h>

#define MUTATIONS 4000

struct refusal {
	const char *body;
	const char *pointer, *code, *word;
};

/* Jobs of a run, and a good one of each kind to spoil. */
#define RUN(jobs) "{'jobs': [" jobs "]}"
#define PREP(more) \
	"{'name': 'prep', 'kind': 'preprocess', 'model': 'm', 'dataset': {'path': 'd'}" more "}"
#define DATASET(d) RUN("{'kind': 'preprocess', 'model': 'm', 'dataset': {" d "}}")
#define TRAIN(more) \
	"{'name': 't', 'kind': 'train', 'model': 'm', 'channels': {'train': 'x'}" more "}"
#define HYPER(h)      RUN(TRAIN(", 'hyperparameters': {" h "}"))
#define LOCAL(l)      RUN(TRAIN(", 'local': {" l "}"))
#define SM(s)	      RUN(TRAIN(", 'sagemaker': {" s "}"))
#define DEPLOY(more)  "{'name': 'd', 'kind': 'deploy', 'model': 'm', 'endpoint': 'e'" more "}"
#define PREDICT(more) "{'name': 'p', 'kind': 'predict', 'endpoint': 'e'" more "}"
#define SCRIPT(more) \
	"{'name': 's', 'kind': 'script', 'entry_point': 'a.py', 'source_dir': 'd'" more "}"

static void check_all(const struct refusal *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		OWN(json_decrefp) json_t *body = fixture_json(cases[i].body);
		OWN(json_decrefp) json_t *problems = json_array();
		struct run_spec *rs = NULL;
		struct err e = {0};

		assert_int_equal(run_spec_parse(body, &fixture_context, &rs, problems, &e),
				 -ERR_INVALID);
		assert_null(rs);
		assert_true(e.msg[0]);
		if (!fixture_has(problems, cases[i].pointer, cases[i].code, cases[i].word)) {
			OWN(freep) char *listed = json_text(problems);

			fail_msg("%s: no %s at %s with '%s' in %s", cases[i].body, cases[i].code,
				 cases[i].pointer, cases[i].word, listed);
		}
		if (json_array_size(problems) != 1) { /* one mistake, one problem */
			OWN(freep) char *listed = json_text(problems);

			fail_msg("%s: more than one problem: %s", cases[i].body, listed);
		}
	}
}

static void test_run(void **state)
{
	static const struct refusal cases[] = {
		{"[]", "", "wrong_type", "must be an object, not a list"},
		{"3", "", "wrong_type", "not an integer"},
		{"{}", "/jobs", "missing", "a run needs 'jobs'"},
		{"{'jobs': []}", "/jobs", "missing", "at least 1 entry"},
		{"{'jobs': {}}", "/jobs", "wrong_type", "must be a list, not an object"},
		{"{'jobs': [3]}", "/jobs/0", "wrong_type", "a job must be an object"},
		{"{'job': [], 'jobs': [" TRAIN("") "]}", "/job", "unknown_field",
		 "did you mean 'jobs'?"},
		{"{'name': 7, 'jobs': [" TRAIN("") "]}", "/name", "wrong_type", "a string"},
		{"{'name': '-x', 'jobs': [" TRAIN("") "]}", "/name", "invalid", "is not a name"},
		{"{'name': 'a b', 'jobs': [" TRAIN("") "]}", "/name", "invalid", "is not a name"},
		{"{'name': '', 'jobs': [" TRAIN("") "]}", "/name", "invalid", "is not a name"},
		{"{'priority': 1001, 'jobs': [" TRAIN("") "]}", "/priority", "out_of_range",
		 "between -1000 and 1000"},
		{"{'tags': {'a': 1}, 'jobs': [" TRAIN("") "]}", "/tags/a", "wrong_type",
		 "must be a string, not an integer"},
		{RUN(TRAIN("") "," TRAIN("")), "/jobs/1/name", "duplicate",
		 "jobs 0 and 1 are both called 't'"},
		{RUN("{'kind': 'delete-endpoint', 'endpoint': 'e'},"
		     "{'kind': 'delete-endpoint', 'endpoint': 'f'}"),
		 "/jobs/1/name", "duplicate", "give one of them another name"},
	};

	check_all(cases, ARRAY_LEN(cases));
}

static void test_common_fields(void **state)
{
	static const struct refusal cases[] = {
		{RUN("{'name': 'x'}"), "/jobs/0/kind", "missing", "needs 'kind'"},
		{RUN("{'kind': 7}"), "/jobs/0/kind", "wrong_type", "a string"},
		{RUN("{'kind': 'trian'}"), "/jobs/0/kind", "invalid", "did you mean 'train'?"},
		{RUN("{'kind': 'zzzzzz'}"), "/jobs/0/kind", "invalid", "use one of preprocess"},
		{RUN("{'kind': 'upload', 'source': 'x'}"), "/jobs/0/kind", "unsupported",
		 "need S3"},
		{RUN("{'kind': 'download'}"), "/jobs/0/kind", "unsupported", "need S3"},
		{RUN(TRAIN(", 'target': 'sagemaker'")), "/jobs/0/target", "unsupported",
		 "the SageMaker target is not available in this version"},
		{RUN(TRAIN(", 'target': 'locale'")), "/jobs/0/target", "invalid",
		 "did you mean 'local'?"},
		{RUN(TRAIN(", 'priority': 1.5")), "/jobs/0/priority", "wrong_type",
		 "a whole number"},
		{RUN(TRAIN(", 'held': 'yes'")), "/jobs/0/held", "wrong_type", "true or false"},
		{RUN(TRAIN(", 'max_runtime': 3600")), "/jobs/0/max_runtime", "wrong_type",
		 "\"1h\""},
		{RUN(TRAIN(", 'max_runtime': '1 hour'")), "/jobs/0/max_runtime", "invalid",
		 "like 90s, 15m, 1h or 7d"},
		{RUN(TRAIN(", 'max_runtime': '500ms'")), "/jobs/0/max_runtime", "out_of_range",
		 "between 1s and 366d"},
		{RUN(TRAIN(", 'retry': {'max': 11}")), "/jobs/0/retry/max", "out_of_range",
		 "between 0 and 10"},
		{RUN(TRAIN(", 'retry': {'on': ['hostlost']}")), "/jobs/0/retry/on/0", "invalid",
		 "did you mean 'host_lost'?"},
		{RUN(TRAIN(", 'retry': {'on': ['cancelled']}")), "/jobs/0/retry/on/0", "invalid",
		 "not a reason to retry"},
		{RUN(TRAIN(", 'retry': {'on': ['oom', 'oom']}")), "/jobs/0/retry/on/1", "duplicate",
		 "twice"},
		{RUN(TRAIN(", 'retry': 3")), "/jobs/0/retry", "wrong_type", "must be an object"},
		{RUN(TRAIN(", 'tags': ['a']")), "/jobs/0/tags", "wrong_type", "must be an object"},
		{RUN(TRAIN(", 'tags': {'': 'a'}")), "/jobs/0/tags", "out_of_range",
		 "name of a tag"},
		{RUN(TRAIN(", 'secrets': {'A': 'b'}")), "/jobs/0/secrets", "unsupported",
		 "not available in this version"},
		{RUN(TRAIN(", 'aws_credentials': true")), "/jobs/0/aws_credentials", "unsupported",
		 "leave it out"},
		{RUN(TRAIN(", 'matrix': {}")), "/jobs/0/matrix", "unsupported", "one job for each"},
		{RUN("{'kind': 'train', 'model': null, 'channels': {'train': 'x'}}"),
		 "/jobs/0/model", "wrong_type", "not null"},
		{RUN(TRAIN(", 'checkpoint': {'every': '1h'}")), "/jobs/0/checkpoint", "unsupported",
		 "hyperparameters.save_steps"},
		{RUN(SCRIPT(", 'metric_definitions': [{'name': 'a', 'regex': 'x'}]")),
		 "/jobs/0/metric_definitions/0/regex", "invalid", "no group"},
		{RUN(SCRIPT(", 'metric_definitions': [{'name': 'a', 'regex': '\\\\(x[(]'}]")),
		 "/jobs/0/metric_definitions/0/regex", "invalid", "no group"},
		{RUN(SCRIPT(", 'metric_definitions': [{'name': 'a', 'regex': '(?:x)'}]")),
		 "/jobs/0/metric_definitions/0/regex", "invalid", "in parentheses"},
		{RUN(SCRIPT(", 'metric_definitions': [{'regex': '(x)'}]")),
		 "/jobs/0/metric_definitions/0/name", "missing", "Name of the metric"},
	};

	check_all(cases, ARRAY_LEN(cases));
}

static void test_environment(void **state)
{
	static const struct refusal cases[] = {
		{RUN(SCRIPT(", 'environment': {'HF_TOKEN': 'abc'}")),
		 "/jobs/0/environment/HF_TOKEN", "invalid", "looks like a secret"},
		{RUN(SCRIPT(", 'environment': {'db_password': 'abc'}")),
		 "/jobs/0/environment/db_password", "invalid", "looks like a secret"},
		{RUN(SCRIPT(", 'environment': {'WANDB_API_KEY': 'abc'}")),
		 "/jobs/0/environment/WANDB_API_KEY", "invalid", "read it from a file"},
		{RUN(SCRIPT(", 'environment': {'AWS_SECRET_ACCESS_KEY': 'abc'}")),
		 "/jobs/0/environment/AWS_SECRET_ACCESS_KEY", "invalid", "looks like a secret"},
		{RUN(SCRIPT(", 'environment': {'9A': 'abc'}")), "/jobs/0/environment/9A", "invalid",
		 "name of a variable"},
		{RUN(SCRIPT(", 'environment': {'A=B': 'abc'}")), "/jobs/0/environment/A=B",
		 "invalid", "name of a variable"},
		{RUN(SCRIPT(", 'environment': {'a/b~c': 'abc'}")), "/jobs/0/environment/a~1b~0c",
		 "invalid", "name of a variable"},
		{RUN(SCRIPT(", 'environment': {'TRAINYARD_EXECUTION': 'x'}")),
		 "/jobs/0/environment/TRAINYARD_EXECUTION", "invalid", "set by the daemon"},
		{RUN(SCRIPT(", 'environment': {'A': 1}")), "/jobs/0/environment/A", "wrong_type",
		 "must be a string, not an integer"},
		{RUN(PREP("") "," SCRIPT(", 'environment': {'A': '${prep.train}'}")),
		 "/jobs/1/environment/A", "invalid", "name it as a channel instead"},
	};

	check_all(cases, ARRAY_LEN(cases));
}

static void test_preprocess(void **state)
{
	static const struct refusal cases[] = {
		{RUN("{'kind': 'preprocess', 'model': 'm'}"), "/jobs/0/dataset", "missing",
		 "needs 'dataset'"},
		{RUN("{'kind': 'preprocess', 'dataset': {'path': 'd'}}"), "/jobs/0/model",
		 "missing", "needs 'model'"},
		{DATASET(""), "/jobs/0/dataset", "missing", "needs 'path'"},
		{DATASET("'train': {'path': 'a'}"), "/jobs/0/dataset", "missing",
		 "both 'train' and 'test'"},
		{DATASET("'path': 'x', 'test': {'path': 'a'}"), "/jobs/0/dataset", "invalid",
		 "has 'path' and also"},
		{DATASET("'train': {'path': 'a'}, 'test': {}"), "/jobs/0/dataset/test/path",
		 "missing", "needs 'path'"},
		{DATASET("'path': ''"), "/jobs/0/dataset/path", "invalid", "empty"},
		{DATASET("'path': 'a\\nb'"), "/jobs/0/dataset/path", "invalid", "control"},
		{DATASET("'path': 's3://bucket/key'"), "/jobs/0/dataset/path", "unsupported",
		 "remote address"},
		{DATASET("'s3': 's3://bucket/key'"), "/jobs/0/dataset/s3", "unsupported",
		 "dataset.path"},
		{DATASET("'hub': 'imdb'"), "/jobs/0/dataset/hub", "unsupported", "download it"},
		{DATASET("'path': 'd', 'labels': ['one']"), "/jobs/0/dataset/labels", "missing",
		 "at least 2 entries"},
		{DATASET("'path': 'd', 'labels': ['one', 'one']"), "/jobs/0/dataset/labels/1",
		 "duplicate", "twice"},
		{DATASET("'path': 'd', 'labels': ['one', 2]"), "/jobs/0/dataset/labels/1",
		 "wrong_type", "'label' must be a string"},
		{DATASET("'path': 'd', 'train_rows': 0"), "/jobs/0/dataset/train_rows",
		 "out_of_range", "between 1 and 1000000000, not 0"},
		{DATASET("'path': 'd', 'seed': -1"), "/jobs/0/dataset/seed", "out_of_range",
		 "not -1"},
		{DATASET("'path': 'd', 'text_column': 'label'"), "/jobs/0/dataset", "invalid",
		 "name two columns"},
		{DATASET("'path': 'd', 'label_colum': 'x'"), "/jobs/0/dataset/label_colum",
		 "unknown_field", "did you mean 'label_column'?"},
		{RUN(PREP(", 'max_length': 1")), "/jobs/0/max_length", "out_of_range", "between 2"},
		{RUN(PREP(", 'padding': 'max_length'")), "/jobs/0/padding", "missing",
		 "needs 'max_length'"},
		{RUN(PREP(", 'padding': true")), "/jobs/0/padding", "wrong_type", "a string"},
		{RUN(PREP(", 'output': 's3://b'")), "/jobs/0/output", "unsupported",
		 "refer to them as"},
		{RUN(PREP(", 'channels': {}")), "/jobs/0/channels", "unknown_field",
		 "is a field of train jobs"},
	};

	check_all(cases, ARRAY_LEN(cases));
}

static void test_train(void **state)
{
	static const struct refusal cases[] = {
		{RUN("{'kind': 'train', 'model': 'm'}"), "/jobs/0/channels", "missing",
		 "needs 'channels'"},
		{RUN("{'kind': 'train', 'model': 'm', 'channels': {'test': 'x'}}"),
		 "/jobs/0/channels/train", "missing", "needs 'train'"},
		{RUN("{'kind': 'train', 'model': 'm', 'channels': {'train': 'x', 'tests': 'y'}}"),
		 "/jobs/0/channels/tests", "unknown_field", "did you mean 'test'?"},
		{RUN("{'kind': 'train', 'model': {'training_job': 'x'}, 'channels': {'train': "
		     "'x'}}"),
		 "/jobs/0/model", "unsupported", "SageMaker training job"},
		{RUN("{'kind': 'train', 'model': 'm', 'channels': {'train': 'x'}, 'entry_point': "
		     "'a'}"),
		 "/jobs/0/source_dir", "missing", "needs 'source_dir'"},
		{RUN("{'kind': 'train', 'channels': {'train': 'x'}, 'source_dir': 'a'}"),
		 "/jobs/0/entry_point", "missing", "needs 'entry_point'"},
		{HYPER("'learning_rate': 0"), "/jobs/0/hyperparameters/learning_rate",
		 "out_of_range", "greater than 0 and at most 1, not 0"},
		{HYPER("'learning_rate': 1.01"), "/jobs/0/hyperparameters/learning_rate",
		 "out_of_range", "not 1.01"},
		{HYPER("'learning_rate': '5e-5'"), "/jobs/0/hyperparameters/learning_rate",
		 "wrong_type", "write 5e-05 without quotes"},
		{HYPER("'train_batch_size': 0"), "/jobs/0/hyperparameters/train_batch_size",
		 "out_of_range", "between 1 and 65536, not 0"},
		{HYPER("'train_batch_size': 8.5"), "/jobs/0/hyperparameters/train_batch_size",
		 "wrong_type", "a whole number"},
		{HYPER("'epochs': 0"), "/jobs/0/hyperparameters/epochs", "out_of_range",
		 "greater than 0"},
		{HYPER("'epochs': 1000.5"), "/jobs/0/hyperparameters/epochs", "out_of_range",
		 "at most 1000"},
		{HYPER("'warmup_steps': -1"), "/jobs/0/hyperparameters/warmup_steps",
		 "out_of_range", "not -1"},
		{HYPER("'seed': 4294967296"), "/jobs/0/hyperparameters/seed", "out_of_range",
		 "4294967295"},
		{HYPER("'bf16': true"), "/jobs/0/hyperparameters/bf16", "wrong_type", "a string"},
		{HYPER("'bf16': 'yes'"), "/jobs/0/hyperparameters/bf16", "invalid",
		 "auto, on, off"},
		{HYPER("'weight_decay': -0.1"), "/jobs/0/hyperparameters/weight_decay",
		 "out_of_range", "between 0 and 1"},
		{HYPER("'max_length': 1"), "/jobs/0/hyperparameters/max_length", "out_of_range",
		 "between 2"},
		{HYPER("'lerning_rate': 1"), "/jobs/0/hyperparameters/lerning_rate",
		 "unknown_field", "did you mean 'learning_rate'?"},
	};

	check_all(cases, ARRAY_LEN(cases));
}

/* Names of the SageMaker SDK and of TrainingArguments, and names in the wrong place. */
static void test_foreign_names(void **state)
{
	static const struct refusal cases[] = {
		{RUN(TRAIN(", 'use_spot_instances': true")), "/jobs/0/use_spot_instances",
		 "unknown_field", "here it is 'sagemaker.spot'"},
		{RUN(TRAIN(", 'image_uri': 'x'")), "/jobs/0/image_uri", "unknown_field",
		 "here it is 'sagemaker.image'"},
		{RUN(TRAIN(", 'max_run': 3600")), "/jobs/0/max_run", "unknown_field",
		 "here it is 'max_runtime'"},
		{RUN(TRAIN(", 'num_train_epochs': 3")), "/jobs/0/num_train_epochs", "unknown_field",
		 "here it is 'hyperparameters.epochs'"},
		{HYPER("'num_train_epochs': 3"), "/jobs/0/hyperparameters/num_train_epochs",
		 "unknown_field", "here it is 'epochs'"},
		{HYPER("'per_device_train_batch_size': 3"),
		 "/jobs/0/hyperparameters/per_device_train_batch_size", "unknown_field",
		 "here it is 'train_batch_size'"},
		{HYPER("'per_device_eval_batch_size': 3"),
		 "/jobs/0/hyperparameters/per_device_eval_batch_size", "unknown_field",
		 "here it is 'eval_batch_size'"},
		{HYPER("'evaluation_strategy': 'epoch'"),
		 "/jobs/0/hyperparameters/evaluation_strategy", "unknown_field",
		 "here it is 'eval_steps'"},
		{HYPER("'model_name': 'x'"), "/jobs/0/hyperparameters/model_name", "unknown_field",
		 "here it is 'model'"},
		{HYPER("'max_runtime': '1h'"), "/jobs/0/hyperparameters/max_runtime",
		 "unknown_field", "belongs to the job itself"},
		{RUN(TRAIN(", 'learning_rate': 1e-4")), "/jobs/0/learning_rate", "unknown_field",
		 "put it in 'hyperparameters'"},
		{RUN(TRAIN(", 'gpus': 1")), "/jobs/0/gpus", "unknown_field", "put it in 'local'"},
		{RUN(TRAIN(", 'instance_type': 'ml.m5.large'")), "/jobs/0/instance_type",
		 "unknown_field", "put it in 'sagemaker'"},
		{SM("'use_spot_instances': true"), "/jobs/0/sagemaker/use_spot_instances",
		 "unknown_field", "here it is 'spot'"},
		{RUN(TRAIN(", 'depends_on': []")), "/jobs/0/depends_on", "unknown_field",
		 "here it is 'needs'"},
		{RUN(DEPLOY(", 'ttl': '1h'")), "/jobs/0/ttl", "unknown_field", "put it in 'lease'"},
		{RUN(TRAIN(", 'endpoint': 'x'")), "/jobs/0/endpoint", "unknown_field",
		 "is a field of deploy jobs"},
		{RUN(TRAIN(
			 ", "
			 "'qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq"
			 "': 1")),
		 "/jobs/0/"
		 "qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq",
		 "unknown_field", "qqq…' is not a field"},
	};

	check_all(cases, ARRAY_LEN(cases));
}

static void test_targets(void **state)
{
	static const struct refusal cases[] = {
		{LOCAL("'gpus': 3"), "/jobs/0/local/gpus", "out_of_range",
		 "asks for 3 GPUs, but this machine has 2"},
		{LOCAL("'gpus': -1"), "/jobs/0/local/gpus", "out_of_range", "between 0 and 16"},
		{LOCAL("'gpu_memory': '25GiB'"), "/jobs/0/local/gpu_memory", "out_of_range",
		 "the largest GPU of this machine has 24.0 GiB"},
		{LOCAL("'gpu_memory': 'lots'"), "/jobs/0/local/gpu_memory", "invalid", "like 8GiB"},
		{LOCAL("'gpu_memory': 5"), "/jobs/0/local/gpu_memory", "out_of_range",
		 "between 1.0 MiB"},
		{LOCAL("'gpu_memory': true"), "/jobs/0/local/gpu_memory", "wrong_type",
		 "number of bytes"},
		{LOCAL("'devices': [2]"), "/jobs/0/local/devices/0", "out_of_range",
		 "there is no GPU 2"},
		{LOCAL("'devices': [0, 0]"), "/jobs/0/local/devices/1", "duplicate", "twice"},
		{LOCAL("'devices': []"), "/jobs/0/local/devices", "missing", "at least 1 entry"},
		{LOCAL("'gpus': 2, 'devices': [1]"), "/jobs/0/local/devices", "invalid",
		 "list more or ask for fewer"},
		{LOCAL("'gpus': 0, 'gpu_memory': '1GiB'"), "/jobs/0/local/gpus", "invalid",
		 "remove them or ask for a GPU"},
		{LOCAL("'cpus': 17"), "/jobs/0/local/cpus", "out_of_range", "have 16"},
		{LOCAL("'cpus': 0"), "/jobs/0/local/cpus", "out_of_range", "between 1"},
		{LOCAL("'memory': '65GiB'"), "/jobs/0/local/memory", "out_of_range",
		 "this machine has 64.0 GiB"},
		{LOCAL("'requirements': 'pip'"), "/jobs/0/local/requirements", "invalid",
		 "refuse, venv"},
		{SM("'instance_type': 'g5.xlarge'"), "/jobs/0/sagemaker/instance_type", "invalid",
		 "such as ml.g5.xlarge"},
		{SM("'instance_count': 0"), "/jobs/0/sagemaker/instance_count", "out_of_range",
		 "between 1 and 100"},
		{SM("'volume_gb': 'x'"), "/jobs/0/sagemaker/volume_gb", "wrong_type",
		 "a whole number"},
		{SM("'keep_alive': '7h'"), "/jobs/0/sagemaker/keep_alive", "out_of_range",
		 "between 0s and 6h"},
		{SM("'vpc': {'subnets': ['a']}"), "/jobs/0/sagemaker/vpc/security_groups",
		 "missing", "needs 'security_groups'"},
		{SM("'serverless': {'memory_mb': 7000}"), "/jobs/0/sagemaker/serverless/memory_mb",
		 "out_of_range", "between 1024 and 6144"},
	};

	check_all(cases, ARRAY_LEN(cases));
}

static void test_endpoints(void **state)
{
	static const struct refusal cases[] = {
		{RUN("{'kind': 'deploy', 'model': 'm'}"), "/jobs/0/endpoint", "missing",
		 "needs 'endpoint'"},
		{RUN("{'kind': 'deploy', 'model': 'm', 'endpoint': '${x.endpoint}'}"),
		 "/jobs/0/endpoint", "invalid", "is not a name"},
		{RUN(DEPLOY(", 'lease': {'ttl': '8d'}")), "/jobs/0/lease/ttl", "out_of_range",
		 "at most 7d here"},
		{RUN(DEPLOY(", 'lease': {'ttl': '0s'}")), "/jobs/0/lease/ttl", "out_of_range",
		 "between 1s"},
		{RUN(DEPLOY(", 'lease': {'idle': 5}")), "/jobs/0/lease/idle", "wrong_type",
		 "a duration as text"},
		{RUN(DEPLOY(", 'on_existing': 'update'")), "/jobs/0/on_existing", "unsupported",
		 "delete it first"},
		{RUN(DEPLOY(", 'on_existing': 'replace'")), "/jobs/0/on_existing", "invalid",
		 "fail, update"},
		{RUN(DEPLOY("") ", {'name': 'other', 'kind': 'deploy', 'model': 'm', 'endpoint': "
				"'e'}"),
		 "/jobs/1/endpoint", "duplicate", "job 'd' deploys the endpoint 'e' too"},
		{RUN(PREDICT("")), "/jobs/0/inputs", "missing", "needs 'inputs'"},
		{RUN(PREDICT(", 'inputs': 3")), "/jobs/0/inputs", "wrong_type", "a list of texts"},
		{RUN(PREDICT(", 'inputs': []")), "/jobs/0/inputs", "missing", "at least one text"},
		{RUN(PREDICT(", 'inputs': ['a', 3]")), "/jobs/0/inputs/1", "wrong_type",
		 "a text or a pair"},
		{RUN(PREDICT(", 'inputs': ['a', ['b', 'c']]")), "/jobs/0/inputs/1", "wrong_type",
		 "mixes texts and pairs"},
		{RUN(PREDICT(", 'inputs': [['a', 'b', 'c']]")), "/jobs/0/inputs/0", "wrong_type",
		 "another list"},
		{RUN(PREDICT(", 'inputs': 'x', 'parameters': {'top_k': 0}")),
		 "/jobs/0/parameters/top_k", "out_of_range", "between 1"},
		{RUN(PREDICT(", 'inputs': 'x', 'parameters': {'topk': 1}")),
		 "/jobs/0/parameters/topk", "unknown_field", "did you mean 'top_k'?"},
		{RUN("{'kind': 'delete-endpoint'}"), "/jobs/0/endpoint", "missing",
		 "needs 'endpoint'"},
		{RUN("{'kind': 'delete-endpoint', 'endpoint': 'a/b'}"), "/jobs/0/endpoint",
		 "invalid", "is not a name"},
		{RUN("{'kind': 'evaluate', 'model': 'm'}"), "/jobs/0/data", "missing",
		 "needs 'data'"},
		{RUN("{'kind': 'evaluate', 'model': 'm', 'data': 'd', 'batch_size': 0}"),
		 "/jobs/0/batch_size", "out_of_range", "between 1"},
	};

	check_all(cases, ARRAY_LEN(cases));
}

static void test_scripts(void **state)
{
	static const struct refusal cases[] = {
		{RUN("{'kind': 'script', 'source_dir': 'x'}"), "/jobs/0/entry_point", "missing",
		 "needs 'entry_point'"},
		{RUN("{'kind': 'script', 'entry_point': '../a', 'source_dir': 'x'}"),
		 "/jobs/0/entry_point", "invalid", "leaves source_dir"},
		{RUN("{'kind': 'script', 'entry_point': '/a', 'source_dir': 'x'}"),
		 "/jobs/0/entry_point", "invalid", "leaves source_dir"},
		{RUN(PREP("") ", {'kind': 'script', 'entry_point': 'a', 'source_dir': "
			      "'${prep.train}'}"),
		 "/jobs/1/source_dir", "invalid", "cannot be a reference"},
		{RUN(SCRIPT(", 'channels': {'a b': 'x'}")), "/jobs/0/channels", "invalid",
		 "name of a channel"},
		{RUN(SCRIPT(", 'channels': {'a': 3}")), "/jobs/0/channels/a", "wrong_type",
		 "'channel' must be a string"},
		{RUN(SCRIPT(", 'hyperparameters': {'': 3}")), "/jobs/0/hyperparameters/",
		 "out_of_range", "1 to 256 bytes"},
		{RUN(SCRIPT(", 'hyperparameters': [1]")), "/jobs/0/hyperparameters", "wrong_type",
		 "must be an object"},
		{RUN(PREP("") "," SCRIPT(", 'hyperparameters': {'d': '${prep.test}'}")),
		 "/jobs/1/hyperparameters/d", "invalid", "would stay as it is"},
	};

	check_all(cases, ARRAY_LEN(cases));
}

static void test_references(void **state)
{
	static const struct refusal cases[] = {
		{RUN(PREP("") ", {'kind': 'evaluate', 'model': 'm', 'data': '${prpe.test}'}"),
		 "/jobs/1/data", "unknown_reference", "did you mean 'prep'?"},
		{RUN(PREP("") ", {'kind': 'evaluate', 'model': 'm', 'data': '${prep.tset}'}"),
		 "/jobs/1/data", "unknown_reference", "no output 'tset'; it has 'train', 'test'"},
		{RUN(PREP("") ", {'kind': 'evaluate', 'model': '${prep.train}', 'data': 'x'}"),
		 "/jobs/1/model", "invalid", "is a data set, but 'model' needs a model"},
		{RUN(TRAIN("") ", {'kind': 'evaluate', 'model': '${t.output}', 'data': 'x'}"),
		 "/jobs/1/model", "invalid", "is a directory, but 'model' needs a model"},
		{RUN(TRAIN("") ", {'kind': 'evaluate', 'model': '${t.metrics}', 'data': 'x'}"),
		 "/jobs/1/model", "invalid", "is a file"},
		{RUN(TRAIN("") ", {'kind': 'evaluate', 'model': 'm', 'data': '${t.model}'}"),
		 "/jobs/1/data", "invalid", "needs a data set"},
		{RUN(TRAIN("") ", {'kind': 'predict', 'endpoint': '${t.model}', 'inputs': 'x'}"),
		 "/jobs/1/endpoint", "invalid", "needs an endpoint"},
		{RUN(DEPLOY("") ", {'kind': 'predict', 'endpoint': '${d.endpoint}/x', 'inputs': "
				"'x'}"),
		 "/jobs/1/endpoint", "invalid", "not a directory"},
		{RUN("{'kind': 'evaluate', 'model': 'm', 'data': '${nodot}'}"), "/jobs/0/data",
		 "invalid", "write ${job.output}"},
		{RUN("{'kind': 'evaluate', 'model': 'm', 'data': '${a.b'}"), "/jobs/0/data",
		 "invalid", "is not a reference"},
		{RUN("{'kind': 'evaluate', 'model': 'm', 'data': '${a.b}x'}"), "/jobs/0/data",
		 "invalid", "is not a reference"},
		{RUN(PREP("") ", {'kind': 'evaluate', 'model': 'm', 'data': '${prep.test}/../x'}"),
		 "/jobs/1/data", "invalid", "leaves the output"},
		{RUN(PREP("") ", {'kind': 'evaluate', 'model': 'm', 'data': '${prep.test}/'}"),
		 "/jobs/1/data", "invalid", "leaves the output"},
		{RUN("{'name': 'e', 'kind': 'evaluate', 'model': 'm', 'data': '${e.metrics}'}"),
		 "/jobs/0/data", "cycle", "refers to itself"},
		{RUN("{'name': 'a', 'kind': 'delete-endpoint', 'endpoint': 'x'}, {'kind': "
		     "'evaluate', 'model': 'm', 'data': '${a.thing}'}"),
		 "/jobs/1/data", "unknown_reference", "it has none"},
		{RUN(PREP("") ", {'kind': 'evaluate', 'model': 'm', 'data': '${prep.test}', "
			      "'needs': [{'job': 'prep', 'when': 'failure'}]}"),
		 "/jobs/1/data", "invalid", "only if that fails"},
	};

	check_all(cases, ARRAY_LEN(cases));
}

static void test_needs_and_cycles(void **state)
{
	static const struct refusal cases[] = {
		{RUN(SCRIPT(", 'needs': ['nobody']")), "/jobs/0/needs/0", "unknown_reference",
		 "there is no job 'nobody'"},
		{RUN(SCRIPT(", 'needs': ['s']")), "/jobs/0/needs/0", "cycle", "needs itself"},
		{RUN(PREP("") "," SCRIPT(", 'needs': ['prep', 'prep']")), "/jobs/1/needs/1",
		 "duplicate", "needed twice"},
		{RUN(PREP("") "," SCRIPT(", 'needs': [{'job': 'prep', 'when': 'later'}]")),
		 "/jobs/1/needs/0/when", "invalid", "success, failure, always"},
		{RUN(PREP("") "," SCRIPT(", 'needs': [{'when': 'always'}]")), "/jobs/1/needs/0/job",
		 "missing", "needs 'job'"},
		{RUN(PREP("") "," SCRIPT(", 'needs': 'prep'")), "/jobs/1/needs", "wrong_type",
		 "must be a list"},
		{RUN(PREP("") "," SCRIPT(", 'needs': [3]")), "/jobs/1/needs/0", "wrong_type",
		 "must be an object"},
		{RUN(PREP(", 'needs': ['s']") "," SCRIPT(", 'needs': ['prep']")), "/jobs/0",
		 "cycle", "prep → s → prep"},
		{RUN("{'name': 'a', 'kind': 'script', 'entry_point': 'x', 'source_dir': 'd', "
		     "'needs': ['b']},"
		     "{'name': 'b', 'kind': 'script', 'entry_point': 'x', 'source_dir': 'd', "
		     "'needs': ['c']},"
		     "{'name': 'c', 'kind': 'script', 'entry_point': 'x', 'source_dir': 'd', "
		     "'channels': {'m': '${b.model}'}}"),
		 "/jobs/1", "cycle", "b → c → b"},
	};

	check_all(cases, ARRAY_LEN(cases));
}

static void test_without_native_engine(void **state)
{
	OWN(json_decrefp)
	json_t *body = fixture_json(
		RUN(PREP("") "," SCRIPT("") ", {'kind': 'train', 'entry_point': 'a', 'source_dir': "
					    "'d', 'channels': {'x': '${prep.train}'}}"));
	OWN(json_decrefp) json_t *problems = json_array();
	struct spec_context ctx = fixture_context;
	struct run_spec *rs = NULL;

	ctx.native = false;
	assert_int_equal(run_spec_parse(body, &ctx, &rs, problems, NULL), -ERR_INVALID);
	assert_int_equal(json_array_size(problems), 1);
	assert_true(fixture_has(problems, "/jobs/0/kind", "unsupported", "the native engine"));
}

/* Everything wrong is said at once, up to the limit. */
static void test_many_problems(void **state)
{
	OWN(json_decrefp) json_t *body = json_pack("{s:[]}", "jobs"), *problems = json_array();
	struct run_spec *rs = NULL;
	struct err e = {0};

	for (int i = 0; i < SPEC_PROBLEMS_MAX + 5; i++)
		json_array_append_new(json_object_get(body, "jobs"),
				      json_pack("{s:s}", "kind", "nonsense"));
	assert_int_equal(run_spec_parse(body, &fixture_context, &rs, problems, &e), -ERR_INVALID);
	assert_int_equal(json_array_size(problems), SPEC_PROBLEMS_MAX);
	assert_string_equal(e.field, "/jobs/0/kind");
	assert_non_null(strstr(e.msg, "(and more problems)"));
}

/* Names of any length and script are cut between characters, in the pointer too. */
static void test_long_unknown_names(void **state)
{
	for (size_t n = 1; n < 300; n++) {
		OWN(json_decrefp)
		json_t *body = fixture_json(RUN(TRAIN(""))), *problems = json_array();
		OWN(buf_done) struct buf name = BUF_INIT(1 << 16);
		struct run_spec *rs = NULL;
		const json_t *one;

		for (size_t i = 0; i < n; i++)
			buf_puts(&name, i % 3 ? "ü" : "語");
		json_object_set_new(json_array_get(json_object_get(body, "jobs"), 0),
				    buf_str(&name), json_true());
		assert_int_equal(run_spec_parse(body, &fixture_context, &rs, problems, NULL),
				 -ERR_INVALID);
		assert_int_equal(json_array_size(problems), 1);
		one = json_array_get(problems, 0);
		assert_true(str_starts(json_get_str(one, "pointer", ""), "/jobs/0/語"));
	}
}

/* The costly search for the nearest name ends with the list of problems. */
static void test_very_many_problems(void **state)
{
	OWN(json_decrefp) json_t *body = json_pack("{s:[]}", "jobs"), *problems = json_array();
	json_t *needs = json_array();
	struct run_spec *rs = NULL;
	char name[SPEC_NAME_MAX + 1];

	for (int i = 0; i < SPEC_NEEDS_MAX; i++) {
		snprintf(name, sizeof(name), "%063d", i);
		json_array_append_new(needs, json_string(name));
	}
	for (int i = 0; i < SPEC_JOBS_MAX; i++) {
		snprintf(name, sizeof(name), "%062dx", i);
		json_array_append_new(json_object_get(body, "jobs"),
				      json_pack("{s:s, s:s, s:s, s:s, s:O}", "name", name, "kind",
						"script", "entry_point", "a", "source_dir", "d",
						"needs", needs));
	}
	for (int i = 0; i < 100000; i++) {
		snprintf(name, sizeof(name), "%d", i);
		json_object_set_new(body, name, json_null());
	}
	json_decref(needs);
	assert_int_equal(run_spec_parse(body, &fixture_context, &rs, problems, NULL), -ERR_INVALID);
	assert_int_equal(json_array_size(problems), SPEC_PROBLEMS_MAX);
}

/* A script job with n of something, as submitted. */
static json_t *with_many(const char *field, size_t n)
{
	json_t *job = json_pack("{s:s, s:s, s:s, s:s}", "name", "many", "kind", "script",
				"entry_point", "a", "source_dir", "d");
	bool list = str_eq(field, "needs");
	json_t *values = list ? json_array() : json_object();

	for (size_t i = 0; i < n; i++) {
		char text[32];

		snprintf(text, sizeof(text), "j%zu", i);
		if (list)
			json_array_append_new(values, json_string(text));
		else
			json_object_set_new(values, text, json_string("v"));
	}
	json_object_set_new(job, field, values);
	return job;
}

static void check_limit(const char *field, size_t max, const char *pointer)
{
	for (size_t n = max; n <= max + 1; n++) {
		OWN(json_decrefp) json_t *body = json_pack("{s:[]}", "jobs");
		OWN(json_decrefp) json_t *problems = json_array();
		OWN(run_spec_freep) struct run_spec *rs = NULL;
		json_t *jobs = json_object_get(body, "jobs");
		struct err e = {0};
		int r;

		json_array_append_new(jobs, with_many(field, n));
		for (size_t i = 0; str_eq(field, "needs") && i < n; i++) {
			json_t *job = with_many("tags", 0);
			char name[32];

			snprintf(name, sizeof(name), "j%zu", i);
			json_object_set_new(job, "name", json_string(name));
			json_array_append_new(jobs, job);
		}
		r = run_spec_parse(body, &fixture_context, &rs, problems, &e);
		assert_int_equal(r, n == max ? 0 : -ERR_INVALID);
		if (n > max)
			assert_true(fixture_has(problems, pointer, "too_many", "at most"));
	}
}

static void test_counts(void **state)
{
	check_limit("needs", SPEC_NEEDS_MAX, "/jobs/0/needs");
	check_limit("tags", SPEC_TAGS_MAX, "/jobs/0/tags");
	check_limit("environment", 100, "/jobs/0/environment");
	check_limit("hyperparameters", 100, "/jobs/0/hyperparameters");
	check_limit("channels", 20, "/jobs/0/channels");
}

static void test_jobs_max(void **state)
{
	for (size_t n = SPEC_JOBS_MAX; n <= SPEC_JOBS_MAX + 1; n++) {
		OWN(json_decrefp) json_t *body = json_pack("{s:[]}", "jobs");
		OWN(json_decrefp) json_t *problems = json_array();
		OWN(run_spec_freep) struct run_spec *rs = NULL;
		struct err e = {0};

		for (size_t i = 0; i < n; i++) { /* one long chain */
			json_t *job = with_many("tags", 0);
			char name[32];

			snprintf(name, sizeof(name), "c%zu", i);
			json_object_set_new(job, "name", json_string(name));
			snprintf(name, sizeof(name), "c%zu", i + 1);
			if (i + 1 < n)
				json_object_set_new(job, "needs", json_pack("[s]", name));
			json_array_append_new(json_object_get(body, "jobs"), job);
		}
		assert_int_equal(run_spec_parse(body, &fixture_context, &rs, problems, &e),
				 n == SPEC_JOBS_MAX ? 0 : -ERR_INVALID);
		if (n > SPEC_JOBS_MAX)
			assert_true(fixture_has(problems, "/jobs", "too_many", "at most 256"));
		else
			assert_int_equal(rs->jobs_n, n);
	}
}

/* Texts of `max` bytes pass, of one more do not. */
static void check_length(const char *before, size_t max, const char *after, const char *pointer)
{
	for (size_t n = max; n <= max + 1; n++) {
		OWN(buf_done) struct buf text = BUF_INIT(1 << 20);
		OWN(json_decrefp) json_t *body = NULL, *problems = json_array();
		OWN(run_spec_freep) struct run_spec *rs = NULL;
		struct err e = {0};
		int r;

		buf_puts(&text, before);
		for (size_t i = 0; i < n; i++)
			buf_puts(&text, "n");
		buf_puts(&text, after);
		body = fixture_json(buf_str(&text));
		r = run_spec_parse(body, &fixture_context, &rs, problems, &e);
		assert_int_equal(r, n == max ? 0 : -ERR_INVALID);
		if (n > max && !fixture_has(problems, pointer, "out_of_range", "bytes"))
			fail_msg("%s: %s", pointer, e.msg);
	}
}

static void test_lengths(void **state)
{
	check_length("{'name': '", SPEC_NAME_MAX, "', 'jobs': [" TRAIN("") "]}", "/name");
	check_length("{'jobs': [{'kind': 'delete-endpoint', 'endpoint': 'e', 'name': '",
		     SPEC_NAME_MAX, "'}]}", "/jobs/0/name");
	check_length("{'jobs': [{'kind': 'delete-endpoint', 'endpoint': '", SPEC_NAME_MAX, "'}]}",
		     "/jobs/0/endpoint");
	check_length("{'jobs': [{'kind': 'evaluate', 'model': 'm', 'data': '", SPEC_PATH_MAX,
		     "'}]}", "/jobs/0/data");
	check_length("{'tags': {'a': '", 256, "'}, 'jobs': [" TRAIN("") "]}", "/tags/a");
	check_length("{'tags': {'", 128, "': 'b'}, 'jobs': [" TRAIN("") "]}", "/tags");
	check_length("{'jobs': [{'kind': 'script', 'entry_point': 'a', 'source_dir': 'd', "
		     "'hyperparameters': {'h': '",
		     2500 - 2, "'}}]}", "/jobs/0/hyperparameters/h");
}

/* xorshift: the same damage every time. */
static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static json_t *random_value(uint64_t *seed)
{
	switch (next_random(seed) % 10) {
	case 0:
		return json_null();
	case 1:
		return json_integer((json_int_t)next_random(seed));
	case 2:
		return json_real(-1e300);
	case 3:
		return json_string("");
	case 4:
		return json_string("${prep.train}");
	case 5:
		return json_string("${a.b}/../..");
	case 6:
		return json_array();
	case 7:
		return json_object();
	case 8:
		return json_pack("[{s:[n]}]", "jobs");
	default:
		return json_boolean(next_random(seed) & 1);
	}
}

/* Replace, remove or add something somewhere below `v`. */
static void damage(json_t *v, uint64_t *seed)
{
	size_t n = json_is_object(v) ? json_object_size(v) : json_array_size(v);
	size_t at = n ? next_random(seed) % n : 0;
	const char *key = NULL;
	json_t *child = json_array_get(v, at);
	void *iter = json_object_iter(v);

	for (size_t i = 0; iter && i < at; i++)
		iter = json_object_iter_next(v, iter);
	if (iter) {
		key = json_object_iter_key(iter);
		child = json_object_iter_value(iter);
	}
	if (child && next_random(seed) % 4 && (json_is_object(child) || json_is_array(child))) {
		damage(child, seed);
	} else if (json_is_array(v)) {
		if (next_random(seed) % 2 && n)
			json_array_set_new(v, at, random_value(seed));
		else
			json_array_append_new(v, n ? json_deep_copy(child) : random_value(seed));
	} else if (next_random(seed) % 3 && key) {
		json_object_set_new(v, key, random_value(seed));
	} else if (key) {
		OWN(freep) char *name = strdup(key);

		json_object_del(v, name);
	} else {
		json_object_set_new(v, "needs", random_value(seed));
	}
}

static void test_random_damage(void **state)
{
	OWN(json_decrefp) json_t *good = fixture_json(fixture_pipeline);
	uint64_t seed = 88172645463325252u;
	int refused = 0, taken = 0;

	for (int i = 0; i < MUTATIONS; i++) {
		OWN(json_decrefp) json_t *body = json_deep_copy(good), *problems = json_array();
		OWN(run_spec_freep) struct run_spec *rs = NULL;
		struct err e = {0};
		int r;

		for (uint64_t n = 1 + next_random(&seed) % 4; n; n--)
			damage(body, &seed);
		r = run_spec_parse(body, &fixture_context, &rs, problems, &e);
		assert_true(r == 0 || r == -ERR_INVALID);
		assert_int_equal(r == 0, json_array_size(problems) == 0);
		assert_int_equal(r == 0, rs != NULL);
		refused += r < 0;
		taken += r == 0;
	}
	assert_true(refused > MUTATIONS / 2);
	assert_true(taken > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_run),
		cmocka_unit_test(test_common_fields),
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_preprocess),
		cmocka_unit_test(test_train),
		cmocka_unit_test(test_foreign_names),
		cmocka_unit_test(test_targets),
		cmocka_unit_test(test_endpoints),
		cmocka_unit_test(test_scripts),
		cmocka_unit_test(test_references),
		cmocka_unit_test(test_needs_and_cycles),
		cmocka_unit_test(test_without_native_engine),
		cmocka_unit_test(test_many_problems),
		cmocka_unit_test(test_long_unknown_names),
		cmocka_unit_test(test_very_many_problems),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_jobs_max),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_random_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
