/* SPDX-License-Identifier: MIT */
/* worker/serve without engine and HTTP: payloads and answers, and the queue in front of a model
 * that this file makes up (a logit is the sum of the row's ids). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/own.h"
#include "worker/serve/batcher.h"
#include "worker/serve/payload_csv.h"

#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#define LABELS 2
#define BAD_ID 666 /* the model refuses a batch with it */
#define NAN_ID 777 /* its row's answer is not a number */

/* ---- the model ---- */

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER; /* held: the model is "busy" */
static size_t largest_rows;
static int64_t largest_tokens;
static int fail_with;

int classifier_label_count(const struct classifier *c)
{
	return LABELS;
}

bool classifier_takes_type_ids(const struct classifier *c)
{
	return true;
}

int classifier_forward(struct classifier *c, const struct token_batch *batch, float *logits,
		       struct err *reterr)
{
	int64_t tokens = batch->offsets[batch->rows];

	pthread_mutex_lock(&gate);
	if (batch->rows > largest_rows)
		largest_rows = batch->rows;
	if (batch->rows > 1 && tokens > largest_tokens)
		largest_tokens = tokens;
	pthread_mutex_unlock(&gate);
	if (fail_with)
		return err_set(reterr, fail_with, "made up");
	for (size_t i = 0; i < batch->rows; i++) {
		float sum = 0, types = 0;

		for (int64_t at = batch->offsets[i]; at < batch->offsets[i + 1]; at++) {
			if (batch->ids[at] == BAD_ID)
				return err_set(reterr, ERR_INVALID, "a bad id");
			sum += batch->ids[at] == NAN_ID ? NAN : (float)batch->ids[at];
			types += (float)batch->type_ids[at];
		}
		logits[i * LABELS] = sum;
		logits[i * LABELS + 1] = types;
	}
	return 0;
}

static struct err broken;

static void on_broken(void *userdata, const struct err *e)
{
	broken = *e;
}

/* ---- the queue ---- */

struct asker {
	struct batcher_job job;
	int32_t *ids;
	int8_t *types;
	int64_t *offsets;
	float *logits;
	bool done;
};

static pthread_mutex_t done_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t done_wake = PTHREAD_COND_INITIALIZER;

static void on_done(struct batcher_job *job)
{
	struct asker *a = job->userdata;

	pthread_mutex_lock(&done_lock);
	a->done = true;
	pthread_cond_broadcast(&done_wake);
	pthread_mutex_unlock(&done_lock);
}

static void wait_done(struct asker *a)
{
	pthread_mutex_lock(&done_lock);
	while (!a->done)
		pthread_cond_wait(&done_wake, &done_lock);
	pthread_mutex_unlock(&done_lock);
}

/* `rows` rows of `tokens` ids, all of value `id`. */
static void asker_init(struct asker *a, size_t rows, size_t tokens, int32_t id)
{
	*a = (struct asker){.ids = calloc(rows * tokens, sizeof(*a->ids)),
			    .types = calloc(rows * tokens, 1),
			    .offsets = calloc(rows + 1, sizeof(*a->offsets)),
			    .logits = calloc(rows * LABELS, sizeof(*a->logits))};
	for (size_t i = 0; i < rows * tokens; i++)
		a->ids[i] = id;
	memset(a->types, 1, rows * tokens);
	for (size_t i = 0; i <= rows; i++)
		a->offsets[i] = (int64_t)(i * tokens);
	a->job = (struct batcher_job){.batch = {a->ids, a->types, a->offsets, rows},
				      .logits = a->logits,
				      .done = on_done,
				      .userdata = a};
}

static void asker_done(struct asker *a)
{
	free(a->ids);
	free(a->types);
	free(a->offsets);
	free(a->logits);
}

static int setup(void **state)
{
	largest_rows = 0;
	largest_tokens = 0;
	fail_with = 0;
	broken = (struct err){0};
	return batcher_new(NULL, on_broken, NULL, (struct batcher **)state, NULL);
}

static int teardown(void **state)
{
	batcher_free(*state);
	return 0;
}

