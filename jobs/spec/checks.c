/* SPDX-License-Identifier: MIT */
/* Checks of single fields beyond type and range. The tables of fields refer to these functions.
 * Pure. */
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "jobs/log_metrics.h"
#include "jobs/spec/entry_point.h"
#include "jobs/spec/parse.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define VARIABLE_NAME_MAX 512
#define CHANNEL_NAME_MAX  64
#define VALUE_NAME_MAX	  256

/* Ignores case, because AWS compares tag names without case. */
static bool begins(const char *key, const char *prefix)
{
	return strncasecmp(key, prefix, strlen(prefix)) == 0;
}

void check_tags(struct spec_parse *p, const struct spec_field *f, const json_t *v)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)v, key, value) {
		if (!*key || strlen(key) > SPEC_TAG_NAME_MAX)
			spec_problem(p, PROBLEM_OUT_OF_RANGE,
				     "the name of a tag must have 1 to %d bytes, not %zu",
				     SPEC_TAG_NAME_MAX, strlen(key));
		else if (begins(key, "aws:") || begins(key, "trainyard:"))
			spec_problem(
				p, PROBLEM_INVALID,
				"tags that begin with '%.*s:' belong to %s; choose another name",
				(int)strcspn(key, ":"), key,
				begins(key, "trainyard:") ? "the daemon" : "AWS");
	}
}

/* True if the variable probably holds a secret. Plain numbers and yes/no words are no secrets. */
static bool looks_secret(const char *name, const char *value)
{
	static const char *const words[] = {"secret",  "token",	 "password",
					    "api_key", "apikey", "access_key"};
	double number;
	const char *at;

	if (!*value || str_to_double(value, &number) == 0 || strcasecmp(value, "true") == 0 ||
	    strcasecmp(value, "false") == 0)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		at = strcasestr(name, words[i]);
		if (at && strncasecmp(at, "tokenizer", strlen("tokenizer")) != 0)
			return true;
	}
	return false;
}

static bool variable_name_ok(const char *s)
{
	if (!isalpha((unsigned char)*s) && *s != '_')
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && *s != '_')
			return false;
	return true;
}

static bool is_one_of(const char *name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(name, names[i]))
			return true;
	return false;
}

/* True if the variable changes what a program loads or runs before its own first line. These are
 * glibc's list for secure execution (sysdeps/generic/unsecvars.h), hooks of CUDA, OpenMP and
 * OpenSSL, and AWS files, which may name a credential_process. */
static bool steers_programs(const char *name)
{
	static const char *const prefixes[] = {"LD_",	   "GLIBC_",	     "MALLOC_",
					       "OPENSSL_", "CUDA_INJECTION", "NVTX_INJECTION"};
	static const char *const names[] = {"GCONV_PATH",      "GETCONF_DIR",
					    "HOSTALIASES",     "LOCALDOMAIN",
					    "LOCPATH",	       "NIS_PATH",
					    "NLSPATH",	       "RESOLV_HOST_CONF",
					    "RES_OPTIONS",     "TMPDIR",
					    "TZDIR",	       "OMP_TOOL_LIBRARIES",
					    "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE",
					    "SSLKEYLOGFILE"};

	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
		if (str_starts(name, prefixes[i]))
			return true;
	return is_one_of(name, names, ARRAY_LEN(names));
}

/* True if the variable sets a proxy. Only the daemon's configuration may do that, because a url may
 * reach a private address only through that proxy (net/address.h). */
static bool names_proxy(const char *name)
{
	static const char *const names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
					    "ALL_PROXY",  "no_proxy",	 "NO_PROXY"};

	return is_one_of(name, names, ARRAY_LEN(names));
}

/* True if the variable selects the host that receives AWS keys or tokens. Only the daemon may
 * select it. */
static bool leads_keys(const char *name)
{
	return str_starts(name, "AWS_ENDPOINT_URL") || str_starts(name, "AWS_CONTAINER_") ||
	       str_starts(name, "AWS_EC2_METADATA_SERVICE_") || str_eq(name, "AWS_CA_BUNDLE");
}

