/* SPDX-License-Identifier: MIT */
/*
 * The one error type. A fallible function returns int: >= 0 is success, negative is -errno or
 * -ERR_*. Its last parameter is `struct err *reterr`, owned by the caller, never allocated. *reterr
 * is meaningful only when the result is negative. NULL is allowed everywhere.
 */
#pragma once

#include <stdbool.h>

#define ERR_MSG_MAX   768
#define ERR_FIELD_MAX 192
#define MUSTCHECK     __attribute__((warn_unused_result))

enum {
	ERR_INVALID = 4096, /* the caller's input is invalid; msg names field, problem and remedy */
	ERR_NOT_FOUND,
	ERR_EXISTS,	 /* a unique name or resource is taken */
	ERR_CONFLICT,	 /* the current state does not allow the request */
	ERR_LIMIT,	 /* a named limit was reached */
	ERR_CORRUPT,	 /* stored or received bytes are invalid */
	ERR_UNSUPPORTED, /* known, but impossible in this build or on this machine */
	ERR_GONE,	 /* existed, but does not exist any more */
	ERR_UNAVAILABLE, /* try again later */
	ERR_DEVICE_OOM,	 /* accelerator memory is exhausted */
	ERR_NUMERIC,	 /* a loss or gradient is not finite */
	ERR_CANCELLED,
	ERR_PRUNED,  /* as ERR_GONE, for files that Trainyard pruned */
	ERR_REMOVED, /* as ERR_GONE, for a folder of Trainyard that somebody removed by hand */
	ERR_STALE,   /* what was prepared for the request has changed: prepare the request again */
	ERR_REUSED,  /* the Idempotency-Key belongs to another request */
};

struct err {
	int code;		   /* errno or ERR_*, positive */
	char field[ERR_FIELD_MAX]; /* JSON pointer into the input, "" if none */
	char msg[ERR_MSG_MAX];	   /* one clear sentence */
};

/* True if a file is missing because its folder was removed, by Trainyard or by hand. */
static inline bool err_is_removed(int r)
{
	return r == -ERR_REMOVED || r == -ERR_PRUNED;
}

/* Fill *e and return -code. */
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* As err_set(), for input: `field` is a JSON pointer such as "/jobs/0/kind". */
int err_at(struct err *e, int code, const char *field, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* fmt names the action that failed, as an infinitive ("open %s"). The message becomes
 * "cannot <fmt>: <strerror>"; errnum > 0. Returns -errnum. */
int err_errno(struct err *e, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* If r is negative, name the field of the input, unless the error names one. Returns r. */
int err_in(struct err *e, int r, const char *field);
/* Prepend "<fmt>: " to the message. Returns r unchanged. */
int err_ctx(struct err *e, int r, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
