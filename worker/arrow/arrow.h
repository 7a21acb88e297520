/* SPDX-License-Identifier: MIT */
/*
 * The C interface to Arrow C++: reads Parquet files and Arrow IPC streams, writes Arrow IPC
 * streams, all as the Arrow C data interface. Nothing else of Arrow is visible, and no exception
 * passes. One thread at a time uses a reader or writer. All calls block on the disk.
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
	ARW_IO,	     /* errnum has the cause, if known */
	ARW_CORRUPT, /* the bytes are not valid */
};

struct arw_error {
	enum arw_code code;
	int errnum; /* 0: unknown */
	char msg[ARW_MSG_MAX];
};

struct arw_reader;
struct arw_writer;

/* Every int result: >= 0 is success; -1 fills *e, which must not be NULL. */
int arw_open_parquet(const char *path, struct arw_reader **ret, struct arw_error *e) ARW_NOEXCEPT;
int arw_open_stream(const char *path, struct arw_reader **ret, struct arw_error *e) ARW_NOEXCEPT;
/* Get the columns as a struct. The caller calls ret->release(ret). */
int arw_reader_schema(struct arw_reader *r, struct ArrowSchema *ret,
		      struct arw_error *e) ARW_NOEXCEPT;
/* Write Arrow's name of the column's type, cut to `size`. */
int arw_reader_type(struct arw_reader *r, int column, char *buf, size_t size,
		    struct arw_error *e) ARW_NOEXCEPT;
/* Read only these columns. Call it before the first arw_reader_next(). A reader may ignore it. */
int arw_reader_select(struct arw_reader *r, const char *const *columns, size_t n,
		      struct arw_error *e) ARW_NOEXCEPT;
/* Read the next batch. 1: *ret is checked (offsets in bounds), the caller releases it, and it may
 * outlive the reader. 0: the end. */
int arw_reader_next(struct arw_reader *r, struct ArrowArray *ret, struct arw_error *e) ARW_NOEXCEPT;
void arw_reader_close(struct arw_reader *r) ARW_NOEXCEPT; /* NULL is allowed */

/* Create or truncate the file. Always releases *schema. */
int arw_create_stream(const char *path, struct ArrowSchema *schema, struct arw_writer **ret,
		      struct arw_error *e) ARW_NOEXCEPT;
/* Write a batch. Always releases *batch. */
int arw_write(struct arw_writer *w, struct ArrowArray *batch, struct arw_error *e) ARW_NOEXCEPT;
/* End the stream and close the file, without a sync. */
int arw_writer_finish(struct arw_writer *w, struct arw_error *e) ARW_NOEXCEPT;
void arw_writer_close(struct arw_writer *w) ARW_NOEXCEPT; /* NULL is allowed */

#ifdef __cplusplus
}
#endif