/* True if the variable selects the devices of a program. Only the slot may select them. */
static bool names_devices(const char *name)
{
	return str_eq(name, "CUDA_VISIBLE_DEVICES") || str_eq(name, "CUDA_DEVICE_ORDER");
}

static bool runs_script(const struct spec_parse *p)
{
	return p->modes & (SPEC_MODE(JOB_SCRIPT) | SPEC_TRAIN_SCRIPT);
}

static void refuse_reference(struct spec_parse *p, const char *value)
{
	char quote[PROBLEM_QUOTE_MAX];
	struct spec_ref ref;

	if (spec_ref_split(value, &ref) == 0)
		spec_problem(p, PROBLEM_INVALID,
			     "'%s' is not replaced here: references work only in fields for paths "
			     "and endpoints; name the directory as a channel instead",
			     problem_quote(quote, value));
}

void check_environment(struct spec_parse *p, const struct spec_field *f, const json_t *v)
{
	char quote[PROBLEM_QUOTE_MAX];
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)v, key, value) {
		const char *text = json_string_value(value);
		size_t mark = spec_enter(p, key);

		problem_quote(quote, key);
		if (!variable_name_ok(key) || strlen(key) > VARIABLE_NAME_MAX)
			spec_problem(p, PROBLEM_INVALID,
				     "'%s' is not the name of a variable; use letters, digits and "
				     "'_', at most %d, not beginning with a digit",
				     quote, VARIABLE_NAME_MAX);
		else if (str_starts(key, "TRAINYARD_"))
			spec_problem(p, PROBLEM_INVALID,
				     "'%s' is set by the daemon itself; choose a name that does "
				     "not begin with TRAINYARD_",
				     quote);
		else if (steers_programs(key) && !runs_script(p))
			spec_problem(p, PROBLEM_INVALID,
				     "'%s' changes how a program loads, and this job runs a "
				     "program of Trainyard; remove the variable, or run a script",
				     quote);
		else if ((names_proxy(key) || leads_keys(key)) && !runs_script(p))
			spec_problem(
				p, PROBLEM_INVALID,
				"'%s' is set by the daemon itself, and this job runs a program of "
				"Trainyard; remove the variable, or set it where the daemon starts",
				quote);
		else if (names_devices(key) && !runs_script(p))
			spec_problem(p, PROBLEM_INVALID,
				     "'%s' is set by the daemon itself; choose devices with "
				     "local.devices",
				     quote);
		else if (looks_secret(key, text))
			spec_problem(p, PROBLEM_INVALID,
				     "'%s' looks like a secret, and specs are stored and shown as "
				     "they are; remove it, and let the script read the secret from "
				     "a file that only its user may read",
				     quote);
		else
			refuse_reference(p, text);
		spec_leave(p, mark);
	}
}

/* Refuse names that differ in case alone: a script finds both channels in the one variable
 * SM_CHANNEL_NAME, in upper case, and one would be lost. */
static void check_channel_variables(struct spec_parse *p, const json_t *channels)
{
	char quote[PROBLEM_QUOTE_MAX], other_quote[PROBLEM_QUOTE_MAX];
	const char *key, *other;
	json_t *value, *other_value;

	json_object_foreach((json_t *)channels, key, value)
		json_object_foreach((json_t *)channels, other, other_value)
			if (strcmp(key, other) < 0 && strcasecmp(key, other) == 0)
				spec_problem(p, PROBLEM_DUPLICATE,
					     "the channels '%s' and '%s' have one variable "
					     "SM_CHANNEL_…, which is in upper case; rename one",
					     problem_quote(quote, key),
					     problem_quote(other_quote, other));
}

void check_channels(struct spec_parse *p, const struct spec_field *f, const json_t *v)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	char quote[PROBLEM_QUOTE_MAX];
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)v, key, value)
		if (!isalnum((unsigned char)*key) || key[strspn(key, allowed)] ||
		    strlen(key) > CHANNEL_NAME_MAX)
			spec_problem(p, PROBLEM_INVALID,
				     "'%s' is not the name of a channel; use at most %d letters, "
				     "digits, '_', '.' and '-'",
				     problem_quote(quote, key), CHANNEL_NAME_MAX);
	check_channel_variables(p, v);
}

