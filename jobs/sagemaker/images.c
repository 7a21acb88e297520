/* SPDX-License-Identifier: MIT */
/*
 * Finds the container image of a role, version, region and instance type in images.json (embedded):
 * ACCOUNT.dkr.ecr.REGION.SUFFIX/REPOSITORY:PYTORCH-transformersVERSION-PROCESSOR-PYTHON-REST. Pure.
 */
#include "base/own.h"
#include "base/str.h"
#include "jobs/sagemaker/parts.h"
#include "jobs/sagemaker/requests.h"

#include <ctype.h>
#include <string.h>

#define FIELD_IMAGE  "/sagemaker/image"
#define FIELD_TYPE   "/sagemaker/instance_type"
#define FIELD_REGION "/sagemaker/region"
#define FAMILY_LEN   24

extern const char images_json[];
extern const unsigned long images_json_len;

static const char *const role_names[] = {
	[SAGEMAKER_TRAINING] = "training",
	[SAGEMAKER_INFERENCE] = "inference",
};

/* The DNS suffix of the region's partition, as in botocore/data/partitions.json. */
static const char *dns_suffix(const char *region)
{
	static const struct {
		const char *prefix, *suffix;
	} partitions[] = {
		{"cn-", "amazonaws.com.cn"},	{"us-iso-", "c2s.ic.gov"},
		{"us-isob-", "sc2s.sgov.gov"},	{"us-isof-", "csp.hci.ic.gov"},
		{"eu-isoe-", "cloud.adc-e.uk"}, {"eusc-", "amazonaws.eu"},
	};

	for (size_t i = 0; i < ARRAY_LEN(partitions); i++)
		if (str_starts(region, partitions[i].prefix))
			return partitions[i].suffix;
	return "amazonaws.com";
}

bool sagemaker_family(const char *instance_type, char *family, size_t size)
{
	size_t len;

	if (!instance_type || !str_starts(instance_type, "ml."))
		return false;
	instance_type += strlen("ml.");
	len = strcspn(instance_type, ".");
	if (len == 0 || len >= size || !islower((unsigned char)*instance_type))
		return false;
	str_must_format(family, size, "%.*s", (int)len, instance_type);
	return true;
}

/* True for a family with a 'g' after the generation: m6g, c7gd, t4g. */
static bool is_arm(const char *family)
{
	return strchr(family + strcspn(family, "0123456789"), 'g');
}

static int pick_processor(enum sagemaker_role role, const char *instance_type, const char **ret,
			  struct err *reterr)
{
	char family[FAMILY_LEN];

	*ret = "cpu";
	if (!instance_type)
		return 0;
	if (!sagemaker_family(instance_type, family, sizeof(family)))
		return err_at(
			reterr, ERR_INVALID, FIELD_TYPE,
			"'%.64s' is not a SageMaker instance type; write one such as ml.g5.xlarge",
			instance_type);
	if (str_starts(family, "inf") || str_starts(family, "trn"))
		return err_at(reterr, ERR_INVALID, FIELD_TYPE,
			      "%s has Neuron devices, which need a model that is compiled for "
			      "them; choose a GPU instance such as ml.g5.xlarge, or name your own "
			      "container in sagemaker.image",
			      instance_type);
	if (is_arm(family))
		return err_at(reterr, ERR_INVALID, FIELD_TYPE,
			      "%s has an ARM processor, for which Hugging Face has no container; "
			      "choose an instance such as ml.m5.xlarge, or name your own container "
			      "in sagemaker.image",
			      instance_type);
	if (*family == 'g' || *family == 'p')
		*ret = "gpu";
	else if (role == SAGEMAKER_TRAINING)
		return err_at(reterr, ERR_INVALID, FIELD_TYPE,
			      "%s has no GPU, and Hugging Face has training containers for GPUs "
			      "only; choose an instance such as ml.g5.xlarge, or name your own "
			      "container in sagemaker.image",
			      instance_type);
	return 0;
}

/* True if `version` selects the image: "4.49" and "4.49.0-pytorch2.6" select
 * "4.49.0-pytorch2.6.0". */
