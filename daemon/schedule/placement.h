/* SPDX-License-Identifier: MIT */
/*
 * Where one job could run now: CPU slots, endpoint places, GPUs and their memory. Counts what the
 * live (and planned) executions hold and what processes that are not ours hold on each GPU. Engine
 * thread; changes nothing.
 */
#pragma once

#include "daemon/core.h"

struct usage {
	int job_cpus, cpu_endpoints, transfers;
	bool whole[DEVICES_MAX];       /* a job holds all of it */
	bool kept[DEVICES_MAX];	       /* for a job that is ahead in the queue and waits */
	int64_t reserved[DEVICES_MAX]; /* bytes promised to sharing jobs */
	int sharers[DEVICES_MAX];
	int64_t foreign[DEVICES_MAX]; /* bytes held by processes that are not ours */
	struct device_process foreign_top[DEVICES_MAX]; /* the largest of them */
	struct device_list list;
	bool room_known;
	struct reason no_room; /* once that is known; REASON_NONE: there is room */
};

/* Heap-allocated because a device list is some kilobytes; free() it. */
struct usage *usage_read(struct manager *mgr);
/* Disk, inodes and descriptors for one more execution (headroom.h); looked at once for each `u`.
 * false: *why says what is missing. */
bool usage_has_room(struct manager *mgr, struct usage *u, struct reason *why);
/* true: *row has cpus and devices, and `u` counts them. false: *why says what is missing. */
bool placement_find(struct manager *mgr, struct usage *u, const struct job_row *job,
		    struct execution_row *row, struct reason *why);
/* This GPU job must wait: no job behind it gets a GPU that it could use, so that it is not
 * overtaken for ever. Nothing is kept for a job that needs more GPUs than could ever serve it.
 * Returns true if some GPU is left for the jobs behind it. */
bool placement_keep(struct usage *u, const struct job_row *job);
enum slot_class placement_of(const struct job_row *job);
