/* SPDX-License-Identifier: MIT */
/* `trainyard-worker evaluate`: evaluates a trained model on a saved data set. */
#include "base/own.h"
#include "worker/model/model.h"
#include "worker/train/evaluation.h"
#include "worker/train/label_match.h"
#include "worker/train/run.h"

#include <math.h>

#define EVALUATE_BATCH 64

static int evaluate_model(struct worker *w, const char *dir, struct dataset *d,
			  struct evaluation *ret, struct err *reterr)
{
	OWN(model_config_freep) struct model_config *c = NULL;
	OWN(train_net_freep) struct torch_net *net = NULL;
	OWN(rows_view_done) struct rows_view view = {0};
	struct torch_options o = {.threads = w->cpus,
				  .cuda = w->has_device && torch_cuda_available()};
	struct model_load_options load = {0};
	int64_t batch = json_get_int(w->spec, "batch_size", EVALUATE_BATCH);
	struct torch_error te;
	int r = err_in(reterr, model_config_load(dir, &c, reterr), "/model");

	if (r >= 0 && (batch < 1 || batch > TRAIN_BATCH_MAX))
		r = err_at(reterr, ERR_INVALID, "/batch_size", "batch_size must be from 1 to %d",
			   TRAIN_BATCH_MAX);
	if (r >= 0)
		r = label_kind_match(d, c, "the data", reterr);
	if (r >= 0 && d->kind == DATASET_NUMBERS && json_object_get(w->spec, "label_map"))
		r = err_at(reterr, ERR_INVALID, "/label_map",
			   "label_map names classes, and the labels are numbers; remove it");
	if (r >= 0 && d->kind != DATASET_NUMBERS)
		r = label_match(d, c, json_object_get(w->spec, "label_map"), w->report,
				"name the class of the model in 'label_map', as in {\"label_map\": "
				"{\"data class\": \"model class\"}}",
				reterr);
	if (r >= 0)
		r = rows_view_make(d, json_get_int(w->spec, "max_length", 0), &view, reterr);
	if (r >= 0)
		r = rows_view_check(&view, c, "evaluation", reterr);
	if (r >= 0)
		r = model_torch_error(torch_net_new(&c->shape, &o, &net, &te), &te, reterr);
	if (r >= 0)
		r = err_in(reterr, model_load(dir, c, &load, net, NULL, reterr), "/model");
	if (r >= 0)
		r = evaluate_rows(w, net, &view, c, 0, (int)batch, ret, reterr);
	return r;
}

int evaluate_main(struct worker *w, struct err *reterr)
{
	const char *model = json_get_str(w->spec, "model", NULL);
	const char *data = json_get_str(w->spec, "data", NULL);
	OWN(dataset_freep) struct dataset *d = NULL;
	struct evaluation e;
	int r;

	if (!model || !data)
		return err_at(reterr, ERR_INVALID, model ? "/data" : "/model",
			      "the job needs a model and a data set");
	r = err_in(reterr, dataset_open(data, 0, &d, reterr), "/data");
	if (r >= 0)
		r = evaluate_model(w, model, d, &e, reterr);
	if (r < 0)
		return r;

	OWN(json_decrefp) json_t *values = evaluation_json(&e, NAN);

	report_metric(w->report, 0, -1, json_copy(values)); /* of no step and no epoch */
	report_add_warnings(w->report, values);
	r = evaluation_write(w->work_dirfd, values, reterr);
	if (r >= 0)
		report_result(w->report, json_incref(values));
	return r;
}
