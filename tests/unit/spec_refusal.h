/* SPDX-License-Identifier: MIT */
/* For the tests of what jobs/spec/spec refuses: a table of bodies with the one problem that each
 * has, and good jobs of each kind to spoil. */
#pragma once

#include "tests/unit/spec_fixture.h"

#include <stdio.h>

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

static inline void check_all(const struct refusal *cases, size_t n)
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
