/* SPDX-License-Identifier: MIT */
/* Parses names and references as text. Pure. */
#include "base/str.h"
#include "jobs/spec/parse.h"

#include <errno.h>
#include <string.h>

bool spec_name_ok(const char *s)
{
	static const char first[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	static const char rest[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

	return *s && strchr(first, *s) && !s[strspn(s, rest)];
}

int spec_ref_split(const char *s, struct spec_ref *ret)
{
	char inside[3 * SPEC_NAME_MAX + 3];
	char *job = inside, *slash, *dot;
	const char *end;

	if (!str_starts(s, "${"))
		return -ENOENT;
	end = strchr(s, '}');
	if (!end || end - (s + 2) >= (ptrdiff_t)sizeof(inside) || (end[1] && end[1] != '/'))
		return -EINVAL;
	memcpy(inside, s + 2, (size_t)(end - (s + 2)));
	inside[end - (s + 2)] = '\0';
	*ret = (struct spec_ref){.sub = end + 1};
	slash = strchr(inside, '/');
	if (slash) {
		*slash = '\0';
		job = slash + 1;
		if (!str_copy(ret->run, sizeof(ret->run), inside) || !spec_name_ok(ret->run))
			return -EINVAL;
	}
	dot = strrchr(job, '.'); /* a job's name may contain dots, an output's name may not */
	if (!dot)
		return -EINVAL;
	*dot = '\0';
	if (!str_copy(ret->job, sizeof(ret->job), job) ||
	    !str_copy(ret->output, sizeof(ret->output), dot + 1) || !spec_name_ok(ret->job) ||
	    !spec_name_ok(ret->output))
		return -EINVAL;
	return 0;
}
