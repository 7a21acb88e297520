/* SPDX-License-Identifier: MIT */
/*
 * Makes each JSON file, argument and SM_* variable from the values of the contract, in the form
 * that Python writes.
 */
#include "worker/script/contract.h"

#include "base/fileio.h"
#include "base/own.h"
#include "base/pytext.h"
#include "base/str.h"

#include <ctype.h>
#include <limits.h>
#include <string.h>

#define LOG_LEVEL_INFO_PY 20 /* logging.INFO */
#define INSTANCE_GROUP	  "homogeneousCluster"
#define INSTANCE_TYPE	  "local"
#define PREFIX		  "sagemaker_"

/* Parameters for the toolkit itself, hidden from the script. */
static const char *const service_keys[] = {
	"sagemaker_program",
	"sagemaker_submit_directory",
	"sagemaker_enable_cloudwatch_metrics",
	"sagemaker_region",
	"sagemaker_container_log_level",
	"sagemaker_job_name",
	"sagemaker_s3_output",
	"default_user_module_name",
	"_tuning_objective_metric",
};

static bool is_service_key(const char *key)
{
	for (size_t i = 0; i < ARRAY_LEN(service_keys); i++)
		if (str_eq(service_keys[i], key))
			return true;
	return false;
}

/* Select the hyperparameters for the script, or those for the framework. */
static json_t *select_hps(const struct contract *c, bool for_script)
{
	json_t *out = json_object(), *value;
	const char *key;

	json_object_foreach((json_t *)c->hyperparameters, key, value) {
		bool service = is_service_key(key);
		bool framework = !service && str_starts(key, PREFIX);

		if (for_script ? !service && !framework : framework)
			json_object_set(out, key, value);
	}
	return out;
}

static json_t *path_json(const struct contract *c, const char *rest)
{
	char path[PATH_MAX];

	return path_join(path, sizeof(path), c->base, rest) ? json_string(path) : NULL;
}

/* A JSON text with Python's form of the value. NULL: it does not fit. */
static json_t *dumped(const json_t *value, enum py_json_style style)
{
	OWN(buf_done) struct buf out = BUF_INIT(CONTRACT_VALUE_MAX);

	py_json(&out, value, style);
	return buf_ok(&out) ? json_string(buf_str(&out)) : NULL;
}

static int set_dumped(json_t *obj, const char *key, json_t *value)
{
	OWN(json_decrefp) json_t *owned = value;

	return owned ? json_object_set_new(obj, key, dumped(owned, PY_JSON_DEFAULT)) : -1;
}

json_t *contract_hyperparameters_json(const struct contract *c)
{
	OWN(json_decrefp) json_t *out = json_object();
	json_t *value;
	const char *key;
	int r = 0;

	json_object_foreach((json_t *)c->hyperparameters, key, value)
		r |= json_object_set_new(out, key, dumped(value, PY_JSON_DEFAULT));
	r |= set_dumped(out, "sagemaker_program", json_string(c->entry_point));
	r |= set_dumped(out, "sagemaker_submit_directory", path_json(c, "code"));
	r |= set_dumped(out, "sagemaker_container_log_level", json_integer(LOG_LEVEL_INFO_PY));
	r |= set_dumped(out, "sagemaker_job_name", json_string(c->job));
	if (*c->region)
		r |= set_dumped(out, "sagemaker_region", json_string(c->region));
	return r ? NULL : TAKE(out);
}

json_t *contract_input_data_json(const struct contract *c)
{
	OWN(json_decrefp) json_t *out = json_object();
	json_t *value;
	const char *key;
	int r = 0;

	json_object_foreach((json_t *)c->channels, key, value)
		r |= json_object_set_new(out, key,
					 json_pack("{ss ss ss}", "TrainingInputMode", "File",
						   "S3DistributionType", "FullyReplicated",
						   "RecordWrapperType", "None"));
	return r ? NULL : TAKE(out);
}

