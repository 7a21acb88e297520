/* SPDX-License-Identifier: MIT */
/*
 * Reason codes: why a thing is in the state it is in. The list is fixed; each code has a retry
 * rule and a plain-words explanation. Messages are free text beside the code.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define REASON_MSG_MAX 1024

/* code, text, retried by default, may be named in retry.on */
#define REASONS(X)                                              \
	X(NONE, "", false, false)                               \
	/* waiting */                                           \
	X(WAITING_FOR_JOBS, "waiting_for_jobs", false, false)   \
	X(WAITING_FOR_SLOT, "waiting_for_slot", false, false)   \
	X(WAITING_FOR_GPU, "waiting_for_gpu", false, false)     \
	X(WAITING_FOR_RETRY, "waiting_for_retry", false, false) \
	X(HELD, "held", false, false)                           \
	/* ends */                                              \
	X(CANCELLED, "cancelled", false, false)                 \
	X(DEPENDENCY, "dependency", false, false)               \
	X(OOM, "oom", false, true)                              \
	X(GPU_LOST, "gpu_lost", false, true)                    \
	X(HOST_LOST, "host_lost", true, true)                   \
	X(SHIM_LOST, "shim_lost", false, true)                  \
	X(NAN_LOSS, "nan_loss", false, true)                    \
	X(DISK_FULL, "disk_full", false, true)                  \
	X(DATA_MISSING, "data_missing", false, true)            \
	X(DATA_CORRUPT, "data_corrupt", false, true)            \
	X(INVALID_INPUT, "invalid_input", false, false)         \
	X(SCRIPT_ERROR, "script_error", false, true)            \
	X(TIMED_OUT, "timed_out", false, true)                  \
	X(KILLED, "killed", false, true)                        \
	X(EXEC_FAILED, "exec_failed", false, true)              \
	X(PARITY_FAILED, "parity_failed", false, false)         \
	X(ENDPOINT_MISSING, "endpoint_missing", false, false)   \
	X(ENDPOINT_TAKEN, "endpoint_taken", false, false)       \
	X(PREDICT_FAILED, "predict_failed", false, true)        \
	X(LEASE_EXPIRED, "lease_expired", false, false)         \
	X(IDLE, "idle", false, false)                           \
	X(DELETED_BY_USER, "deleted_by_user", false, false)     \
	X(RESTARTING, "restarting", false, false)               \
	X(UNSUPPORTED, "unsupported", false, false)             \
	X(INTERNAL, "internal", false, true)                    \
	/* the cloud's */                                       \
	X(QUOTA, "quota", true, true)                           \
	X(CAPACITY, "capacity", true, true)                     \
	X(CREDENTIALS, "credentials", false, true)              \
	X(THROTTLED, "throttled", true, true)

enum reason_code {
#define REASON_ENUM(id, text, retried, may_name) REASON_##id,
	REASONS(REASON_ENUM)
#undef REASON_ENUM
	REASONS_,
};

struct reason {
	enum reason_code code;
	char message[REASON_MSG_MAX];
};

const char *reason_code_str(enum reason_code code);
int reason_code_parse(const char *s, enum reason_code *ret); /* 0 or -EINVAL */
bool reason_retried_by_default(enum reason_code code);
bool reason_may_be_named(enum reason_code code); /* in retry.on */
/* Fill *r; the message is cut at its maximum. */
void reason_set(struct reason *r, enum reason_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
