/* SPDX-License-Identifier: MIT */
/* storage/write/model: the limit of names, and one that is removed between the check of a submit
 * and its commit. */
#include "tests/unit/store_fixture.h"

#include "base/id.h"
#include "base/own.h"

#include <stdlib.h>

static void add_many(struct fixture *f, const json_t *source, int n)
{
	for (int i = 0; i < n; i++) {
		char name[32];

		snprintf(name, sizeof(name), "m%d", i);
		OK(f, store_model_insert(f->st, name, source, T0, &f->e));
	}
}

static void test_names_have_a_limit(void **state)
{
	struct fixture *f = *state;
	OWN(json_decrefp) json_t *source = json_pack("{ss}", "hub", "org/name");

	BEGIN(f);
	add_many(f, source, STORE_MODELS_MAX);
	assert_int_equal(store_model_insert(f->st, "more", source, T0, &f->e), -ERR_CONFLICT);
	assert_string_equal(f->e.msg,
			    "1000 models are registered, which is the limit; remove one first");
	OK(f, store_model_delete(f->st, "m0", T0, &f->e));
	OK(f, store_model_insert(f->st, "more", source, T0, &f->e));
	assert_int_equal(store_model_insert(f->st, "more", source, T0, &f->e), -ERR_CONFLICT);
	COMMIT(f);
}

static void test_a_model_that_was_removed_before_the_commit(void **state)
{
	struct fixture *f = *state;
	struct run_spec *rs = make_run("one", 1, false);
	char run[ID_LEN];

	rs->jobs[0].models = calloc(1, sizeof(*rs->jobs[0].models));
	rs->jobs[0].models_n = 1;
	snprintf(rs->jobs[0].models[0], sizeof(rs->jobs[0].models[0]), "gone");
	id_new('r', run);
	BEGIN(f);
	assert_int_equal(store_run_insert(f->st, rs, run, T0, NULL, &f->e), -ERR_CONFLICT);
	assert_string_equal(f->e.msg,
			    "the model 'gone' was removed during the submit; submit again");
	store_rollback(f->st);
	free(rs->jobs[0].models);
	free_run(rs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_names_have_a_limit, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_a_model_that_was_removed_before_the_commit,
						fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