static json_t *instance_group(void)
{
	return json_pack("{ss ss s[s]}", "instance_group_name", INSTANCE_GROUP, "instance_type",
			 INSTANCE_TYPE, "hosts", CONTRACT_HOST);
}

json_t *contract_resource_json(const struct contract *c)
{
	return json_pack("{ss ss ss s[s] s[o] ss}", "current_host", CONTRACT_HOST,
			 "current_instance_type", INSTANCE_TYPE, "current_group_name",
			 INSTANCE_GROUP, "hosts", CONTRACT_HOST, "instance_groups",
			 instance_group(), "network_interface_name", "eth0");
}

/* Write an argument like to_cmd_args: null is "", an object is k=v,k2=v2 with sorted keys, any
 * other value is str(). */
static void arg_value(struct buf *out, const json_t *value)
{
	OWN(freep) const char **keys = NULL;
	size_t n = 0;

	if (json_is_null(value))
		return;
	if (!json_is_object(value)) {
		py_str(out, value);
		return;
	}
	keys = py_sorted_keys(value, &n);
	for (size_t i = 0; i < n; i++) {
		buf_printf(out, "%s%s=", i ? "," : "", keys[i]);
		py_str(out, json_object_get(value, keys[i]));
	}
}

/* A name of one code point gets one dash. */
static const char *dashes(const char *key)
{
	size_t points = 0;

	for (const char *p = key; *p; p++)
		points += ((unsigned char)*p & 0xc0) != 0x80;
	return points > 1 ? "--" : points ? "-" : "";
}

static int arg_add_pair(json_t *args, const char *key, const json_t *value)
{
	OWN(buf_done) struct buf name = BUF_INIT(CONTRACT_VALUE_MAX);
	OWN(buf_done) struct buf text = BUF_INIT(CONTRACT_VALUE_MAX);

	buf_printf(&name, "%s%s", dashes(key), key);
	arg_value(&text, value);
	if (!buf_ok(&name) || !buf_ok(&text))
		return -1;
	return json_array_append_new(args, json_string(buf_str(&name))) |
	       json_array_append_new(args, json_string(buf_str(&text)));
}

json_t *contract_args(const struct contract *c)
{
	OWN(json_decrefp) json_t *hps = select_hps(c, true);
	OWN(json_decrefp) json_t *args = json_array();
	OWN(freep) const char **keys = NULL;
	size_t n = 0;
	int r = 0;

	keys = py_sorted_keys(hps, &n);
	for (size_t i = 0; i < n; i++)
		r |= arg_add_pair(args, keys[i], json_object_get(hps, keys[i]));
	return r || !keys ? NULL : TAKE(args);
}

/* Make {"train": "/opt/ml/input/data/train"}. */
static json_t *channel_dirs(const struct contract *c)
{
	json_t *out = json_object(), *value;
	const char *key;

	json_object_foreach((json_t *)c->channels, key, value) {
		char rest[PATH_MAX];

		str_must_format(rest, sizeof(rest), "input/data/%s", key);
		json_object_set_new(out, key, path_json(c, rest));
	}
	return out;
}

/* The toolkit's module name: the entry point without ".py". */
static json_t *module_name(const struct contract *c)
{
	size_t n = strlen(c->entry_point);

	return json_stringn(c->entry_point, str_ends(c->entry_point, ".py") ? n - 3 : n);
}

/* The part that SM_TRAINING_ENV and the SM_* variables share. */
static json_t *common(const struct contract *c)
{
	return json_pack(
		"{ss s[s] ss s[s] s[s] s{so} s[] sb so so so so so so so so so ss so si si "
		"si si sn ss}",
		"current_host", CONTRACT_HOST, "hosts", CONTRACT_HOST, "current_instance_group",
		INSTANCE_GROUP, "current_instance_group_hosts", CONTRACT_HOST, "instance_groups",
		INSTANCE_GROUP, "instance_groups_dict", INSTANCE_GROUP, instance_group(),
		"distribution_instance_groups", "is_hetero", 0, "input_dir", path_json(c, "input"),
		"input_config_dir", path_json(c, "input/config"), "input_data_config",
		contract_input_data_json(c), "model_dir", path_json(c, "model"), "module_dir",
		path_json(c, "code"), "output_dir", path_json(c, "output"), "output_data_dir",
		path_json(c, "output/data"), "output_intermediate_dir",
		path_json(c, "output/intermediate"), "module_name", module_name(c),
		"current_instance_type", INSTANCE_TYPE, "resource_config",
		contract_resource_json(c), "log_level", LOG_LEVEL_INFO_PY, "num_cpus", c->cpus,
		"num_gpus", c->gpus, "num_neurons", 0, "framework_module", "user_entry_point",
		c->entry_point);
}

