/* SPDX-License-Identifier: MIT */
/*
 * The files that run in a SageMaker container, built into the program (tools/embed.py). The daemon
 * packs them as sourcedir.tar.gz of a native train job. Static, never freed.
 */
#pragma once

#include <stddef.h>

struct container_file {
	const char *name; /* at the root of the archive */
	const char *text; /* NUL-terminated */
	size_t len;
};

extern const struct container_file container_files[];
extern const size_t container_files_n;
