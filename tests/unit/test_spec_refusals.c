/* SPDX-License-Identifier: MIT */
/* jobs/spec/spec: fields that are refused, each with its place, its code and a word of its
 * sentence. */
#include "tests/unit/spec_refusal.h"

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
		{RUN(TRAIN(", 'target': 'locale'")), "/jobs/0/target", "invalid",
		 "did you mean 'local'?"},
		{RUN(TRAIN(", 'priority': 1.5")), "/jobs/0/priority", "wrong_type",
		 "a whole number"},
		{RUN(TRAIN(", 'held': 'yes'")), "/jobs/0/held", "wrong_type", "true or false"},
		{RUN(TRAIN(", 'max_runtime': 3600")), "/jobs/0/max_runtime", "wrong_type",
		 "\"1h\""},
		{RUN(TRAIN(", 'max_runtime': '1 hour'")), "/jobs/0/max_runtime", "invalid",
		 "such as 90s, 15m, 1h or 7d"},
		{RUN(TRAIN(", 'max_runtime': '500ms'")), "/jobs/0/max_runtime", "out_of_range",
		 "between 1s and 366d"},
		{RUN(TRAIN(", 'tags': ['a']")), "/jobs/0/tags", "wrong_type", "must be an object"},
		{RUN(TRAIN(", 'tags': {'': 'a'}")), "/jobs/0/tags", "out_of_range",
		 "name of a tag"},
		{RUN(TRAIN(", 'secrets': {'A': 'b'}")), "/jobs/0/secrets", "unsupported",
		 "does not exist in this version"},
		{RUN(TRAIN(", 'aws_credentials': true")), "/jobs/0/aws_credentials", "unsupported",
		 "a script gets no keys"},
		{RUN(TRAIN(", 'matrix': {}")), "/jobs/0/matrix", "unsupported", "one job for each"},
		{RUN("{'kind': 'train', 'model': null, 'channels': {'train': 'x'}}"),
		 "/jobs/0/model", "wrong_type", "not null"},
		{RUN(TRAIN(", 'checkpoint': {'every': '1h'}")), "/jobs/0/checkpoint/every",
		 "unsupported", "hyperparameters.save_steps"},
		{RUN(SCRIPT(", 'metric_definitions': [{'name': 'a', 'regex': 'x'}]")),
		 "/jobs/0/metric_definitions/0/regex", "invalid", "no group"},
		{RUN(SCRIPT(", 'metric_definitions': [{'name': 'a', 'regex': '\\\\(x[(]'}]")),
		 "/jobs/0/metric_definitions/0/regex", "invalid", "no group"},
		{RUN(SCRIPT(", 'metric_definitions': [{'name': 'a', 'regex': '(?:x)'}]")),
		 "/jobs/0/metric_definitions/0/regex", "invalid", "in parentheses"},
		{RUN(SCRIPT(", 'metric_definitions': [{'name': 'a', 'regex': '('}]")),
		 "/jobs/0/metric_definitions/0/regex", "invalid",
		 "is not a valid expression at character 1"},
		{RUN(SCRIPT(", 'metric_definitions': [{'name': 'a', 'regex': '(x){2'}, "
			    "{'name': 'b', 'regex': '(x)[a'}]")),
		 "/jobs/0/metric_definitions/1/regex", "invalid",
		 "is not a valid expression at character 5"},
		{RUN(SCRIPT(", 'metric_definitions': [{'regex': '(x)'}]")),
		 "/jobs/0/metric_definitions/0/name", "missing", "Name of the metric"},
	};

	check_all(cases, ARRAY_LEN(cases));
}

