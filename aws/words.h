/* SPDX-License-Identifier: MIT */
/* Words as a shell splits them, without being one: quotes and backslashes. As Python's shlex.split,
 * which botocore uses for section names and for credential_process. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* In place: words[] point into text. How many; -ERR_INVALID: a quote or a backslash has no end;
 * -ERR_LIMIT: more than max. */
int aws_words(char *text, char **words, size_t max);
