/* SPDX-License-Identifier: MIT */
/* split_probe [PATTERN] < PATHS: the splits of the paths as JSON, or which paths the pattern takes.
 */
#include "base/json.h"
#include "base/own.h"
#include "worker/dataset/split_names.h"

#include <string.h>

#define PATHS_MAX 10000

int main(int argc, char **argv)
{
	OWN(split_groups_done) struct split_groups groups = {0};
	OWN(json_decrefp) json_t *out = json_object();
	OWN(freep) char *text = NULL;
	static char *paths[PATHS_MAX];
	char line[4096];
	size_t n = 0;

	while (n < PATHS_MAX && fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		if (argc < 2 || split_pattern_match(argv[1], line))
			paths[n++] = strdup(line);
	}
	if (argc < 2 && split_groups_init(&groups, (const char *const *)paths, n) < 0)
		return 1;
	for (size_t i = 0; argc > 1 && i < n; i++)
		if (split_groups_add(&groups, "all", paths[i]) < 0)
			return 1;
	split_groups_sort(&groups);
	for (size_t i = 0; i < groups.n; i++) {
		json_t *files = json_array();

		for (size_t j = 0; j < groups.items[i].n; j++)
			json_array_append_new(files, json_string(groups.items[i].files[j]));
		json_object_set_new(out, groups.items[i].name, files);
	}
	text = json_text(out);
	printf("%s\n", text ? text : "");
	for (size_t i = 0; i < n; i++)
		free(paths[i]);
	return 0;
}
