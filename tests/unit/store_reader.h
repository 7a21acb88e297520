/* SPDX-License-Identifier: MIT */
/* What tests of lists read of an answer. */
#pragma once

#include "tests/unit/store_fixture.h"

#include <string.h>

/* The names of the items of a list, joined; releases it. */
static inline const char *names_of(json_t *list)
{
	static char text[1024];
	size_t i;
	json_t *item;

	text[0] = '\0';
	json_array_foreach(json_object_get(list, "items"), i, item) {
		size_t used = strlen(text);

		snprintf(text + used, sizeof(text) - used, "%s%s", i ? " " : "",
			 json_get_str(item, "name", "?"));
	}
	json_decref(list);
	return text;
}
