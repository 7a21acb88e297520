/* SPDX-License-Identifier: MIT */
/*
 * trainyard-worker preprocess: reads a labelled data set, splits it and tokenises it on all cores
 * of the slot. Writes train and test as `datasets` would have (output_dir.h says where). Two passes
 * over the source: plan_scan() counts and maps labels, then rows stream through two chunks, one per
 * part, so memory does not grow with the data.
 */
#include "base/clock.h"
#include "base/fileio.h"
#include "base/own.h"
#include "base/roots.h"
#include "base/str.h"
#include "worker/dataset/encoder.h"
#include "worker/dataset/output_dir.h"
#include "worker/dataset/plan.h"
#include "worker/dataset/writer.h"
#include "worker/model/family.h"
#include "worker/model/id2label.h"

#include <limits.h>
#include <string.h>

#define LENGTH_DEFAULT 512
#define CLASSES_SHOWN  20 /* in the log */
#define NAME_SHOWN     80

struct output {
	struct chunk *chunk;
	struct writer *writer;
	int64_t rows;
};

struct job {
	struct worker *w;
	struct plan plan;
	struct output_dir place;
	struct tokenizer *tokenizer;
	struct encoder encoder;
	struct output train, test;
	size_t max_length;
	bool pad;
	int64_t tokens, truncated, done, total;
	int64_t started_us;
};

static void output_done(struct output *o)
{
	chunk_free(o->chunk);
	writer_free(o->writer);
}

static void job_done(struct job *j)
{
	output_done(&j->train);
	output_done(&j->test);
	encoder_done(&j->encoder);
	tokenizer_free(j->tokenizer);
	plan_done(&j->plan);
}

/* The longest row of the model; 0 if config.json is missing or does not say. */
static int model_positions(const char *model, int64_t *ret, struct err *reterr)
{
	OWN(json_decrefp) json_t *config = NULL;
	const struct model_family *family;
	char path[PATH_MAX];
	int r;

	*ret = 0;
	if (!path_join(path, sizeof(path), model, "config.json"))
		return err_errno(reterr, ENAMETOOLONG, "read %s", model);
	r = roots_read_json(path, CONFIG_JSON_MAX, &config, reterr);
	if (r == -ENOENT)
		return 0;
	if (r == -ERR_INVALID)
		return err_at(reterr, ERR_CORRUPT, "/model", "%s is not valid JSON", path);
	if (r < 0)
		return r;
	*ret = json_get_int(config, "max_position_embeddings", 0);
	family = family_find(json_get_str(config, "model_type", NULL));
	if (family && *ret > 0)
		*ret = family_max_tokens(family, *ret,
					 json_get_int(config, "pad_token_id", family->pad_id));
	return 0;
}

static int init_length(struct job *j, const char *model, struct err *reterr)
{
	const json_t *asked = json_object_get(j->w->spec, "max_length");
	int64_t known = (int64_t)tokenizer_model_max_length(j->tokenizer), positions = 0, length;
	int64_t least = (int64_t)tokenizer_frame(j->tokenizer, j->plan.columns.pair);
	int r = model_positions(model, &positions, reterr);

	if (r < 0)
		return r;
	length = LENGTH_DEFAULT;
	if (known > 0 && known < length)
		length = known;
	if (positions > 0 && positions < length)
		length = positions;
	if (asked && !json_is_null(asked)) {
		length = json_is_integer(asked) ? json_integer_value(asked) : 0;
		if (length < least)
			return err_at(reterr, ERR_INVALID, "/max_length",
				      "max_length must be a whole number of at least %lld, the "
				      "number of special tokens",
				      (long long)least);
		if (length > (positions > 0 ? positions : INT32_MAX))
			return err_at(reterr, ERR_INVALID, "/max_length",
				      "max_length is %lld, but the model in %s has %lld positions",
				      (long long)length, model, (long long)positions);
	}
	j->max_length = (size_t)length;
	return 0;
}

static int init_padding(struct job *j, struct err *reterr)
{
	const json_t *dataset = json_object_get(j->w->spec, "dataset");
	const char *padding = json_get_str(j->w->spec, "padding", NULL), *field = "/padding";

	if (!padding && json_is_string(json_object_get(dataset, "padding"))) {
		padding = json_get_str(dataset, "padding", NULL);
		field = "/dataset/padding";
	}
	if (padding && !str_eq(padding, "none") && !str_eq(padding, "max_length"))
		return err_at(reterr, ERR_INVALID, field,
			      "padding must be 'none' or 'max_length', not '%s'", padding);
	j->pad = str_eq(padding, "max_length");
	if (j->pad && tokenizer_special(j->tokenizer)->pad < 0)
		return err_at(reterr, ERR_INVALID, field,
			      "the tokenizer has no padding token; set padding to 'none'");
	return 0;
}

