/* SPDX-License-Identifier: MIT */
/*
 * One function for each part that several requests share. Each checks its texts against the
 * service's limits and writes its member.
 */
#include "jobs/sagemaker/parts.h"

#include "base/clock.h"
#include "base/own.h"
#include "base/str.h"
#include "jobs/s3_uri.h"
#include "jobs/sagemaker/resource.h"

#include <ctype.h>
#include <string.h>

#define ROLE_MIN      20
#define ROLE_MAX      2048
#define ACCOUNT_LEN   12
#define KMS_MAX	      2048
#define TAG_KEY_MAX   128
#define TAG_VALUE_MAX 256
#define VARIABLE_MAX  512 /* characters of a variable's name */
#define FAMILY_LEN    24
#define VERSION_WORD  "transformers"

static bool only(const char *s, const char *more)
{
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr(more, *s))
			return false;
	return true;
}

size_t text_chars(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

void request_check_name(struct request *q, const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > RESOURCE_NAME_MAX)
		request_refuse(q, ERR_INVALID, "/name",
			       "the name '%.80s' has %zu characters; use 1 to %d on SageMaker",
			       name, len, RESOURCE_NAME_MAX);
	else if (!only(name, "-") || *name == '-' || name[len - 1] == '-')
		request_refuse(q, ERR_INVALID, "/name",
			       "'%s' is not a valid name on SageMaker; use letters, digits, and "
			       "hyphens between them",
			       name);
}

void request_name(struct request *q, const char *key, const char *name)
{
	request_check_name(q, name);
	request_set(q, q->body, key, json_string(name));
}

void request_check_uri(struct request *q, const char *uri, const char *field)
{
	struct s3_uri parts;
	struct err err;

	if (s3_uri_parse(uri, &parts, &err) < 0)
		request_refuse(q, ERR_INVALID, field, "%s", err.msg);
	else if (text_chars(uri) > SAGEMAKER_URI_MAX)
		request_refuse(
			q, ERR_LIMIT, field,
			"the URI that begins with '%.80s' has more than %d characters; shorten it",
			uri, SAGEMAKER_URI_MAX);
}

void request_uri(struct request *q, json_t *object, const char *key, const char *uri,
		 const char *field)
{
	request_check_uri(q, uri, field);
	request_set(q, object, key, json_string(uri));
}

bool sagemaker_role_arn_ok(const char *s)
{
	size_t len = strlen(s);

	if (len < ROLE_MIN || len > ROLE_MAX || !str_starts(s, "arn:aws") || str_ends(s, "/"))
		return false;
	s += strlen("arn:aws");
	s += strspn(s, "abcdefghijklmnopqrstuvwxyz-");
	if (!str_starts(s, ":iam::"))
		return false;
	s += strlen(":iam::");
	if (strspn(s, "0123456789") != ACCOUNT_LEN || !str_starts(s + ACCOUNT_LEN, ":role/"))
		return false;
	s += ACCOUNT_LEN + strlen(":role/");
	return *s && only(s, "_+=,.@-/");
}

void request_role(struct request *q, const char *key, const char *role_arn)
{
	if (!sagemaker_role_arn_ok(role_arn))
		request_refuse(q, ERR_INVALID, "/sagemaker/role",
			       "'%.200s' is not the ARN of a role; write one such as "
			       "arn:aws:iam::123456789012:role/NAME",
			       role_arn);
	request_set(q, q->body, key, json_string(role_arn));
}

void request_kms(struct request *q, json_t *object, const char *key, const char *kms_key)
{
	if (strlen(kms_key) > KMS_MAX || !only(kms_key, ":/_-"))
		request_refuse(q, ERR_INVALID, "/sagemaker/kms_key",
			       "'%.80s' is not a KMS key; give its id, ARN or alias", kms_key);
	request_set(q, object, key, json_string(kms_key));
}

/* True if the text has only letters, spaces, digits and _ . : / = + - @. Non-ASCII characters are
 * left to the service. */
static bool tag_text_ok(const char *s, size_t max)
{
	size_t chars = text_chars(s);

	for (; *s; s++)
		if (!((unsigned char)*s & 0x80) && !isalnum((unsigned char)*s) &&
		    !strchr(" _.:/=+-@", *s))
			return false;
	return chars <= max;
}

