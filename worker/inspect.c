/* SPDX-License-Identifier: MIT */
/* Reads the question, checks each data set and each model in turn, and writes one line for each. */
#include "worker/inspect.h"

#include "base/fileio.h"
#include "base/own.h"
#include "wire/execution.h"
#include "worker/dataset/inspect.h"
#include "worker/model/tensors.h"
#include "worker/tokenizer/tokenizer.h"

static int say(json_t *finding)
{
	OWN(json_decrefp) json_t *owned = finding;
	OWN(freep) char *text = owned ? json_text(owned) : NULL;

	return text && printf("%s\n", text) > 0 && fflush(stdout) == 0 ? 0 : -ENOMEM;
}

static json_t *look_at_data(const json_t *spec, size_t i, struct report *report)
{
	struct err err = {0};

	if (dataset_inspect(spec, report, &err) >= 0)
		return json_pack("{sI}", "spec", (json_int_t)i);
	return json_pack("{sI ss ss}", "spec", (json_int_t)i, "field",
			 err.field[0] ? err.field : "/dataset", "message", err.msg);
}

/* Check a model as a training would, without reading its weights. */
static int model_inspect(const char *dir, struct err *reterr)
{
	OWN(model_config_freep) struct model_config *config = NULL;
	OWN(tokenizer_freep) struct tokenizer *t = NULL;
	int r = model_config_load(dir, &config, reterr);

	if (r >= 0)
		r = tokenizer_load(dir, &t, reterr);
	if (r >= 0)
		r = tokenizer_check_rows(t, dir, config->shape.vocab, reterr);
	return r < 0 ? r : model_tensors(dir, config, true, NULL, NULL, reterr);
}

static json_t *look_at_model(const char *dir, size_t i)
{
	struct err err = {0};

	if (model_inspect(dir, &err) >= 0)
		return json_pack("{sI}", "model", (json_int_t)i);
	return json_pack("{sI ss}", "model", (json_int_t)i, "message", err.msg);
}

static int inspect(struct report *report, struct err *reterr)
{
	OWN(buf_done) struct buf text = BUF_INIT(INSPECT_INPUT_MAX);
	OWN(json_decrefp) json_t *message = NULL;
	const json_t *item;
	size_t i;
	int r = fd_read_all(STDIN_FILENO, "the question", &text, reterr);

	if (r >= 0)
		r = json_parse(buf_str(&text), text.len, &message, reterr);
	if (r >= 0)
		r = wire_roots_set(message, reterr);
	if (r < 0)
		return r;
	json_array_foreach(json_object_get(message, "specs"), i, item)
		if (say(look_at_data(item, i, report)) < 0)
			return err_errno(reterr, EIO, "answer the daemon");
	json_array_foreach(json_object_get(message, "models"), i, item)
		if (say(look_at_model(json_string_value(item), i)) < 0)
			return err_errno(reterr, EIO, "answer the daemon");
	return 0;
}

int inspect_main(void)
{
	struct report *report = NULL;
	struct err e = {0};
	int r = report_open_silent(&report, &e);

	if (r >= 0)
		r = inspect(report, &e);
	if (r < 0)
		fprintf(stderr, "error: %s\n", e.msg);
	report_close(report);
	return r < 0;
}