static int init_job(struct job *j, struct err *reterr)
{
	const char *model = json_get_str(j->w->spec, "model", NULL);
	int r;

	if (!model)
		return err_at(reterr, ERR_INVALID, "/model",
			      "model must be a directory with a tokenizer");
	r = output_dir_open(j->w, &j->place, reterr);
	if (r >= 0)
		r = plan_init(&j->plan, j->w, reterr);
	if (r < 0)
		return r;
	r = tokenizer_load(model, &j->tokenizer, reterr);
	if (r < 0)
		return err_in(reterr, r, "/model");
	r = init_length(j, model, reterr);
	if (r >= 0)
		r = init_padding(j, reterr);
	if (r < 0)
		return r;
	j->train.chunk = chunk_new();
	j->test.chunk = chunk_new();
	if (!j->train.chunk || !j->test.chunk ||
	    encoder_init(&j->encoder, j->tokenizer, j->max_length, j->w->cpus) < 0)
		return err_errno(reterr, ENOMEM, "start preprocessing");
	return 0;
}

static int open_output(struct job *j, struct output *o, const char *split, struct err *reterr)
{
	const struct plan *p = &j->plan;
	struct writer_columns columns = {.text = p->columns.text,
					 .pair = p->columns.pair,
					 .type_ids = tokenizer_has_type_ids(j->tokenizer),
					 .label_names = p->labels.names.items,
					 .label_names_n = p->labels.names.n,
					 .kind = p->kind,
					 .classes = p->labels.classes,
					 .split = split};
	char dir[PATH_MAX];
	int r = output_dir_part(&j->place, split, dir, sizeof(dir), reterr);

	return r < 0 ? r : writer_open(dir, &columns, &o->writer, reterr);
}

static int write_chunk(struct job *j, struct output *o, struct err *reterr)
{
	const struct chunk *c = o->chunk;
	const char *bytes = buf_str(&c->bytes);

	for (size_t i = 0; i < c->n; i++) {
		const struct chunk_row *row = &c->rows[i];
		struct writer_row out = {.text = bytes + row->text,
					 .text_len = row->text_len,
					 .pair = row->has_pair ? bytes + row->pair : NULL,
					 .pair_len = row->pair_len,
					 .label = &row->label,
					 .ids = row->ids,
					 .type_ids = (const int8_t *)(row->ids + row->n),
					 .n = row->n,
					 .pad = j->pad ? j->max_length - row->n : 0,
					 .pad_id = tokenizer_special(j->tokenizer)->pad};
		int r = writer_add(o->writer, &out, reterr);

		if (r < 0)
			return r;
		j->tokens += (int64_t)row->n;
		j->truncated += row->truncated;
	}
	return 0;
}

static int finish_chunk(struct job *j, struct output *o, struct err *reterr)
{
	int r;

	if (*j->w->stop)
		return err_set(reterr, ERR_CANCELLED, "the job was stopped while it tokenised");
	if (encoder_run(&j->encoder, o->chunk) < 0)
		return err_errno(reterr, ENOMEM, "tokenise");
	r = write_chunk(j, o, reterr);
	if (r < 0)
		return r;
	o->rows += (int64_t)o->chunk->n;
	j->done += (int64_t)o->chunk->n;
	chunk_clear(o->chunk);
	if (j->done < j->total)
		report_progress(j->w->report, "tokenise", "rows", j->done, j->total);
	return 0;
}

static struct row_label label_of(const struct plan_source *ps, int64_t row)
{
	const struct label_sets *sets = &ps->sets;
	struct row_label label = {.id = ps->label[row]};

	if (ps->target)
		label.number = ps->target[row];
	if (sets->rows) {
		label.classes = sets->items + sets->starts[row];
		label.classes_n = (size_t)(sets->starts[row + 1] - sets->starts[row]);
	}
	return label;
}

static int stream_source(struct job *j, const struct plan_source *ps, struct err *reterr)
{
	OWN(source_closep) struct source *s = NULL;
	struct source_row row;
	int64_t i = 0;
	int r = source_open(ps->kind, ps->path, &ps->files, ps->field, &j->plan.columns, &s,
			    reterr);

	if (r < 0)
		return r;
	for (; (r = source_next(s, &row, reterr)) > 0; i++) {
		struct row_label label;
		struct output *o;

		if (i == ps->rows)
			break;
		if (ps->part[i] == SPLIT_NONE)
			continue;
		o = ps->part[i] == SPLIT_TRAIN ? &j->train : &j->test;
		label = label_of(ps, i);
		if (chunk_add(o->chunk, row.text, row.text_len, row.pair, row.pair_len, &label) < 0)
			return err_errno(reterr, ENOMEM, "read %s", ps->path);
		if (chunk_is_full(o->chunk))
			r = finish_chunk(j, o, reterr);
		if (r < 0)
			return r;
	}
	if (r >= 0 && (r > 0 || i != ps->rows))
		return err_set(reterr, ERR_CORRUPT,
			       "%s changed while it was read; run the job again", ps->path);
	return r;
}

