/* SPDX-License-Identifier: MIT */
/*
 * Builds the lists "fetch" and "push" from a job's spec: for a local job from its remote inputs and
 * outputs, for a SageMaker job from its local files.
 */
#include "daemon/execution/transfers.h"
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/sagemaker/sagemaker.h"
#include "jobs/s3_uri.h"

#include <string.h>

void transfer_plan_done(struct transfer_plan *s)
{
	json_decref(s->fetch);
	json_decref(s->push);
	json_decref(s->aws);
	json_decref(s->place);
}

/* ---- items ---- */

static bool is_local(const char *where)
{
	return where[0] == '/';
}

static json_t *add(json_t **list, const char *pointer, const char *from, const char *form)
{
	json_t *item = json_pack("{ss ss ss}", "pointer", pointer, "from", from, "form", form);

	if (!*list)
		*list = json_array();
	json_array_append_new(*list, item);
	return item;
}

static void copy_keys(json_t *item, const json_t *from, const char *const *keys)
{
	for (; *keys; keys++)
		if (json_object_get(from, *keys))
			json_object_set(item, *keys, json_object_get(from, *keys));
}

static const char *form_of(const char *uri)
{
	return str_ends(uri, ".tar.gz") ? "tar.gz" : s3_uri_is_prefix(uri) ? "tree" : "file";
}

/* ---- inputs of local jobs ---- */

/* Fetch as a directory: an archive is unpacked; a single object becomes the only file. */
static void fetch_directory(struct transfer_plan *s, const char *pointer, const char *uri)
{
	add(&s->fetch, pointer, uri, str_ends(uri, ".tar.gz") ? "tar.gz" : "tree");
}

static json_t *fetch_hub(struct transfer_plan *s, const char *pointer, const char *kind,
			 const char *id, const json_t *options)
{
	static const char *const keys[] = {"config", "revision", "split", "test_split", NULL};
	char from[SPEC_PATH_MAX + 32];
	json_t *item;

	str_must_format(from, sizeof(from), "hub:%s/%s", kind, id);
	item = add(&s->fetch, pointer, from, "tree");
	copy_keys(item, options, keys);
	return item;
}

static void fetch_dataset(struct transfer_plan *s, const json_t *dataset)
{
	static const char *const url_keys[] = {"sha256", NULL};
	static const char *const splits[] = {"train", "test"};
	const char *s3 = json_get_str(dataset, "s3", NULL);
	const char *url = json_get_str(dataset, "url", NULL);
	const char *hub = json_get_str(dataset, "hub", NULL);
	const char *labels = json_get_str(dataset, "labels", "");

	if (s3_uri_is(labels)) /* a model, for its class names */
		fetch_directory(s, "/dataset/labels", labels);
	if (s3)
		add(&s->fetch, "/dataset/path", s3, s3_uri_is_prefix(s3) ? "tree" : "file");
	if (url)
		copy_keys(add(&s->fetch, "/dataset/path", url, "file"), dataset, url_keys);
	if (hub)
		fetch_hub(s, "/dataset/path", "datasets", hub, dataset);
	for (size_t i = 0; i < ARRAY_LEN(splits); i++) {
		const char *path = json_get_str(json_object_get(dataset, splits[i]), "path", "");
		char pointer[64];

		str_must_format(pointer, sizeof(pointer), "/dataset/%s/path", splits[i]);
		if (s3_uri_is(path))
			add(&s->fetch, pointer, path, s3_uri_is_prefix(path) ? "tree" : "file");
	}
}

/* The model's location or its hub name; for the model of a training job, the result of the look-up.
 * "" if there is none. */
static int model_of(struct manager *mgr, const json_t *spec, char *ret, size_t size,
		    enum reason_code *ret_code, struct err *reterr)
{
	const json_t *model = json_object_get(spec, "model");
	const char *job = json_get_str(model, "training_job", NULL);
	const char *region = json_get_str(json_object_get(spec, "sagemaker"), "region", "");
	int r;

	if (!str_copy(ret, size, spec_model_name(spec))) {
		*ret_code = REASON_INVALID_INPUT;
		return err_set(reterr, ERR_LIMIT,
			       "the model's path has more than %d bytes: '%.64s…'", SPEC_PATH_MAX,
			       spec_model_name(spec));
	}
	if (!job)
		return 0;
	*ret_code = REASON_DATA_MISSING;
	r = sagemaker_artifact(mgr, job, region, ret, size, reterr);
	return r == 0 ? err_set(reterr, ERR_UNAVAILABLE,
				"the daemon has not looked up the training job '%s' yet", job)
		      : r;
}

static int fetch_model(struct manager *mgr, struct transfer_plan *s, const json_t *spec,
		       enum reason_code *ret_code, struct err *reterr)
{
	char model[SPEC_PATH_MAX + 1];
	int r = model_of(mgr, spec, model, sizeof(model), ret_code, reterr);