void request_tags(struct request *q, const json_t *tags)
{
	json_t *list, *value;
	const char *key;

	if (json_object_size(tags) == 0)
		return;
	list = request_set(q, q->body, "Tags", json_array());
	if (json_object_size(tags) > SAGEMAKER_TAGS_MAX)
		request_refuse(q, ERR_LIMIT, "/tags",
			       "%zu tags are too many; use at most %d on SageMaker, the daemon's "
			       "own included",
			       json_object_size(tags), SAGEMAKER_TAGS_MAX);
	json_object_foreach((json_t *)tags, key, value) {
		const char *text = json_string_value(value);

		if (!*key || !tag_text_ok(key, TAG_KEY_MAX) || !text ||
		    !tag_text_ok(text, TAG_VALUE_MAX) || str_starts(key, "aws:"))
			request_refuse(q, ERR_INVALID, "/tags",
				       "AWS does not accept the tag '%.80s'; use letters, digits, "
				       "spaces and _.:/=+-@, a key of 1 to %d characters that does "
				       "not begin with aws:, and a value of at most %d",
				       key, TAG_KEY_MAX, TAG_VALUE_MAX);
		request_add(q, list,
			    json_pack("{s:s, s:s}", "Key", key, "Value", text ? text : ""));
	}
}

static void vpc_ids(struct request *q, json_t *vpc, const char *key, const json_t *ids,
		    const char *field)
{
	json_t *list = request_set(q, vpc, key, json_array());

	for (size_t i = 0; i < json_array_size(ids); i++) {
		const char *id = json_string_value(json_array_get(ids, i));

		if (!id || !*id || !only(id, "-"))
			request_refuse(q, ERR_INVALID, field,
				       "'%.32s' is not an id of EC2; write ids such as sg-0a1b2c3d "
				       "and subnet-0a1b2c3d",
				       id ? id : "");
		request_add(q, list, json_string(id ? id : ""));
	}
}

void request_vpc(struct request *q, const json_t *sagemaker)
{
	const json_t *vpc = json_object_get(sagemaker, "vpc");
	json_t *out;

	if (!json_is_object(vpc))
		return;
	out = request_set(q, q->body, "VpcConfig", json_object());
	vpc_ids(q, out, "SecurityGroupIds", json_object_get(vpc, "security_groups"),
		"/sagemaker/vpc/security_groups");
	vpc_ids(q, out, "Subnets", json_object_get(vpc, "subnets"), "/sagemaker/vpc/subnets");
}

static bool variable_ok(const char *s)
{
	return *s && !isdigit((unsigned char)*s) && only(s, "_") && strlen(s) <= VARIABLE_MAX;
}

static void check_variable(struct request *q, const char *field, const char *text,
			   enum sagemaker_role role)
{
	bool model = role == SAGEMAKER_INFERENCE;
	size_t n = model ? strlen(text) : text_chars(text);
	size_t max = model ? SAGEMAKER_MODEL_VALUE_MAX : SAGEMAKER_TRAIN_VALUE_MAX;

	if (n > max)
		request_refuse(q, ERR_LIMIT, field,
			       "the variable has %zu %s; use at most %zu on SageMaker", n,
			       model ? "bytes" : "characters", max);
}

/* Check the size of all names and values of a model, including the container's own. */
static void check_environment_size(struct request *q, const json_t *object)
{
	const char *key;
	json_t *value;
	size_t n = 0;

	json_object_foreach((json_t *)object, key, value)
		n += strlen(key) + json_string_length(value);
	if (n > SAGEMAKER_MODEL_ENV_MAX)
		request_refuse(q, ERR_LIMIT, "/environment",
			       "the variables have %zu bytes together; use at most %d for a model "
			       "on SageMaker, those of the container included",
			       n, SAGEMAKER_MODEL_ENV_MAX);
}

void request_environment(struct request *q, json_t *object, const json_t *spec,
			 enum sagemaker_role role)
{
	const char *key;
	json_t *value;

