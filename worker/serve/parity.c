/* SPDX-License-Identifier: MIT */
/*
 * Reads the samples, runs their texts through the batcher in one batch, and compares labels and
 * scores within the file's tolerance.
 */
#include "worker/serve/parity.h"

#include "base/fileio.h"
#include "base/own.h"
#include "base/roots.h"
#include "base/str.h"
#include "worker/serve/tokens.h"

#include <limits.h>
#include <math.h>

#define PARITY_V     1
#define PARITY_SHOWN 60 /* bytes of a text in a message */

struct check {
	const struct serving *with;
	const json_t *samples;
	struct payload_row *rows;
	struct tokens tokens;
	float *logits;
	size_t n;
	double tolerance, max_diff;
	int other_labels; /* samples whose best label is another one */
};

static void check_done(struct check *k)
{
	free(k->rows);
	free(k->logits);
	tokens_done(&k->tokens);
}

static void scratchp(struct tokenizer_scratch **s)
{
	tokenizer_scratch_free(*s);
}

static int read_rows(struct check *k, struct err *reterr)
{
	k->n = json_array_size(k->samples);
	k->rows = calloc(k->n + 1, sizeof(*k->rows));
	k->logits = calloc(k->n * (size_t)k->with->labels.n + 1, sizeof(*k->logits));
	if (!k->rows || !k->logits)
		return err_errno(reterr, ENOMEM, "check the parity");
	for (size_t i = 0; i < k->n; i++) {
		const json_t *s = json_array_get(k->samples, i);
		const json_t *text = json_object_get(s, "text");
		const json_t *pair = json_object_get(s, "text_pair");

		if (!json_is_string(text) || !json_is_string(json_object_get(s, "label")) ||
		    !json_is_number(json_object_get(s, "score")))
			return err_set(reterr, ERR_CORRUPT,
				       PARITY_FILE ": sample %zu needs text, label and score", i);
		k->rows[i].text = json_string_value(text);
		k->rows[i].text_len = json_string_length(text);
		k->rows[i].pair = json_string_value(pair);
		k->rows[i].pair_len = json_string_length(pair);
	}
	return 0;
}

static int label_find(const struct payload_labels *labels, const char *name)
{
	for (int i = 0; i < labels->n; i++)
		if (str_eq(labels->name(labels->userdata, i), name))
			return i;
	return -1;
}

static int best_label(const float *scores, int n)
{
	int best = 0;

	for (int i = 1; i < n; i++)
		if (scores[i] > scores[best])
			best = i;
	return best;
}

/* Compare the score of the label that the sample has. So a different label is noticed, too, except
 * in a tie. */
static int compare(struct check *k, size_t i, struct err *reterr)
{
	const struct payload_labels *labels = &k->with->labels;
	const json_t *s = json_array_get(k->samples, i);
	const char *label = json_get_str(s, "label", "");
	double want = json_get_num(s, "score", NAN), diff;
	float *scores = k->logits + i * (size_t)labels->n;
	int at = label_find(labels, label);

	if (at < 0)
		return err_set(reterr, ERR_CONFLICT,
			       "the model has no label '%.60s', which the model answered after its "
			       "training",
			       label);
	payload_scores(scores, labels->n, PAYLOAD_DEFAULT, labels->problem);
	k->other_labels += best_label(scores, labels->n) != at;
	/* the score of a regression may be any number */
	diff = fabs((double)scores[at] - want) / fmax(1, fabs(want));
	if (diff > k->max_diff)
		k->max_diff = diff;
	if (diff <= k->tolerance)
		return 0;
	return err_set(reterr, ERR_CONFLICT,
		       "the model does not answer as after its training: for '%.*s' (sample %zu of "
		       "%zu) the score of %s was %.6f and is %.6f; a difference of %g is allowed",
		       PARITY_SHOWN, k->rows[i].text, i, k->n, label, want, (double)scores[at],
		       k->tolerance);
}

static int run(struct check *k, size_t max_length, struct err *reterr)
{
	OWN(scratchp) struct tokenizer_scratch *scratch = tokenizer_scratch_new();
	size_t limit = k->with->max_tokens;
	int r = scratch ? 0 : err_errno(reterr, ENOMEM, "check the parity");

	if (max_length && max_length < limit)
		limit = max_length;
	if (r >= 0)
		r = read_rows(k, reterr);
	if (r >= 0)
		r = tokens_make(&k->tokens, k->with->tokenizer, scratch, k->rows, k->n, limit,
				reterr);
	if (r >= 0)
		r = batcher_run(k->with->batcher, &k->tokens.batch, k->logits, reterr);
	for (size_t i = 0; r >= 0 && i < k->n; i++)
		r = compare(k, i, reterr);
	return r;
}

int parity_check(const struct serving *with, const char *model_dir, json_t **ret_result,
		 struct err *reterr)
{
	OWN(buf_done) struct buf text = BUF_INIT(PARITY_BYTES_MAX);
	OWN(json_decrefp) json_t *file = NULL;
	OWN(check_done) struct check k = {.with = with, .tolerance = PARITY_TOLERANCE_F32};
	char path[PATH_MAX];
	int r;

	if (!path_join(path, sizeof(path), model_dir, PARITY_FILE))
		return err_errno(reterr, ENAMETOOLONG, "read %s", PARITY_FILE);
	r = roots_read(path, &text, reterr);
	if (r == -ENOENT) {
		*ret_result = json_pack("{ss ss}", "parity", "skipped", "parity_reason",
					"the model has no " PARITY_FILE);
		return 0;
	}
	if (r >= 0) /* a text may hold U+0000 */
		r = err_ctx(reterr, json_parse_nul(buf_str(&text), text.len, &file, reterr), "%s",
			    path);
	if (r < 0)
		return r;
	k.samples = json_object_get(file, "samples");
	if (json_get_int(file, "v", 0) != PARITY_V || json_array_size(k.samples) == 0)
		return err_set(reterr, ERR_CORRUPT, "%s is not a parity sample of version %d", path,
			       PARITY_V);
	if (!str_eq(classifier_dtype(with->c), "float32"))
		k.tolerance = PARITY_TOLERANCE_BF16;
	r = run(&k, (size_t)json_get_int(file, "max_length", 0), reterr);
	if (r < 0)
		return r;
	*ret_result = json_pack("{ss si so si}", "parity", "passed", "parity_rows", (int)k.n,
				"parity_max_diff", json_number(k.max_diff), "parity_other_labels",
				k.other_labels);
	return 0;
}
