/* SPDX-License-Identifier: MIT */
/* clang-format off */
/*
 * The execution directory: all communication between the daemon, the shim and the worker. Nothing
 * is lost while the daemon is down, because everything is on disk. The formats are in
 * wire/README.md.
 *
 *   DIR/lock          flocked by the daemon before the fork, inherited by the shim: held = alive;
 *                     its text names the owner of the processes (wire/owner.h)
 *   DIR/spec.json     written by the daemon before the start, never changed
 *   DIR/log           stdout and stderr of the child, by a pipe to the shim; the shim's messages
 *   DIR/log.gap       {"v","from","to"}: bytes removed from the middle of `log` (the cap)
 *   DIR/exit.json     written by the shim (tmp, fsync, rename) when all descendants are gone;
 *                     counts only with the proof, and when the lock is free
 *   DIR/control.sock  the shim's socket: SOCK_SEQPACKET, one JSON object per message
 *   DIR/work/         owned by the job's user:
 *     events.ndjson   appended by the worker: one JSON object a line (wire/event.h)
 *     model/ output/ checkpoints/   results; output/train and output/test for preprocess
 *     serve.sock      an endpoint's HTTP server
 *
 * A job may replace any file at any time. So the daemon and the shim open files here only through
 * base/beneath.h. An unreadable events file causes the warning "events_unreadable", a file that is
 * too large the warning "events_cut". In both cases the exit record decides how the job ends. A
 * file in place of exit.json, log.gap or their .tmp is removed; a directory is renamed to
 * NAME.aside-….
 */
/* clang-format on */
#pragma once

#include "base/err.h"
#include "base/hash.h"
#include "base/json.h"

#include <stdbool.h>
#include <stdint.h>

#define WIRE_VERSION 1 /* readers accept this version and the one before */

#define EXECUTION_LOCK	       "lock"
#define EXECUTION_SPEC	       "spec.json"
#define EXECUTION_LOG	       "log"
#define EXECUTION_LOG_GAP      "log.gap"
#define EXECUTION_EXIT	       "exit.json"
#define EXECUTION_EXIT_TMP     "exit.json.tmp" /* allocated before the program starts */
#define EXECUTION_CONTROL      "control.sock"
#define EXECUTION_WORK	       "work"
#define EXECUTION_CHECKPOINTS  "checkpoints"  /* below work */
#define EXECUTION_DROPPED      ".checkpoints" /* the checkpoints during their removal */
#define EXECUTION_EVENTS       "work/events.ndjson"
#define EXECUTION_SERVE_SOCKET "serve.sock" /* in work/ */
#define EXECUTION_SERVE_PATH   "/invocations"
/* of a worker */
#define EXECUTION_PATH	       "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* Environment of every process of an execution. The first variable has the execution's id and
 * identifies its descendants; the second is the absolute path of DIR. */
#define EXECUTION_ENV_ID  "TRAINYARD_EXECUTION"
#define EXECUTION_ENV_DIR "TRAINYARD_EXECUTION_DIR"

#define EXECUTION_LOCK_FD     3 /* the shim's inherited descriptor of `lock` */
#define EXECUTION_PROOF_FD    4 /* the read end of a pipe with the value for the exit record */
#define EXECUTION_SPEC_MAX    (4 << 20)
#define EXECUTION_EXIT_MAX    65536
#define EXECUTION_CONTROL_MAX 4096

enum exit_cause {
	EXIT_EXITED = 0, /* the child ended by itself; see code and signal */
	/* SIGTERM was sent on request before the child ended; see code and signal */
	EXIT_STOPPED,
	EXIT_TIMED_OUT,	  /* as EXIT_STOPPED, because max_runtime was over */
	EXIT_EXEC_FAILED, /* the program could not be started; message has the reason */
	EXIT_OOM_KILLED,  /* the kernel's or the cgroup's out-of-memory killer */
};

/* Exit status of the shim. An exit.json exists only with SHIM_DONE. */
enum shim_status {
	SHIM_DONE = 0,
	SHIM_BAD_START = 2, /* invalid arguments, lock or directory; no child was started */
	SHIM_NO_SPACE = 3,  /* no disk space for exit.json; no child was started */
	SHIM_NO_RECORD = 4, /* the child has ended, but exit.json could not be written */
};

/* The content of exit.json. */
struct exit_record {
	enum exit_cause cause;
	int code;	     /* exit status; -1 if a signal ended the child */
	int signal;	     /* 0: none */
	int64_t started_us;  /* wall clock */
	int64_t finished_us; /* wall clock */
	int64_t user_us, system_us;
	int64_t max_rss_bytes;
	char message[512]; /* "" if there is no message */
	/* A random value in hex digits that only the shim and the daemon know; the daemon stores
	 * its SHA-256. "": none. */
	char proof[HASH_HEX_LEN];
};

const char *exit_cause_str(enum exit_cause cause);
/* Build exit.json as a new reference. Bytes of the message that are not UTF-8 become '?'. */
json_t *exit_record_format(const struct exit_record *rec);
/* Read DIR/exit.json. -ENOENT if it does not exist yet. */
int exit_record_read(int at, struct exit_record *ret, struct err *reterr) MUSTCHECK;
/* Check "v" of a message. Returns 0, or -ERR_UNSUPPORTED with a message. */
int wire_version_check(const json_t *j, const char *what, struct err *reterr) MUSTCHECK;
/* Add "roots" (directories, NULL-terminated) and "data_dir" to a message. */
void wire_roots_add(json_t *message, const char *const *roots, const char *data_dir);
/* Restrict reads to "roots" and "data_dir" of spec.json from now on. A message without them sets
 * nothing. The message is borrowed for the process's life. */
int wire_roots_set(const json_t *message, struct err *reterr) MUSTCHECK;
/* Returns 1 if a process holds DIR/lock, 0 if the lock is free. -ENOENT, -ERR_INVALID: the job has
 * removed or replaced the file; other errors are temporary. *lock_fd is the caller's and starts as
 * -1. The file is opened only once, because the job may change the name. */
int execution_is_alive(int at, int *lock_fd, struct err *reterr) MUSTCHECK;
