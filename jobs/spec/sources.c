/* SPDX-License-Identifier: MIT */
/* Rules over several fields about data sources and result locations, and the outputs whose location
 * the spec itself names. */
#include "base/own.h"
#include "base/str.h"
#include "jobs/s3_uri.h"
#include "jobs/spec/parse.h"

#include <stdio.h>
#include <string.h>

#define CHECKPOINTS "/opt/ml/checkpoints"

static const char *const sources[] = {"path", "s3", "url", "hub"};

/* Refuse a field that chooses among the files of a folder or repository, beside other sources. */
static void needs_tree(struct spec_parse *p, const json_t *d, const char *field)
{
	if (json_object_get(d, field) && (json_object_get(d, "train") || json_object_get(d, "url")))
		spec_problem(p, PROBLEM_INVALID,
			     "'%s' works with 'path', 's3' or 'hub' only; remove it", field);
}

/* Refuse fields that belong to another source than the given one. */
static void check_companions(struct spec_parse *p, const json_t *d)
{
	static const struct {
		const char *field, *source;
	} companions[] = {{"sha256", "url"}, {"revision", "hub"}, {"split", "hub"}};

	for (size_t i = 0; i < ARRAY_LEN(companions); i++) {
		size_t mark = spec_enter(p, companions[i].field);

		if (json_object_get(d, companions[i].field) &&
		    !json_object_get(d, companions[i].source))
			spec_problem(p, PROBLEM_INVALID,
				     "'%s' belongs to '%s', which is missing; add that field or "
				     "remove this one",
				     companions[i].field, companions[i].source);
		spec_leave(p, mark);
	}
	if (json_object_get(d, "hub") &&
	    (json_object_get(d, "delimiter") || json_object_get(d, "quoting")))
		spec_problem(p, PROBLEM_INVALID,
			     "'delimiter' and 'quoting' are for CSV files only; remove them, "
			     "because data sets of the hub are Parquet");
	needs_tree(p, d, "config");
	if (json_object_get(d, "test_split") && json_object_get(d, "split"))
		spec_problem(p, PROBLEM_INVALID,
			     "'split' takes one split and divides it in two; remove 'test_split'");
	if (str_eq(json_get_str(d, "test_split", ""), "train"))
		spec_problem(p, PROBLEM_INVALID,
			     "'test_split' is 'train', which is the split to train on; name "
			     "another one");
	needs_tree(p, d, "test_split");
	if (json_object_get(d, "url") && !json_object_get(d, "sha256"))
		spec_problem(p, PROBLEM_MISSING,
			     "'url' needs 'sha256', the checksum of the file, so that a retry "
			     "trains on the same rows; add it");
}

/* A dataset is one source that is split, or two files. Both at once, half of a pair, or two sources
 * are refused. */
void spec_rule_dataset(struct spec_parse *p, json_t *spec)
{
	json_t *d = json_object_get(spec, "dataset");
	bool train = json_object_get(d, "train"), test = json_object_get(d, "test");
	const char *text = json_get_str(d, "text_column", ""),
		   *label = json_get_str(d, "label_column", ""), *first = NULL, *second = NULL;
	char quote[PROBLEM_QUOTE_MAX];
	size_t mark = spec_enter(p, "dataset");

	for (size_t i = 0; i < ARRAY_LEN(sources); i++)
		if (json_object_get(d, sources[i]))
			*(first ? &second : &first) = sources[i];
	if (second)
		spec_problem(p, PROBLEM_INVALID,
			     "'dataset' has both '%s' and '%s'; give one source", first, second);
	else if (first && (train || test))
		spec_problem(p, PROBLEM_INVALID,
			     "'dataset' has '%s' and also 'train' or 'test'; give one source to "
			     "split, or one file for each split",
			     first);
	else if (d && !first && !(train && test) &&
		 (train || test || p->found == p->found_before_job))
		spec_problem(p, PROBLEM_MISSING,
			     "'dataset' names no data; give 'path', 's3', 'url' or 'hub', or both "
			     "'train' and 'test'");
	else if (d && p->found == p->found_before_job)
		check_companions(p, d);
	if (d && !json_object_get(d, "on_bad_row"))
		spec_set(p, d, "on_bad_row",
			 json_string(json_object_get(d, "hub") ? "skip" : "refuse"));
	if (str_eq(json_get_str(d, "problem_type", ""), "regression") &&
	    json_object_get(d, "labels"))
		spec_problem(p, PROBLEM_INVALID,
			     "'labels' names classes, which 'problem_type' regression has not; "
			     "remove one of them");
	if (str_eq(json_get_str(d, "problem_type", ""), "multi_label_classification") &&
	    json_object_get(d, "no_label"))
		spec_problem(p, PROBLEM_INVALID,
			     "'no_label' is for one class a row, and 'problem_type' is "
			     "multi_label_classification; remove one of them (an empty list means "
			     "that no class applies)");
	if (d && str_eq(text, label))
		spec_problem(p, PROBLEM_INVALID,
			     "'text_column' and 'label_column' are both '%s'; name two columns",
			     problem_quote(quote, text));
	spec_leave(p, mark);
}

