/* SPDX-License-Identifier: MIT */
/* XML answers of S3, IAM and STS as JSON (parsed by expat). An element with children is an object,
 * a repeated one a list, any other a string. Attributes and namespaces are dropped. */
#pragma once

#include "base/err.h"
#include "base/json.h"

#include <stddef.h>

#define XML_DEPTH_MAX 32

/* `lists`: NULL-terminated names of elements that are always lists ("member", "Contents"), also if
 * one or none is present. *ret: {"ListRolesResponse": {…}}, a new reference. -ERR_CORRUPT. */
int xml_parse(const char *text, size_t len, const char *const *lists, json_t **ret,
	      struct err *reterr) MUSTCHECK;
