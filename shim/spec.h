/* SPDX-License-Identifier: MIT */
/* The "exec" part of spec.json (wire/README.md), checked and ready for execve(2). */
#pragma once

#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "wire/owner.h"

#include <stdint.h>

#define SHIM_GRACE_DEFAULT_MS 30000

struct shim_spec {
	json_t *exec;	   /* owns the strings of argv and cwd */
	const char **argv; /* NULL-terminated; argv[0] is absolute */
	char **envp;	   /* NULL-terminated: exec.env and the two EXECUTION_ENV_* */
	const char *cwd;
	char id[ID_LEN];
	enum owner_kind owner;	/* the strongest way of owning processes that is tried */
	int64_t max_runtime_ms; /* 0: no limit */
	int64_t grace_ms;
	int64_t log_max_bytes; /* 0: no limit */
	bool drop_checkpoints; /* True if the checkpoints are removed after a success */
	json_t *drop_earlier; /* ids of executions whose checkpoints are removed, too; NULL: none */
};

/* Read and check spec.json; `dir` is the absolute path of dirfd. On failure *ret has only the
 * defaults. Free it with shim_spec_started(). */
int shim_spec_read(int dirfd, const char *dir, struct shim_spec *ret, struct err *reterr) MUSTCHECK;
/* Free what only the start needs (argv, envp, cwd). Numbers and the id stay. A second call does
 * nothing. */
void shim_spec_started(struct shim_spec *spec);
