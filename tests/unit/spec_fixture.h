/* SPDX-License-Identifier: MIT */
/*
 * For the tests of jobs/spec/spec: specs as text with ' in place of ", a machine to validate
 * against, the pipeline of the documentation, and a look at the problems.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/own.h"
#include "base/str.h"
#include "jobs/spec/spec.h"

#include <string.h>

#define GIB (INT64_C(1) << 30)

static inline bool fixture_model_known(void *userdata, const char *name)
{
	return str_eq(name, "minilm");
}

/* A workstation with two GPUs. */
static const struct spec_context fixture_context = {
	.native = true,
	.gpus = 2,
	.gpu_memory_max_bytes = 24 * GIB,
	.cpus = 16,
	.memory_bytes = 64 * GIB,
	.python = "/usr/bin/python3",
	.lease_ttl_default_us = 3600 * USEC_PER_SEC,
	.lease_ttl_max_us = 7 * 86400 * USEC_PER_SEC,
	.model_known = fixture_model_known,
};

static const char fixture_pipeline[] =
	"{'name': 'imdb', 'jobs': ["
	" {'name': 'prep', 'kind': 'preprocess', 'dataset': {'path': "
	"'examples/imdb/imdb-3180.csv.gz', 'text_column': 'review', 'label_column': 'sentiment',"
	"   'labels': ['negative', 'positive'], 'train_rows': 2500, 'test_rows': 680, 'seed': 42}, "
	"'model': 'minilm', 'max_length': 128},"
	" {'name': 'train', 'kind': 'train', 'target': 'local', 'model': 'minilm', 'channels': "
	"{'train': '${prep.train}', 'test': '${prep.test}'},"
	"   'hyperparameters': {'epochs': 2, 'train_batch_size': 16, 'eval_batch_size': 64, "
	"'warmup_steps': 30, 'learning_rate': 1e-4},"
	"   'sagemaker': {'instance_type': 'ml.g5.xlarge', 'role': 'SageMakerMain'}},"
	" {'name': 'deploy', 'kind': 'deploy', 'target': 'local', 'model': '${train.model}', "
	"'endpoint': 'imdb', 'lease': {'ttl': '1h', 'idle': '15m'},"
	"   'sagemaker': {'instance_type': 'ml.m5.xlarge', 'instance_count': 1}},"
	" {'name': 'ask', 'kind': 'predict', 'endpoint': '${deploy.endpoint}', 'inputs': 'I love "
	"using the new Inference DLC.'},"
	" {'name': 'clean', 'kind': 'delete-endpoint', 'endpoint': '${deploy.endpoint}', 'needs': "
	"['ask']}]}";

/* JSON from text with ' for ". */
static inline json_t *fixture_json(const char *text)
{
	OWN(freep) char *copy = strdup(text);
	json_t *j = NULL;
	struct err e;

	assert_non_null(copy);
	for (char *c = copy; *c; c++)
		if (*c == '\'')
			*c = '"';
	if (json_parse(copy, strlen(copy), &j, &e) < 0)
		fail_msg("%s in %s", e.msg, text);
	return j;
}

/* Parse what must be good. */
static inline struct run_spec *fixture_good(const char *text, const struct spec_context *ctx)
{
	OWN(json_decrefp) json_t *body = fixture_json(text), *problems = json_array();
	struct run_spec *rs = NULL;
	struct err e = {0};

	if (run_spec_parse(body, ctx, &rs, problems, &e) < 0) {
		OWN(freep) char *listed = json_text(problems);

		fail_msg("refused: %s in %s", listed, text);
	}
	assert_int_equal(json_array_size(problems), 0);
	return rs;
}

/* True if there is a problem at that place, with that code, whose detail has that word. */
static inline bool fixture_has(const json_t *problems, const char *pointer, const char *code,
			       const char *word)
{
	for (size_t i = 0; i < json_array_size(problems); i++) {
		const json_t *one = json_array_get(problems, i);

		if (str_eq(json_get_str(one, "pointer", NULL), pointer) &&
		    str_eq(json_get_str(one, "code", NULL), code) &&
		    strstr(json_get_str(one, "detail", ""), word))
			return true;
	}
	return false;
}
