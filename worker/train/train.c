/* SPDX-License-Identifier: MIT */
/* `trainyard-worker train`: sets up a run from the spec and the data, trains, and saves the
 * results. */
#include "base/own.h"
#include "base/str.h"
#include "worker/tokenizer/tokenizer.h"
#include "worker/train/label_match.h"
#include "worker/train/run.h"

#include <string.h>

#define PARITY_TEXTS 29 /* with the three special ones 32 */

void train_net_freep(struct torch_net **net)
{
	torch_net_free(*net);
}

static void run_done(struct train_run *t)
{
	torch_net_free(t->net);
	model_config_free(t->config);
	rows_view_done(&t->train_rows);
	rows_view_done(&t->test_rows);
	dataset_free(t->train);
	dataset_free(t->test);
}

static int open_data(struct train_run *t, struct err *reterr)
{
	const json_t *channels = json_object_get(t->w->spec, "channels");
	const char *train = json_get_str(channels, "train", NULL);
	const char *test = json_get_str(channels, "test", NULL);
	int r;

	if (!train)
		return err_at(reterr, ERR_INVALID, "/channels/train",
			      "the job needs a channel 'train'");
	r = err_in(reterr, dataset_open(train, test ? 0 : PARITY_TEXTS, &t->train, reterr),
		   "/channels/train");
	if (r >= 0 && test)
		r = err_in(reterr, dataset_open(test, PARITY_TEXTS, &t->test, reterr),
			   "/channels/test");
	if (r >= 0)
		r = rows_view_make(t->train, t->settings.max_length, &t->train_rows, reterr);
	if (r >= 0 && t->test)
		r = rows_view_make(t->test, t->settings.max_length, &t->test_rows, reterr);
	return r;
}

/* Count the ids from 0 to labels_n - 1 that any row has. -ENOMEM. */
static int count_classes(const struct dataset *d)
{
	OWN(freep) bool *has = calloc((size_t)d->labels_n + 1, sizeof(*has));
	int classes = 0;

	if (!has)
		return -ENOMEM;
	for (int64_t row = 0; row < d->rows; row++) {
		classes += !has[d->labels[row]];
		has[d->labels[row]] = true;
	}
	return classes;
}

/* Warn about ids without names that leave gaps, such as 1 to 4, because they are rarely
 * intended. */
static int check_labels(const struct dataset *d, struct report *report, struct err *reterr)
{
	int classes;

	if (d->kind != DATASET_CLASSES)
		return 0;
	classes = count_classes(d);
	if (classes < 0)
		return err_errno(reterr, ENOMEM, "read the labels");
	if (classes < 2)
		return err_set(reterr, ERR_INVALID,
			       "all %lld rows of the training data have label %lld; give rows of "
			       "at least two classes",
			       (long long)d->rows, (long long)d->labels[0]);
	if (!d->label_names && classes < d->labels_n)
		report_warning(report, "classes_without_rows",
			       "the training data has %d labels, which are whole numbers up to %d "
			       "without names: the model gets %d classes. A preprocess job of the "
			       "same rows names the labels and leaves no gaps",
			       classes, d->labels_n - 1, d->labels_n);
	return 0;
}

static int open_config(struct train_run *t, struct err *reterr)
{
	OWN(tokenizer_freep) struct tokenizer *tokenizer = NULL;
	int labels = t->train->labels_n;
	int r = model_config_load(t->model_dir, &t->config, reterr);

	if (r >= 0) /* needed only at the end: fail now if it cannot be loaded */
		r = tokenizer_load(t->model_dir, &tokenizer, reterr);
	if (r >= 0)
		r = tokenizer_check_rows(tokenizer, t->model_dir, t->config->shape.vocab, reterr);
	if (r < 0)
		return err_in(reterr, r, "/model");
	if (t->settings.frozen_layers > t->config->shape.layers)
		return err_at(reterr, ERR_INVALID, "/hyperparameters/frozen_layers",
			      "frozen_layers is %d, but the model has %d layers; give at most that",
			      t->settings.frozen_layers, t->config->shape.layers);
	if (t->train->kind == DATASET_CLASSES && t->test && !t->train->label_names &&
	    !t->test->label_names && t->test->labels_n > labels)
		labels = t->test->labels_n;
	if (t->train->kind == DATASET_CLASSES && labels < 2)
		labels = 2;
	r = model_config_set_problem(t->config, label_problem(t->train->kind), labels,
				     (const char *const *)t->train->label_names, reterr);
	if (r >= 0 && t->test)
		r = err_in(reterr, label_kind_match(t->test, t->config, "the test data", reterr),
			   "/channels/test");
	if (r >= 0 && t->test && t->test->kind != DATASET_NUMBERS)
		r = err_ctx(reterr,
			    label_match(t->test, t->config, NULL, t->w->report,
					"preprocess both data sets with the same 'labels'", reterr),
			    "test data");
	if (r >= 0)
		r = rows_view_check(&t->train_rows, t->config, "training", reterr);
	if (r >= 0 && t->test)
		r = rows_view_check(&t->test_rows, t->config, "test", reterr);
	return r;
}

