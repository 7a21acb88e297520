/* SPDX-License-Identifier: MIT */
/*
 * `trainyard-worker serve`: one model behind work/serve.sock. It loads the model, makes a real
 * answer, compares the parity sample, listens, and reports that it is ready. On SIGTERM it stops
 * accepting, answers the requests that have arrived, and exits with 0.
 */
#include "base/own.h"
#include "base/str.h"
#include "wire/execution.h"
#include "worker/serve/http.h"
#include "worker/serve/parity.h"
#include "worker/serve/tokens.h"
#include "worker/worker.h"

#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>

#define FIRST_TEXT "Are you ready?"

struct serve {
	struct worker *w;
	struct serving with;
	struct endpoint *endpoint;
	int broken_fd; /* eventfd: the engine gives no more answers */
	struct err broken;
};

static const char *label_name(const void *userdata, int index)
{
	return classifier_label(userdata, index);
}

static json_t *label_value(const void *userdata, int index)
{
	return classifier_label_value(userdata, index);
}

static void on_broken(void *userdata, const struct err *e)
{
	struct serve *s = userdata;
	uint64_t one = 1;

	s->broken = *e;
	(void)!write(s->broken_fd, &one, sizeof(one));
}

static int load(struct serve *s, const char *model, enum model_dtype dtype, struct err *reterr)
{
	struct classifier_options options = {
		.threads = s->w->cpus, .use_device = s->w->has_device, .dtype = dtype};
	size_t limit;
	int r = classifier_open(model, &options, &s->with.c, reterr);

	if (r >= 0)
		r = tokenizer_load(model, &s->with.tokenizer, reterr);
	if (r >= 0)
		r = tokenizer_check_rows(s->with.tokenizer, model, classifier_vocab_size(s->with.c),
					 reterr);
	if (r >= 0)
		r = batcher_new(s->with.c, on_broken, s, &s->with.batcher, reterr);
	if (r < 0)
		return err_in(reterr, r, "/model");
	s->with.labels = (struct payload_labels){.n = classifier_label_count(s->with.c),
						 .problem = classifier_problem(s->with.c),
						 .name = label_name,
						 .value = label_value,
						 .userdata = s->with.c};
	s->with.max_tokens = (size_t)classifier_max_tokens(s->with.c);
	limit = tokenizer_model_max_length(s->with.tokenizer);
	if (limit && limit < s->with.max_tokens)
		s->with.max_tokens = limit;
	return 0;
}

static void unload(struct serve *s)
{
	batcher_free(s->with.batcher);
	tokenizer_free(s->with.tokenizer);
	classifier_free(s->with.c);
	s->with = (struct serving){0};
}

/* Make one real answer before the server reports that it is ready. */
static int first_answer(struct serve *s, struct err *reterr)
{
	OWN(tokenizer_scratch_freep) struct tokenizer_scratch *scratch = tokenizer_scratch_new();
	OWN(freep) float *logits = calloc((size_t)s->with.labels.n, sizeof(*logits));
	struct payload_row row = {.text = FIRST_TEXT, .text_len = strlen(FIRST_TEXT)};
	OWN(tokens_done) struct tokens tokens = {0};
	int r;

	if (!scratch || !logits)
		return err_errno(reterr, ENOMEM, "ask the model");
	r = tokens_make(&tokens, s->with.tokenizer, scratch, &row, 1, s->with.max_tokens, reterr);
	return r < 0 ? r : batcher_run(s->with.batcher, &tokens.batch, logits, reterr);
}

/* Load the model and check its answers. *ret_result: what parity_check() gives. */
static int load_and_check(struct serve *s, const char *model, enum model_dtype dtype,
			  json_t **ret_result, struct err *reterr)
{
	int r = load(s, model, dtype, reterr);

	if (r >= 0)
		r = first_answer(s, reterr);
	return r < 0 ? r : parity_check(&s->with, model, ret_result, reterr);
}

static bool is_fp32(const struct serve *s)
{
	return str_eq(classifier_dtype(s->with.c), "float32");
}

