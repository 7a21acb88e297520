/* SPDX-License-Identifier: MIT */
/*
 * The checks of `trainyardd --check`, one function for each kind of value. Each problem is one line
 * that names the key.
 */
#include "daemon/config_check.h"

#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/config_settings.h"
#include "daemon/notification/notify_settings.h"
#include "jobs/sagemaker/prices.h"
#include "wire/owner.h"

#include <libgen.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

struct check {
	FILE *out;
	int problems;
};

__attribute__((format(printf, 4, 5))) static void problem(struct check *c, const char *key,
							  const char *value, const char *fmt, ...)
{
	va_list ap;

	c->problems++;
	fprintf(c->out, "%s: '%s': ", key, value);
	va_start(ap, fmt);
	vfprintf(c->out, fmt, ap);
	va_end(ap);
	fputc('\n', c->out);
}

static bool check_directory(struct check *c, const char *key, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		problem(c, key, path, "%s; make the directory, or name another one",
			strerror(errno));
	else if (!S_ISDIR(st.st_mode))
		problem(c, key, path, "the path is not a directory; name a directory");
	else
		return true;
	return false;
}

static void check_program(struct check *c, const char *key, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		problem(c, key, path, "%s; install the program, or name another one",
			strerror(errno));
	else if (!S_ISREG(st.st_mode) || access(path, X_OK) < 0)
		problem(c, key, path, "the file is not an executable program; name another one");
}

/* The daemon creates the data directory, but not its parent. */
static void check_data_dir(struct check *c, const char *dir)
{
	static const char key[] = "daemon.data_dir";
	OWN(freep) char *copy = strdup(dir);
	const char *parent;

	if (!*dir) {
		fprintf(c->out,
			"note: %s is not set: the systemd service sets the key, by hand give "
			"--data-dir DIR\n",
			key);
		return;
	}
	if (path_exists(AT_FDCWD, dir)) {
		if (check_directory(c, key, dir) && access(dir, W_OK | X_OK) < 0)
			problem(c, key, dir,
				"cannot write to the directory: %s; change its owner or mode",
				strerror(errno));
		return;
	}
	parent = copy ? dirname(copy) : "/";
	if (access(parent, W_OK | X_OK) < 0)
		problem(c, key, dir,
			"cannot make the directory in '%s': %s; make it, or name another one",
			parent, strerror(errno));
	else
		fprintf(c->out, "note: %s: the first start makes '%s'\n", key, dir);
}

static void check_models(struct check *c, const struct config *cfg)
{
	for (size_t i = 0; i < cfg->models_n; i++) {
		const struct config_model *m = &cfg->models[i];
		char key[CONFIG_NAME_MAX + 16], path[PATH_MAX];

		str_must_format(key, sizeof(key), "models.%s", m->name);
		if (check_directory(c, key, m->dir) &&
		    (!path_join(path, sizeof(path), m->dir, "config.json") ||
		     !path_exists(AT_FDCWD, path)))
			problem(c, key, m->dir,
				"the directory is not a model: it has no config.json; name a "
				"model's directory");
	}
}

/* Report the error of a function that reads one key. */
static void check_result(struct check *c, const char *key, const char *value, int r,
			 const struct err *e)
{
	if (r < 0)
		problem(c, key, value, "%s", e->msg);
}

static void check_values(struct check *c, const struct config *cfg)
{
	struct prices *prices = NULL;
	enum owner_kind owner;
	struct err e = {0};
	char *worker = NULL, *shim = NULL;

	check_result(c, "money.prices", cfg->money_prices,
		     prices_new(cfg->money_prices, &prices, &e), &e);
	check_result(c, "local.worker", cfg->local_worker,
		     settings_find_program(cfg->local_worker, "trainyard-worker", "local.worker",
					   &worker, &e),
		     &e);
	check_result(
		c, "local.shim", cfg->local_shim,
		settings_find_program(cfg->local_shim, "trainyard-shim", "local.shim", &shim, &e),
		&e);
	if (owner_kind_parse(cfg->local_process_owner, &owner) < 0)
		problem(c, "local.process_owner", cfg->local_process_owner,
			"use cgroup, pid_namespace or subreaper");
	prices_free(prices);
	free(worker);
	free(shim);
}

/* The address may be a secret, so no value is shown. */
static void check_notify(struct check *c, const struct config *cfg)
{
	struct notify_settings set;
	struct err e = {0};
	const char *key = notify_settings_parse(cfg->notify_command, cfg->notify_url,
						cfg->notify_format, cfg->notify_on, &set, &e);

	if (key)
		problem(c, key, "…", "%s", e.msg);
	else if (*cfg->notify_command)
		check_program(c, "notify.command", cfg->notify_command);
}

int config_check(const struct config *cfg, FILE *out)
{
	struct check c = {.out = out};

	check_data_dir(&c, cfg->daemon_data_dir);
	check_program(&c, "local.python", cfg->local_python);
	for (char **path = cfg->local_interpreters; *path; path++)
		if (strcmp(*path, cfg->local_python) != 0)
			check_program(&c, "local.interpreters", *path);
	for (char **path = cfg->local_roots; *path; path++)
		check_directory(&c, "local.roots", *path);
	if (*cfg->local_base_dir)
		check_directory(&c, "local.base_dir", cfg->local_base_dir);
	if (*cfg->backup_dir)
		check_directory(&c, "backup.dir", cfg->backup_dir);
	check_models(&c, cfg);
	check_values(&c, cfg);
	check_notify(&c, cfg);
	return c.problems;
}
