/* SPDX-License-Identifier: MIT */
/* What tests of lists read of an answer. */
#pragma once

#include "tests/unit/store_fixture.h"

#include <string.h>

/* Parse the text of an answer, which is released. */
static inline int answer_read(int r, struct buf *text, json_t **ret, struct err *reterr)
{
	if (r >= 0)
		r = json_parse_nul(buf_str(text), text->len, ret, reterr);
	buf_done(text);
	return r;
}

/* One page of a list as a tree. */
static inline int list_read(int (*read)(struct store_reader *sr, const struct list_filter *f,
					struct buf *out, struct err *reterr),
			    struct store_reader *sr, const struct list_filter *f, json_t **ret,
			    struct err *reterr)
{
	struct buf text = BUF_INIT(SIZE_MAX / 2);

	return answer_read(read(sr, f, &text, reterr), &text, ret, reterr);
}

/* The queue as a tree: {"items":[...]}. */
static inline int queue_read(struct store_reader *sr, int limit, json_t **ret, struct err *reterr)
{
	struct buf text = BUF_INIT(SIZE_MAX / 2);
	int r;

	buf_puts(&text, "{\"items\":");
	r = store_read_queue(sr, limit, &text, reterr);
	buf_puts(&text, "}");
	return answer_read(r, &text, ret, reterr);
}

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