/* Serve in bf16 if the hardware has it and the parity sample shows that no answer changes, else in
 * fp32 with the reason. */
static int load_auto(struct serve *s, const char *model, json_t **ret_result, struct err *reterr)
{
	OWN(json_decrefp) json_t *result = NULL;
	struct err e = {.msg = "the processor has no bf16 instructions"};
	int r = load_and_check(s, model, MODEL_DTYPE_AUTO, &result, &e);
	bool fp32 = r >= 0 && is_fp32(s);

	if (r < 0 && r != -ERR_CONFLICT && r != -ERR_NUMERIC) {
		*reterr = e;
		return r;
	}
	if (r >= 0 && !fp32) {
		if (!str_eq(json_get_str(result, "parity", ""), "passed")) {
			err_set(&e, ERR_CONFLICT, "the model has no parity sample to check bf16");
		} else if (json_get_int(result, "parity_other_labels", 0)) {
			err_set(&e, ERR_CONFLICT, "bf16 changes the label of a parity sample");
		} else {
			*ret_result = TAKE(result);
			return 0;
		}
	}
	if (!fp32) {
		unload(s);
		json_decref(TAKE(result));
		r = load_and_check(s, model, MODEL_DTYPE_F32, &result, reterr);
	}
	if (r < 0)
		return r;
	json_object_set_new(result, "dtype_reason", json_string(e.msg));
	*ret_result = TAKE(result);
	return 0;
}

static int start(struct serve *s, const char *model, struct err *reterr)
{
	const char *dtype = json_get_str(s->w->spec, "dtype", "fp32");
	json_t *result = NULL;
	int r;

	if (str_eq(dtype, "auto"))
		r = load_auto(s, model, &result, reterr);
	else
		r = load_and_check(s, model,
				   str_eq(dtype, "bf16") ? MODEL_DTYPE_BF16 : MODEL_DTYPE_F32,
				   &result, reterr);
	if (r == -ERR_CONFLICT || r == -ERR_NUMERIC)
		s->w->failure_code = "parity_failed";
	if (r < 0)
		return r;
	json_object_set_new(result, "device", json_string(classifier_device(s->with.c)));
	json_object_set_new(result, "dtype", json_string(classifier_dtype(s->with.c)));
	report_result(s->w->report, result);
	return 0;
}

/* Wait for SIGTERM, which is unblocked only here, or for a broken engine. */
static int wait_for_end(struct serve *s, struct err *reterr)
{
	struct pollfd p = {.fd = s->broken_fd, .events = POLLIN};
	sigset_t none;

	sigemptyset(&none);
	while (!*s->w->stop && p.revents == 0)
		if (ppoll(&p, 1, NULL, &none) < 0)
			p.revents = 0;
	if (p.revents == 0)
		return 0;
	if (reterr)
		*reterr = s->broken;
	return -s->broken.code;
}

static int run(struct serve *s, struct err *reterr)
{
	const char *model = json_get_str(s->w->spec, "model", "");
	int r;

	if (*model != '/')
		return err_at(reterr, ERR_INVALID, "/model", "model must be an absolute directory");
	r = start(s, model, reterr);
	if (r >= 0)
		r = endpoint_start(&s->with, s->w->work_dirfd, EXECUTION_SERVE_SOCKET, &s->endpoint,
				   reterr);
	if (r < 0)
		return r;
	report_ready(s->w->report);
	printf("serving %s on %s (%s), at most %zu tokens a text\n", model,
	       classifier_device(s->with.c), classifier_dtype(s->with.c), s->with.max_tokens);
	return wait_for_end(s, reterr);
}

int serve_main(struct worker *w, struct err *reterr)
{
	struct serve s = {.w = w, .broken_fd = eventfd(0, EFD_CLOEXEC)};
	sigset_t term;
	int r;

	if (s.broken_fd < 0)
		return err_errno(reterr, errno, "start the server");
	/* Block the signal before any thread starts, so that only this thread receives it. */
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &term, NULL);
	r = run(&s, reterr);
	endpoint_stop(s.endpoint);
	unload(&s);
	close(s.broken_fd);
	return r;
}
