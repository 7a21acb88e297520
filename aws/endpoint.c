/* SPDX-License-Identifier: MIT */
/* The address of each service in each region (botocore's endpoint rules), and the settings that
 * replace it. */
#include "aws/config.h"
#include "base/own.h"
#include "base/str.h"
#include "net/url.h"

#include <ctype.h>
#include <string.h>

struct partition {
	const char *prefix; /* of the region's name; the longest match decides */
	const char *suffix; /* of host names */
	const char *iam_host, *iam_region;
};

static const struct partition partitions[] = {
	{"cn-", "amazonaws.com.cn", "iam.cn-north-1.amazonaws.com.cn", "cn-north-1"},
	{"us-gov-", "amazonaws.com", "iam.us-gov.amazonaws.com", "us-gov-west-1"},
	{"us-isob-", "sc2s.sgov.gov", "iam.us-isob-east-1.sc2s.sgov.gov", "us-isob-east-1"},
	{"us-isof-", "csp.hci.ic.gov", "iam.us-isof-south-1.csp.hci.ic.gov", "us-isof-south-1"},
	{"us-iso-", "c2s.ic.gov", "iam.us-iso-east-1.c2s.ic.gov", "us-iso-east-1"},
	{"eu-isoe-", "cloud.adc-e.uk", "iam.eu-isoe-west-1.cloud.adc-e.uk", "eu-isoe-west-1"},
	{"eusc-", "amazonaws.eu", "iam.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1"},
	{"", "amazonaws.com", "iam.amazonaws.com", "us-east-1"},
};

static const struct {
	const char *host;	 /* before ".REGION.SUFFIX" */
	const char *fips;	 /* likewise, with FIPS */
	const char *sign;	 /* name of the service in SigV4 */
	const char *variable;	 /* the end of AWS_ENDPOINT_URL_… */
	const char *config_name; /* in a [services] section */
} services[AWS_SERVICES_] = {
	[AWS_SAGEMAKER] = {"api.sagemaker", "api-fips.sagemaker", "sagemaker", "SAGEMAKER",
			   "sagemaker"},
	[AWS_RUNTIME] = {"runtime.sagemaker", "runtime-fips.sagemaker", "sagemaker",
			 "SAGEMAKER_RUNTIME", "sagemaker_runtime"},
	[AWS_S3] = {"s3", "s3-fips", "s3", "S3", "s3"},
	[AWS_IAM] = {"iam", "iam-fips", "iam", "IAM", "iam"},
	[AWS_STS] = {"sts", "sts-fips", "sts", "STS", "sts"},
	[AWS_LOGS] = {"logs", "logs-fips", "logs", "CLOUDWATCH_LOGS", "cloudwatch_logs"},
	[AWS_CLOUDWATCH] = {"monitoring", "monitoring-fips", "monitoring", "CLOUDWATCH",
			    "cloudwatch"},
	[AWS_SSO] = {"portal.sso", "portal.sso-fips", "awsssoportal", "SSO", "sso"},
	[AWS_SSO_OIDC] = {"oidc", "oidc-fips", "sso-oauth", "SSO_OIDC", "sso_oidc"},
};

static bool region_is_one(const char *region)
{
	size_t n = strlen(region);

	if (n < 5 || n >= AWS_REGION_MAX || !isdigit((unsigned char)region[n - 1]))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!islower((unsigned char)region[i]) && !isdigit((unsigned char)region[i]) &&
		    region[i] != '-')
			return false;
	return strchr(region, '-') != NULL;
}

static const struct partition *partition_of(const char *region)
{
	size_t i = 0;

	while (!str_starts(region, partitions[i].prefix))
		i++;
	return &partitions[i];
}

static bool is_true(const char *text)
{
	return text && (str_eq(text, "true") || str_eq(text, "True") || str_eq(text, "1"));
}

static bool setting(const struct aws_config *c, const char *variable, const char *key)
{
	const char *text = aws_env(c, variable);

	return is_true(text ? text : aws_profile_key(c, c->profile, key));
}

/* A configured address, in this order: AWS_ENDPOINT_URL_<SERVICE>, AWS_ENDPOINT_URL, the profile's
 * services section, the profile's endpoint_url. */
static const char *configured(const struct aws_config *c, enum aws_service service)
{
	const char *section = aws_profile_key(c, c->profile, "services"), *url;
	char name[64];

	if (setting(c, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "ignore_configured_endpoint_urls"))
		return NULL;
	str_must_format(name, sizeof(name), "AWS_ENDPOINT_URL_%s", services[service].variable);
	url = aws_env(c, name);
	if (!url)
		url = aws_env(c, "AWS_ENDPOINT_URL");
	if (!url && section)
		url = json_get_str(json_object_get(json_object_get(c->services, section),
						   services[service].config_name),
				   "endpoint_url", NULL);
	return url ? url : aws_profile_key(c, c->profile, "endpoint_url");
}

