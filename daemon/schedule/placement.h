/* SPDX-License-Identifier: MIT */
/*
 * Finds a placement for one job: CPU slots, endpoint slots, GPUs and their memory. Counts what live
 * and planned executions hold, and the GPU memory of foreign processes. Manager's thread; changes
 * nothing.
 */
#pragma once

#include "daemon/core.h"

struct usage {
	int job_cpus, cpu_endpoints, transfers;
	bool whole[DEVICES_MAX];       /* True if one job holds the whole GPU */
	bool kept[DEVICES_MAX];	       /* True if kept for a job ahead in the queue */
	int64_t reserved[DEVICES_MAX]; /* bytes reserved by jobs that share the GPU */
	int sharers[DEVICES_MAX];
	int64_t foreign[DEVICES_MAX]; /* bytes held by foreign processes */
	/* the foreign process with the most memory */
	struct device_process foreign_top[DEVICES_MAX];
	struct device_list list;
	bool room_known;
	struct reason no_room; /* set after the check; REASON_NONE: there is room */
};

/* Allocated on the heap, because a device list has some kilobytes; free it with free(). */
struct usage *usage_read(struct manager *mgr);
/* False if disk, inodes or descriptors do not suffice for one more execution (headroom.h); *reason
 * is the reason. Checked once for each `u`. */
bool usage_has_room(struct manager *mgr, struct usage *u, struct reason *reason);
/* If true, *row has cpus and devices, and `u` counts them. If false, *reason is the reason. */
bool placement_find(struct manager *mgr, struct usage *u, const struct job_row *job,
		    struct execution_row *row, struct reason *reason);
/* Keep GPUs for a job that must wait. No job behind it gets a GPU that it could use; otherwise it
 * might be overtaken forever. Nothing is kept for a job that needs more GPUs than exist. True if a
 * GPU is left for the jobs behind it. */
bool placement_keep(struct usage *u, const struct job_row *job);
enum slot_class placement_of(const struct job_row *job);
