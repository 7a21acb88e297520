/* SPDX-License-Identifier: MIT */
/* Turns the configuration into the manager's settings: makes paths absolute and fills in defaults
 * that depend on the machine. main.c calls this at the start, configuration.c on SIGHUP. */
#pragma once

#include "base/err.h"
#include "config/config.h"
#include "daemon/settings.h"

struct machine_settings {
	struct settings s; /* borrows from the fields below and from the configuration */
	char *data_dir, *base_dir, *worker, *shim;
	struct model_name *models;
	char **model_dirs;
	const char **roots; /* roots of the configuration, and its models */
	char **model_roots;
	struct aws_config *aws; /* NULL: aws_trouble has the reason */
	struct err aws_trouble;
	struct prices *prices;
};

/* Fill in the settings and create the data directory. -ERR_INVALID: the message names the key. */
int settings_make(const struct config *cfg, struct machine_settings *ret,
		  struct err *reterr) MUSTCHECK;
/* Copy the values of the reloadable keys (keys.def), except money.prices and log.level. The strings
 * are borrowed from the configuration. */
void settings_take(const struct config *cfg, struct settings *s);
/* Find the real path of a program: the configured one, else the one beside the daemon. The caller
 * frees *ret. */
int settings_find_program(const char *configured, const char *name, const char *key, char **ret,
			  struct err *reterr) MUSTCHECK;
void settings_done(struct machine_settings *m);
