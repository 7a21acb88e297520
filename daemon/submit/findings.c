/* SPDX-License-Identifier: MIT */
/* What the checks of a submit share: pointers, warnings, removed folders, files of a directory. Any
 * thread. */
#include "base/fileio.h"
#include "base/str.h"
#include "daemon/submit/prepare.h"

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

const char *prepare_pointer(const struct prepare *p, size_t i, const char *key, char *buf,
			    size_t size)
{
	if (p->is_job)
		str_excerptf(buf, size, "/%s", key);
	else
		str_excerptf(buf, size, "/jobs/%zu/%s", i, key);
	return buf;
}

void prepare_warn(const struct prepare *p, const char *pointer, const char *fmt, ...)
{
	char detail[ERR_MSG_MAX];
	va_list ap;

	va_start(ap, fmt);
	str_vexcerptf(detail, sizeof(detail), fmt, ap);
	va_end(ap);
	str_utf8_mask(detail);
	json_array_append_new(p->run->warnings,
			      json_pack("{s:s, s:s}", "pointer", pointer, "detail", detail));
}

bool prepare_has_file(const char *dir, const char *name)
{
	char path[PATH_MAX];

	return path_join(path, sizeof(path), dir, name) && path_exists(AT_FDCWD, path) &&
	       !path_is_dir(AT_FDCWD, path);
}

bool prepare_removed(const struct prepare *p, const char *path, const char *pointer)
{
	struct err err;
	int r = p->reader ? store_read_folder_check(p->reader, path, &err) : 0;

	if (!err_is_removed(r))
		return false;
	problem_add(p->problems, pointer, r == -ERR_PRUNED ? PROBLEM_PRUNED : PROBLEM_REMOVED, "%s",
		    err.msg);
	return true;
}
