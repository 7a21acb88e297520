/* SPDX-License-Identifier: MIT */
/*
 * Finds the daemon's directory, the other programs, models, roots, directories and AWS settings,
 * and copies the other keys.
 */
#include "daemon/config_settings.h"

#include "aws/credentials.h"
#include "base/clock.h"
#include "base/fileio.h"
#include "base/own.h"
#include "base/roots.h"
#include "base/str.h"
#include "daemon/notification/notifier.h"
#include "daemon/notification/notify_settings.h"

#include <limits.h>
#include <sched.h>
#include <string.h>

#define DAY_US (INT64_C(86400) * USEC_PER_SEC)

/* Locations of the other programs relative to the daemon's directory: the same directory, a build
 * tree, an installation. */
static const char *const beside[] = {
	"", "../worker/", "../shim/", "../libexec/trainyard/", "../lib/trainyard/", NULL};

static int own_directory(char *dir, size_t size, struct err *reterr)
{
	ssize_t n = readlink("/proc/self/exe", dir, size - 1);
	char *slash;

	if (n < 0)
		return err_errno(reterr, errno, "find the daemon's own program");
	dir[n] = '\0';
	slash = strrchr(dir, '/');
	if (slash)
		slash[1] = '\0';
	return 0;
}

int settings_find_program(const char *configured, const char *name, const char *key, char **ret,
			  struct err *reterr)
{
	char dir[PATH_MAX], path[PATH_MAX];
	int r;

	if (configured[0]) {
		*ret = realpath(configured, NULL);
		return *ret ? 0 : err_errno(reterr, errno, "use '%s' (%s)", configured, key);
	}
	r = own_directory(dir, sizeof(dir), reterr);
	if (r < 0)
		return r;
	for (const char *const *b = beside; *b; b++) {
		if (snprintf(path, sizeof(path), "%s%s%s", dir, *b, name) >= (int)sizeof(path))
			continue;
		*ret = access(path, X_OK) == 0 ? realpath(path, NULL) : NULL;
		if (*ret)
			return 0;
	}
	return err_set(reterr, ERR_INVALID,
		       "the program %s is not beside the daemon in %s; set %s to its path", name,
		       dir, key);
}

static int find_models(const struct config *cfg, struct machine_settings *m, struct err *reterr)
{
	m->models = calloc(cfg->models_n + 1, sizeof(*m->models));
	m->model_dirs = calloc(cfg->models_n + 1, sizeof(*m->model_dirs));
	if (!m->models || !m->model_dirs)
		return err_errno(reterr, ENOMEM, "read the models");
	for (size_t i = 0; i < cfg->models_n; i++) {
		m->model_dirs[i] = realpath(cfg->models[i].dir, NULL);
		if (!m->model_dirs[i])
			return err_errno(reterr, errno, "use '%s' (models.%s)", cfg->models[i].dir,
					 cfg->models[i].name);
		m->models[i] = (struct model_name){cfg->models[i].name, m->model_dirs[i]};
	}
	m->s.models = m->models;
	m->s.models_n = cfg->models_n;
	return 0;
}

/* The configured roots and models. A model's links may lead to the blobs of a hub cache
 * ("models--X/snapshots/HASH" next to "models--X/blobs"). */
static int find_roots(const struct config *cfg, struct machine_settings *m, struct err *reterr)
{
	size_t n = 0;

	m->roots = calloc(ROOTS_MAX + 1, sizeof(*m->roots));
	m->model_roots = calloc(m->s.models_n + 1, sizeof(*m->model_roots));
	if (!m->roots || !m->model_roots)
		return err_errno(reterr, ENOMEM, "read the roots");
	for (char **root = cfg->local_roots; *root && n < ROOTS_MAX; root++)
		m->roots[n++] = *root;
	for (size_t i = 0; i < m->s.models_n && n < ROOTS_MAX; i++) {
		const char *dir = m->model_dirs[i], *snapshots = strstr(dir, "/snapshots/");
		bool cached = snapshots && !strchr(snapshots + strlen("/snapshots/"), '/');

		m->model_roots[i] = strndup(dir, cached ? (size_t)(snapshots - dir) : strlen(dir));
		if (!m->model_roots[i])
			return err_errno(reterr, ENOMEM, "read the roots");
		m->roots[n++] = m->model_roots[i];
	}
	m->s.roots = m->roots;
	return 0;
}

