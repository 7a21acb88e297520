/* SPDX-License-Identifier: MIT */
/* clang-format off */
/*
 * Who owns the processes of an execution: what ends them all, and proves it, if the shim is killed.
 * The shim takes the strongest way that this machine gives it, and writes it into DIR/lock before
 * it starts the program; a lock without this text is one whose program was never started, or whose
 * job has cut the file.
 *
 *   cgroup          a control group of its own: one write to cgroup.kill, proven by cgroup.events
 *   pid_namespace   a namespace whose init dies with the shim; the kernel ends the rest with it
 *   subreaper       the shim adopts orphans; after its end the daemon does, while it is the one
 *                   that started the shim. Under another daemon the end of all cannot be proven
 *
 * In each of them all processes carry a mark (base/proc.h), for a sweep that needs neither parents
 * nor an environment.
 */
/* clang-format on */
#pragma once

#include "base/err.h"
#include "base/json.h"

#include <limits.h>
#include <stdint.h>
#include <sys/types.h>

#define OWNER_CGROUP_PREFIX "trainyard-" /* of the cgroup's name; the execution's id follows */
#define OWNER_TEXT_MAX	    (PATH_MAX + 512)

/* In the order in which they are tried. */
enum owner_kind {
	OWNER_CGROUP,
	OWNER_PID_NAMESPACE,
	OWNER_SUBREAPER,
	OWNER_KINDS_,
};

struct process_owner {
	enum owner_kind kind;
	pid_t shim; /* with its start (proc_stat) */
	int64_t shim_start;
	int64_t mark;	       /* 0: none */
	char cgroup[PATH_MAX]; /* absolute directory; "" in the other kinds */
	pid_t init;	       /* of the namespace, as the shim's own one sees it */
	int64_t init_start;
};

const char *owner_kind_str(enum owner_kind kind);
int owner_kind_parse(const char *s, enum owner_kind *ret); /* 0 or -EINVAL */
/* Write the record into the lock file behind `fd`. */
int owner_write(int fd, const struct process_owner *o, struct err *reterr) MUSTCHECK;
/* Read it from the lock file of execution `id`, open for reading. -ENODATA: it is empty; a cgroup
 * that is not the execution's by its name is -ERR_CORRUPT. */
int owner_read(int lock_fd, const char *id, struct process_owner *ret,
	       struct err *reterr) MUSTCHECK;