static void test_everybody_gets_their_own_rows(void **state)
{
	struct asker a[60];

	for (size_t i = 0; i < ARRAY_LEN(a); i++) {
		asker_init(&a[i], 1 + i * 3, 1 + i * 7, (int32_t)i);
		assert_int_equal(batcher_put(*state, &a[i].job, NULL), 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(a); i++) {
		wait_done(&a[i]);
		assert_int_equal(a[i].job.result, 0);
		for (size_t row = 0; row < 1 + i * 3; row++) {
			assert_true(a[i].logits[row * LABELS] == (float)(i * (1 + i * 7)));
			assert_true(a[i].logits[row * LABELS + 1] == (float)(1 + i * 7));
		}
		asker_done(&a[i]);
	}
	assert_true(largest_rows <= BATCHER_ROWS);
	assert_true(largest_tokens <= BATCHER_TOKENS);
}

static void test_one_row_may_be_over_the_budget(void **state)
{
	struct asker a;

	asker_init(&a, 2, BATCHER_TOKENS + 1, 1);
	assert_int_equal(batcher_put(*state, &a.job, NULL), 0);
	wait_done(&a);
	assert_int_equal(a.job.result, 0);
	assert_true(a.logits[LABELS] == (float)(BATCHER_TOKENS + 1));
	asker_done(&a);
}

static void test_queue_limit(void **state)
{
	static struct asker a[BATCHER_ROWS + BATCHER_QUEUE_MAX + 1];
	struct asker past;
	struct err e;
	int r = 0;
	size_t n = 0;

	pthread_mutex_lock(&gate);
	while (r >= 0 && n < ARRAY_LEN(a)) { /* a batch may be with the model already */
		asker_init(&a[n], 1, 1, 1);
		r = batcher_put(*state, &a[n].job, &e);
		n++;
	}
	assert_int_equal(r, -ERR_LIMIT);
	assert_non_null(strstr(e.msg, "512 requests"));
	assert_true(n > BATCHER_QUEUE_MAX);
	pthread_mutex_unlock(&gate);
	for (size_t i = 0; i + 1 < n; i++)
		wait_done(&a[i]);
	asker_init(&past, 1, 1, 1); /* room again */
	assert_int_equal(batcher_put(*state, &past.job, NULL), 0);
	wait_done(&past);
	asker_done(&past);
	for (size_t i = 0; i < n; i++)
		asker_done(&a[i]);
}

static void test_abandon(void **state)
{
	struct asker a[3];
	struct err e;

	pthread_mutex_lock(&gate);
	for (size_t i = 0; i < ARRAY_LEN(a); i++) {
		asker_init(&a[i], 2000, 64, 1); /* several batches each */
		assert_int_equal(batcher_put(*state, &a[i].job, NULL), 0);
	}
	batcher_abandon(*state);
	pthread_mutex_unlock(&gate);
	for (size_t i = 0; i < ARRAY_LEN(a); i++) {
		wait_done(&a[i]);
		assert_int_equal(a[i].job.result, -ERR_UNAVAILABLE);
	}
	assert_int_equal(batcher_put(*state, &a[0].job, &e), -ERR_UNAVAILABLE);
	for (size_t i = 0; i < ARRAY_LEN(a); i++)
		asker_done(&a[i]);
}

static void test_errors_of_the_model(void **state)
{
	struct token_batch batch;
	struct asker a;
	struct err e = {0};

	asker_init(&a, 3, 4, 1);
	batch = a.job.batch;
	fail_with = ERR_DEVICE_OOM;
	assert_int_equal(batcher_run(*state, &batch, a.logits, &e), -ERR_DEVICE_OOM);
	assert_string_equal(e.msg, "made up");
	assert_int_equal(broken.code, 0); /* the next one may fit */
	fail_with = EIO;
	assert_int_equal(batcher_run(*state, &batch, a.logits, &e), -EIO);
	assert_int_equal(broken.code, EIO);
	fail_with = 0;
	assert_int_equal(batcher_run(*state, &batch, a.logits, &e), 0);
	assert_true(a.logits[0] == 4.0F);
	asker_done(&a);
}

/* While the model is busy they queue, and make one batch. */
static void test_an_error_belongs_to_its_request_alone(void **state)
{
	static const int32_t ids[] = {1, BAD_ID, 2, NAN_ID, 3, BAD_ID, 4};
	struct asker first, a[ARRAY_LEN(ids)];

	pthread_mutex_lock(&gate);
	asker_init(&first, 1, 1, 1);
	assert_int_equal(batcher_put(*state, &first.job, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(a); i++) {
		asker_init(&a[i], 2, 3, ids[i]);
		assert_int_equal(batcher_put(*state, &a[i].job, NULL), 0);
	}
	pthread_mutex_unlock(&gate);
	wait_done(&first);
	for (size_t i = 0; i < ARRAY_LEN(a); i++) {
		wait_done(&a[i]);
		assert_int_equal(a[i].job.result, ids[i] == BAD_ID   ? -ERR_INVALID
						  : ids[i] == NAN_ID ? -ERR_NUMERIC
								     : 0);
		if (a[i].job.result == 0)
			assert_true(a[i].logits[LABELS] == (float)(3 * ids[i]));
		asker_done(&a[i]);
	}
	assert_true(largest_rows > 2);
	assert_int_equal(broken.code, 0);
	asker_done(&first);
}

/* ---- payloads ---- */

static const char *label_name(const void *userdata, int index)
{
	static const char *const names[] = {"A", "B", "C"};

	return names[index];
}

/* The answer to `payload` as JSON, for logits 0, 1, 2 and then 2, 1, 0 and so on. */
static char *answer(const char *payload, enum model_problem problem)
{
	struct payload_labels labels = {.n = 3, .problem = problem, .name = label_name};
	float logits[12] = {0, 1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0};
	OWN(payload_done) struct payload a;
	OWN(json_decrefp) json_t *j = NULL;
	struct err e = {0};

	if (payload_parse(payload, strlen(payload), &a, &e) < 0)
		fail_msg("%s: %s", payload, e.msg);
	payload_drop_texts(&a);
	j = payload_answer(&a, logits, &labels);
	return json_text(j);
}

static void check_answer(const char *payload, const char *want)
{
	OWN(freep) char *got = answer(payload, MODEL_SINGLE_LABEL);

	assert_string_equal(got, want);
}

#define NONE ",\"parameters\":{\"function_to_apply\":\"none\""
#define ROW1 "[{\"label\":\"C\",\"score\":2.0},{\"label\":\"B\",\"score\":1.0}]"
#define ROW2 "[{\"label\":\"A\",\"score\":2.0},{\"label\":\"B\",\"score\":1.0}]"

static void test_shapes(void **state)
{
	check_answer("{\"inputs\":\"a\"" NONE "}}", "[{\"label\":\"C\",\"score\":2.0}]");
	check_answer("{\"inputs\":{\"text\":\"a\"}" NONE "}}", "{\"label\":\"C\",\"score\":2.0}");
	check_answer("{\"inputs\":[\"a\",[\"b\",\"c\"]]" NONE "}}",
		     "[{\"label\":\"C\",\"score\":2.0},{\"label\":\"A\",\"score\":2.0}]");
	check_answer("{\"inputs\":\"a\"" NONE ",\"top_k\":2}}", ROW1);
	check_answer("{\"inputs\":[\"a\",\"b\"]" NONE ",\"top_k\":2}}", "[" ROW1 "," ROW2 "]");
	check_answer("{\"inputs\":\"a\"" NONE ",\"return_all_scores\":true}}",
		     "[[{\"label\":\"A\",\"score\":0.0},{\"label\":\"B\",\"score\":1.0},"
		     "{\"label\":\"C\",\"score\":2.0}]]");
	check_answer("{\"inputs\":[]}", "[]");
	check_answer("{\"inputs\":[\"a\\u0000b\"]" NONE "}}", "[{\"label\":\"C\",\"score\":2.0}]");
}

static void test_functions(void **state)
{
	float row[3] = {-1, 0, 3}, one[1] = {0}, far[2] = {-1000, 1000};

	payload_scores(row, 3, PAYLOAD_DEFAULT, MODEL_SINGLE_LABEL);
	assert_true(fabsf(row[0] + row[1] + row[2] - 1) < 1e-6F);
	assert_true(fabsf(row[2] - 0.93623955F) < 1e-6F);
	payload_scores(one, 1, PAYLOAD_DEFAULT, MODEL_SINGLE_LABEL); /* one label: a sigmoid */
	assert_true(one[0] == 0.5F);
	payload_scores(far, 2, PAYLOAD_SOFTMAX, MODEL_SINGLE_LABEL);
	assert_true(far[0] == 0.0F && far[1] == 1.0F);
	row[0] = 0;
	payload_scores(row, 3, PAYLOAD_DEFAULT, MODEL_MULTI_LABEL);
	assert_true(row[0] == 0.5F);
}

static void test_number_of_inputs(void **state)
{
	OWN(buf_done) struct buf text = BUF_INIT(1 << 20);
	struct payload a;
	struct err e = {0};

	buf_puts(&text, "{\"inputs\":[\"a\"");
	for (int i = 1; i < PAYLOAD_INPUTS_MAX; i++)
		buf_puts(&text, ",\"a\"");
	buf_puts(&text, "]}");
	assert_int_equal(payload_parse(text.data, text.len, &a, &e), 0);
	assert_int_equal(a.rows_n, PAYLOAD_INPUTS_MAX);
	payload_done(&a);
	text.len -= 2;
	buf_puts(&text, ",\"a\"]}");
	assert_int_equal(payload_parse(text.data, text.len, &a, &e), -ERR_LIMIT);
	assert_string_equal(e.field, "/inputs");
	payload_done(&a);
}

/* The texts of a CSV body as a JSON list, or the error. */
static void expect_csv(const char *body, const char *want)
{
	OWN(payload_done) struct payload a;
	OWN(freep) char *texts = NULL;
	struct err e = {0};
	int r = payload_parse_csv(body, strlen(body), &a, &e);

	if (r >= 0)
		texts = json_text(json_object_get(a.body, "inputs"));
	if (r < 0 || a.shape != PAYLOAD_LIST)
		assert_non_null(strstr(e.msg, want));
	else
		assert_string_equal(texts, want);
}

static void test_csv_bodies(void **state)
{
	expect_csv("inputs\r\na\r\n\"b, \"\"c\"\"\nd\"\r\n\r\n\"\"",
		   "[\"a\",\"b, \\\"c\\\"\\nd\",\"\"]");
	expect_csv("id,inputs\n1,a\n2,b,c\n", "[\"a\",\"b\"]");
	expect_csv("inputs,inputs\na,b\n", "[\"b\"]");
	expect_csv("", "must be a header with the column 'inputs'");
	expect_csv("Inputs\na\n", "must be a header with the column 'inputs'");
	expect_csv("inputs\n", "the body has no row after the header");
	expect_csv("inputs,text_pair\na,b\n", "CSV takes no pairs");
	expect_csv("id,inputs\n1,a\n2\n", "the body, line 3: there is no field");
	expect_csv("inputs\n\xff\n", "line 2: the text is not UTF-8");
	expect_csv("inputs\n\"a\n", "line 2 is never closed; write a quote");
	expect_csv("inputs\n\"a\"b\n", "inside a quoted field twice");
	expect_csv("inputs\n{\"inputs\": 1}\n", "[\"{\\\"inputs\\\": 1}\"]");
}

static void test_csv_answers(void **state)
{
	OWN(json_decrefp)
	json_t *answers = json_pack("[{ss sf} {ss sf} {si sf}]", "label", "a \"b\", c", "score",
				    0.5, "label", "", "score", 1.0, "label", 3, "score", 0.25);
	OWN(freep) char *text = payload_csv_answer(answers);
	struct payload all = {.shape = PAYLOAD_LIST, .lists = true}, one = {.shape = PAYLOAD_ONE};
	struct err e = {0};

	assert_string_equal(text, "label,score\r\n\"a \"\"b\"\", c\",0.5\r\n,1.0\r\n3,0.25\r\n");
	assert_int_equal(payload_check_csv_answer(&all, &e), -ERR_INVALID);
	assert_int_equal(payload_check_csv_answer(&one, &e), -ERR_INVALID);
	one.shape = PAYLOAD_TEXT;
	assert_int_equal(payload_check_csv_answer(&one, &e), 0);
}

#define WITH_QUEUE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_QUEUE(test_everybody_gets_their_own_rows),
		WITH_QUEUE(test_one_row_may_be_over_the_budget),
		WITH_QUEUE(test_queue_limit),
		WITH_QUEUE(test_abandon),
		WITH_QUEUE(test_errors_of_the_model),
		WITH_QUEUE(test_an_error_belongs_to_its_request_alone),
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_functions),
		cmocka_unit_test(test_number_of_inputs),
		cmocka_unit_test(test_csv_bodies),
		cmocka_unit_test(test_csv_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