static int find_directories(const struct config *cfg, struct machine_settings *m,
			    struct err *reterr)
{
	int r;

	if (!cfg->daemon_data_dir[0])
		return err_set(reterr, ERR_INVALID,
			       "daemon.data_dir is not set: give --data-dir DIR, the key, or "
			       "TRAINYARD_DAEMON_DATA_DIR");
	r = dir_make(AT_FDCWD, cfg->daemon_data_dir, 0700, reterr);
	if (r < 0)
		return err_ctx(reterr, r, "daemon.data_dir");
	m->data_dir = realpath(cfg->daemon_data_dir, NULL);
	m->base_dir = realpath(cfg->local_base_dir[0] ? cfg->local_base_dir : ".", NULL);
	if (!m->data_dir)
		return err_errno(reterr, errno, "use '%s' (daemon.data_dir)", cfg->daemon_data_dir);
	if (!m->base_dir)
		return err_errno(reterr, errno, "use '%s' (local.base_dir)", cfg->local_base_dir);
	return 0;
}

static int usable_cpus(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
}

/* Read the AWS settings from the environment and ~/.aws. An error there does not stop the
 * daemon. */
static void read_aws(const struct config *cfg, struct machine_settings *m)
{
	struct aws_config_options o = {
		.profile = cfg->aws_profile[0] ? cfg->aws_profile : NULL,
		.region = cfg->aws_region[0] ? cfg->aws_region : NULL,
	};

	if (aws_config_load(&o, &m->aws, &m->aws_trouble) < 0)
		m->aws = NULL;
}

static void fill_aws(const struct config *cfg, struct machine_settings *m)
{
	m->s.aws = (struct aws_settings){
		.profile = cfg->aws_profile,
		.region = cfg->aws_region,
		.config = m->aws,
		.trouble = m->aws_trouble.msg,
		.role = cfg->aws_role,
		.bucket = cfg->aws_bucket,
		.prefix = cfg->aws_prefix,
		.poll_us = cfg->aws_poll_ms * USEC_PER_MSEC,
		.log_drain_us = cfg->aws_log_drain_ms * USEC_PER_MSEC,
		.log_give_up_us = cfg->aws_log_give_up_ms * USEC_PER_MSEC,
		.settle_us = cfg->aws_settle_ms * USEC_PER_MSEC,
		.wait_us = cfg->aws_wait_ms * USEC_PER_MSEC,
		.endpoint_timeout_us = cfg->aws_endpoint_timeout_us,
	};
}

void settings_take(const struct config *cfg, struct settings *s)
{
	int cpus = usable_cpus(), slots = cfg->local_cpu_slots;
	int share = slots > 1 ? cpus / slots : cpus;

	s->python = cfg->local_python;
	s->interpreters = (const char *const *)cfg->local_interpreters;
	s->cpu_slots = slots;
	s->cpus_per_slot = cfg->local_cpus_per_slot ? cfg->local_cpus_per_slot
			   : share > 0		    ? share
						    : 1;
	s->cpu_endpoints_max = cfg->local_cpu_endpoints_max;
	s->gpu_memory_margin_bytes = cfg->local_gpu_memory_margin_bytes;
	s->log_max_bytes = cfg->local_log_max_bytes;
	s->stop_grace_us = cfg->local_stop_grace_ms * USEC_PER_MSEC;
	s->inspect_us = cfg->local_inspect_ms * USEC_PER_MSEC;
	s->lease_ttl_default_us = cfg->lease_ttl_default_us;
	s->lease_ttl_max_us = cfg->lease_ttl_max_us;
	s->lease_idle_default_us = cfg->lease_idle_default_us;
	s->max_runtime_default_us = cfg->job_max_runtime_default_us;
	s->endpoint_start_timeout_us = cfg->endpoint_start_timeout_us;
	s->predict_timeout_us = cfg->predict_timeout_ms * USEC_PER_MSEC;
	s->events_keep_us = cfg->retention_events_days * DAY_US;
	s->keep_runs_us = cfg->retention_older_us;
	s->keep_runs = cfg->retention_keep;
	s->money_job_max = cfg->money_job_max_micro_usd;
	s->money_day_max = cfg->money_day_max_micro_usd;
	s->money_month_max = cfg->money_month_max_micro_usd;
	s->transfer_slots = cfg->local_transfer_slots;
	s->cache_max_bytes = cfg->local_cache_max_bytes;
	s->max_download = cfg->local_max_download;
	s->max_unpacked = cfg->local_max_unpacked;
	s->max_ratio = cfg->local_max_ratio;
	s->allow_private_urls = cfg->local_allow_private_urls;
	s->disk_free_min_bytes = cfg->local_disk_free_min_bytes;
}