/* `output` is a folder, with or without a '/' at its end, because names are appended to it. */
void spec_rule_output(struct spec_parse *p, json_t *spec)
{
	const char *output = json_get_str(spec, "output", NULL);
	char prefix[SPEC_PATH_MAX + 2];
	size_t mark = spec_enter(p, "output");

	if (s3_uri_is(output ? output : "")) {
		if (str_ends(output, "/") ? !str_copy(prefix, sizeof(prefix), output)
					  : !s3_uri_join(prefix, sizeof(prefix), output, ""))
			spec_problem(p, PROBLEM_OUT_OF_RANGE, "'output' is too long; shorten it");
		spec_set(p, spec, "output", json_string(prefix));
	}
	spec_leave(p, mark);
}

static void check_keep_last(struct spec_parse *p, const struct job_spec *job)
{
	size_t mark = spec_enter(p, "keep_last");

	if (!json_object_get(json_object_get(job->spec, "checkpoint"), "keep_last"))
		; /* all checkpoints stay */
	else if (!json_object_get(job->spec, "entry_point"))
		spec_problem(
			p, PROBLEM_UNSUPPORTED,
			"'keep_last' is for scripts only; remove it: native training keeps its "
			"newest two checkpoints, and none after a success (see keep_checkpoints)");
	else if (job->target == TARGET_SAGEMAKER)
		spec_problem(p, PROBLEM_UNSUPPORTED,
			     "'keep_last' works on this machine only, because on SageMaker all "
			     "checkpoints stay in S3; remove it, and let the script keep few "
			     "(save_total_limit) or give the prefix a lifecycle rule");
	spec_leave(p, mark);
}

/* On this machine the checkpoints of a job belong to its attempts; a script writes them to
 * CHECKPOINTS. */
void spec_rule_checkpoint(struct spec_parse *p, const struct job_spec *job)
{
	const json_t *checkpoint = json_object_get(job->spec, "checkpoint");
	const char *path = json_get_str(checkpoint, "path", CHECKPOINTS);
	size_t mark = spec_enter(p, "checkpoint"), inner;

	inner = spec_enter(p, "s3");
	if (json_object_get(checkpoint, "s3") && job->target == TARGET_LOCAL)
		spec_problem(p, PROBLEM_UNSUPPORTED,
			     "'checkpoint.s3' works on SageMaker only; remove it: on this machine "
			     "the next attempt finds the checkpoints of the one before");
	spec_leave(p, inner);
	inner = spec_enter(p, "path");
	if (job->target == TARGET_LOCAL && json_object_get(job->spec, "entry_point") &&
	    !str_eq(path, CHECKPOINTS) && !str_eq(path, CHECKPOINTS "/"))
		spec_problem(p, PROBLEM_UNSUPPORTED,
			     "on this machine the checkpoints of a script are those in " CHECKPOINTS
			     "; let the script write them there and remove 'path'");
	else if (job->target == TARGET_LOCAL && json_object_get(checkpoint, "path") &&
		 !json_object_get(job->spec, "entry_point"))
		spec_warning(p, "'path' is ignored on this machine: native training keeps its "
				"checkpoints with its attempts, and the next attempt finds them");
	spec_leave(p, inner);
	check_keep_last(p, job);
	spec_leave(p, mark);
}

static bool below(char *buf, size_t size, const char *dir, const char *name)
{
	bool slash = str_ends(dir, "/"), s3 = s3_uri_is(dir);
	int n = snprintf(buf, size, "%s%s%s%s", dir, slash ? "" : "/", name, s3 ? "/" : "");

	return n >= 0 && (size_t)n < size;
}

bool spec_output_place(const json_t *spec, const char *output, char *buf, size_t size)
{
	const char *dir = json_get_str(spec, "output", NULL), *place = NULL;
	enum job_kind kind;

	if (job_kind_parse(json_get_str(spec, "kind", ""), &kind) < 0)
		return false;
	if (kind == JOB_PREPROCESS)
		return dir && (str_eq(output, "train") || str_eq(output, "test")) &&
		       below(buf, size, dir, output);
	if ((kind == JOB_TRAIN || kind == JOB_SCRIPT) && dir &&
	    (str_eq(output, "model") || str_eq(output, "output")))
		return below(buf, size, dir, output);
	if (kind == JOB_DOWNLOAD && str_eq(output, "path"))
		place = json_get_str(spec, "destination", NULL);
	if (kind == JOB_DOWNLOAD && str_eq(output, "uri"))
		place = json_get_str(spec, "source", NULL);
	if (kind == JOB_UPLOAD && str_eq(output, "path"))
		place = json_get_str(spec, "source", NULL);
	return place && str_copy(buf, size, place);
}

const char *spec_model_name(const json_t *spec)
{
	const json_t *model = json_object_get(spec, "model");
	const char *job = json_get_str(model, "training_job", NULL);

	if (json_is_string(model))
		return json_string_value(model);
	return job ? job : json_get_str(model, "hub", "");
}