/* Take "http://host:port/base" apart. */
static int use_configured(const char *url, struct aws_endpoint *ret, struct err *reterr)
{
	struct url_parts parts;
	size_t n;

	if (!str_starts(url, "http://") && !str_starts(url, "https://"))
		return err_set(reterr, ERR_INVALID,
			       "the configured AWS address '%s' must begin with http:// or "
			       "https://",
			       url);
	if (!url_split(url, &parts) || parts.has_user || parts.has_query ||
	    !str_copy(ret->host, sizeof(ret->host), parts.server) ||
	    !str_copy(ret->base_path, sizeof(ret->base_path), parts.path))
		return err_set(
			reterr, ERR_INVALID,
			"the configured AWS address '%s' is invalid; write https://HOST[:PORT]",
			url);
	str_must_format(ret->url, sizeof(ret->url), "http%s://%s", parts.https ? "s" : "",
			ret->host);
	for (n = strlen(ret->base_path); n > 0 && ret->base_path[n - 1] == '/';)
		ret->base_path[--n] = '\0';
	ret->path_style = true;
	return 0;
}

/* True if the bucket can be a part of the host name, also under TLS. */
static bool is_host_label(const char *bucket)
{
	size_t n = strlen(bucket);

	if (n < 3 || n > 63 || !isalnum((unsigned char)bucket[0]) ||
	    !isalnum((unsigned char)bucket[n - 1]))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!islower((unsigned char)bucket[i]) && !isdigit((unsigned char)bucket[i]) &&
		    bucket[i] != '-')
			return false;
	return true;
}

static void use_s3(const char *region, const char *bucket, const struct partition *p, bool fips,
		   bool dual, struct aws_endpoint *ret)
{
	char host[160];

	ret->path_style = !bucket || !is_host_label(bucket);
	if (str_eq(region, "us-east-1") && !fips && !dual && !ret->path_style)
		str_must_format(host, sizeof(host), "s3.%s", p->suffix);
	else
		str_must_format(host, sizeof(host), "s3%s%s.%s.%s", fips ? "-fips" : "",
				dual ? ".dualstack" : "", region, p->suffix);
	if (ret->path_style)
		str_assign(ret->host, host);
	else
		str_must_format(ret->host, sizeof(ret->host), "%s.%s", bucket, host);
}

int aws_endpoint_of(const struct aws_config *c, enum aws_service service, const char *region,
		    const char *bucket, struct aws_endpoint *ret, struct err *reterr)
{
	bool fips = setting(c, "AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint");
	bool dual = setting(c, "AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint");
	const char *url = configured(c, service);
	const struct partition *p;
	bool no_fips_name;

	*ret = (struct aws_endpoint){.sign_service = services[service].sign};
	if (!region || !region[0])
		region = c->region;
	if (service == AWS_IAM && !region[0])
		region = "us-east-1"; /* one address for all regions */
	if (!region[0])
		return err_set(reterr, ERR_INVALID,
			       "no AWS region is set: give sagemaker.region in the job, aws.region "
			       "in the configuration, AWS_REGION, or region in %s",
			       c->config_path);
	if (!region_is_one(region))
		return err_set(reterr, ERR_INVALID,
			       "'%.64s' is not an AWS region such as eu-west-1", region);
	p = partition_of(region);
	str_must_copy(ret->sign_region, sizeof(ret->sign_region),
		      service == AWS_IAM ? p->iam_region : region);
	if (url)
		return use_configured(url, ret, reterr);
	/* in GovCloud the normal addresses of the other services are FIPS ones */
	no_fips_name = str_eq(p->prefix, "us-gov-") && service != AWS_SAGEMAKER;
	if (service == AWS_S3)
		use_s3(region, bucket, p, fips, dual, ret);
	else if (service == AWS_IAM && fips && str_eq(p->iam_region, "us-east-1"))
		str_assign(ret->host, "iam-fips.amazonaws.com");
	else if (service == AWS_IAM)
		str_must_copy(ret->host, sizeof(ret->host), p->iam_host);
	else
		str_must_format(ret->host, sizeof(ret->host), "%s.%s.%s",
				fips && !no_fips_name ? services[service].fips
						      : services[service].host,
				region, p->suffix);
	str_must_format(ret->url, sizeof(ret->url), "https://%s", ret->host);
	return 0;
}
