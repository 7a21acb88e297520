/* SPDX-License-Identifier: MIT */
/* clang-format off */
/*
 * The owner of an execution's processes: the mechanism that ends all of them, and proves their end,
 * if the shim is killed. The shim selects the strongest available mechanism and writes it into
 * DIR/lock before it starts the program. If a lock has no such text, the program was never started,
 * or the job has truncated the file.
 *
 *   cgroup          a control group of its own: one write to cgroup.kill, proven by cgroup.events
 *   pid_namespace   a namespace whose init dies with the shim; the kernel ends the rest with it
 *   subreaper       the shim adopts orphans; after its end the daemon does, while it is the one
 *                   that started the shim. Under another daemon the end of all cannot be proven
 *
 * In each mechanism all processes have a mark (base/proc.h), so that they are found without parents
 * or environment.
 */
/* clang-format on */
#pragma once

#include "base/err.h"
#include "base/json.h"

#include <limits.h>
#include <stdint.h>
#include <sys/types.h>

#define OWNER_CGROUP_PREFIX "trainyard-" /* of its name; the execution's id follows */
#define OWNER_TEXT_MAX	    (PATH_MAX + 512)

/* In the order of preference. */
enum owner_kind {
	OWNER_CGROUP,
	OWNER_PID_NAMESPACE,
	OWNER_SUBREAPER,
	OWNER_KINDS_,
};

struct process_owner {
	enum owner_kind kind;
	pid_t shim; /* identified together with its start (proc_stat) */
	int64_t shim_start;
	int64_t mark;	       /* 0: none */
	char cgroup[PATH_MAX]; /* absolute directory; "" for the other kinds */
	pid_t init;	       /* init of the namespace, as seen in the shim's own namespace */
	int64_t init_start;
};

const char *owner_kind_str(enum owner_kind kind);
int owner_kind_parse(const char *s, enum owner_kind *ret); /* 0 or -EINVAL */
/* Write the record into the lock file behind `fd`. */
int owner_write(int fd, const struct process_owner *o, struct err *reterr) MUSTCHECK;
/* Read the record from the lock file of execution `id`, which is open for reading. -ENODATA if it
 * is empty. -ERR_CORRUPT if the name of the cgroup is not the execution's. */
int owner_read(int lock_fd, const char *id, struct process_owner *ret,
	       struct err *reterr) MUSTCHECK;
