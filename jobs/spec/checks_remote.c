/* SPDX-License-Identifier: MIT */
/* Checks of single fields about AWS, the hub and the web. Only the form is checked, not what only
 * the service can know. The tables of fields refer to these functions. Pure. */
#include "base/fileio.h"
#include "base/str.h"
#include "jobs/hub_id.h"
#include "jobs/sagemaker/requests.h"
#include "jobs/spec/parse.h"

#include <ctype.h>
#include <string.h>

#define ROLE_NAME_MAX 64
#define SHA256_LEN    64

static bool only(const char *s, const char *more)
{
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr(more, *s))
			return false;
	return true;
}

void check_iam_role(struct spec_parse *p, const struct spec_field *f, const json_t *v)
{
	const char *s = json_string_value(v);
	char quote[PROBLEM_QUOTE_MAX];

	problem_quote(quote, s);
	if (str_starts(s, "arn:") && !sagemaker_role_arn_ok(s))
		spec_problem(p, PROBLEM_INVALID,
			     "'%s' is not the ARN of an IAM role; write one such as "
			     "arn:aws:iam::123456789012:role/SageMakerMain",
			     quote);
	else if (!str_starts(s, "arn:") && (strlen(s) > ROLE_NAME_MAX || !only(s, "_+=,.@-")))
		spec_problem(p, PROBLEM_INVALID,
			     "'%s' is not the name of an IAM role; give its name, at most %d "
			     "letters, digits and _+=,.@-, or its whole ARN",
			     quote, ROLE_NAME_MAX);
}

/* True for "transformers4.49" or "transformers4.49.0-pytorch2.6.0", which select one of Hugging
 * Face's images. */
static bool image_version_ok(const char *s)
{
	return str_starts(s, "transformers") && isdigit((unsigned char)s[strlen("transformers")]);
}

void check_image(struct spec_parse *p, const struct spec_field *f, const json_t *v)
{
	const char *s = json_string_value(v);
	char quote[PROBLEM_QUOTE_MAX];

	if (strstr(s, "://") || strpbrk(s, " \t\r\n") || (!strchr(s, '/') && !image_version_ok(s)))
		spec_problem(p, PROBLEM_INVALID,
			     "'%s' is not the address of a container image; write one such as "
			     "123456789012.dkr.ecr.us-east-1.amazonaws.com/name:tag",
			     problem_quote(quote, s));
}

/* Words, then a number: us-east-1, us-gov-west-1, eu-isoe-west-1. */
void check_region(struct spec_parse *p, const struct spec_field *f, const json_t *v)
{
	const char *s = json_string_value(v), *last = strrchr(s, '-');
	char quote[PROBLEM_QUOTE_MAX];
	size_t words = strspn(s, "abcdefghijklmnopqrstuvwxyz-");

	if (!last || last == strchr(s, '-') || s + words != last + 1 || !last[1] ||
	    last[1 + strspn(last + 1, "0123456789")] || s[0] == '-' || strstr(s, "--"))
		spec_problem(p, PROBLEM_INVALID,
			     "'%s' is not an AWS region; write one such as us-east-1",
			     problem_quote(quote, s));
}

void check_kms_key(struct spec_parse *p, const struct spec_field *f, const json_t *v)
{
	char quote[PROBLEM_QUOTE_MAX];

	if (!only(json_string_value(v), ":/_-"))
		spec_problem(p, PROBLEM_INVALID, "'%s' is not a KMS key; give its id, ARN or alias",
			     problem_quote(quote, json_string_value(v)));
}

void check_ec2_id(struct spec_parse *p, const struct spec_field *f, const json_t *v)
{
	char quote[PROBLEM_QUOTE_MAX];

	if (!only(json_string_value(v), "-"))
		spec_problem(p, PROBLEM_INVALID,
			     "'%s' is not an id; write ids such as subnet-0a1b2c3d and sg-0a1b2c3d",
			     problem_quote(quote, json_string_value(v)));
}

void check_memory_mb(struct spec_parse *p, const struct spec_field *f, const json_t *v)
{
	if (json_integer_value(v) % 1024)
		spec_problem(p, PROBLEM_INVALID,
			     "'memory_mb' must be 1024, 2048, 3072, 4096, 5120 or 6144, not %lld",
			     (long long)json_integer_value(v));
}

