/* SPDX-License-Identifier: MIT */
/*
 * The only growable memory: a byte buffer created with a maximum. Once an append would pass the
 * maximum (or memory is out) the buffer is `failed`, keeps what it had, and every later append
 * fails too, so that callers may check once at the end with buf_ok().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct buf {
	char *data; /* always NUL-terminated when not NULL */
	size_t len;
	size_t cap;
	size_t max; /* largest len allowed */
	bool failed;
};

#define BUF_INIT(max_)        \
	{                     \
		.max = (max_) \
	}

void buf_init(struct buf *b, size_t max);
void buf_done(struct buf *b); /* free the bytes; *b may be used again */
bool buf_ok(const struct buf *b);
int buf_put(struct buf *b, const void *data, size_t len); /* 0 or -ENOBUFS */
int buf_puts(struct buf *b, const char *s);		  /* 0 or -ENOBUFS */
int buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Make room for `len` more bytes and return where to write them, NULL when over the maximum.
 * Follow with buf_added(). */
char *buf_reserve(struct buf *b, size_t len);
void buf_added(struct buf *b, size_t len);
void buf_clear(struct buf *b);		  /* len = 0, failed = false; keeps the memory */
const char *buf_str(const struct buf *b); /* never NULL; valid until the next change */
/* The bytes, to be freed by the caller; "" when there are none, NULL when the buffer has failed. */
char *buf_take(struct buf *b);
