/* SPDX-License-Identifier: MIT */
/* Pads rows, writes batches, and makes the JSON files. The fingerprint is computed from the data,
 * because `datasets` uses it as the key of its caches. */
#include "worker/dataset/writer.h"

#include "base/fileio.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/own.h"
#include "base/tree.h"
#include "worker/arrow/arrow.h"
#include "worker/dataset/batch.h"
#include "worker/dataset/columns.h"

#include <limits.h>
#include <string.h>

#define DATA_FILE	"data-00000-of-00001.arrow"
#define FINGERPRINT_LEN 16

struct writer {
	char dir[PATH_MAX], data[PATH_MAX];
	char *text, *pair, *split; /* column names; pair may be NULL */
	json_t *features;	   /* {"features": {...}} */
	bool type_ids;
	enum dataset_kind kind;
	float *vector;	  /* of a row: `classes` numbers */
	int64_t *applies; /* the row's classes */
	size_t classes;
	bool has_names;
	struct batch batch;
	struct arw_writer *out;
	int32_t *ids; /* one row, padded; `cap` positions in each */
	int8_t *types, *mask;
	size_t cap;
};

void writer_free(struct writer *w)
{
	if (!w)
		return;
	arw_writer_close(w->out);
	batch_done(&w->batch);
	json_decref(w->features);
	free(w->text);
	free(w->pair);
	free(w->split);
	free(w->vector);
	free(w->applies);
	free(w->ids);
	free(w->types);
	free(w->mask);
	free(w);
}

static void writer_freep(struct writer **w)
{
	writer_free(*w);
}

static json_t *value_feature(const char *dtype)
{
	return json_pack("{ss ss}", "dtype", dtype, "_type", "Value");
}

static json_t *class_feature(const struct writer_columns *c)
{
	json_t *names = json_array();

	for (size_t i = 0; i < c->label_names_n; i++)
		json_array_append_new(names, json_string(c->label_names[i]));
	return json_pack("{so ss}", "names", names, "_type", "ClassLabel");
}

/* Every version of `datasets` reads "Sequence"; "List", which 4.0 and later write, is not read by
 * earlier ones. */
static json_t *list_feature(json_t *item)
{
	return json_pack("{so ss}", "feature", item, "_type", "Sequence");
}

static void describe_labels(struct writer *w, const struct writer_columns *c, json_t *features)
{
	json_t *feature = NULL;

	switch (c->kind) {
	case DATASET_CLASSES:
		batch_add_column(&w->batch, BATCH_INT64, "labels");
		feature = w->has_names ? class_feature(c) : value_feature("int64");
		break;
	case DATASET_NUMBERS:
		batch_add_column(&w->batch, BATCH_FLOAT32, "labels");
		feature = value_feature("float32");
		break;
	case DATASET_VECTORS:
		batch_add_column(&w->batch, BATCH_FLOAT32_LIST, "labels");
		feature = list_feature(value_feature("float32"));
		break;
	}
	json_object_set_new(features, "labels", feature);
	if (c->kind != DATASET_VECTORS || !w->has_names)
		return;
	batch_add_column(&w->batch, BATCH_INT64_LIST, DATASET_CLASSES_COLUMN);
	json_object_set_new(features, DATASET_CLASSES_COLUMN, list_feature(class_feature(c)));
}

static void describe(struct writer *w, const struct writer_columns *c)
{
	json_t *features = json_object();

	batch_add_column(&w->batch, BATCH_STRING, w->text);
	json_object_set_new(features, w->text, value_feature("string"));
	if (w->pair) {
		batch_add_column(&w->batch, BATCH_STRING, w->pair);
		json_object_set_new(features, w->pair, value_feature("string"));
	}
	describe_labels(w, c, features);
	batch_add_column(&w->batch, BATCH_INT32_LIST, "input_ids");
	json_object_set_new(features, "input_ids", list_feature(value_feature("int32")));
	if (w->type_ids) {
		batch_add_column(&w->batch, BATCH_INT8_LIST, "token_type_ids");
		json_object_set_new(features, "token_type_ids",
				    list_feature(value_feature("int8")));
	}
	batch_add_column(&w->batch, BATCH_INT8_LIST, "attention_mask");
	json_object_set_new(features, "attention_mask", list_feature(value_feature("int8")));
	w->features = json_pack("{so}", "features", features);
}

