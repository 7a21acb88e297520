/* SPDX-License-Identifier: MIT */
/*
 * Writes model/parity.json: the trained model's answers to a sample of texts, so that every
 * deployment can be compared with them. The saved files are read again and asked in fp32, as a
 * server does.
 */
#include "base/fileio.h"
#include "base/own.h"
#include "worker/model/classifier.h"
#include "worker/tokenizer/tokenizer.h"
#include "worker/train/run.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#define PARITY_V     1
#define PARITY_LONG  20000 /* bytes of the over-long text */
#define PARITY_EMOJI "Fun \xf0\x9f\x98\x80\xf0\x9f\x91\x8d, caf\xc3\xa9 \xe2\x80\x94 10/10"

struct parity {
	struct classifier *c;
	struct tokenizer *tokenizer;
	struct tokenizer_scratch *scratch;
	size_t max_length;
	float *logits;
	json_t *samples;
};

static void parity_done(struct parity *p)
{
	classifier_free(p->c);
	tokenizer_free(p->tokenizer);
	tokenizer_scratch_free(p->scratch);
	free(p->logits);
	json_decref(p->samples);
}

static int parity_open(struct parity *p, struct train_run *t, const char *dir, struct err *reterr)
{
	struct classifier_options o = {.threads = t->w->cpus, .use_device = t->cuda};
	size_t limit;
	int r = classifier_open(dir, &o, &p->c, reterr);

	if (r >= 0)
		r = tokenizer_load(dir, &p->tokenizer, reterr);
	if (r < 0)
		return r;
	p->max_length = (size_t)classifier_max_tokens(p->c);
	limit = tokenizer_model_max_length(p->tokenizer);
	p->max_length = limit && limit < p->max_length ? limit : p->max_length;
	p->scratch = tokenizer_scratch_new();
	p->logits = calloc((size_t)classifier_label_count(p->c), sizeof(*p->logits));
	p->samples = json_array();
	if (!p->scratch || !p->logits || !p->samples)
		return err_errno(reterr, ENOMEM, "write parity.json");
	return 0;
}

/* The best label's score as the server gives it: its softmax; of several classes a row its sigmoid;
 * of a regression the number. */
static double best_score(const float *logits, int n, enum model_problem problem, int *ret_best)
{
	double sum = 0;
	int best = 0;

	for (int i = 1; i < n; i++)
		best = logits[i] > logits[best] ? i : best;
	for (int i = 0; i < n; i++)
		sum += exp((double)logits[i] - (double)logits[best]);
	*ret_best = best;
	switch (problem) {
	case MODEL_SINGLE_LABEL:
		return 1 / sum;
	case MODEL_MULTI_LABEL:
		return 1 / (1 + exp(-(double)logits[best]));
	case MODEL_REGRESSION:
		break;
	}
	return (double)logits[best];
}

static int add_sample(struct parity *p, const char *text, const char *pair, struct err *reterr)
{
	int n = classifier_label_count(p->c), best;
	struct encoding e;
	int64_t offsets[2] = {0};
	struct token_batch b = {.offsets = offsets, .rows = 1};
	json_t *sample;
	double score;
	int r = tokenizer_encode(p->tokenizer, p->scratch, text, strlen(text), pair,
				 pair ? strlen(pair) : 0, p->max_length, &e);

	if (r < 0)
		return err_errno(reterr, -r, "tokenise a text for parity.json");
	b.ids = e.ids;
	b.type_ids = e.type_ids;
	offsets[1] = (int64_t)e.n;
	r = classifier_forward(p->c, &b, p->logits, reterr);
	if (r < 0)
		return r;
	score = best_score(p->logits, n, classifier_problem(p->c), &best);
	sample = json_pack("{s:s, s:s, s:o}", "text", text, "label", classifier_label(p->c, best),
			   "score", json_number(score));
	if (pair && sample)
		json_set_str(sample, "text_pair", pair);
	if (!sample || json_array_append_new(p->samples, sample) < 0)
		return err_errno(reterr, ENOMEM, "write parity.json");
	return 0;
}

/* The cases that a sample of real texts may lack: over-long, empty, emoji. */
static int add_special(struct parity *p, const struct dataset *d, struct err *reterr)
{
	const char *seed = d->samples_n && d->samples[0].text[0] ? d->samples[0].text : "good film";
	OWN(buf_done) struct buf b = BUF_INIT(1 << 24);
	int r;

	while (buf_ok(&b) && b.len < PARITY_LONG)
		buf_printf(&b, "%s ", seed);
	r = add_sample(p, buf_str(&b), NULL, reterr);
	if (r >= 0)
		r = add_sample(p, "", NULL, reterr);
	return r < 0 ? r : add_sample(p, PARITY_EMOJI, NULL, reterr);
}

int parity_write(struct train_run *t, const char *dir, struct err *reterr)
{
	const struct dataset *d = t->test ? t->test : t->train;
	OWN(parity_done) struct parity p = {0};
	OWN(json_decrefp) json_t *all = NULL;
	OWN(freep) char *text = NULL;
	char path[PATH_MAX];
	int r = parity_open(&p, t, dir, reterr);

	for (size_t i = 0; r >= 0 && i < d->samples_n; i++)
		r = add_sample(&p, d->samples[i].text, d->samples[i].pair, reterr);
	if (r >= 0)
		r = add_special(&p, d, reterr);
	if (r < 0)
		return r;
	all = json_pack("{s:i, s:s, s:i, s:O}", "v", PARITY_V, "dtype", "float32", "max_length",
			(int)p.max_length, "samples", p.samples);
	text = all ? json_pretty(all) : NULL;
	if (!text || !path_join(path, sizeof(path), dir, "parity.json"))
		return err_errno(reterr, ENOMEM, "write parity.json");
	return file_write_atomic(AT_FDCWD, path, text, strlen(text), 0644, reterr);
}
