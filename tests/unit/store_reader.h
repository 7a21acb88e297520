/* SPDX-License-Identifier: MIT */
/* A reader of the database of a store's fixture. */
#pragma once

#include "tests/unit/store_fixture.h"

#include "base/own.h"
#include "storage/store_read.h"

#include <string.h>

static inline struct store_reader *reader(struct fixture *f)
{
	struct store_reader *sr = NULL;

	OK(f, store_reader_open(f->dir, &sr, &f->e));
	return sr;
}

static inline void reader_done(struct store_reader **sr)
{
	store_reader_close(*sr);
}

#define READER(f) OWN(reader_done) struct store_reader *sr = reader(f)

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