static int open_net(struct train_run *t, struct err *reterr)
{
	struct torch_options o = {.threads = t->w->cpus, .train = true};
	struct model_load_options load = {.new_head = true, .seed = (uint64_t)t->settings.seed};
	struct model_load_result head;
	struct torch_error te;
	int r;

	t->cuda = o.cuda = t->w->has_device && torch_cuda_available();
	t->bf16 = t->settings.bf16 == TRAIN_BF16_ON ||
		  (t->settings.bf16 == TRAIN_BF16_AUTO && (t->cuda || torch_cpu_bf16_fast()));
	o.bf16 = t->bf16;
	o.frozen_parts = t->settings.frozen_layers + 1; /* TRAIN_FREEZE_NONE: 0 */
	r = model_torch_error(torch_net_new(&t->config->shape, &o, &t->net, &te), &te, reterr);
	if (r >= 0 && t->w->resume) {
		r = checkpoint_load(t, t->w->resume, reterr);
		return r < 0 ? r : best_resume(t, t->w->resume, reterr);
	}
	if (r >= 0)
		r = err_in(reterr,
			   model_load(t->model_dir, t->config, &load, t->net, &head, reterr),
			   "/model");
	if (r >= 0 && (head.new_dense || head.new_classifier))
		printf("newly initialised: %s%s%s\n",
		       head.new_dense ? "the head's dense layer" : "",
		       head.new_dense && head.new_classifier ? " and " : "",
		       head.new_classifier ? "the classifier" : "");
	return r;
}

static void say_start(const struct train_run *t)
{
	const struct train_settings *s = &t->settings;

	printf("training %s on %s (%s, %d threads): %lld rows, %lld tokens, %lld test rows\n",
	       t->model_dir, t->cuda ? "cuda" : "cpu", t->bf16 ? "bfloat16" : "float32", t->w->cpus,
	       (long long)t->train->rows, (long long)t->train_rows.tokens,
	       t->test ? (long long)t->test->rows : 0LL);
	printf("epochs %g, batch %d, steps %lld, warm-up %lld, learning rate %g, seed %lld\n",
	       s->epochs, s->train_batch_size, (long long)s->total_steps,
	       (long long)s->warmup_steps, s->learning_rate, (long long)s->seed);
	if (t->step)
		printf("resuming after step %lld\n", (long long)t->step);
	if (t->w->has_device && !t->cuda)
		report_warning(t->w->report, "gpu_unused",
			       "the job has a GPU, but this libtorch has no CUDA or sees no GPU: "
			       "the training runs on the CPU");
	if (s->warmup_steps >= s->total_steps)
		report_warning(
			t->w->report, "warmup_too_long",
			"warmup_steps %lld is not less than the run's %lld steps: the learning "
			"rate never reaches %g",
			(long long)s->warmup_steps, (long long)s->total_steps, s->learning_rate);
}

int train_main(struct worker *w, struct err *reterr)
{
	OWN(run_done) struct train_run t = {.w = w};
	int r;

	t.model_dir = json_get_str(w->spec, "model", NULL);
	if (!t.model_dir)
		return err_at(reterr, ERR_INVALID, "/model", "the job needs a model directory");
	r = train_settings_parse(json_object_get(w->spec, "hyperparameters"), &t.settings, reterr);
	if (r >= 0)
		r = open_data(&t, reterr);
	if (r >= 0)
		r = check_labels(t.train, w->report, reterr);
	if (r >= 0)
		r = train_settings_check(&t.settings, t.train->kind, reterr);
	if (r >= 0)
		r = open_config(&t, reterr);
	if (r < 0)
		return r;
	train_settings_fit(&t.settings, t.train->rows);
	r = open_net(&t, reterr);
	if (r < 0)
		return r;
	say_start(&t);
	r = train_steps(&t, reterr);
	return r < 0 ? r : train_save(&t, reterr);
}