static int create_stream(struct writer *w, struct err *reterr)
{
	OWN(json_decrefp) json_t *info = json_pack("{sO}", "info", w->features);
	OWN(freep) char *metadata = info ? json_text(info) : NULL;
	struct ArrowSchema schema;
	struct arw_error e = {0};

	if (!metadata || batch_schema(&w->batch, metadata, &schema) < 0)
		return err_errno(reterr, ENOMEM, "write %s", w->data);
	if (arw_create_stream(w->data, &schema, &w->out, &e) < 0)
		return arrow_error(&e, reterr, w->data);
	return 0;
}

int writer_open(const char *dir, const struct writer_columns *columns, struct writer **ret,
		struct err *reterr)
{
	OWN(writer_freep) struct writer *w = calloc(1, sizeof(*w));
	int r;

	if (!w || !(w->text = strdup(columns->text)) || !(w->split = strdup(columns->split)) ||
	    (columns->pair && !(w->pair = strdup(columns->pair))))
		return err_errno(reterr, ENOMEM, "write %s", dir);
	if (!path_join(w->dir, sizeof(w->dir), dir, "") ||
	    !path_join(w->data, sizeof(w->data), dir, DATA_FILE))
		return err_errno(reterr, ENAMETOOLONG, "write %s", dir);
	w->type_ids = columns->type_ids;
	w->kind = columns->kind;
	w->classes = columns->classes;
	w->has_names = columns->label_names_n > 0;
	w->vector = calloc(w->classes + 1, sizeof(*w->vector));
	w->applies = calloc(w->classes + 1, sizeof(*w->applies));
	if (!w->vector || !w->applies)
		return err_errno(reterr, ENOMEM, "write %s", dir);
	describe(w, columns);
	r = tree_remove(AT_FDCWD, dir, reterr);
	if (r >= 0)
		r = dir_make(AT_FDCWD, dir, 0755, reterr);
	if (r >= 0)
		r = create_stream(w, reterr);
	if (r < 0)
		return r;
	*ret = TAKE(w);
	return 0;
}

static int flush(struct writer *w, struct err *reterr)
{
	struct ArrowArray rows;
	struct arw_error e = {0};

	if (!w->batch.rows)
		return 0;
	if (batch_take(&w->batch, &rows) < 0)
		return err_errno(reterr, ENOMEM, "write %s", w->data);
	return arw_write(w->out, &rows, &e) < 0 ? arrow_error(&e, reterr, w->data) : 0;
}

static int reserve(struct writer *w, size_t n)
{
	if (n <= w->cap)
		return 0;
	free(w->ids);
	free(w->types);
	free(w->mask);
	w->cap = 0;
	w->ids = calloc(n, sizeof(*w->ids));
	w->types = calloc(n, 1);
	w->mask = calloc(n, 1);
	if (!w->ids || !w->types || !w->mask)
		return -ENOMEM;
	w->cap = n;
	return 0;
}

/* One row with its padding, in w->ids, types and mask. */
static int pad_row(struct writer *w, const struct writer_row *row)
{
	size_t n = row->n + row->pad;

	if (reserve(w, n) < 0)
		return -ENOMEM;
	memcpy(w->ids, row->ids, row->n * sizeof(*w->ids));
	for (size_t i = row->n; i < n; i++)
		w->ids[i] = row->pad_id;
	memcpy(w->types, row->type_ids, row->n);
	memset(w->types + row->n, 0, row->pad);
	memset(w->mask, 1, row->n);
	memset(w->mask + row->n, 0, row->pad);
	return 0;
}

static int put_vector(struct writer *w, size_t *i, const struct row_label *label)
{
	int r;

	memset(w->vector, 0, w->classes * sizeof(*w->vector));
	for (size_t k = 0; k < label->classes_n; k++) {
		w->applies[k] = label->classes[k];
		w->vector[label->classes[k]] = 1;
	}
	r = batch_put(&w->batch, (*i)++, w->vector, w->classes * sizeof(*w->vector));
	if (r < 0 || !w->has_names)
		return r;
	return batch_put(&w->batch, (*i)++, w->applies, label->classes_n * sizeof(*w->applies));
}

