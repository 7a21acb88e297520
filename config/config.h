/* SPDX-License-Identifier: MIT */
/*
 * The configuration: defaults, then files of "[section]" and "key = value" lines, then the
 * environment (TRAINYARD_SECTION_KEY), then the command line. A later source overrides an earlier
 * one. The section [models] has user-defined names: NAME = directory of a model. The daemon reads
 * the configuration at the start, and again on SIGHUP.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_FILE_MAX	  (1 << 20) /* bytes of the file */
#define CONFIG_VALUE_MAX  4096	    /* bytes of one value */
#define CONFIG_FILES_MAX  64	    /* files *.conf of one folder */
#define CONFIG_MODELS_MAX 256
#define CONFIG_NAME_MAX	  63 /* bytes of a model's name: [a-zA-Z0-9][a-zA-Z0-9_.-]* */

enum config_type {
	CONFIG_STRING,
	CONFIG_PATH,
	CONFIG_ADDRESS, /* "127.0.0.1:8470", "[::1]:0" */
	CONFIG_LEVEL,	/* name of a log level */
	CONFIG_LIST,	/* texts, separated by colons */
	CONFIG_INT,	/* an int */
	CONFIG_BYTES,	/* int64_t; "8MiB" or a number */
	CONFIG_MONEY, /* int64_t micro-dollars, field "…_micro_usd"; "12.50"; "none": MONEY_NONE */
	CONFIG_DURATION, /* int64_t microseconds, field "…_us"; "90s", "1h"; "none": 0 */
};

struct config_key {
	const char *section, *name;
	enum config_type type;
	const char *fallback;
	int64_t min, max;
	bool reloadable;
	const char *help;
	size_t offset; /* of the field in struct config */
};

struct config_model {
	char *name, *dir;
};

#define CONFIG_FIELD_STRING(name)   char *name;
#define CONFIG_FIELD_PATH(name)	    char *name;
#define CONFIG_FIELD_ADDRESS(name)  char *name;
#define CONFIG_FIELD_LEVEL(name)    char *name;
#define CONFIG_FIELD_LIST(name)	    char **name; /* NULL-terminated */
#define CONFIG_FIELD_INT(name)	    int name;
#define CONFIG_FIELD_BYTES(name)    int64_t name;
#define CONFIG_FIELD_MONEY(name)    int64_t name##_micro_usd;
#define CONFIG_FIELD_DURATION(name) int64_t name##_us;

/* A field for each key, named by section and key. Texts are never NULL. */
struct config {
#define CONFIG_KEY(type, section, key, fallback, min, max, reloadable, help) \
	CONFIG_FIELD_##type(section##_##key)
#include "config/keys.def"
#undef CONFIG_KEY
	struct config_model *models;
	size_t models_n;
	char **texts; /* of each key: the text of its value, as the last source has it */
};

/* The files, in the order in which they are read. */
struct config_files {
	const char *vendor_dir; /* *.conf of packages; NULL: none */
	const char *file;	/* and then *.conf of the folder "conf.d" beside it; NULL: none */
};

extern const struct config_key config_keys[];
extern const size_t config_keys_n;

/* Load the configuration. The files of a folder are read in the order of their names; a missing
 * folder is empty. `overrides`: NULL-terminated texts "section.key=value", or NULL. The caller owns
 * *ret. -ERR_INVALID: the message has file, line, key, problem and the nearest key. -ENOENT,
 * -ERR_LIMIT and other errors of file_read(). Blocks on the disk. */
int config_load(const struct config_files *files, const char *const *overrides, struct config **ret,
		struct err *reterr) MUSTCHECK;
/* Call `fn` for each key whose value differs, with the two texts. The section [models] counts as
 * one key that is not reloadable: `key` is NULL then, and both texts are "". */
typedef void (*config_change_fn)(void *userdata, const struct config_key *key, const char *was,
				 const char *now);
void config_compare(const struct config *was, const struct config *now, config_change_fn fn,
		    void *userdata);
void config_free(struct config *cfg);
void config_freep(struct config **cfg);
/* Append all keys with help and defaults, as a configuration file whose lines are all comments. */
void config_print(struct buf *out);
