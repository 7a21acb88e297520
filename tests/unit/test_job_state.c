/* SPDX-License-Identifier: MIT */
/* jobs/state and jobs/kind: every pair of states, every mix of jobs, every name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/own.h"
#include "base/str.h"
#include "jobs/kind.h"
#include "jobs/state.h"

#include <errno.h>

/* Row: from; column: to; in the order of enum job_state. */
static void test_every_pair_of_job_states(void **state)
{
	/*                                     b    q    s    r    p    ok   f    c    k */
	static const char *const allowed[] = {".y.....yy",  /* blocked */
					      "..y....yy",  /* queued */
					      ".y.yy.yy.",  /* starting */
					      ".y..yyyy.",  /* running */
					      ".y...yyy.",  /* stopping */
					      ".........",  /* succeeded */
					      "yy.......",  /* failed */
					      "yy.......",  /* cancelled */
					      "yy......."}; /* skipped */

	for (int from = 0; from < JOB_STATES_; from++)
		for (int to = 0; to < JOB_STATES_; to++) {
			bool want = allowed[from][to] == 'y';

			if (job_state_may((enum job_state)from, (enum job_state)to) != want)
				fail_msg("%s to %s must be %d", job_state_str((enum job_state)from),
					 job_state_str((enum job_state)to), want);
		}
}

static void test_every_pair_of_endpoint_states(void **state)
{
	/* creating in_service updating deleting deleted failed */
	static const char *const allowed[] = {".y.y.y", "y.yy.y", "yy.y.y",
					      "....yy", "......", "...y.."};

	for (int from = 0; from < ENDPOINT_STATES_; from++)
		for (int to = 0; to < ENDPOINT_STATES_; to++)
			assert_int_equal(endpoint_state_may((enum endpoint_state)from,
							    (enum endpoint_state)to),
					 allowed[from][to] == 'y');
	assert_true(endpoint_state_is_live(ENDPOINT_CREATING));
	assert_true(endpoint_state_is_live(ENDPOINT_IN_SERVICE));
	assert_true(endpoint_state_is_live(ENDPOINT_UPDATING));
	assert_true(endpoint_state_is_live(ENDPOINT_DELETING));
	assert_false(endpoint_state_is_live(ENDPOINT_DELETED));
	assert_false(endpoint_state_is_live(ENDPOINT_FAILED));
}

/* A state is waiting, active or final, and just one of these. */
static void test_groups(void **state)
{
	static const enum job_state active[] = {STATE_STARTING, STATE_RUNNING, STATE_STOPPING};
	static const enum job_state final[] = {STATE_SUCCEEDED, STATE_FAILED, STATE_CANCELLED,
					       STATE_SKIPPED};
	int active_n = 0, final_n = 0;

	for (int i = 0; i < JOB_STATES_; i++) {
		active_n += job_state_is_active((enum job_state)i);
		final_n += job_state_is_final((enum job_state)i);
	}
	assert_int_equal(active_n, ARRAY_LEN(active));
	assert_int_equal(final_n, ARRAY_LEN(final));
	for (size_t i = 0; i < ARRAY_LEN(active); i++)
		assert_true(job_state_is_active(active[i]));
	for (size_t i = 0; i < ARRAY_LEN(final); i++)
		assert_true(job_state_is_final(final[i]));
	assert_false(run_state_is_final(RUN_QUEUED));
	assert_false(run_state_is_final(RUN_RUNNING));
	assert_true(run_state_is_final(RUN_SUCCEEDED));
	assert_true(run_state_is_final(RUN_FAILED));
	assert_true(run_state_is_final(RUN_CANCELLED));
}

