/* SPDX-License-Identifier: MIT */
/* For tests/parity/test_dataset.py: dataset_open() a directory and print what it gave, as JSON.
 *
 *   dataset_probe DIR SAMPLES
 */
#include "base/json.h"
#include "base/own.h"
#include "worker/dataset/dataset.h"

static json_t *label_of(const struct dataset *d, int64_t row)
{
	json_t *list = NULL;

	switch (d->kind) {
	case DATASET_CLASSES:
		return json_integer((json_int_t)d->labels[row]);
	case DATASET_NUMBERS:
		return json_real((double)d->targets[row]);
	case DATASET_VECTORS:
		list = json_array();
		break;
	}
	for (int i = 0; i < d->labels_n; i++)
		json_array_append_new(list, json_real((double)d->targets[row * d->labels_n + i]));
	return list;
}

static json_t *row_of(const struct dataset *d, int64_t i)
{
	json_t *ids = json_array(), *types = d->type_ids ? json_array() : json_null();

	for (int64_t k = d->offsets[i]; k < d->offsets[i + 1]; k++) {
		json_array_append_new(ids, json_integer(d->ids[k]));
		if (d->type_ids)
			json_array_append_new(types, json_integer(d->type_ids[k]));
	}
	return json_pack("{so so so}", "ids", ids, "types", types, "label", label_of(d, i));
}

static json_t *describe(const struct dataset *d)
{
	json_t *rows = json_array(), *samples = json_array();
	json_t *names = d->label_names ? json_array() : json_null();

	for (int64_t i = 0; i < d->rows; i++)
		json_array_append_new(rows, row_of(d, i));
	for (int i = 0; d->label_names && i < d->labels_n; i++)
		json_array_append_new(names, json_string(d->label_names[i]));
	for (size_t i = 0; i < d->samples_n; i++)
		json_array_append_new(samples, json_pack("[Iss?]", (json_int_t)d->samples[i].row,
							 d->samples[i].text, d->samples[i].pair));
	return json_pack("{so so so si sI sI}", "rows", rows, "samples", samples, "names", names,
			 "labels_n", d->labels_n, "tokens", (json_int_t)d->tokens, "longest",
			 (json_int_t)d->longest);
}

int main(int argc, char **argv)
{
	OWN(dataset_freep) struct dataset *d = NULL;
	OWN(json_decrefp) json_t *j = NULL;
	OWN(freep) char *text = NULL;
	struct err e = {0};

	if (argc != 3)
		return 2;
	if (dataset_open(argv[1], strtoul(argv[2], NULL, 10), &d, &e) < 0) {
		fprintf(stderr, "error: %s\n", e.msg);
		return 1;
	}
	j = describe(d);
	text = json_text(j);
	puts(text);
	return 0;
}
