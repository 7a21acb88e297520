/* SPDX-License-Identifier: MIT */
/* Parses the Range header. Pure. */
#include "api/range.h"

#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Parse digits at *s and advance *s. Returns false if there is no digit or the number is too
 * large. */
static bool digits(const char **s, uint64_t *ret)
{
	char *end;

	if (!isdigit((unsigned char)**s))
		return false;
	errno = 0;
	*ret = strtoull(*s, &end, 10);
	*s = end;
	return !errno;
}

int range_parse(const char *header, uint64_t size, struct byte_range *ret)
{
	uint64_t first, last = UINT64_MAX;
	const char *s = header + strlen("bytes=");

	if (!str_starts(header, "bytes="))
		return 0;
	if (*s == '-') { /* the last N bytes */
		s++;
		if (!digits(&s, &last) || *s)
			return 0;
		if (!last || !size)
			return -ERANGE;
		ret->first = last < size ? size - last : 0;
		ret->len = size - ret->first;
		return 1;
	}
	if (!digits(&s, &first) || *s++ != '-')
		return 0;
	if (*s && (!digits(&s, &last) || *s || last < first))
		return 0;
	if (first >= size)
		return -ERANGE;
	ret->first = first;
	ret->len = (last < size ? last + 1 : size) - first;
	return 1;
}
