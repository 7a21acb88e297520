/* SPDX-License-Identifier: MIT */
/* See hub.h: the files of a model's repository that a job needs. */
#include "base/own.h"
#include "base/str.h"
#include "transfer/hub/hub.h"

#include <stdlib.h>
#include <string.h>

#define WEIGHTS	      "model.safetensors"
#define WEIGHTS_INDEX "model.safetensors.index.json"

/* Files next to the weights, only at the root of the repository. */
static const char *const wanted[] = {
	"config.json",
	"tokenizer.json",
	"tokenizer_config.json",
	"vocab.txt",
	"vocab.json",
	"merges.txt",
	"added_tokens.json",
	"special_tokens_map.json",
	"spiece.model",
	"sentencepiece.bpe.model",
	"tokenizer.model",
	"generation_config.json",
	"parity.json",
};

/* "model-00001-of-00002.safetensors" */
static bool is_part(const char *file)
{
	return str_starts(file, "model-") && strstr(file, "-of-") &&
	       str_ends(file, ".safetensors") && !strchr(file, '/');
}

static bool is_wanted(const char *file, bool whole, bool weights)
{
	if (str_eq(file, WEIGHTS))
		return weights;
	if (str_eq(file, WEIGHTS_INDEX) || is_part(file))
		return weights && !whole;
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
		if (str_eq(file, wanted[i]))
			return true;
	return false;
}

static bool has(const json_t *siblings, const char *file)
{
	for (size_t i = 0; i < json_array_size(siblings); i++)
		if (str_eq(json_get_str(json_array_get(siblings, i), "rfilename", ""), file))
			return true;
	return false;
}

static const char *other_weights(const json_t *siblings)
{
	static const char *const names[] = {"pytorch_model.bin", "pytorch_model.bin.index.json",
					    "tf_model.h5", "flax_model.msgpack", "model.onnx"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (has(siblings, names[i]))
			return names[i];
	return NULL;
}

static int no_weights(const struct hub *h, const json_t *siblings, struct err *reterr)
{
	const char *other = other_weights(siblings);
	char what[128];

	hub_what(h, what, sizeof(what));
	if (!other) {
		h->t->failure_code = "data_missing";
		return err_at(reterr, ERR_NOT_FOUND, "/model",
			      "%s has no model.safetensors at revision '%s'", what, h->revision);
	}
	h->t->failure_code = "unsupported";
	return err_at(reterr, ERR_UNSUPPORTED, "/model",
		      "%s has its weights as %s, and Trainyard reads model.safetensors only; load "
		      "the model in Python, save it with save_pretrained and give that directory",
		      what, other);
}

int hub_pick_model(const struct hub *h, bool tokenizer_only, struct hub_picks *ret,
		   struct err *reterr)
{
	const json_t *siblings = json_object_get(h->info, "siblings");
	bool whole = has(siblings, WEIGHTS);
	char what[128];
	int r = 0;

	if (!has(siblings, "config.json")) {
		h->t->failure_code = "data_missing";
		return err_at(reterr, ERR_NOT_FOUND, "/model",
			      "%s has no config.json at revision '%s', so it is not a model of "
			      "transformers",
			      hub_what(h, what, sizeof(what)), h->revision);
	}
	if (!tokenizer_only && !whole && !has(siblings, WEIGHTS_INDEX))
		return no_weights(h, siblings, reterr);
	for (size_t i = 0; i < json_array_size(siblings) && r >= 0; i++) {
		const char *file = json_get_str(json_array_get(siblings, i), "rfilename", "");

		if (is_wanted(file, whole, !tokenizer_only))
			r = hub_picks_add(ret, file, file);
	}
	return r < 0 ? err_errno(reterr, ENOMEM, "choose the files of %s", h->asked) : 0;
}