static void test_derive_examples(void **state)
{
	static const struct {
		size_t counts[JOB_STATES_]; /* b q s r p ok f c k */
		enum run_state want;
	} cases[] = {
		{{1, 0, 0, 0, 0, 0, 0, 0, 0}, RUN_QUEUED},
		{{2, 3, 0, 0, 0, 0, 0, 0, 0}, RUN_QUEUED},
		{{1, 0, 1, 0, 0, 0, 0, 0, 0}, RUN_RUNNING},
		{{0, 0, 0, 1, 0, 0, 0, 0, 0}, RUN_RUNNING},
		{{0, 0, 0, 0, 1, 4, 0, 0, 0}, RUN_RUNNING},
		{{1, 0, 0, 0, 0, 1, 0, 0, 0}, RUN_RUNNING},
		{{0, 1, 0, 0, 0, 0, 1, 0, 0}, RUN_RUNNING},
		{{0, 1, 0, 0, 0, 0, 0, 0, 1}, RUN_RUNNING},
		{{0, 0, 0, 0, 0, 5, 0, 0, 0}, RUN_SUCCEEDED},
		{{0, 0, 0, 0, 0, 5, 0, 0, 2}, RUN_SUCCEEDED},
		{{0, 0, 0, 0, 0, 0, 0, 0, 2}, RUN_SUCCEEDED},
		{{0, 0, 0, 0, 0, 5, 1, 0, 2}, RUN_FAILED},
		{{0, 0, 0, 0, 0, 0, 1, 3, 0}, RUN_FAILED},
		{{0, 0, 0, 0, 0, 4, 0, 1, 0}, RUN_CANCELLED},
		{{0, 0, 0, 0, 0, 0, 0, 1, 7}, RUN_CANCELLED},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(run_state_derive(cases[i].counts), cases[i].want);
}

/* Over all mixes of 0 or 1 job in each state: the run is final exactly when all of its jobs are. */
static void test_derive_all_mixes(void **state)
{
	for (unsigned mix = 1; mix < 1u << JOB_STATES_; mix++) {
		size_t counts[JOB_STATES_];
		bool all_final = true, active = false;
		enum run_state got;

		for (int i = 0; i < JOB_STATES_; i++) {
			counts[i] = mix >> i & 1;
			all_final &= !counts[i] || job_state_is_final((enum job_state)i);
			active |= counts[i] && job_state_is_active((enum job_state)i);
		}
		got = run_state_derive(counts);
		assert_int_equal(run_state_is_final(got), all_final);
		if (active)
			assert_int_equal(got, RUN_RUNNING);
		if (all_final)
			assert_int_equal(got == RUN_FAILED, counts[STATE_FAILED] > 0);
	}
}

#define CHECK_NAMES(type, count, str, parse)                                 \
	do {                                                                 \
		enum type got;                                               \
                                                                             \
		for (int i = 0; i < (count); i++) {                          \
			assert_int_equal(parse(str((enum type)i), &got), 0); \
			assert_int_equal(got, i);                            \
		}                                                            \
		assert_int_equal(parse("nonsense", &got), -EINVAL);          \
		assert_int_equal(parse("", &got), -EINVAL);                  \
	} while (0)

static void test_names(void **state)
{
	CHECK_NAMES(job_state, JOB_STATES_, job_state_str, job_state_parse);
	CHECK_NAMES(run_state, RUN_STATES_, run_state_str, run_state_parse);
	CHECK_NAMES(execution_state, EXECUTION_STATES_, execution_state_str, execution_state_parse);
	CHECK_NAMES(endpoint_state, ENDPOINT_STATES_, endpoint_state_str, endpoint_state_parse);
	CHECK_NAMES(job_kind, JOB_KINDS_, job_kind_str, job_kind_parse);
	CHECK_NAMES(job_target, TARGETS_, job_target_str, job_target_parse);
	assert_string_equal(job_state_str(STATE_BLOCKED), "blocked");
	assert_string_equal(job_kind_str(JOB_DELETE_ENDPOINT), "delete-endpoint");
	assert_string_equal(endpoint_state_str(ENDPOINT_IN_SERVICE), "in_service");
}

static void test_outputs(void **state)
{
	static const struct {
		enum job_kind kind;
		const char *output, *path;
	} cases[] = {
		{JOB_PREPROCESS, "train", "work/output/train"},
		{JOB_PREPROCESS, "test", "work/output/test"},
		{JOB_TRAIN, "model", "work/model"},
		{JOB_TRAIN, "output", "work/output"},
		{JOB_TRAIN, "metrics", "work/output/metrics.json"},
		{JOB_EVALUATE, "metrics", "work/output/metrics.json"},
		{JOB_DEPLOY, "endpoint", NULL},
		{JOB_PREDICT, "predictions", NULL},
		{JOB_UPLOAD, "uri", NULL},
		{JOB_UPLOAD, "path", NULL},
		{JOB_DOWNLOAD, "uri", NULL},
		{JOB_DOWNLOAD, "path", "work/output"},
		{JOB_SCRIPT, "model", "work/model"},
		{JOB_SCRIPT, "output", "work/output"},
		{JOB_TRAIN, "checkpoints", "work/checkpoints"},
		{JOB_SCRIPT, "checkpoints", "work/checkpoints"},
	};
	size_t listed = 0;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *const *names = job_kind_outputs(cases[i].kind);
		bool found = false;

		assert_true(str_eq(job_output_path(cases[i].kind, cases[i].output), cases[i].path));
		for (; *names; names++)
			found |= str_eq(*names, cases[i].output);
		assert_true(found);
	}
	for (int kind = 0; kind < JOB_KINDS_; kind++)
		for (const char *const *n = job_kind_outputs((enum job_kind)kind); *n; n++)
			listed++;
	assert_int_equal(listed, ARRAY_LEN(cases));
	assert_null(job_output_path(JOB_TRAIN, "endpoint"));
	assert_true(job_kind_has_execution(JOB_TRAIN));
	assert_true(job_kind_has_execution(JOB_SCRIPT));
	assert_false(job_kind_has_execution(JOB_DEPLOY));
	assert_false(job_kind_has_execution(JOB_PREDICT));
	assert_false(job_kind_has_execution(JOB_DELETE_ENDPOINT));
}

