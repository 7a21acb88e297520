/* SPDX-License-Identifier: MIT */
/*
 * What is wrong with a submitted spec: a JSON array of {"pointer","code","detail"}, as the API
 * answers it. jobs/ finds most of them; the daemon adds what only it can see (missing files).
 */
#pragma once

#include "base/json.h"

#include <stdarg.h>
#include <stddef.h>

#define PROBLEM_QUOTE_MAX 64 /* bytes of the caller's own text that a detail repeats */

enum problem_code {
	PROBLEM_UNKNOWN_FIELD,
	PROBLEM_WRONG_TYPE,
	PROBLEM_OUT_OF_RANGE,
	PROBLEM_MISSING,
	PROBLEM_UNKNOWN_REFERENCE,
	PROBLEM_CYCLE,
	PROBLEM_DUPLICATE,
	PROBLEM_UNSUPPORTED,
	PROBLEM_TOO_MANY,
	PROBLEM_INVALID,
	PROBLEM_DATA_MISSING,	/* a path or model that this machine does not have */
	PROBLEM_REMOVED,	/* its folder was removed outside of Trainyard */
	PROBLEM_PRUNED,		/* its folder was removed by Trainyard */
	PROBLEM_FORBIDDEN,	/* a path outside the allowed roots */
	PROBLEM_ENDPOINT_TAKEN, /* its name is in use */
	PROBLEM_MONEY_CAP,	/* it can never fit what may be spent */
	PROBLEM_PRICE_UNKNOWN,	/* so its worst case is unknown too */
	PROBLEM_CODES_,
};

const char *problem_code_str(enum problem_code code);
/* Append one; nothing once SPEC_PROBLEMS_MAX are listed. The detail is one sentence: what is wrong
 * and what to do. */
void problem_add(json_t *problems, const char *pointer, enum problem_code code, const char *fmt,
		 ...) __attribute__((format(printf, 4, 5)));
void problem_addv(json_t *problems, const char *pointer, enum problem_code code, const char *fmt,
		  va_list ap) __attribute__((format(printf, 4, 0)));
/* The caller's own text, short and printable, for a detail; returns buf. */
const char *problem_quote(char buf[PROBLEM_QUOTE_MAX], const char *text);