static void test_retry(void **state)
{
	static const struct refusal cases[] = {
		{RUN(TRAIN(", 'retry': {'max': 11}")), "/jobs/0/retry/max", "out_of_range",
		 "between 0 and 10"},
		{RUN(TRAIN(", 'retry': {'on': ['hostlost']}")), "/jobs/0/retry/on/0", "invalid",
		 "did you mean 'host_lost'?"},
		{RUN(TRAIN(", 'retry': {'on': ['cancelled']}")), "/jobs/0/retry/on/0", "invalid",
		 "not a reason to retry"},
		{RUN(TRAIN(", 'retry': {'on': ['oom', 'oom']}")), "/jobs/0/retry/on/1", "duplicate",
		 "twice"},
		{RUN(TRAIN(", 'retry': 3")), "/jobs/0/retry", "wrong_type", "must be an object"},
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
		 "/jobs/0/environment/WANDB_API_KEY", "invalid", "read the secret from a file"},
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
		 "/jobs/1/environment/A", "invalid", "name the directory as a channel instead"},
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
		{DATASET(""), "/jobs/0/dataset", "missing", "give 'path', 's3', 'url' or 'hub'"},
		{DATASET("'train': {'path': 'a'}"), "/jobs/0/dataset", "missing",
		 "both 'train' and 'test'"},
		{DATASET("'path': 'x', 'test': {'path': 'a'}"), "/jobs/0/dataset", "invalid",
		 "has 'path' and also"},
		{DATASET("'train': {'path': 'a'}, 'test': {}"), "/jobs/0/dataset/test/path",
		 "missing", "needs 'path'"},
		{DATASET("'path': ''"), "/jobs/0/dataset/path", "invalid", "empty"},
		{DATASET("'path': 'a\\nb'"), "/jobs/0/dataset/path", "invalid", "control"},
		{DATASET("'path': 's3://bucket/key'"), "/jobs/0/dataset/path", "unsupported",
		 "give the address in 's3' instead"},
		{DATASET("'path': 'https://host/x'"), "/jobs/0/dataset/path", "unsupported",
		 "download the data"},
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
		 "'max_length' is missing"},
		{RUN(PREP(", 'padding': true")), "/jobs/0/padding", "wrong_type", "a string"},
		{RUN(PREP(", 'output': 's3://B'")), "/jobs/0/output", "invalid",
		 "not the name of a bucket"},
		{RUN(PREP(", 'output': '${prep.train}'")), "/jobs/0/output", "invalid",
		 "cannot be a reference"},
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
		{RUN("{'kind': 'train', 'model': {'training_job': 'x_y'}, 'channels': {'train': "
		     "'x'}}"),
		 "/jobs/0/model", "invalid", "letters, digits and hyphens"},
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
		{HYPER("'warmup_ratio': 1.5"), "/jobs/0/hyperparameters/warmup_ratio",
		 "out_of_range", "between 0 and 1"},
		{HYPER("'warmup_ratio': 0.1, 'warmup_steps': 3"), "/jobs/0/hyperparameters",
		 "invalid", "not both"},
		{HYPER("'seed': 4294967296"), "/jobs/0/hyperparameters/seed", "out_of_range",
		 "4294967295"},
		{HYPER("'bf16': true"), "/jobs/0/hyperparameters/bf16", "wrong_type", "a string"},
		{HYPER("'bf16': 'yes'"), "/jobs/0/hyperparameters/bf16", "invalid",
		 "auto, on, off"},
		{HYPER("'weight_decay': -0.1"), "/jobs/0/hyperparameters/weight_decay",
		 "out_of_range", "between 0 and 1"},
		{HYPER("'max_length': 1"), "/jobs/0/hyperparameters/max_length", "out_of_range",
		 "between 2"},
		{RUN("{'kind': 'evaluate', 'model': 'm', 'data': 'd', 'label_map': {'a': 1}}"),
		 "/jobs/0/label_map/a", "wrong_type", "must be a string, not an integer"},
		{RUN("{'kind': 'evaluate', 'model': 'm', 'data': 'd', 'label_map': {}}"),
		 "/jobs/0/label_map", "missing", "at least 1"},
		{HYPER("'lerning_rate': 1"), "/jobs/0/hyperparameters/lerning_rate",
		 "unknown_field", "did you mean 'learning_rate'?"},
	};

	check_all(cases, ARRAY_LEN(cases));
}

