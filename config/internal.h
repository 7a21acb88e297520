/* SPDX-License-Identifier: MIT */
/* Internal to config/: the parts that config_load uses. */
#pragma once

#include "config/config.h"

/* values.c: parse the text as the key's type into the field at cfg + key->offset, and free the old
 * value. Messages begin with the key. */
int config_value_set(struct config *cfg, const struct config_key *key, const char *text,
		     struct err *reterr) MUSTCHECK;
void config_value_done(struct config *cfg, const struct config_key *key);
bool config_value_equal(const struct config *a, const struct config *b,
			const struct config_key *key);
/* Write the path that "~" or "~/rest" means into buf, or copy another text. `key` is for the
 * message. */
int config_expand_home(const char *key, const char *text, char buf[CONFIG_VALUE_MAX + 1],
		       struct err *reterr) MUSTCHECK;

/* file.c: call `fn` for every "key = value" line, with its line number. The first error ends the
 * read; its message begins with "FILE:LINE: ". */
typedef int (*config_line_fn)(void *userdata, const char *section, const char *key,
			      const char *value, struct err *reterr);
int config_file_read(const char *file, config_line_fn fn, void *userdata,
		     struct err *reterr) MUSTCHECK;

/* folder.c: call `fn` for each file *.conf of the folder, in the order of their names. */
typedef int (*config_path_fn)(void *userdata, const char *path, struct err *reterr);
int config_folder_read(const char *dir, config_path_fn fn, void *userdata,
		       struct err *reterr) MUSTCHECK;
