/* SPDX-License-Identifier: MIT */
/*
 * Reason codes: why a job, run or endpoint is in its state. The list is fixed, and each code has a
 * retry rule; the message beside a code is free text. WAITING_… codes belong to queued jobs that
 * start by themselves as soon as possible. The same code without WAITING_ ends an attempt. Pure;
 * every process calls this.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define REASON_MSG_MAX 1024

/* X(code, text, True if retried by default, True if allowed in retry.on) */
#define REASONS(X)                                                          \
	X(NONE, "", false, false)                                           \
	/* of waiting jobs */                                               \
	X(WAITING_FOR_JOBS, "waiting_for_jobs", false, false)               \
	X(WAITING_FOR_SLOT, "waiting_for_slot", false, false)               \
	X(WAITING_FOR_GPU, "waiting_for_gpu", false, false)                 \
	X(WAITING_FOR_RETRY, "waiting_for_retry", false, false)             \
	X(HELD, "held", false, false)                                       \
	X(WAITING_FOR_TRANSFER, "waiting_for_transfer", false, false)       \
	X(WAITING_FOR_MONEY, "waiting_for_money", false, false)             \
	X(WAITING_FOR_QUOTA, "waiting_for_quota", false, false)             \
	X(WAITING_FOR_CAPACITY, "waiting_for_capacity", false, false)       \
	X(WAITING_FOR_CREDENTIALS, "waiting_for_credentials", false, false) \
	X(WAITING_FOR_ROOM, "waiting_for_room", false, false)               \
	/* ends of attempts */                                              \
	X(CANCELLED, "cancelled", false, false)                             \
	X(DEPENDENCY, "dependency", false, false)                           \
	X(OOM, "oom", false, true)                                          \
	X(GPU_LOST, "gpu_lost", false, true)                                \
	X(HOST_LOST, "host_lost", true, true)                               \
	X(SHIM_LOST, "shim_lost", false, true)                              \
	X(NAN_LOSS, "nan_loss", false, true)                                \
	X(DISK_FULL, "disk_full", false, true)                              \
	X(DATA_MISSING, "data_missing", false, true)                        \
	X(REMOVED_OUTSIDE, "removed_outside", false, false)                 \
	X(PRUNED, "pruned", false, false)                                   \
	X(DATA_CORRUPT, "data_corrupt", false, true)                        \
	X(TOO_LARGE, "too_large", false, true)                              \
	X(URL_PRIVATE, "url_private", false, false)                         \
	X(PREFIX_EMPTY, "prefix_empty", false, true)                        \
	X(OBJECT_ARCHIVED, "object_archived", false, true)                  \
	X(KEY_CONFLICT, "key_conflict", false, false)                       \
	X(NAME_TOO_LONG, "name_too_long", false, false)                     \
	X(NAME_ENCODING, "name_encoding", false, false)                     \
	X(INVALID_INPUT, "invalid_input", false, false)                     \
	X(SCRIPT_ERROR, "script_error", false, true)                        \
	X(TIMED_OUT, "timed_out", false, true)                              \
	X(KILLED, "killed", false, true)                                    \
	X(EXEC_FAILED, "exec_failed", false, true)                          \
	X(PARITY_FAILED, "parity_failed", false, false)                     \
	X(ENDPOINT_MISSING, "endpoint_missing", false, false)               \
	X(ENDPOINT_TAKEN, "endpoint_taken", false, false)                   \
	X(PREDICT_FAILED, "predict_failed", false, true)                    \
	X(LEASE_EXPIRED, "lease_expired", false, false)                     \
	X(IDLE, "idle", false, false)                                       \
	X(DELETED_BY_USER, "deleted_by_user", false, false)                 \
	X(RESTARTING, "restarting", false, false)                           \
	X(UNSUPPORTED, "unsupported", false, false)                         \
	X(INTERNAL, "internal", false, true)                                \
	/* of SageMaker */                                                  \
	X(QUOTA, "quota", true, true)                                       \
	X(CAPACITY, "capacity", true, true)                                 \
	X(CREDENTIALS, "credentials", false, true)                          \
	X(THROTTLED, "throttled", true, true)                               \
	X(SPOT_INTERRUPTED, "spot_interrupted", true, true)                 \
	X(MAX_WAIT_EXCEEDED, "max_wait_exceeded", false, true)              \
	X(TRANSFER_FAILED, "transfer_failed", false, true)                  \
	X(CONTAINER_FAILED, "container_failed", false, true)                \
	X(HEALTH_CHECK_FAILED, "health_check_failed", false, true)          \
	X(ACCESS_DENIED, "access_denied", false, true)                      \
	X(ROLE_INVALID, "role_invalid", false, true)                        \
	X(BUCKET_MISSING, "bucket_missing", false, true)                    \
	X(BUCKET_REGION, "bucket_region", false, false)                     \
	X(IMAGE_MISSING, "image_missing", false, false)                     \
	X(INSTANCE_TYPE_INVALID, "instance_type_invalid", false, false)     \
	X(MONEY_CAP, "money_cap", false, false)                             \
	X(REFUSED, "refused", false, true)

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
bool reason_may_be_named(enum reason_code code); /* True if allowed in retry.on */
/* Fill *r. A message that is too long is cut. */
void reason_set(struct reason *r, enum reason_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
