/* SPDX-License-Identifier: MIT */
/* The question of programs that change much: --adopt, --restore. */
#pragma once

#include <stdbool.h>

/* True if `yes`, if standard input is no terminal, or if the user answers with y. */
bool agree(bool yes);