	if (r < 0 || !model[0] || is_local(model))
		return r < 0 ? r : 0;
	if (!s3_uri_is(model))
		fetch_hub(s, "/model", "models", model, json_object_get(spec, "model"));
	else
		fetch_directory(s, "/model", model);
	return 0;
}

static void fetch_channels(struct transfer_plan *s, const json_t *channels)
{
	const char *name;
	json_t *uri;

	json_object_foreach((json_t *)channels, name, uri) {
		char pointer[128];

		str_must_format(pointer, sizeof(pointer), "/channels/%s", name);
		if (s3_uri_is(json_string_value(uri)))
			fetch_directory(s, pointer, json_string_value(uri));
	}
}

static void encrypt(json_t *item, const json_t *spec)
{
	static const char *const keys[] = {"kms_key", NULL};

	copy_keys(item, json_object_get(spec, "sagemaker"), keys);
}

static void push_output(struct transfer_plan *s, const char *name, const char *from,
			const json_t *spec)
{
	const char *to = json_get_str(spec, "output", "");
	char pointer[64], uri[SPEC_PATH_MAX * 2];
	json_t *item;

	str_must_format(pointer, sizeof(pointer), "/outputs/%s", name);
	if (s3_uri_join(uri, sizeof(uri), to, name)) {
		size_t n = strlen(uri);

		if (n + 1 < sizeof(uri))
			memcpy(uri + n, "/", 2);
	}
	item = add(&s->push, pointer, from, "tree");
	json_object_set_new(item, "to", json_string(uri));
	encrypt(item, spec);
}

/* The source of an upload is in S3: fetch it to this machine first. So the same spec gives the same
 * objects wherever the previous job ran. Returns its path below work/. */
static const char *fetch_source(struct transfer_plan *s, const char *uri, char *buf, size_t size,
				bool *ret_dir)
{
	const char *form = form_of(uri);

	*ret_dir = !str_eq(form, "file");
	json_object_set_new(add(&s->fetch, "/source", uri, form), "to",
			    json_string(TRANSFER_SOURCE "/"));
	str_must_format(buf, size, TRANSFER_SOURCE "%s", *ret_dir ? "" : strrchr(uri, '/'));
	return buf;
}

static void plan_upload(struct transfer_plan *s, const json_t *spec)
{
	static const char *const keys[] = {"exclude", "if_exists", NULL};
	const char *source = json_get_str(spec, "source", "");
	const char *to = json_get_str(spec, "destination", "");
	bool dir = path_is_dir(AT_FDCWD, source);
	char here[SPEC_PATH_MAX + 16];
	json_t *item;

	if (s3_uri_is(source))
		source = fetch_source(s, source, here, sizeof(here), &dir);
	item = add(&s->push, "/outputs/uri", source,
		   !dir			     ? "file"
		   : str_ends(to, ".tar.gz") ? "tar.gz"
					     : "tree");
	json_object_set_new(item, "to", json_string(to));
	copy_keys(item, spec, keys);
	encrypt(item, spec);
}

static int plan_download(struct transfer_plan *s, const json_t *spec, struct err *reterr)
{
	static const char *const keys[] = {"exclude", NULL};
	const char *source = json_get_str(spec, "source", "");
	const char *to = json_get_str(spec, "destination", "output");
	json_t *item;

	if (is_local(source))
		return err_at(reterr, ERR_INVALID, "/source",
			      "%s is already on this machine; remove the download job and refer to "
			      "the path directly",
			      source);
	item = add(&s->fetch, "/outputs/path", source, form_of(source));
	json_object_set_new(item, "to", json_string(to));
	copy_keys(item, spec, keys);
	return 0;
}

static int transfers_local(struct manager *mgr, const struct job_row *job, const json_t *spec,
			   struct transfer_plan *s, enum reason_code *ret_code, struct err *reterr)
{
	const char *output = json_get_str(spec, "output", "");
	const char *data = json_get_str(spec, "data", "");

	if (job->kind == JOB_UPLOAD || job->kind == JOB_DOWNLOAD) {
		s->only = true;
		if (job->kind == JOB_DOWNLOAD)
			return plan_download(s, spec, reterr);
		plan_upload(s, spec);
		return 0;
	}
	fetch_dataset(s, json_object_get(spec, "dataset"));
	fetch_channels(s, json_object_get(spec, "channels"));
	if (s3_uri_is(data))
		fetch_directory(s, "/data", data);
	if (s3_uri_is(output) && job->kind == JOB_PREPROCESS) {
		push_output(s, "train", "output/train", spec);
		push_output(s, "test", "output/test", spec);
	} else if (s3_uri_is(output)) { /* train, script */
		push_output(s, "model", "model", spec);
		push_output(s, "output", "output", spec);
	}
	return fetch_model(mgr, s, spec, ret_code, reterr);
}