static int finish_output(struct job *j, struct output *o, struct err *reterr)
{
	int r = o->chunk->n ? finish_chunk(j, o, reterr) : 0;

	return r < 0 ? r : writer_finish(o->writer, reterr);
}

static int tokenise(struct job *j, struct err *reterr)
{
	int r = open_output(j, &j->train, "train", reterr);

	if (r >= 0)
		r = open_output(j, &j->test, "test", reterr);
	j->total = j->plan.train_rows + j->plan.test_rows;
	j->started_us = clock_mono_us();
	report_progress(j->w->report, "tokenise", "rows", 0, j->total);
	for (size_t i = 0; i < j->plan.sources_n && r >= 0; i++)
		r = stream_source(j, &j->plan.sources[i], reterr);
	if (r >= 0)
		r = finish_output(j, &j->train, reterr);
	if (r >= 0)
		r = finish_output(j, &j->test, reterr);
	if (r >= 0)
		r = output_dir_publish(&j->place, "train", reterr);
	if (r >= 0)
		r = output_dir_publish(&j->place, "test", reterr);
	if (r < 0)
		return r;
	report_progress(j->w->report, "tokenise", "rows", j->total, j->total);
	report_progress(j->w->report, "write", "rows", j->total, j->total);
	return 0;
}

static void report_end(const struct job *j)
{
	const struct plan *p = &j->plan;
	double seconds = (double)(clock_mono_us() - j->started_us) / 1e6;
	json_t *values;

	if (p->invalid_utf8.rows)
		report_warning(
			j->w->report, "invalid_utf8",
			"%lld rows hold bytes that are not UTF-8, the first is row %lld of %s; "
			"each such sequence became U+FFFD, which the tokenizer drops. If the file "
			"has another encoding, such as Windows-1252, convert the file",
			(long long)p->invalid_utf8.rows, (long long)p->invalid_utf8.first,
			p->invalid_utf8.source->path);
	values = json_pack(
		"{sI sI sI sI sI sI sI sI so}", "train_rows", (json_int_t)j->train.rows,
		"test_rows", (json_int_t)j->test.rows, "tokens", (json_int_t)j->tokens, "labels",
		(json_int_t)p->labels.classes, "truncated_rows", (json_int_t)j->truncated,
		"invalid_utf8_rows", (json_int_t)p->invalid_utf8.rows, "rows_without_label",
		(json_int_t)p->unlabelled.rows, "rows_without_text", (json_int_t)p->empty.rows,
		"rows_per_second", json_number(seconds > 0 ? (double)j->total / seconds : 0));
	report_metric(j->w->report, 0, -1, json_copy(values)); /* of no step and no epoch */
	report_result(j->w->report, values);
}

static void say_delimiters(const struct plan *p)
{
	for (size_t i = 0; i < p->sources_n; i++) {
		char delimiter = p->sources[i].delimiter;

		if (delimiter)
			printf("%s: the header has the delimiter '%s'\n", p->sources[i].path,
			       delimiter == '\t' ? "tab" : (char[]){delimiter, '\0'});
	}
}

static void say_labels(const struct plan *p)
{
	const struct labels *l = &p->labels;

	if (p->kind == DATASET_NUMBERS) {
		puts("the labels are numbers, for regression");
		return;
	}
	printf("%zu classes%s%s", l->classes,
	       p->kind == DATASET_VECTORS ? ", of which several may apply to a row" : "",
	       l->names.n ? ": " : ", whole numbers from 0 without names");
	for (size_t i = 0; i < l->names.n && i < CLASSES_SHOWN; i++)
		printf("%s'%.*s'", i ? ", " : "", NAME_SHOWN, l->names.items[i]);
	puts(l->names.n > CLASSES_SHOWN ? ", ..." : "");
}

int preprocess_main(struct worker *w, struct err *reterr)
{
	OWN(job_done) struct job j = {.w = w};
	int r = init_job(&j, reterr);

	if (r >= 0)
		r = plan_scan(&j.plan, w, reterr);
	say_delimiters(&j.plan);
	if (r >= 0)
		r = tokenise(&j, reterr);
	if (r < 0)
		return r;
	report_end(&j);
	say_labels(&j.plan);
	printf("tokenised %lld training and %lld test rows, %lld tokens, at most %zu a row\n",
	       (long long)j.train.rows, (long long)j.test.rows, (long long)j.tokens, j.max_length);
	return 0;
}
