/* SPDX-License-Identifier: MIT */
/*
 * Decides by the name of the entry point and by setup.py how SageMaker's toolkit would start a
 * script.
 */
#include "jobs/spec/entry_point.h"

#include "base/str.h"

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