	json_object_foreach(json_object_get(spec, "environment"), key, value) {
		char field[ERR_FIELD_MAX] = "/environment";
		const char *text = json_string_value(value);

		json_pointer_add(field, sizeof(field), key);
		if (!variable_ok(key) || !text)
			request_refuse(q, ERR_INVALID, field,
				       "'%.80s' is not a variable that SageMaker takes; use a name "
				       "of letters, digits and '_', and a text as its value",
				       key);
		else
			check_variable(q, field, text, role);
		request_set(q, object, key, json_string(text ? text : ""));
	}
	if (json_object_size(object) > SAGEMAKER_VARIABLES_MAX)
		request_refuse(q, ERR_LIMIT, "/environment",
			       "%zu variables are too many; use at most %d on SageMaker, those of "
			       "the container included",
			       json_object_size(object), SAGEMAKER_VARIABLES_MAX);
	if (role == SAGEMAKER_INFERENCE)
		check_environment_size(q, object);
}

/* "transformers4.49" or "transformers4.49.0-pytorch2.6.0" → the part after the word. */
static const char *image_version(const char *image)
{
	if (!image || strchr(image, '/') || !str_starts(image, VERSION_WORD))
		return NULL;
	return image + strlen(VERSION_WORD);
}

void request_image(struct request *q, json_t *object, const char *key, enum sagemaker_role role,
		   const char *given, const char *region, const json_t *spec)
{
	const json_t *sagemaker = json_object_get(spec, "sagemaker");
	const char *image = given ? given : json_get_str(sagemaker, "image", NULL);
	const char *version = image_version(image), *type;
	char uri[SAGEMAKER_IMAGE_MAX + 1];

	if (q->r < 0)
		return;
	type = json_is_object(json_object_get(sagemaker, "serverless"))
		       ? NULL
		       : json_get_str(sagemaker, "instance_type", "");
	if (!image || version) {
		request_fail(q, sagemaker_image(role, version, region, type, uri, q->reterr));
		image = q->r >= 0 ? uri : "";
	}
	if (!*image || strpbrk(image, " \t\r\n") || text_chars(image) > SAGEMAKER_IMAGE_MAX)
		request_refuse(q, ERR_INVALID, "/sagemaker/image",
			       "'%.200s' is not the URI of an image; write one such as "
			       "ACCOUNT.dkr.ecr.REGION.amazonaws.com/REPOSITORY:TAG",
			       image);
	request_set(q, object, key, json_string(image));
}

const char *request_instance_type(struct request *q, const json_t *sagemaker)
{
	const char *type = json_get_str(sagemaker, "instance_type", NULL);

	if (!type)
		request_refuse(
			q, ERR_INVALID, "/sagemaker/instance_type",
			"the job on SageMaker has no instance type; give one such as ml.g5.xlarge");
	return type ? type : "";
}

int64_t spec_seconds(const json_t *object, const char *key, int64_t fallback)
{
	const char *text = json_get_str(object, key, NULL);
	int64_t us;

	if (!text || duration_parse(text, &us) < 0)
		return fallback;
	return us / USEC_PER_SEC + (us % USEC_PER_SEC != 0);
}

/* A 'd' after the generation means local disks: m5d, c5ad, g4dn, p4d, p4de. Other families are
 * listed. */
bool sagemaker_has_local_disks(const char *instance_type)
{
	static const char *const families[] = {"g5",  "g6",   "g6e", "gr6", "g7e", "p5",
					       "p5e", "p5en", "p6",  "trn", "i3",  "i4"};
	char family[FAMILY_LEN];

	if (!sagemaker_family(instance_type, family, sizeof(family)))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(families); i++)
		if (str_starts(family, families[i]))
			return true;
	return strchr(family + strcspn(family, "0123456789"), 'd');
}

int64_t request_volume(struct request *q, const json_t *sagemaker, int64_t fallback)
{
	const char *type = json_get_str(sagemaker, "instance_type", "");

	if (!json_object_get(sagemaker, "volume_gb"))
		return fallback;
	if (!sagemaker_has_local_disks(type))
		return json_get_int(sagemaker, "volume_gb", fallback);
	request_warn(q, "volume_gb is ignored, because %s has disks of its own, of a fixed size",
		     type);
	return fallback;
}
