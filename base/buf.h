/* SPDX-License-Identifier: MIT */
/*
 * The only growable memory: a byte buffer with a maximum. If an append exceeds the maximum, or
 * memory is out, the buffer is `failed`: it keeps its content, and every later append fails. So a
 * caller may check once at the end, with buf_ok().
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
void buf_done(struct buf *b); /* frees the bytes; *b may be used again */
bool buf_ok(const struct buf *b);
int buf_put(struct buf *b, const void *data, size_t len); /* 0 or -ENOBUFS */
int buf_puts(struct buf *b, const char *s);		  /* 0 or -ENOBUFS */
int buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Reserve `len` bytes and return the place to write them; NULL beyond the maximum. Then call
 * buf_added(). */
char *buf_reserve(struct buf *b, size_t len);
void buf_added(struct buf *b, size_t len);
void buf_clear(struct buf *b);		  /* len = 0, failed = false; keeps the memory */
const char *buf_str(const struct buf *b); /* never NULL; valid until the next change */
/* Take the bytes; the caller frees them. Returns "" if the buffer is empty, NULL if it has
 * failed. */
char *buf_take(struct buf *b);
