/* SPDX-License-Identifier: MIT */
/* XML answers of S3, IAM and STS as JSON (expat behind it): an element with child elements is an
 * object, a repeated one a list, any other a string; attributes and namespaces are dropped. */
#pragma once

#include "base/err.h"
#include "base/json.h"

#include <stddef.h>

#define XML_DEPTH_MAX 32

/* `lists`: NULL-terminated names of elements that are a list even when there is one or none of them
 * ("member", "Contents"). *ret: {"ListRolesResponse": {…}}, new reference. -ERR_CORRUPT. */
int xml_parse(const char *text, size_t len, const char *const *lists, json_t **ret,
	      struct err *reterr) MUSTCHECK;