static int put_label(struct writer *w, size_t *i, const struct row_label *label)
{
	switch (w->kind) {
	case DATASET_CLASSES:
		return batch_put(&w->batch, (*i)++, &label->id, sizeof(label->id));
	case DATASET_NUMBERS:
		return batch_put(&w->batch, (*i)++, &label->number, sizeof(label->number));
	case DATASET_VECTORS:
		break;
	}
	return put_vector(w, i, label);
}

static int put_row(struct writer *w, const struct writer_row *row)
{
	size_t n = row->n + row->pad, i = 0;
	int r = pad_row(w, row);

	if (r >= 0)
		r = batch_put(&w->batch, i++, row->text, row->text_len);
	if (r >= 0 && w->pair)
		r = batch_put(&w->batch, i++, row->pair, row->pair_len);
	if (r >= 0)
		r = put_label(w, &i, row->label);
	if (r >= 0)
		r = batch_put(&w->batch, i++, w->ids, n * sizeof(*w->ids));
	if (r >= 0 && w->type_ids)
		r = batch_put(&w->batch, i++, w->types, n);
	if (r >= 0)
		r = batch_put(&w->batch, i, w->mask, n);
	return r;
}

int writer_add(struct writer *w, const struct writer_row *row, struct err *reterr)
{
	int r = put_row(w, row);

	if (r == -ERR_LIMIT)
		return err_set(reterr, ERR_LIMIT, "a batch of %d rows is larger than 2 GiB: %s",
			       WRITER_BATCH_ROWS, w->data);
	if (r < 0)
		return err_errno(reterr, -r, "write %s", w->data);
	w->batch.rows++;
	return w->batch.rows == WRITER_BATCH_ROWS ? flush(w, reterr) : 0;
}

static int write_json(const struct writer *w, const char *name, const json_t *j, struct err *reterr)
{
	OWN(freep) char *text = json_pretty(j);
	char path[PATH_MAX];

	if (!text || !path_join(path, sizeof(path), w->dir, name))
		return err_errno(reterr, ENOMEM, "write %s", w->dir);
	return file_write_atomic(AT_FDCWD, path, text, strlen(text), 0644, reterr);
}

static int write_info(const struct writer *w, struct err *reterr)
{
	OWN(json_decrefp)
	json_t *info =
		json_pack("{ss ss ss ss sO}", "citation", "", "description", "", "homepage", "",
			  "license", "", "features", json_object_get(w->features, "features"));

	return write_json(w, "dataset_info.json", info, reterr);
}

static int write_state(const struct writer *w, struct err *reterr)
{
	OWN(json_decrefp) json_t *state = NULL;
	json_t *columns = json_pack("[ss]", "labels", "input_ids");
	char hex[HASH_HEX_LEN];
	int r = hash_file(AT_FDCWD, w->data, hex, reterr);

	if (w->type_ids)
		json_array_append_new(columns, json_string("token_type_ids"));
	json_array_append_new(columns, json_string("attention_mask"));
	state = json_pack("{s[{ss}] ss% so s{} ss sb ss}", "_data_files", "filename", DATA_FILE,
			  "_fingerprint", hex, (size_t)FINGERPRINT_LEN, "_format_columns", columns,
			  "_format_kwargs", "_format_type", "torch", "_output_all_columns", 0,
			  "_split", w->split);
	return r < 0 ? r : write_json(w, "state.json", state, reterr);
}

int writer_finish(struct writer *w, struct err *reterr)
{
	OWN(closep) int fd = -1;
	struct arw_error e = {0};
	int r = flush(w, reterr);

	if (r < 0)
		return r;
	if (arw_writer_finish(w->out, &e) < 0)
		return arrow_error(&e, reterr, w->data);
	fd = open(w->data, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return err_errno(reterr, errno, "write %s", w->data);
	r = write_info(w, reterr);
	return r < 0 ? r : write_state(w, reterr);
}
