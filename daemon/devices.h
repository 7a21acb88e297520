/* SPDX-License-Identifier: MIT */
/*
 * The GPUs of this machine, read with NVML (loaded with dlopen; see the NVIDIA Management Library
 * API). A separate thread refreshes a snapshot every DEVICES_REFRESH_US, because NVML calls may
 * block. Without the library there are no GPUs, which is no error. Thread-safe.
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
	int64_t used_bytes; /* 0: unknown to NVML */
};

struct device {
	int index; /* NVML's index, in PCI order */
	char uuid[48], name[96];
	int64_t total_bytes, used_bytes;
	int utilization_percent, temperature_c;
	bool lost; /* True if NVML reports that the GPU fell off the bus */
	struct device_process processes[DEVICES_PROCESSES_MAX];
	int processes_n;
};

struct device_list {
	struct device items[DEVICES_MAX];
	int n;
	int64_t at_us;
};

struct devices;

/* `library`: file name for dlopen; "": none. Blocks until the first snapshot. */
int devices_open(const char *library, struct devices **ret, struct err *reterr) MUSTCHECK;
void devices_close(struct devices *d);
int devices_count(const struct devices *d);
void devices_snapshot(struct devices *d, struct device_list *ret);
/* Versions of the library and the driver, for GET /v1/devices; "" if there are none. */
const char *devices_driver(const struct devices *d);
