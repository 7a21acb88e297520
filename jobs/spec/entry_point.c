/* SPDX-License-Identifier: MIT */
/*
 * Decides by the name of the entry point and by setup.py how SageMaker's toolkit would start a
 * script, and whether it can. One rule for the check of a spec and for the worker.
 */
#include "jobs/spec/entry_point.h"

#include "base/fileio.h"
#include "base/str.h"

#include <ctype.h>
#include <string.h>

/* True if a shell and an interpreter take the name unchanged. SageMaker's training toolkit joins
 * its command line with blanks and passes it to a shell (sagemaker_training/process.py, create). */
static bool starts_as_it_is(const char *s)
{
	if (*s == '-')
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("_.-+@/", *s) &&
		    !((unsigned char)*s & 0x80))
			return false;
	return true;
}

const char *entry_point_problem(const char *entry_point)
{
	if (!path_is_inside(entry_point))
		return "is no path below source_dir; give the script's path relative to it, "
		       "without '.', '..' and '//'";
	if (strlen(entry_point) > ENTRY_POINT_MAX)
		return "is longer than 256 bytes; shorten the path";
	if (!starts_as_it_is(entry_point))
		return "cannot start on both targets, because a shell reads the name on "
		       "SageMaker; rename the file to letters, digits and _.-+@, not beginning "
		       "with '-'";
	return NULL;
}

enum entry_type entry_type_of(const char *entry_point, bool has_setup)
{
	if (str_ends(entry_point, ".sh"))
		return ENTRY_COMMAND;
	if (has_setup)
		return ENTRY_PACKAGE;
	return str_ends(entry_point, ".py") ? ENTRY_PYTHON : ENTRY_COMMAND;
}

const char *entry_installs(enum entry_type type, bool has_requirements)
{
	if (type == ENTRY_PACKAGE)
		return "setup.py";
	return type == ENTRY_PYTHON && has_requirements ? "requirements.txt" : NULL;
}
