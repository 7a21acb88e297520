/* SPDX-License-Identifier: MIT */
/* The API's description. */
#pragma once

#include "base/json.h"

extern const char openapi_text[]; /* api/openapi.json, embedded */
extern const unsigned long openapi_text_len;
