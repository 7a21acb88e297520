/* SPDX-License-Identifier: MIT */
/*
 * Builds HyperParameters. Each value is a text with JSON, exactly as json.dumps of the SDK writes
 * it, because the container's toolkit reads the value with json.loads. Trainyard's own values name
 * the program to run, as the SDK does. Pure.
 */
#include "base/own.h"
#include "base/percent.h"
#include "base/pytext.h"
#include "base/str.h"
#include "jobs/s3_uri.h"
#include "jobs/sagemaker/parts.h"

#include <ctype.h>
#include <string.h>

#define OWN_PREFIX "sagemaker_"
#define LOG_LEVEL  20		      /* Python's INFO */
#define TEXT_MAX   (64 * 1024 * 1024) /* checked before the limit of the service */

static void field_of(char field[ERR_FIELD_MAX], const char *key)
{
	str_must_copy(field, ERR_FIELD_MAX, "/hyperparameters");
	json_pointer_add(field, ERR_FIELD_MAX, key);
}

static void put_value(struct request *q, json_t *values, const char *key, const json_t *v)
{
	OWN(buf_done) struct buf text = BUF_INIT(TEXT_MAX);
	char field[ERR_FIELD_MAX];

	field_of(field, key);
	py_json(&text, v, PY_JSON_DUMPS);
	if (!buf_ok(&text))
		request_fail(q, -ENOMEM);
	else if (text.len > SAGEMAKER_VALUE_MAX)
		request_refuse(q, ERR_LIMIT, field,
			       "hyperparameter '%.80s' has %zu characters as JSON, and SageMaker "
			       "takes at most %d; put the value into a file of a channel",
			       key, text.len, SAGEMAKER_VALUE_MAX);
	request_set(q, values, key, json_string(buf_str(&text)));
}

static void put_own(struct request *q, json_t *values, const char *key, json_t *v)
{
	if (v)
		put_value(q, values, key, v);
	else
		request_fail(q, -ENOMEM);
	json_decref(v);
}

/* True if a shell leaves the text unchanged, as in Python's shlex.quote. */
static bool plain(const char *s)
{
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("_@%+=:,./-", *s))
			return false;
	return true;
}

/* True if the value survives the toolkit, which joins "--name value" with blanks and passes the
 * line to a shell without quotes. */
static bool survives_shell(const char *key, const json_t *v)
{
	const char *name;
	json_t *item;

	if (!plain(key))
		return false;
	if (json_is_string(v))
		return json_string_length(v) && plain(json_string_value(v));
	if (json_is_object(v)) { /* name=value,name=value */
		json_object_foreach((json_t *)v, name, item)
			if (!plain(name) ||
			    !(json_is_number(item) || json_is_boolean(item) ||
			      (json_is_string(item) && plain(json_string_value(item)))))
				return false;
		return json_object_size(v) > 0;
	}
	return !json_is_array(v) && !json_is_null(v);
}

/* {"a class": 2.0} as "a%20class=2.0", so that no shell changes it. NULL: out of memory. */
static json_t *weights_text(const json_t *by_name)
{
	OWN(buf_done) struct buf text = BUF_INIT(TEXT_MAX);
	const char *name;
	json_t *weight;

	json_object_foreach((json_t *)by_name, name, weight) {
		buf_printf(&text, "%s", text.len ? "," : "");
		if (percent_encode(&text, name, "") < 0)
			return NULL;
		buf_printf(&text, "=");
		py_json(&text, weight, PY_JSON_DUMPS);
	}
	return buf_ok(&text) ? json_string(buf_str(&text)) : NULL;
}

static void put_given(struct request *q, json_t *values, const json_t *spec, bool native)
{
	const char *key;
	json_t *value;

	json_object_foreach(json_object_get(spec, "hyperparameters"), key, value) {
		char field[ERR_FIELD_MAX];

		if (native && json_is_null(value))
			continue;
		if (native && str_eq(key, "class_weights") && json_is_object(value)) {
			put_own(q, values, key, weights_text(value));
			continue;
		}
		field_of(field, key);
		if (!*key || text_chars(key) > SAGEMAKER_VALUE_NAME_MAX || strpbrk(key, "\r\n"))
			request_refuse(q, ERR_INVALID, field,
				       "the name of a hyperparameter must have 1 to %d characters "
				       "and no line ends",
				       SAGEMAKER_VALUE_NAME_MAX);
		put_value(q, values, key, value);
		if (!survives_shell(key, value))
			request_warn(q,
				     "hyperparameter '%.80s': the container's toolkit passes the "
				     "value to a shell without quotes, which changes spaces, "
				     "quotes, brackets and $ & | ; * and drops an empty value; put "
				     "the value into 'environment' or a file",
				     key);
	}
}

static void refuse_ours(struct request *q, const json_t *values, const char *const *ours, size_t n)
{
	char field[ERR_FIELD_MAX];

	for (size_t i = 0; i < n; i++) {
		if (!json_object_get(values, ours[i]))
			continue;
		field_of(field, ours[i]);
		request_refuse(q, ERR_INVALID, field,
			       "'%s' is set by the daemon itself; remove it from hyperparameters",
			       ours[i]);
	}
}

void request_values(struct request *q, const struct sagemaker_training *t, const char *program,
		    int instance_count)
{
	static const char *const ours[] = {OWN_PREFIX "submit_directory", OWN_PREFIX "program",
					   OWN_PREFIX "container_log_level", OWN_PREFIX "job_name",
					   OWN_PREFIX "region"};
	const json_t *sagemaker = json_object_get(t->spec, "sagemaker");
	const char *hub = json_get_str(t->spec, "model", "");
	json_t *values = request_set(q, q->body, "HyperParameters", json_object());
	bool native = !json_get_str(t->spec, "entry_point", NULL);

	put_given(q, values, t->spec, native);
	refuse_ours(q, values, ours, ARRAY_LEN(ours));
	if (native && *hub && !s3_uri_is(hub))
		put_own(q, values, "model_name", json_string(hub));
	if (native && t->checkpoint_uri && t->checkpoint_path)
		put_own(q, values, "checkpoint_dir", json_string(t->checkpoint_path));
	if (t->source_uri) {
		put_own(q, values, ours[0], json_string(t->source_uri));
		put_own(q, values, ours[1], json_string(program));
	}
	put_own(q, values, ours[2], json_integer(LOG_LEVEL));
	put_own(q, values, ours[3], json_string(t->name));
	put_own(q, values, ours[4], json_string(t->region));
	if (instance_count > 1) {
		put_own(q, values, OWN_PREFIX "torch_distributed_enabled", json_true());
		put_own(q, values, OWN_PREFIX "instance_type",
			json_string(json_get_str(sagemaker, "instance_type", "")));
	}
	if (json_object_size(values) > SAGEMAKER_VALUES_MAX)
		request_refuse(q, ERR_LIMIT, "/hyperparameters",
			       "%zu hyperparameters are too many; use at most %d on SageMaker, "
			       "those that the container needs included",
			       json_object_size(values), SAGEMAKER_VALUES_MAX);
}
