/* SPDX-License-Identifier: MIT */
/* jobs/spec/spec: rules over several fields or jobs, and what they refuse: targets, endpoints,
 * scripts, references, needs. */
#include "tests/unit/spec_refusal.h"

static void test_targets(void **state)
{
	static const struct refusal cases[] = {
		{LOCAL("'gpus': 3"), "/jobs/0/local/gpus", "out_of_range",
		 "asks for 3 GPUs, but this machine has 2"},
		{LOCAL("'gpus': -1"), "/jobs/0/local/gpus", "out_of_range", "between 0 and 16"},
		{LOCAL("'gpu_memory': '25GiB'"), "/jobs/0/local/gpu_memory", "out_of_range",
		 "the largest GPU of this machine has 24.0 GiB"},
		{LOCAL("'gpu_memory': 'lots'"), "/jobs/0/local/gpu_memory", "invalid",
		 "such as 8GiB"},
		{LOCAL("'gpu_memory': 5"), "/jobs/0/local/gpu_memory", "out_of_range",
		 "between 1.0 MiB"},
		{LOCAL("'gpu_memory': true"), "/jobs/0/local/gpu_memory", "wrong_type",
		 "number of bytes"},
		{LOCAL("'devices': [2]"), "/jobs/0/local/devices/0", "out_of_range",
		 "this machine has no GPU 2"},
		{LOCAL("'devices': [0, 0]"), "/jobs/0/local/devices/1", "duplicate", "twice"},
		{LOCAL("'devices': []"), "/jobs/0/local/devices", "missing", "at least 1 entry"},
		{LOCAL("'gpus': 2, 'devices': [1]"), "/jobs/0/local/devices", "invalid",
		 "list more or ask for fewer"},
		{LOCAL("'gpus': 0, 'gpu_memory': '1GiB'"), "/jobs/0/local/gpus", "invalid",
		 "remove these, or ask for a GPU"},
		{LOCAL("'cpus': 17"), "/jobs/0/local/cpus", "out_of_range", "have 16"},
		{LOCAL("'cpus': 0"), "/jobs/0/local/cpus", "out_of_range", "between 1"},
		{LOCAL("'memory': '8GiB'"), "/jobs/0/local/memory", "unsupported", "remove it"},
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
		 "at most 7d (lease.ttl_max)"},
		{RUN(DEPLOY(", 'lease': {'ttl': '0s'}")), "/jobs/0/lease/ttl", "out_of_range",
		 "between 1s"},
		{RUN(DEPLOY(", 'lease': {'idle': 5}")), "/jobs/0/lease/idle", "wrong_type",
		 "a duration as text"},
		{RUN(DEPLOY(", 'on_existing': 'replace'")), "/jobs/0/on_existing", "invalid",
		 "fail, update"},
		{RUN(DEPLOY(", 'dtype': 'int8'")), "/jobs/0/dtype", "invalid", "fp32, bf16, auto"},
		{RUN(DEPLOY(", 'dtype': 16")), "/jobs/0/dtype", "wrong_type", "must be a string"},
		{RUN(TRAIN(", 'dtype': 'bf16'")), "/jobs/0/dtype", "unknown_field", "remove it"},
		{RUN(DEPLOY("") ", {'name': 'other', 'kind': 'deploy', 'model': 'm', 'endpoint': "
				"'e'}"),
		 "/jobs/1/endpoint", "duplicate", "job 'd' also deploys the endpoint 'e'"},
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
		 "/jobs/0/entry_point", "invalid", "is no path below source_dir"},
		{RUN("{'kind': 'script', 'entry_point': '/a', 'source_dir': 'x'}"),
		 "/jobs/0/entry_point", "invalid", "is no path below source_dir"},
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
		 "/jobs/1/hyperparameters/d", "invalid", "is not replaced here"},
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
		 "/jobs/1/data", "invalid", "leads out of the output"},
		{RUN(PREP("") ", {'kind': 'evaluate', 'model': 'm', 'data': '${prep.test}/'}"),
		 "/jobs/1/data", "invalid", "leads out of the output"},
		{RUN("{'name': 'e', 'kind': 'evaluate', 'model': 'm', 'data': '${e.metrics}'}"),
		 "/jobs/0/data", "cycle", "refers to itself"},
		{RUN("{'name': 'a', 'kind': 'delete-endpoint', 'endpoint': 'x'}, {'kind': "
		     "'evaluate', 'model': 'm', 'data': '${a.thing}'}"),
		 "/jobs/1/data", "unknown_reference", "it has none"},
		{RUN(PREP("") ", {'kind': 'evaluate', 'model': 'm', 'data': '${prep.test}', "
			      "'needs': [{'job': 'prep', 'when': 'failure'}]}"),
		 "/jobs/1/data", "invalid", "only if that job fails"},
	};

	check_all(cases, ARRAY_LEN(cases));
}

static void test_needs_and_cycles(void **state)
{
	static const struct refusal cases[] = {
		{RUN(SCRIPT(", 'needs': ['nobody']")), "/jobs/0/needs/0", "unknown_reference",
		 "this run has no job 'nobody'"},
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_targets),		 cmocka_unit_test(test_endpoints),
		cmocka_unit_test(test_scripts),		 cmocka_unit_test(test_references),
		cmocka_unit_test(test_needs_and_cycles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