/* Twelve digits made another number of these, and 1.0000000000000002 was "at most 1, not 1". */
static void test_a_number_in_a_problem_is_the_one_that_was_sent(void **state)
{
	static const struct refusal cases[] = {
		{HYPER("'learning_rate': '0.1234567890123456'"),
		 "/jobs/0/hyperparameters/learning_rate", "wrong_type",
		 "write 0.1234567890123456 without quotes"},
		{HYPER("'seed': '4294967295.0'"), "/jobs/0/hyperparameters/seed", "wrong_type",
		 "write 4294967295 without quotes"},
		{HYPER("'learning_rate': 1.0000000000000002"),
		 "/jobs/0/hyperparameters/learning_rate", "out_of_range",
		 "at most 1, not 1.0000000000000002"},
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
		{HYPER("'optim': 'sgd'"), "/jobs/0/hyperparameters/optim", "unknown_field",
		 "the optimiser is AdamW; remove it"},
		{HYPER("'lr_scheduler_type': 'polynomial'"),
		 "/jobs/0/hyperparameters/lr_scheduler_type", "invalid", "constant_with_warmup"},
		{HYPER("'max_steps': 0"), "/jobs/0/hyperparameters/max_steps", "out_of_range", "1"},
		{HYPER("'train_batch_size': 32, 'gradient_accumulation_steps': 2049"),
		 "/jobs/0/hyperparameters/gradient_accumulation_steps", "out_of_range",
		 "65568 rows"},
		{HYPER("'class_weights': 'balanced', 'label_smoothing_factor': 0.1"),
		 "/jobs/0/hyperparameters/class_weights", "invalid", "label_smoothing_factor"},
		{HYPER("'class_weights': {'a': 1, 'b': 2}, 'label_smoothing_factor': 0.1"),
		 "/jobs/0/hyperparameters/class_weights", "invalid", "label_smoothing_factor"},
		{HYPER("'class_weights': {'a': 1, 'b': 0}"),
		 "/jobs/0/hyperparameters/class_weights/b", "out_of_range", "greater than 0"},
		{HYPER("'class_weights': {'a': 1}"), "/jobs/0/hyperparameters/class_weights",
		 "missing", "at least 2"},
		{HYPER("'class_weights': 'balance'"), "/jobs/0/hyperparameters/class_weights",
		 "invalid", "did you mean 'balanced'"},
		{HYPER("'frozen_layers': 1001"), "/jobs/0/hyperparameters/frozen_layers",
		 "out_of_range", "1000"},
		{HYPER("'load_best_model_at_end': true"),
		 "/jobs/0/hyperparameters/load_best_model_at_end", "invalid", "channel 'test'"},
		{HYPER("'early_stopping_patience': 1"),
		 "/jobs/0/hyperparameters/early_stopping_patience", "invalid", "channel 'test'"},
		{HYPER("'early_stopping_threshold': 0.1"),
		 "/jobs/0/hyperparameters/early_stopping_threshold", "invalid",
		 "early_stopping_patience"},
		{RUN("{'kind': 'train', 'model': 'm', 'channels': {'train': 't', 'test': 'e'}, "
		     "'hyperparameters': {'load_best_model_at_end': true, 'save_steps': 0}}"),
		 "/jobs/0/hyperparameters/save_steps", "invalid", "checkpoints"},
		{HYPER("'metric_for_best_model': 'bleu'"),
		 "/jobs/0/hyperparameters/metric_for_best_model", "invalid", "accuracy"},
		{RUN(TRAIN(", 'pytorch_version': '1.13'")), "/jobs/0/pytorch_version",
		 "unknown_field", "'sagemaker.image' names the software"},
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

/* Those of the service's own interface, about S3, spot and serverless. */
static void test_foreign_names_of_aws(void **state)
{
	static const struct refusal cases[] = {
		{RUN(TRAIN(", 'checkpoint_s3_uri': 's3://abc/x'")), "/jobs/0/checkpoint_s3_uri",
		 "unknown_field", "here it is 'checkpoint.s3'"},
		{RUN(TRAIN(", 'checkpoint': {'checkpoint_local_path': '/x'}")),
		 "/jobs/0/checkpoint/checkpoint_local_path", "unknown_field", "here it is 'path'"},
		{SM("'MaxWaitTimeInSeconds': 7200"), "/jobs/0/sagemaker/MaxWaitTimeInSeconds",
		 "unknown_field", "here it is 'max_wait'"},
		{RUN(DEPLOY(", 'sagemaker': {'memory_size_in_mb': 2048}")),
		 "/jobs/0/sagemaker/memory_size_in_mb", "unknown_field",
		 "here it is 'serverless.memory_mb'"},
		{DATASET("'path': 'd', 'dataset_name': 'imdb'"), "/jobs/0/dataset/dataset_name",
		 "unknown_field", "here it is 'hub'"},
		{RUN(TRAIN(", 'distribution': {}")), "/jobs/0/distribution", "unknown_field",
		 "uses torch_distributed"},
	};

	check_all(cases, ARRAY_LEN(cases));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_run),
		cmocka_unit_test(test_common_fields),
		cmocka_unit_test(test_retry),
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_preprocess),
		cmocka_unit_test(test_train),
		cmocka_unit_test(test_a_number_in_a_problem_is_the_one_that_was_sent),
		cmocka_unit_test(test_foreign_names),
		cmocka_unit_test(test_foreign_names_of_aws),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