static bool version_matches(const json_t *image, const char *version)
{
	const char *transformers = json_get_str(image, "transformers", "");
	const char *pytorch = strstr(version, "-pytorch");
	size_t len = pytorch ? (size_t)(pytorch - version) : strlen(version);

	if (len == 0 || strncmp(transformers, version, len) != 0 ||
	    (transformers[len] && transformers[len] != '.'))
		return false;
	if (!pytorch)
		return true;
	pytorch += strlen("-pytorch");
	len = strlen(pytorch);
	transformers = json_get_str(image, "pytorch", "");
	return len && strncmp(transformers, pytorch, len) == 0 &&
	       (!transformers[len] || transformers[len] == '.');
}

/* The last image that matches, which is the newest. */
static const json_t *find_image(const json_t *of_role, const char *version)
{
	const json_t *images = json_object_get(of_role, "images");

	for (size_t i = json_array_size(images); i > 0; i--)
		if (version_matches(json_array_get(images, i - 1), version))
			return json_array_get(images, i - 1);
	return NULL;
}

static const char *find_account(const json_t *table, const json_t *image, const char *region)
{
	const json_t *without = json_object_get(image, "without");

	for (size_t i = 0; i < json_array_size(without); i++)
		if (str_eq(json_string_value(json_array_get(without, i)), region))
			return NULL;
	return json_get_str(json_object_get(table, "accounts"), region, NULL);
}

static int no_version(enum sagemaker_role role, const json_t *of_role, const char *version,
		      struct err *reterr)
{
	OWN(buf_done) struct buf known = BUF_INIT(512);
	const json_t *images = json_object_get(of_role, "images");
	const char *before = NULL;

	for (size_t i = 0; i < json_array_size(images); i++) {
		const char *one = json_get_str(json_array_get(images, i), "transformers", "");

		if (!str_eq(one, before))
			buf_printf(&known, "%s%s", i ? ", " : "", one);
		before = one;
	}
	return err_at(reterr, ERR_INVALID, FIELD_IMAGE,
		      "Hugging Face has no %s container with transformers %.64s; choose one of %s, "
		      "or give the full URI of an image in sagemaker.image",
		      role_names[role], version, buf_str(&known));
}

int sagemaker_image(enum sagemaker_role role, const char *version, const char *region,
		    const char *instance_type, char uri[SAGEMAKER_IMAGE_MAX + 1],
		    struct err *reterr)
{
	OWN(json_decrefp) json_t *table = NULL;
	const json_t *of_role, *image;
	const char *account, *processor;
	int r = json_parse(images_json, images_json_len, &table, reterr), len;

	if (r >= 0)
		r = pick_processor(role, instance_type, &processor, reterr);
	if (r < 0)
		return r;
	of_role = json_object_get(table, role_names[role]);
	version = version ? version : json_get_str(of_role, "default", "");
	image = find_image(of_role, version);
	if (!image)
		return no_version(role, of_role, version, reterr);
	account = find_account(table, image, region);
	if (!account)
		return err_at(reterr, ERR_INVALID, FIELD_REGION,
			      "Hugging Face's %s container with transformers %s is not published "
			      "in region '%.32s'; choose another region, or give the URI of an "
			      "image in sagemaker.image",
			      role_names[role], json_get_str(image, "transformers", ""), region);
	len = snprintf(
		uri, SAGEMAKER_IMAGE_MAX + 1, "%s.dkr.ecr.%s.%s/%s:%s-transformers%s-%s-%s-%s",
		account, region, dns_suffix(region), json_get_str(of_role, "repository", ""),
		json_get_str(image, "pytorch", ""), json_get_str(image, "transformers", ""),
		processor, json_get_str(image, "python", ""), json_get_str(image, processor, ""));
	if (len > SAGEMAKER_IMAGE_MAX)
		return err_at(reterr, ERR_LIMIT, FIELD_IMAGE,
			      "the URI of the image has more than %d characters; shorten it",
			      SAGEMAKER_IMAGE_MAX);
	return 0;
}
