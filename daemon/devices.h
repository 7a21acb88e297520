/* SPDX-License-Identifier: MIT */
/*
 * The GPUs of this machine, by NVML (loaded with dlopen; NVML's own reference: NVIDIA Management
 * Library API). A thread of its own refreshes a snapshot every DEVICES_REFRESH_US, because NVML
 * calls may block. Without the library there are no GPUs, which is no error. Thread-safe.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define DEVICES_MAX	      16
#define DEVICES_PROCESSES_MAX 64
#define DEVICES_REFRESH_US    2000000

struct device_process {
	pid_t pid;
	int64_t used_bytes; /* 0: NVML does not know */
};

struct device {
	int index; /* NVML's, PCI order */
	char uuid[48], name[96];
	int64_t total_bytes, used_bytes;
	int utilization_percent, temperature_c;
	bool lost; /* NVML says that the GPU fell off the bus */
	struct device_process processes[DEVICES_PROCESSES_MAX];
	int processes_n;
};

struct device_list {
	struct device items[DEVICES_MAX];
	int n;
	int64_t at_us;
};

struct devices;

/* library: file name for dlopen, or "" for none. Blocks for the first snapshot. */
int devices_open(const char *library, struct devices **ret, struct err *reterr) MUSTCHECK;
void devices_close(struct devices *d);
int devices_count(const struct devices *d);
void devices_snapshot(struct devices *d, struct device_list *ret);
/* The library's and the driver's own words, for GET /v1/devices: "" when there are none. */
const char *devices_driver(const struct devices *d);