static json_t *training_env(const struct contract *c)
{
	OWN(json_decrefp) json_t *out = common(c);
	json_t *rest = json_pack(
		"{so so so s[] sb sn sb sb ss ss ss s[]}", "additional_framework_parameters",
		select_hps(c, false), "hyperparameters", select_hps(c, true), "channel_input_dirs",
		channel_dirs(c), "distribution_hosts", "is_master", 1, "is_modelparallel_enabled",
		"is_smddpmprun_installed", 0, "is_smddprun_installed", 0, "job_name", c->job,
		"master_hostname", CONTRACT_HOST, "network_interface_name", "eth0", "topology");
	int r = out && rest ? json_object_update(out, rest) : -1;

	json_decref(rest);
	return r ? NULL : TAKE(out);
}

/* Set "SM_" and the name in upper case. Takes over `value`. */
static int env_set(json_t *env, const char *prefix, const char *name, json_t *value)
{
	OWN(json_decrefp) json_t *owned = value;
	OWN(buf_done) struct buf key = BUF_INIT(CONTRACT_VALUE_MAX);

	buf_puts(&key, prefix);
	for (const char *p = name; *p; p++)
		buf_printf(&key, "%c", toupper((unsigned char)*p));
	if (!owned || !buf_ok(&key))
		return -1;
	if (json_is_null(owned))
		return json_object_set_new(env, buf_str(&key), json_string(""));
	if (json_is_string(owned))
		return json_object_set(env, buf_str(&key), owned);
	return json_object_set_new(env, buf_str(&key), dumped(owned, PY_JSON_COMPACT));
}

static int env_set_all(json_t *env, const char *prefix, json_t *values)
{
	OWN(json_decrefp) json_t *owned = values;
	json_t *value;
	const char *key;
	int r = owned ? 0 : -1;

	json_object_foreach(owned, key, value)
		r |= env_set(env, prefix, key, json_incref(value));
	return r;
}

static json_t *channel_names(const struct contract *c)
{
	OWN(freep) const char **keys = NULL;
	json_t *out = json_array();
	size_t n = 0;

	keys = py_sorted_keys(c->channels, &n);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(out, json_string(keys[i]));
	return out;
}

json_t *contract_env(const struct contract *c)
{
	OWN(json_decrefp) json_t *env = json_object();
	int r = env_set_all(env, "SM_", common(c));

	r |= env_set(env, "SM_", "hps", select_hps(c, true));
	r |= env_set(env, "SM_", "framework_params", select_hps(c, false));
	r |= env_set(env, "SM_", "network_interface_name", json_string("eth0"));
	r |= env_set(env, "SM_", "channels", channel_names(c));
	r |= env_set(env, "SM_", "training_env", training_env(c));
	r |= env_set(env, "SM_", "user_args", contract_args(c));
	r |= env_set_all(env, "SM_CHANNEL_", channel_dirs(c));
	r |= env_set_all(env, "SM_HP_", select_hps(c, true));
	r |= env_set(env, "", "SAGEMAKER_JOB_NAME", json_string(c->job));
	r |= env_set(env, "", "TRAINING_JOB_NAME", json_string(c->job));
	r |= env_set(env, "", "SAGEMAKER_REGION", json_string(c->region));
	r |= env_set(env, "", "CURRENT_HOST", json_string(CONTRACT_HOST));
	return r ? NULL : TAKE(env);
}
