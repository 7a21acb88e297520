/* SPDX-License-Identifier: MIT */
/* Measures what a prune would remove. Trash thread. */
#include "base/own.h"
#include "base/tree.h"
#include "daemon/prune/trash.h"
#include "storage/store.h"

#include <fcntl.h>

static void measure_done(json_t *item, const struct tree_size *size)
{
	json_object_set_new(item, "bytes", json_integer(size->bytes));
	json_object_set_new(item, "files", json_integer(size->files));
	if (size->partial)
		json_object_set_new(item, "partial", json_true());
}

void trash_measure_now(int data, struct measure *m)
{
	struct trash_folders f = {-1, -1};
	struct tree_size size = {.budget = MEASURE_ENTRIES_MAX};
	OWN(closep) int sources = openat(data, STORE_SOURCES, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	json_t *item, *id;
	size_t i, k;
	int r = trash_folders_open(data, &f, NULL);

	json_array_foreach(m->runs, i, item) {
		size = (struct tree_size){.budget = size.budget};
		json_array_foreach(json_object_get(item, "executions"), k, id) {
			if (r < 0)
				break;
			tree_measure(f.executions, json_string_value(id), &size);
			tree_measure(f.trash, json_string_value(id), &size);
		}
		measure_done(item, &size);
	}
	json_array_foreach(m->sources, i, item) {
		size = (struct tree_size){.budget = size.budget};
		if (sources >= 0)
			tree_measure(sources, json_get_str(item, "source", ""), &size);
		measure_done(item, &size);
	}
	trash_folders_done(&f);
	m->done(m);
}
