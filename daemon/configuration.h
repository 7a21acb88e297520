/* SPDX-License-Identifier: MIT */
/* The sources of the configuration, and its reload on SIGHUP. main.c calls this. */
#pragma once

#include "config/config.h"
#include "daemon/options.h"
#include "daemon/settings.h"

/* Load the configuration; the options override it. The caller owns *ret. Errors as
 * config_load(). */
int configuration_load(const struct options *opt, struct config **ret,
		       struct err *reterr) MUSTCHECK;
/* Let the log have the level of the key log.level. */
void configuration_set_log_level(const struct config *cfg);

/* The configuration in effect. opt, cfg and set are those of the start, and borrowed. */
struct configuration {
	const struct options *opt;
	const struct config *cfg;
	const struct settings *set;
	struct generation *last; /* of the last reload that changed something; NULL: none */
};

/* Read everything again. Each difference is a line of the log: reloadable keys take effect, others
 * are named as waiting for a restart. A mistake is logged and changes nothing. Returns the new
 * settings, or NULL if they stay; a manager_reload_fn, with a struct configuration. */
const struct settings *configuration_reload(void *userdata);
/* Free what reloads have made. */
void configuration_done(struct configuration *c);
