/* SPDX-License-Identifier: MIT */
/* Files around the transfer lists: the inherited variables, the files for the container, the
 * results. Manager's thread. */
#include "base/beneath.h"
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/execution/transfers.h"
#include "wire/transfer.h"
#include "worker/sagemaker_script/container.h"

#define RESULTS_MAX (16 << 20)

const char *const transfer_environment[] = {
	"AWS_ACCESS_KEY_ID",
	"AWS_SECRET_ACCESS_KEY",
	"AWS_SESSION_TOKEN",
	"AWS_PROFILE",
	"AWS_DEFAULT_PROFILE",
	"AWS_CONFIG_FILE",
	"AWS_SHARED_CREDENTIALS_FILE",
	"AWS_REGION",
	"AWS_DEFAULT_REGION",
	"AWS_ENDPOINT_URL",
	"AWS_ENDPOINT_URL_S3",
	"AWS_ENDPOINT_URL_STS",
	"AWS_ENDPOINT_URL_SSO",
	"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
	"AWS_USE_FIPS_ENDPOINT",
	"AWS_USE_DUALSTACK_ENDPOINT",
	"AWS_CA_BUNDLE",
	"AWS_MAX_ATTEMPTS",
	"AWS_ROLE_ARN",
	"AWS_ROLE_SESSION_NAME",
	"AWS_WEB_IDENTITY_TOKEN_FILE",
	"AWS_CONTAINER_CREDENTIALS_FULL_URI",
	"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
	"AWS_CONTAINER_AUTHORIZATION_TOKEN",
	"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
	"AWS_EC2_METADATA_DISABLED",
	"AWS_EC2_METADATA_V1_DISABLED",
	"AWS_EC2_METADATA_SERVICE_ENDPOINT",
	"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
	"AWS_METADATA_SERVICE_TIMEOUT",
	"AWS_METADATA_SERVICE_NUM_ATTEMPTS",
	"HF_ENDPOINT",
	"HF_TOKEN",
	"HF_TOKEN_PATH",
	"HF_HOME",
	"HF_HUB_CACHE",
	"HF_HUB_OFFLINE",
	"HF_HUB_DISABLE_IMPLICIT_TOKEN",
	"HUGGING_FACE_HUB_TOKEN",
	"HUGGINGFACE_HUB_CACHE",
	"TRANSFORMERS_OFFLINE",
	"XDG_CACHE_HOME",
	"http_proxy",
	"HTTPS_PROXY",
	"https_proxy",
	"NO_PROXY",
	"no_proxy",
	NULL,
};

int transfer_write_container(int work_dirfd, struct err *reterr)
{
	OWN(closep) int dirfd = -1;
	int r = dir_make(work_dirfd, TRANSFER_CONTAINER, 0700, reterr);

	if (r < 0)
		return r;
	dirfd = openat(work_dirfd, TRANSFER_CONTAINER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		return err_errno(reterr, errno, "open %s", TRANSFER_CONTAINER);
	for (size_t i = 0; r >= 0 && i < container_files_n; i++)
		r = file_write_atomic(dirfd, container_files[i].name, container_files[i].text,
				      container_files[i].len, 0600, reterr);
	return r;
}

int transfer_results_read(const char *dir, json_t **ret, struct err *reterr)
{
	OWN(closep) int at = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r;

	r = at < 0 ? err_errno(reterr, errno, "open %s", dir)
		   : beneath_read_json(at, EXECUTION_WORK "/" TRANSFER_RESULTS, RESULTS_MAX, ret,
				       reterr);
	if (r != -ENOENT)
		return r;
	*ret = json_object();
	return *ret ? 0 : err_errno(reterr, ENOMEM, "read %s", TRANSFER_RESULTS);
}

void transfer_results_add(const json_t *results, json_t *outputs)
{
	const char *pointer;
	json_t *value;

	json_object_foreach((json_t *)results, pointer, value)
		if (str_starts(pointer, "/outputs/"))
			json_object_set(outputs, pointer + strlen("/outputs/"), value);
}
