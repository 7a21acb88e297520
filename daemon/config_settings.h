/* SPDX-License-Identifier: MIT */
/* From the configuration to the manager's settings: paths made absolute, defaults that depend on
 * the machine filled in. */
#pragma once

#include "base/err.h"
#include "config/config.h"
#include "daemon/settings.h"

struct machine_settings {
	struct settings s; /* borrows from the rest and from the configuration */
	char *data_dir, *base_dir, *worker, *shim;
	struct model_name *models;
	char **model_dirs;
	const char **roots; /* of the configuration, and of its models */
	char **model_roots;
	struct aws_config *aws; /* NULL: aws_trouble says why there is none */
	struct err aws_trouble;
	struct prices *prices;
};

/* -ERR_INVALID with a sentence that names the key. Makes the data directory. */
int settings_make(const struct config *cfg, struct machine_settings *ret,
		  struct err *reterr) MUSTCHECK;
/* The real path of a program: as configured, else beside the daemon. The caller frees *ret. */
int settings_find_program(const char *configured, const char *name, const char *key, char **ret,
			  struct err *reterr) MUSTCHECK;
void settings_done(struct machine_settings *m);
