/* SPDX-License-Identifier: MIT */
/* Writes the results of a finished run: work/model and work/output. */
#include "base/clock.h"
#include "base/fileio.h"
#include "base/own.h"
#include "base/tree.h"
#include "worker/tokenizer/tokenizer.h"
#include "worker/train/run.h"

#include <math.h>
#include <string.h>

#define MODEL_TMP "model.tmp"
#define MODEL	  "model"

static int save_model(struct train_run *t, struct err *reterr)
{
	int r = tree_remove(AT_FDCWD, MODEL_TMP, reterr);

	if (r >= 0)
		r = dir_make(AT_FDCWD, MODEL_TMP, 0755, reterr);
	if (r >= 0)
		r = tokenizer_copy_files(t->model_dir, MODEL_TMP, reterr);
	if (r >= 0)
		r = model_save(MODEL_TMP, t->config, t->net, reterr);
	if (r >= 0)
		r = parity_write(t, MODEL_TMP, reterr);
	if (r >= 0)
		r = tree_remove(AT_FDCWD, MODEL, reterr);
	if (r >= 0 && (dir_sync(AT_FDCWD, MODEL_TMP) < 0 || rename(MODEL_TMP, MODEL) < 0 ||
		       dir_sync(AT_FDCWD, ".") < 0))
		r = err_errno(reterr, errno, "rename %s", MODEL_TMP);
	if (r < 0) {
		err_ctx(reterr, r, "cannot save the model");
		if (tree_remove(AT_FDCWD, MODEL_TMP, NULL) < 0)
			fprintf(stderr, "cannot remove %s; the training goes on\n", MODEL_TMP);
	}
	return r;
}

static void add_train_values(const struct train_run *t, json_t *values)
{
	double seconds = (double)(clock_mono_us() - t->started_us) / (double)USEC_PER_SEC;
	int64_t steps = t->step - t->first_step;
	double rows = (double)steps / (double)t->settings.steps_per_epoch * (double)t->train->rows;

	seconds = seconds > 1e-6 ? seconds : 1e-6;
	json_object_set_new(values, "epoch", json_any_number(train_epoch(t)));
	json_object_set_new(values, "warmup_steps", json_integer(t->settings.warmup_steps));
	if (best_is_wanted(&t->settings) && t->best.step)
		json_object_set_new(values, "best_step", json_integer(t->best.step));
	json_object_set_new(values, "train_loss", json_any_number(t->loss_sum / (double)t->step));
	json_object_set_new(values, "train_runtime", json_any_number(seconds));
	json_object_set_new(values, "train_samples_per_second", json_any_number(rows / seconds));
	json_object_set_new(values, "train_steps_per_second",
			    json_any_number((double)steps / seconds));
}

int train_save(struct train_run *t, struct err *reterr)
{
	OWN(json_decrefp)
	json_t *values = t->test ? evaluation_json(&t->evaluation, train_epoch(t)) : json_object();
	int r;

	add_train_values(t, values);
	report_add_warnings(t->w->report, values);
	r = evaluation_write(t->w->work_dirfd, values, reterr);
	if (r >= 0)
		r = save_model(t, reterr);
	if (r >= 0)
		report_result(t->w->report, json_incref(values));
	return r;
}
