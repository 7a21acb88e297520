/* SPDX-License-Identifier: MIT */
/* The version of all programs, from meson.build. */
#pragma once

const char *version_text(void);
/* Print "PROGRAM VERSION" on standard output. Returns the exit status of `PROGRAM --version`: not 0
 * if the text is lost. */
int version_print(const char *program);
