/* SPDX-License-Identifier: MIT */
/* The training loop: steps, metrics, evaluations, checkpoints. */
#include "base/clock.h"
#include "base/own.h"
#include "worker/train/batches.h"
#include "worker/train/run.h"

#include <math.h>
#include <stdio.h>

struct loop {
	struct train_run *t;
	struct batches *batches;
	int64_t log_every, logged_us;
	int64_t rows, tokens; /* since the last log */
};

static void loop_done(struct loop *l)
{
	batches_freep(&l->batches);
}

double train_epoch(const struct train_run *t)
{
	return (double)t->step / (double)t->settings.steps_per_epoch;
}

static int loop_init(struct loop *l, struct train_run *t, struct err *reterr)
{
	const struct train_settings *s = &t->settings;

	l->t = t;
	l->log_every = s->logging_steps;
	if (!l->log_every)
		l->log_every = (s->total_steps + TRAIN_LOG_POINTS - 1) / TRAIN_LOG_POINTS;
	l->logged_us = t->started_us = clock_mono_us();
	t->first_step = t->step;
	t->micro_tokens = torch_net_micro_tokens(t->net);
	return batches_new(&t->train_rows, s, t->config, &l->batches, reterr);
}

/* Warn if the network has halved its micro-batches since the last call. */
static void report_memory(struct train_run *t)
{
	int64_t now = torch_net_micro_tokens(t->net);

	if (now < t->micro_tokens)
		report_warning(t->w->report, "smaller_micro_batch",
			       "memory ran out: from step %lld on at most %lld tokens go through "
			       "the network at once (before %lld); a step has the same rows as "
			       "before, but takes longer",
			       (long long)t->step + 1, (long long)now, (long long)t->micro_tokens);
	t->micro_tokens = now;
}

/* One row at a time does not fit, either: the network has tried smaller micro-batches. */
static int explain_memory(int r, struct err *reterr)
{
	struct err was = *reterr;

	if (r != -ENOMEM && r != -ERR_DEVICE_OOM)
		return r;
	return err_set(reterr, -r,
		       "one row alone does not fit (%s); use a smaller max_length, frozen_layers, "
		       "bf16 \"on\" or a smaller model, or a machine with more memory; a smaller "
		       "train_batch_size does not help",
		       was.msg);
}

static int one_step(struct loop *l, struct err *reterr)
{
	struct train_run *t = l->t;
	const struct train_settings *s = &t->settings;
	struct torch_train_options o = {
		.learning_rate = (float)train_learning_rate(s, t->step),
		.beta1 = 0.9f,
		.beta2 = 0.999f,
		.eps = 1e-8f,
		.weight_decay = (float)s->weight_decay,
		.max_grad_norm = (float)s->max_grad_norm,
		.label_smoothing = (float)s->label_smoothing_factor,
		.seed = (uint64_t)s->seed,
		.step = t->step + 1,
		.dropout = true,
	};
	struct torch_error te;
	struct torch_batch b;
	int r = batches_step(l->batches, t->step, &b, reterr);

	if (r >= 0)
		r = explain_memory(
			model_torch_error(torch_net_train(t->net, &b, &o, &te), &te, reterr),
			reterr);
	if (r < 0)
		return err_ctx(reterr, r, "step %lld", (long long)t->step + 1);
	report_memory(t);
	t->step++;
	l->rows += b.rows;
	for (int i = 0; i < b.rows; i++)
		l->tokens += b.lengths[i];
	return 0;
}

/* Wait for the device and take over its sums. *ret_loss: the mean since the last call. */
static int sync_stats(struct train_run *t, double *ret_loss, struct err *reterr)
{
	struct torch_train_stats stats;
	struct torch_error te;
	int r = model_torch_error(torch_net_stats(t->net, &stats, &te), &te, reterr);

	if (r < 0)
		return r;
	if (!stats.finite)
		return err_set(reterr, ERR_NUMERIC,
			       "the loss or the gradient is not finite at step %lld of %lld (loss "
			       "%g, gradient norm %g); use a lower learning_rate, or bf16 \"off\"",
			       (long long)t->step, (long long)t->settings.total_steps, stats.loss,
			       stats.grad_norm);
	t->loss_sum += stats.loss * (double)stats.steps;
	t->grad_norm = stats.grad_norm;
	*ret_loss = stats.loss;
	return 0;
}