void check_hyperparameters(struct spec_parse *p, const struct spec_field *f, const json_t *v)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)v, key, value) {
		size_t mark = spec_enter(p, key);

		if (!*key || strlen(key) > VALUE_NAME_MAX)
			spec_problem(
				p, PROBLEM_OUT_OF_RANGE,
				"the name of a hyperparameter must have 1 to %d bytes, not %zu",
				VALUE_NAME_MAX, strlen(key));
		if (json_is_string(value))
			refuse_reference(p, json_string_value(value));
		spec_leave(p, mark);
	}
}

static bool is_pair(const json_t *v)
{
	return json_array_size(v) == 2 && json_is_string(json_array_get(v, 0)) &&
	       json_is_string(json_array_get(v, 1));
}

void check_inputs(struct spec_parse *p, const struct spec_field *f, const json_t *v)
{
	size_t n = json_array_size(v);

	if (json_is_string(v))
		return;
	if (!json_is_array(v)) {
		spec_problem(p, PROBLEM_WRONG_TYPE,
			     "'inputs' must be a text, a list of texts or a list of pairs of "
			     "texts, not %s",
			     json_type_name(v));
		return;
	}
	if (n == 0)
		spec_problem(p, PROBLEM_MISSING, "'inputs' is empty; give at least one text");
	if (n > SPEC_INPUTS_MAX) {
		spec_problem(p, PROBLEM_TOO_MANY,
			     "'inputs' has %zu entries; split them into jobs of at most %d", n,
			     SPEC_INPUTS_MAX);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		const json_t *one = json_array_get(v, i);
		size_t mark = spec_enter_index(p, i);

		if (!json_is_string(one) && !is_pair(one))
			spec_problem(p, PROBLEM_WRONG_TYPE,
				     "an input must be a text or a pair of texts, not %s",
				     json_is_array(one) ? "another list" : json_type_name(one));
		else if (json_typeof(one) != json_typeof(json_array_get(v, 0)))
			spec_problem(p, PROBLEM_WRONG_TYPE,
				     "'inputs' mixes texts and pairs; send them in two jobs");
		spec_leave(p, mark);
	}
}

void check_regex(struct spec_parse *p, const struct spec_field *f, const json_t *v)
{
	struct err e;

	if (log_metrics_check(json_string_value(v), &e) < 0)
		spec_problem(p, PROBLEM_INVALID, "%s", e.msg);
}

void check_reason(struct spec_parse *p, const struct spec_field *f, const json_t *v)
{
	const char *s = json_string_value(v), *names[REASONS_], *near;
	char quote[PROBLEM_QUOTE_MAX];
	enum reason_code code;
	size_t n = 0;

	if (reason_code_parse(s, &code) == 0 && reason_may_be_named(code))
		return;
	for (int i = 0; i < REASONS_; i++)
		if (reason_may_be_named((enum reason_code)i))
			names[n++] = reason_code_str((enum reason_code)i);
	near = str_nearest(s, names, n);
	spec_problem(p, PROBLEM_INVALID, "'%s' is not a reason to retry; %s '%s'%s",
		     problem_quote(quote, s), near ? "did you mean" : "use one such as",
		     near ? near : "host_lost", near ? "?" : "");
}

void check_instance_type(struct spec_parse *p, const struct spec_field *f, const json_t *v)
{
	char quote[PROBLEM_QUOTE_MAX];
	const char *s = json_string_value(v);

	if (!str_starts(s, "ml.") || strchr(s, ' '))
		spec_problem(
			p, PROBLEM_INVALID,
			"'%s' is not a SageMaker instance type; write one such as ml.g5.xlarge",
			problem_quote(quote, s));
}

void check_entry_point(struct spec_parse *p, const struct spec_field *f, const json_t *v)
{
	const char *s = json_string_value(v), *problem = entry_point_problem(s);
	char quote[PROBLEM_QUOTE_MAX];

	if (problem)
		spec_problem(p, PROBLEM_INVALID, "'%s' %s", problem_quote(quote, s), problem);
}