void check_container_path(struct spec_parse *p, const struct spec_field *f, const json_t *v)
{
	const char *s = json_string_value(v);
	char quote[PROBLEM_QUOTE_MAX];

	if (s[0] != '/' || !s[1] || strpbrk(s, "\r\n"))
		spec_problem(p, PROBLEM_INVALID,
			     "'%s' is not an absolute path in the container; write one such as "
			     "/opt/ml/checkpoints",
			     problem_quote(quote, s));
}

void check_hub_id(struct spec_parse *p, const struct spec_field *f, const json_t *v)
{
	char quote[PROBLEM_QUOTE_MAX];

	if (!hub_id_ok(json_string_value(v)))
		spec_problem(p, PROBLEM_INVALID,
			     "'%s' is not a name on the hub; write one such as stanfordnlp/imdb",
			     problem_quote(quote, json_string_value(v)));
}

/* A git revision that cannot leave the directory in which revisions are kept. */
void check_revision(struct spec_parse *p, const struct spec_field *f, const json_t *v)
{
	const char *s = json_string_value(v);
	char quote[PROBLEM_QUOTE_MAX];

	if (!only(s, "_./-") || !path_is_inside(s) || str_starts(s, "-"))
		spec_problem(p, PROBLEM_INVALID,
			     "'%s' is not a revision; give a branch, a tag or a commit",
			     problem_quote(quote, s));
}

/* A URL must have a server name, and no user or password, because specs are stored and shown
 * unchanged. This looks at the form only: jobs/ is in every process and links no curl. net/url
 * takes the address apart when it is fetched, and decides which server is asked. */
void check_url(struct spec_parse *p, const struct spec_field *f, const json_t *v)
{
	const char *s = json_string_value(v);
	const char *host = str_starts(s, "https://")  ? s + strlen("https://")
			   : str_starts(s, "http://") ? s + strlen("http://")
						      : "";
	size_t n = strcspn(host, "/?#");
	char quote[PROBLEM_QUOTE_MAX];

	if (n == 0 || strpbrk(s, " \t\r\n"))
		spec_problem(p, PROBLEM_INVALID,
			     "'%s' is not an address on the web; write https://host/path",
			     problem_quote(quote, s));
	else if (memchr(host, '@', n))
		spec_problem(p, PROBLEM_INVALID,
			     "'url' has a user or password before the server's name, and specs are "
			     "stored and shown as they are; remove it");
}

void check_sha256(struct spec_parse *p, const struct spec_field *f, const json_t *v)
{
	const char *s = json_string_value(v);
	char quote[PROBLEM_QUOTE_MAX];

	if (strspn(s, "0123456789abcdefABCDEF") != SHA256_LEN || s[SHA256_LEN])
		spec_problem(p, PROBLEM_INVALID,
			     "'%s' is not a SHA-256; give its %d hexadecimal digits, as sha256sum "
			     "prints them",
			     problem_quote(quote, s), SHA256_LEN);
}

/* A letter or digit is refused, because it would split words and numbers. */
void check_delimiter(struct spec_parse *p, const struct spec_field *f, const json_t *v)
{
	const char *s = json_string_value(v);
	char quote[PROBLEM_QUOTE_MAX];

	if (str_eq(s, "\\t") || str_eq(s, "tab"))
		spec_problem(p, PROBLEM_INVALID,
			     "'delimiter' must be one character; write a tab as \"\\t\" in JSON");
	else if (s[1] || !isascii((unsigned char)s[0]) || isalnum((unsigned char)s[0]) ||
		 strpbrk(s, "\"\r\n"))
		spec_problem(p, PROBLEM_INVALID,
			     "'%s' is not a delimiter; give one character such as ';', but no "
			     "letter, digit, quote or end of line",
			     problem_quote(quote, s));
}

void check_glob(struct spec_parse *p, const struct spec_field *f, const json_t *v)
{
	const char *s = json_string_value(v);
	char quote[PROBLEM_QUOTE_MAX];

	if (s[0] == '/' || strpbrk(s, "\r\n"))
		spec_problem(p, PROBLEM_INVALID,
			     "'%s' matches nothing; write a pattern for paths relative to the "
			     "source, such as checkpoint-* or logs/**",
			     problem_quote(quote, s));
}
