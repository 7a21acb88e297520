/* SPDX-License-Identifier: MIT */
/*
 * The shim over Arrow C++: read Parquet files and Arrow IPC streams, write Arrow IPC streams, in
 * terms of the Arrow C data interface. Nothing else of Arrow is visible. No exception passes.
 * A reader or writer belongs to one thread at a time. All calls block on the disk.
 */
#pragma once

#include "worker/arrow/abi.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#define ARW_NOEXCEPT noexcept
#else
#define ARW_NOEXCEPT
#endif

#define ARW_MSG_MAX 512

enum arw_code {
	ARW_INTERNAL = 1,
	ARW_NO_MEMORY,
	ARW_IO,	     /* errnum says what, if it is known */
	ARW_CORRUPT, /* the bytes are not what they must be */
};

struct arw_error {
	enum arw_code code;
	int errnum; /* 0: unknown */
	char msg[ARW_MSG_MAX];
};

struct arw_reader;
struct arw_writer;

/* Every int result: >= 0 success, -1 with *e filled (e may not be NULL). */
int arw_open_parquet(const char *path, struct arw_reader **ret, struct arw_error *e) ARW_NOEXCEPT;
int arw_open_stream(const char *path, struct arw_reader **ret, struct arw_error *e) ARW_NOEXCEPT;
/* A struct of the columns. The caller calls ret->release(ret). */
int arw_reader_schema(struct arw_reader *r, struct ArrowSchema *ret,
		      struct arw_error *e) ARW_NOEXCEPT;
/* The name that Arrow gives to the type of that column of the schema, cut to `size`. */
int arw_reader_type(struct arw_reader *r, int column, char *buf, size_t size,
		    struct arw_error *e) ARW_NOEXCEPT;
/* Before the first arw_reader_next: read only these columns. A reader may ignore it. */
int arw_reader_select(struct arw_reader *r, const char *const *columns, size_t n,
		      struct arw_error *e) ARW_NOEXCEPT;
/* 1: *ret is the next batch, whole and checked (offsets in bounds); the caller releases it. It
 * outlives the reader. 0: the end. */
int arw_reader_next(struct arw_reader *r, struct ArrowArray *ret, struct arw_error *e) ARW_NOEXCEPT;
void arw_reader_close(struct arw_reader *r) ARW_NOEXCEPT; /* NULL is allowed */

/* Creates or truncates the file. Releases *schema in any case. */
int arw_create_stream(const char *path, struct ArrowSchema *schema, struct arw_writer **ret,
		      struct arw_error *e) ARW_NOEXCEPT;
/* Releases *batch in any case. */
int arw_write(struct arw_writer *w, struct ArrowArray *batch, struct arw_error *e) ARW_NOEXCEPT;
/* Ends the stream and closes the file; not durable. */
int arw_writer_finish(struct arw_writer *w, struct arw_error *e) ARW_NOEXCEPT;
void arw_writer_close(struct arw_writer *w) ARW_NOEXCEPT; /* NULL is allowed */

#ifdef __cplusplus
}
#endif