/* Each kind with each target, without and with GPUs. */
static void test_places(void **state)
{
	static const struct {
		enum job_kind kind;
		enum slot_class cpu, gpu, sagemaker;
		bool moves;
	} cases[JOB_KINDS_] = {
		{JOB_PREPROCESS, PLACE_CPU, PLACE_GPU, PLACE_CPU, false},
		{JOB_TRAIN, PLACE_CPU, PLACE_GPU, PLACE_TRANSFER, true},
		{JOB_EVALUATE, PLACE_CPU, PLACE_GPU, PLACE_CPU, false},
		{JOB_DEPLOY, PLACE_ENDPOINT, PLACE_GPU, PLACE_TRANSFER, true},
		{JOB_PREDICT, PLACE_NONE, PLACE_NONE, PLACE_NONE, false},
		{JOB_DELETE_ENDPOINT, PLACE_NONE, PLACE_NONE, PLACE_NONE, false},
		{JOB_UPLOAD, PLACE_TRANSFER, PLACE_TRANSFER, PLACE_TRANSFER, false},
		{JOB_DOWNLOAD, PLACE_TRANSFER, PLACE_TRANSFER, PLACE_TRANSFER, false},
		{JOB_SCRIPT, PLACE_CPU, PLACE_GPU, PLACE_TRANSFER, true},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		enum job_kind kind = cases[i].kind;

		assert_int_equal(slot_class_of(kind, TARGET_LOCAL, 0), cases[i].cpu);
		assert_int_equal(slot_class_of(kind, TARGET_LOCAL, 2), cases[i].gpu);
		assert_int_equal(slot_class_of(kind, TARGET_SAGEMAKER, 0), cases[i].sagemaker);
		assert_int_equal(job_runs_at(kind, TARGET_SAGEMAKER) == TARGET_SAGEMAKER,
				 cases[i].moves);
		assert_int_equal(job_runs_at(kind, TARGET_LOCAL), TARGET_LOCAL);
	}
	/* a GPU here is nothing to a job that runs there */
	assert_int_equal(slot_class_of(JOB_TRAIN, TARGET_SAGEMAKER, 1), PLACE_TRANSFER);
	assert_int_equal(slot_class_of(JOB_EVALUATE, TARGET_SAGEMAKER, 1), PLACE_GPU);
	assert_string_equal(slot_class_str(PLACE_TRANSFER), "transfer");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_pair_of_job_states),
		cmocka_unit_test(test_every_pair_of_endpoint_states),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_derive_examples),
		cmocka_unit_test(test_derive_all_mixes),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_outputs),
		cmocka_unit_test(test_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