/* The settings that last until the end of the daemon. */
static void fill(const struct config *cfg, struct machine_settings *m)
{
	struct settings *s = &m->s;

	s->data_dir = m->data_dir;
	s->base_dir = m->base_dir;
	s->worker = m->worker;
	s->shim = m->shim;
	s->nvml_library = cfg->local_nvml_library;
#ifdef TRAINYARD_NATIVE
	s->native = true;
#endif
	s->memory_bytes = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
	s->keep_look_us = DAY_US;
	s->aws_region = m->aws ? aws_config_region(m->aws) : "";
	s->prices = m->prices;
	s->backup_dir = cfg->backup_dir;
	s->backup_every_us = cfg->backup_every_us;
	s->backups_kept = cfg->backup_keep;
	s->notify.lease_before_us = cfg->notify_lease_before_us;
	s->notify.log_lines = cfg->notify_log_lines;
	s->notify.window_us = NOTIFIER_WINDOW_US;
}

int settings_make(const struct config *cfg, struct machine_settings *ret, struct err *reterr)
{
	int r = find_directories(cfg, ret, reterr);

	if (r >= 0)
		r = settings_find_program(cfg->local_worker, "trainyard-worker", "local.worker",
					  &ret->worker, reterr);
	if (r >= 0)
		r = settings_find_program(cfg->local_shim, "trainyard-shim", "local.shim",
					  &ret->shim, reterr);
	if (r >= 0)
		r = find_models(cfg, ret, reterr);
	if (r >= 0)
		r = find_roots(cfg, ret, reterr);
	if (r >= 0) {
		r = prices_new(cfg->money_prices, &ret->prices, reterr);
		if (r < 0)
			err_ctx(reterr, r, "money.prices");
	}
	if (r < 0)
		return r;
	if (owner_kind_parse(cfg->local_process_owner, &ret->s.process_owner) < 0)
		return err_set(
			reterr, ERR_INVALID,
			"local.process_owner must be cgroup, pid_namespace or subreaper, not "
			"'%s'",
			cfg->local_process_owner);
	if (notify_settings_parse(cfg->notify_command, cfg->notify_url, cfg->notify_format,
				  cfg->notify_on, &ret->s.notify, reterr))
		return -ERR_INVALID;
	read_aws(cfg, ret);
	settings_take(cfg, &ret->s);
	fill(cfg, ret);
	fill_aws(cfg, ret);
	return 0;
}

void settings_done(struct machine_settings *m)
{
	for (size_t i = 0; m->model_dirs && i < m->s.models_n; i++)
		free(m->model_dirs[i]);
	free(m->model_dirs);
	for (size_t i = 0; m->model_roots && i < m->s.models_n; i++)
		free(m->model_roots[i]);
	free(m->model_roots);
	free(m->roots);
	free(m->models);
	aws_config_free(m->aws);
	prices_free(m->prices);
	free(m->data_dir);
	free(m->base_dir);
	free(m->worker);
	free(m->shim);
}
