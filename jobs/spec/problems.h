/* SPDX-License-Identifier: MIT */
/*
 * The problems of a submitted spec: a JSON array of {"pointer","code","detail"}, as the API returns
 * it. jobs/ finds most problems; the daemon adds those that need the machine (missing files). Pure.
 */
#pragma once

#include "base/json.h"

#include <stdarg.h>
#include <stddef.h>

#define PROBLEM_QUOTE_MAX 64 /* bytes of the caller's text that a detail repeats */

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
	PROBLEM_DATA_MISSING,	/* a path or model that does not exist on this machine */
	PROBLEM_REMOVED,	/* a folder that somebody removed outside Trainyard */
	PROBLEM_PRUNED,		/* a folder that Trainyard pruned */
	PROBLEM_FORBIDDEN,	/* a path outside the allowed roots */
	PROBLEM_ENDPOINT_TAKEN, /* an endpoint name that is in use */
	PROBLEM_MONEY_CAP,	/* a cost that no money cap can ever allow */
	PROBLEM_PRICE_UNKNOWN,	/* a price, and so a worst case, that is unknown */
	PROBLEM_CODES_,
};

/* Append a problem; does nothing if SPEC_PROBLEMS_MAX problems are listed. The detail is one
 * sentence: what is wrong and what to do. */
void problem_add(json_t *problems, const char *pointer, enum problem_code code, const char *fmt,
		 ...) __attribute__((format(printf, 4, 5)));
void problem_addv(json_t *problems, const char *pointer, enum problem_code code, const char *fmt,
		  va_list ap) __attribute__((format(printf, 4, 0)));
/* Copy the caller's text, shortened and printable, for a detail. Returns buf. */
const char *problem_quote(char buf[PROBLEM_QUOTE_MAX], const char *text);
