/* SPDX-License-Identifier: MIT */
/* The API's description, for its route and for the test that compares it with the table of
 * routes. */
#pragma once

#include "base/json.h"

extern const char openapi_text[]; /* api/openapi.json, embedded */
extern const unsigned long openapi_text_len;

/* Build the whole document, with the given version. *ret is a new reference. */
int openapi_document(const char *version_text, json_t **ret, struct err *reterr) MUSTCHECK;
