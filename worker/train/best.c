/* SPDX-License-Identifier: MIT */
/*
 * The best evaluation of a run: which it is, when to give up hope of a better one, and its model at
 * the end. Its weights are those of a checkpoint, which stays while it is the best.
 */
#include "base/fileio.h"
#include "base/own.h"
#include "worker/train/run.h"

#include <limits.h>
#include <math.h>
#include <string.h>

bool best_is_wanted(const struct train_settings *s)
{
	return s->load_best_model_at_end || s->early_stopping_patience > 0;
}

static double value_of(const struct train_run *t)
{
	return metric_value(t->settings.metric_for_best_model, &t->evaluation.values);
}

bool best_update(struct train_run *t)
{
	const double value = value_of(t), before = t->best.value;
	const bool less_is_better = t->settings.metric_for_best_model->less_is_better;
	const bool first = t->best.step == 0;
	const bool better = first || (less_is_better ? value < before : value > before);

	if (first || (better && fabs(value - before) > t->settings.early_stopping_threshold))
		t->best.misses = 0;
	else
		t->best.misses++;
	if (better) {
		t->best.value = value;
		t->best.step = t->step;
	}
	return better;
}

bool best_is_final(const struct train_run *t)
{
	return t->settings.early_stopping_patience > 0 &&
	       t->best.misses >= t->settings.early_stopping_patience;
}

/* The checkpoint of the best model in the directory of `resume` becomes one of this attempt, too.
 */
static int adopt_best(const struct train_run *t, const char *resume, struct err *reterr)
{
	const char *slash = strrchr(resume, '/');
	char name[64], from[PATH_MAX];
	int r;

	snprintf(name, sizeof(name), "checkpoint-%lld", (long long)t->best.step);
	if (!slash || snprintf(from, sizeof(from), "%.*s/%s", (int)(slash - resume), resume,
			       name) >= (int)sizeof(from))
		return err_errno(reterr, ENAMETOOLONG, "open the checkpoint %s", name);
	r = checkpoint_verify(from, reterr);
	return r < 0 ? r : checkpoint_adopt(from, name, reterr);
}

/* `resume` is adopted, too: else the next attempt would find the older one alone. */
int best_resume(struct train_run *t, const char *resume, struct err *reterr)
{
	char name[64];
	int r;

	if (!t->best.step || !t->settings.load_best_model_at_end)
		return 0;
	snprintf(name, sizeof(name), "checkpoint-%lld", (long long)t->step);
	r = checkpoint_adopt(resume, name, reterr); /* checkpoint_load() has verified it */
	if (r >= 0 && t->best.step != t->step)
		r = adopt_best(t, resume, reterr);
	return err_ctx(reterr, r, "cannot keep the best model so far, of step %lld",
		       (long long)t->best.step);
}

int best_restore(struct train_run *t, struct err *reterr)
{
	int r;

	if (!t->settings.load_best_model_at_end || !t->best.step || t->best.step == t->step)
		return 0;
	r = checkpoint_load_weights(t, t->best.step, reterr);
	if (r >= 0)
		r = evaluate_rows(t->w, t->net, &t->test_rows, t->config,
				  t->settings.label_smoothing_factor, t->settings.eval_batch_size,
				  &t->evaluation, reterr);
	if (r >= 0)
		printf("the model is that of step %lld, eval_%s %.6g\n", (long long)t->best.step,
		       t->settings.metric_for_best_model->name, t->best.value);
	return r;
}