/* ---- local files of SageMaker jobs ---- */

static void push_to(struct transfer_plan *s, const struct sagemaker_location *at,
		    const char *pointer, const char *from, const char *name, const char *form,
		    const json_t *spec)
{
	char uri[SPEC_PATH_MAX];
	json_t *item = add(&s->push, pointer, from, form);

	str_must_format(uri, sizeof(uri), "s3://%s/%s%s", at->bucket, at->prefix, name);
	json_object_set_new(item, "to", json_string(uri));
	json_object_set_new(item, "region", json_string(at->region));
	if (at->default_bucket)
		json_object_set_new(item, "make_bucket", json_true());
	encrypt(item, spec);
}

static void push_channels(struct transfer_plan *s, const struct sagemaker_location *at,
			  const json_t *spec)
{
	const char *name;
	json_t *path;

	json_object_foreach(json_object_get(spec, "channels"), name, path) {
		char pointer[128], to[128];

		str_must_format(pointer, sizeof(pointer), "/channels/%s", name);
		str_must_format(to, sizeof(to), "channels/%s/", name);
		if (is_local(json_string_value(path)))
			push_to(s, at, pointer, json_string_value(path), to, "tree", spec);
	}
}

static void push_source(struct transfer_plan *s, const struct sagemaker_location *at,
			const json_t *spec)
{
	const char *dir = json_get_str(spec, "source_dir", NULL);

	s->container = !dir;
	push_to(s, at, "/source", dir ? dir : TRANSFER_CONTAINER, "source/sourcedir.tar.gz",
		"tar.gz", spec);
}

/* True if a hub model is fetched here and pushed to S3. A script needs its model in a channel, and
 * Trainyard's own train.py would take the newest revision of the hub. */
static bool hub_model_goes_through(const json_t *spec, const char *model)
{
	return model[0] && !is_local(model) && !s3_uri_is(model) &&
	       (json_object_get(spec, "entry_point") ||
		json_object_get(json_object_get(spec, "model"), "revision"));
}

static void push_hub_model(struct transfer_plan *s, const struct sagemaker_location *at,
			   const json_t *spec, const char *model)
{
	json_t *item = fetch_hub(s, "/hub", "models", model, json_object_get(spec, "model"));

	json_object_set_new(item, "to", json_string(TRANSFER_SOURCE));
	push_to(s, at, "/model", TRANSFER_SOURCE, "model/", "tree", spec);
}

/* Fetch only the parity sample from a model in S3. */
static void peek_parity(struct transfer_plan *s, const char *model)
{
	json_t *item = add(&s->fetch, "/parity", model, "peek");

	json_object_set_new(item, "members", json_pack("[s]", "parity.json"));
}

static int transfers_sagemaker(struct manager *mgr, const struct job_row *job, const json_t *spec,
			       struct transfer_plan *s, enum reason_code *ret_code,
			       struct err *reterr)
{
	bool deploy = job->kind == JOB_DEPLOY;
	char model[SPEC_PATH_MAX + 1];
	struct sagemaker_location at;
	int r = sagemaker_location_of(mgr, job, spec, &at, ret_code, reterr);

	s->only = true;
	if (r >= 0)
		r = model_of(mgr, spec, model, sizeof(model), ret_code, reterr);
	if (r < 0)
		return r;
	if (is_local(model))
		push_to(s, &at, "/model", model, deploy ? "model.tar.gz" : "model/",
			deploy ? "tar.gz" : "tree", spec);
	else if (deploy && s3_uri_is(model))
		peek_parity(s, model);
	else if (!deploy && hub_model_goes_through(spec, model))
		push_hub_model(s, &at, spec, model);
	if (!deploy) {
		push_channels(s, &at, spec);
		push_source(s, &at, spec);
	}
	s->aws = json_pack("{ss ss}", "region", at.region, "account", at.account);
	s->place = sagemaker_location_json(&at, model);
	return 0;
}

int transfer_plan_make(struct manager *mgr, const struct job_row *job, const json_t *spec,
		       struct transfer_plan *ret, enum reason_code *ret_code, struct err *reterr)
{
	const struct aws_settings *aws = &mgr->settings->aws;
	int r;

	*ret = (struct transfer_plan){0};
	*ret_code = REASON_INVALID_INPUT;
	r = sagemaker_runs(job) ? transfers_sagemaker(mgr, job, spec, ret, ret_code, reterr)
				: transfers_local(mgr, job, spec, ret, ret_code, reterr);
	if (r < 0)
		return r;
	if (!ret->aws)
		ret->aws = json_object();
	if (aws->region && aws->region[0] && !json_object_get(ret->aws, "region"))
		json_object_set_new(ret->aws, "region", json_string(aws->region));
	if (aws->profile && aws->profile[0])
		json_object_set_new(ret->aws, "profile", json_string(aws->profile));
	return 0;
}
