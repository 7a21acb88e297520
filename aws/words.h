/* SPDX-License-Identifier: MIT */
/* Split text into words by the shell's rules for quotes and backslashes. Like Python's shlex.split,
 * which botocore uses for section names and credential_process. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Works in place: words[] point into text. Returns their number. -ERR_INVALID: a quote or a
 * backslash has no end; -ERR_LIMIT: more than max. */
int aws_words(char *text, char **words, size_t max);