static int log_metrics(struct loop *l, struct err *reterr)
{
	struct train_run *t = l->t;
	int64_t now = clock_mono_us();
	double seconds = (double)(now - l->logged_us) / (double)USEC_PER_SEC, loss;
	double rate = train_learning_rate(&t->settings, t->step - 1);
	json_t *values = json_object();
	int r = sync_stats(t, &loss, reterr);

	if (r < 0) {
		json_decref(values);
		return r;
	}
	seconds = seconds > 1e-6 ? seconds : 1e-6;
	json_object_set_new(values, "loss", json_any_number(loss));
	json_object_set_new(values, "grad_norm", json_any_number(t->grad_norm));
	json_object_set_new(values, "learning_rate", json_any_number(rate));
	json_object_set_new(values, "rows_per_second", json_any_number((double)l->rows / seconds));
	json_object_set_new(values, "tokens_per_second",
			    json_any_number((double)l->tokens / seconds));
	report_metric(t->w->report, t->step, train_epoch(t), values);
	printf("{'loss': %.6g, 'grad_norm': %.6g, 'learning_rate': %.6g, 'epoch': %.4g}\n", loss,
	       t->grad_norm, rate, train_epoch(t));
	l->rows = l->tokens = 0;
	l->logged_us = clock_mono_us();
	return 0;
}

static bool log_is_due(const struct loop *l)
{
	int64_t step = l->t->step;

	return step % l->log_every == 0 || step == l->t->settings.total_steps ||
	       clock_mono_us() - l->logged_us >= TRAIN_LOG_MAX_US;
}

static void say_evaluation(const struct train_run *t)
{
	const struct metrics_values *v = &t->evaluation.values;

	putchar('{');
	for (size_t i = 0; i < metrics_all_n; i++)
		if (metric_applies(&metrics_all[i], v->kind))
			printf("'eval_%s': %.6g, ", metrics_all[i].name,
			       metric_value(&metrics_all[i], v));
	printf("'eval_runtime': %.4g, 'epoch': %.4g}\n", t->evaluation.seconds, train_epoch(t));
}

static int evaluate_now(struct loop *l, struct err *reterr)
{
	struct train_run *t = l->t;
	int64_t before = clock_mono_us();
	json_t *values;
	int r = evaluate_rows(t->w, t->net, &t->test_rows, t->config,
			      t->settings.label_smoothing_factor, t->settings.eval_batch_size,
			      &t->evaluation, reterr);

	if (r < 0)
		return r;
	t->evaluated_step = t->step;
	l->logged_us += clock_mono_us() - before; /* not training time */
	values = evaluation_json(&t->evaluation, NAN);
	json_object_set_new(values, "eval_rows_per_second",
			    json_incref(json_object_get(values, "eval_samples_per_second")));
	report_metric(t->w->report, t->step, train_epoch(t), values);
	say_evaluation(t);
	return 0;
}

static int save_now(struct loop *l, struct err *reterr)
{
	int64_t before = clock_mono_us();
	double loss;
	int r = sync_stats(l->t, &loss, reterr); /* weights that are not finite are never saved */

	if (r >= 0)
		r = checkpoint_write(l->t, reterr);
	l->logged_us += clock_mono_us() - before;
	return r;
}

/* Do what is due after a step, in this order: metrics, evaluation, checkpoint. */
static int after_step(struct loop *l, struct err *reterr)
{
	struct train_run *t = l->t;
	const struct train_settings *s = &t->settings;
	bool end = t->step == s->total_steps;
	bool epoch_end = t->step % s->steps_per_epoch == 0 || end;
	bool evaluate = t->test && (epoch_end || (s->eval_steps && t->step % s->eval_steps == 0));
	bool save = s->save_steps > 0 ? t->step % s->save_steps == 0
				      : s->save_steps == TRAIN_SAVE_EPOCHS && epoch_end;
	int r = 0;

	report_progress(t->w->report, "train", "steps", t->step, s->total_steps);
	if (log_is_due(l))
		r = log_metrics(l, reterr);
	if (r >= 0 && evaluate)
		r = evaluate_now(l, reterr);
	if (r < 0)
		return r;
	if (evaluate && best_is_wanted(s) && best_update(t) && s->load_best_model_at_end)
		save = true;
	/* at the end the model itself is saved */
	return save && !end && !best_is_final(t) ? save_now(l, reterr) : 0;
}

int train_steps(struct train_run *t, struct err *reterr)
{
	OWN(loop_done) struct loop l = {0};
	int r = loop_init(&l, t, reterr);

	while (r >= 0 && t->step < t->settings.total_steps && !best_is_final(t)) {
		if (*t->w->stop) {
			r = t->settings.save_steps && t->step > t->saved_step ? save_now(&l, reterr)
									      : 0;
			if (r < 0)
				return r;
			return err_set(reterr, ERR_CANCELLED,
				       "the training was stopped after step %lld of %lld",
				       (long long)t->step, (long long)t->settings.total_steps);
		}
		r = one_step(&l, reterr);
		if (r >= 0)
			r = after_step(&l, reterr);
	}
	/* a resume from the last step has nothing to train, but must still be evaluated */
	if (r >= 0 && t->test && t->evaluated_step != t->step)
		r = evaluate_now(&l, reterr);
	if (r >= 0 && t->step < t->settings.total_steps)
		printf("stopped early after step %lld: eval_%s was not better than %.6g in %lld "
		       "evaluations\n",
		       (long long)t->step, t->settings.metric_for_best_model->name, t->best.value,
		       (long long)t->best.misses);
	return r < 0 ? r : best_restore(t, reterr);
}
