/* SPDX-License-Identifier: MIT */
/* clang-format off */
/*
 * The execution directory: everything the daemon, the shim and the worker say to each other.
 * Nothing is lost while the daemon is away, because it is all on disk. Format in wire/README.md.
 *
 *   DIR/lock          flocked by the daemon before the fork, inherited by the shim: held = alive;
 *                     says who owns the processes (wire/owner.h)
 *   DIR/spec.json     written by the daemon before the start, never changed
 *   DIR/log           stdout and stderr of the child, by a pipe to the shim; what the shim says
 *   DIR/log.gap       {"v","from","to"}: bytes of `log` that were punched out (the cap)
 *   DIR/exit.json     written by the shim (tmp, fsync, rename) when all descendants are gone;
 *                     counts only with the proof, and when the lock is free
 *   DIR/control.sock  the shim's socket: SOCK_SEQPACKET, one JSON object per message
 *   DIR/work/         owned by the job's user:
 *     events.ndjson   appended by the worker: one JSON object a line (wire/event.h)
 *     model/ output/ checkpoints/   results; output/train and output/test for preprocess
 *     serve.sock      an endpoint's HTTP server
 *
 * A job may put anything in the place of any file, at any time. Daemon and shim open what lies here
 * by base/beneath.h alone. An events file that cannot be read is the warning "events_unreadable",
 * one that is too large "events_cut"; the job ends as its exit record says. What has taken the name
 * of exit.json, log.gap or their .tmp gives way; a directory is renamed to NAME.aside-….
 */
/* clang-format on */
#pragma once

#include "base/err.h"
#include "base/hash.h"
#include "base/json.h"

#include <stdbool.h>
#include <stdint.h>

#define WIRE_VERSION 1 /* readers take this version and the one before */

#define EXECUTION_LOCK	       "lock"
#define EXECUTION_SPEC	       "spec.json"
#define EXECUTION_LOG	       "log"
#define EXECUTION_LOG_GAP      "log.gap"
#define EXECUTION_EXIT	       "exit.json"
#define EXECUTION_EXIT_TMP     "exit.json.tmp" /* reserved before the program is started */
#define EXECUTION_CONTROL      "control.sock"
#define EXECUTION_WORK	       "work"
#define EXECUTION_CHECKPOINTS  "checkpoints"  /* below work */
#define EXECUTION_DROPPED      ".checkpoints" /* the same on their way out */
#define EXECUTION_EVENTS       "work/events.ndjson"
#define EXECUTION_SERVE_SOCKET "serve.sock" /* in work/ */
#define EXECUTION_SERVE_PATH   "/invocations"
#define EXECUTION_PATH \
	"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" /* of a worker */

/* Environment of every process of an execution. The first names the execution and finds its
 * descendants; the second is the absolute path of DIR. */
#define EXECUTION_ENV_ID  "TRAINYARD_EXECUTION"
#define EXECUTION_ENV_DIR "TRAINYARD_EXECUTION_DIR"

#define EXECUTION_LOCK_FD     3 /* the shim's inherited descriptor of `lock` */
#define EXECUTION_PROOF_FD    4 /* and of a pipe with the value that its record carries */
#define EXECUTION_SPEC_MAX    (4 << 20)
#define EXECUTION_EXIT_MAX    65536
#define EXECUTION_CONTROL_MAX 4096

enum exit_cause {
	EXIT_EXITED = 0,  /* the child ended by itself: see code and signal */
	EXIT_STOPPED,	  /* SIGTERM was sent on request before it ended; see code and signal */
	EXIT_TIMED_OUT,	  /* likewise, because max_runtime was over */
	EXIT_EXEC_FAILED, /* the program could not be started; message says why */
	EXIT_OOM_KILLED,  /* the kernel's or the cgroup's out-of-memory killer */
};

/* Exit status of the shim. Only with SHIM_DONE is there an exit.json. */
enum shim_status {
	SHIM_DONE = 0,
	SHIM_BAD_START = 2, /* arguments, lock or directory; no child was started */
	SHIM_NO_SPACE = 3,  /* no room could be reserved for exit.json; no child was started */
	SHIM_NO_RECORD = 4, /* the child is gone, but exit.json could not be written */
};

/* exit.json */
struct exit_record {
	enum exit_cause cause;
	int code;	     /* exit status, or -1 when a signal ended it */
	int signal;	     /* 0: none */
	int64_t started_us;  /* wall clock */
	int64_t finished_us; /* wall clock */
	int64_t user_us, system_us;
	int64_t max_rss_bytes;
	char message[512]; /* "" if there is nothing to say */
	/* The random value, as hex digits, that only the shim and the daemon that started it had;
	 * the daemon has kept its SHA-256. "": none. */
	char proof[HASH_HEX_LEN];
};

const char *exit_cause_str(enum exit_cause cause);
int exit_cause_parse(const char *s, enum exit_cause *ret);
/* The whole exit.json as a new reference; bytes of the message that are not UTF-8 are '?'. */
json_t *exit_record_format(const struct exit_record *rec);
int exit_record_parse(const json_t *j, struct exit_record *ret, struct err *reterr) MUSTCHECK;
/* Read DIR/exit.json. -ENOENT while there is none. */
int exit_record_read(int at, struct exit_record *ret, struct err *reterr) MUSTCHECK;
/* "v" of a message: 0, or -ERR_UNSUPPORTED with a sentence. */
int wire_version_check(const json_t *j, const char *what, struct err *reterr) MUSTCHECK;
/* Put them into a message: directories, NULL-terminated. */
void wire_roots_add(json_t *message, const char *const *roots, const char *data_dir);
/* Read only below "roots" (and "data_dir") of spec.json from now on; a message without them sets
 * nothing. The message is borrowed for the process's life. */
int wire_roots_set(const json_t *message, struct err *reterr) MUSTCHECK;
/* 1: somebody holds DIR/lock, 0: it is free; -ENOENT, -ERR_INVALID: the job has removed or replaced
 * it; other errors pass. *lock_fd is the caller's, -1 at first: opened once, because the name is
 * the job's to change. */
int execution_is_alive(int at, int *lock_fd, struct err *reterr) MUSTCHECK;
