/* SPDX-License-Identifier: MIT */
/* The manager's settings; main.c derives them from the configuration. Read-only after the start. */
#pragma once

#include "jobs/sagemaker/prices.h"
#include "jobs/spec/spec.h"
#include "wire/owner.h"

#include <stddef.h>
#include <stdint.h>

struct aws_config; /* defined in aws/credentials.h */

struct model_name {
	const char *name;
	const char *dir; /* absolute path */
};

struct aws_settings {
	const char *profile, *region, *role, *bucket, *prefix; /* "": not given */
	const struct aws_config *config;		       /* NULL: trouble has the reason */
	const char *trouble;
	int64_t poll_us, log_drain_us, log_give_up_us, settle_us, wait_us, endpoint_timeout_us;
};

/* The section [notify]: the kinds of messages, and their receivers. */
enum notify_kind {
	NOTIFY_RUN_ENDED,
	NOTIFY_JOB_FAILED,
	NOTIFY_ENDPOINT_FAILED,
	NOTIFY_LEASE_ENDING,
	NOTIFY_CAP_NEAR,
	NOTIFY_DISK_LOW,
	NOTIFY_TEST, /* on request only, as the next: cannot be named */
	NOTIFY_MORE,
	NOTIFY_KINDS_,
};
enum notify_format {
	NOTIFY_JSON,
	NOTIFY_NTFY,
	NOTIFY_SLACK,
};
struct notify_settings {
	const char *command, *url; /* NULL or "": none */
	enum notify_format format;
	uint32_t kinds; /* a bit for each notify_kind */
	int64_t lease_before_us;
	int log_lines;
	int64_t window_us; /* of NOTIFIER_MESSAGES messages: NOTIFIER_WINDOW_US */
};

struct settings {
	const char *data_dir; /* absolute path */
	const char *base_dir; /* start of relative paths in specs; absolute */
	/* NULL-terminated: paths in specs must be below one of them; the models below are
	 * included */
	const char *const *roots;
	const char *worker, *shim; /* absolute paths of the programs */
	const char *python;
	const char *const
		*interpreters; /* NULL-terminated: further allowed values of local.python */
	const char *nvml_library;
	const struct model_name *models;
	size_t models_n;
	bool native;
	int cpu_slots, cpus_per_slot, cpu_endpoints_max;
	int64_t memory_bytes;
	int64_t gpu_memory_margin_bytes;
	int64_t log_max_bytes, stop_grace_us;
	int64_t inspect_us; /* of a submit: for the data of all its jobs, and for their models */
	enum owner_kind process_owner; /* the strongest mechanism to try (wire/owner.h) */
	int64_t lease_ttl_default_us, lease_ttl_max_us, lease_idle_default_us;
	int64_t max_runtime_default_us;
	int64_t endpoint_start_timeout_us, predict_timeout_us;
	int64_t events_keep_us;
	int64_t keep_runs_us; /* retention: files of runs that ended longer ago are removed, … */
	int keep_runs;	      /* … except those of this many newest runs; both 0: no retention */
	int64_t keep_look_us; /* between two looks of the retention: a day */
	const char *aws_region; /* for jobs without a region; "": unknown */
	const struct prices *prices;
	int64_t money_job_max, money_day_max, money_month_max; /* micro-dollars; MONEY_NONE */
	int transfer_slots;
	int64_t cache_max_bytes;
	int64_t max_download, max_unpacked, max_ratio; /* limits of transfers */
	bool allow_private_urls;
	int64_t disk_free_min_bytes; /* see headroom.h */
	struct aws_settings aws;
	struct notify_settings notify;
	const char *backup_dir;	 /* NULL or "": the folder backups of the data directory */
	int64_t backup_every_us; /* 0: none by itself */
	int backups_kept;
};
