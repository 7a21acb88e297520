/* SPDX-License-Identifier: MIT */
/* The buffer's growth, and the functions that append to it. */
#include "base/buf.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_FIRST 64

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){.max = max};
}

void buf_done(struct buf *b)
{
	free(b->data);
	*b = (struct buf){.max = b->max};
}

bool buf_ok(const struct buf *b)
{
	return !b->failed;
}

char *buf_reserve(struct buf *b, size_t len)
{
	size_t cap = b->cap;
	char *grown;

	if (b->failed || len > b->max || b->len > b->max - len) {
		b->failed = true;
		return NULL;
	}
	if (b->len + len + 1 > cap) {
		cap = cap ? cap : BUF_FIRST;
		while (cap < b->len + len + 1)
			cap *= 2;
		grown = realloc(b->data, cap);
		if (!grown) {
			b->failed = true;
			return NULL;
		}
		b->data = grown;
		b->cap = cap;
		b->data[b->len] = '\0';
	}
	return b->data + b->len;
}

void buf_added(struct buf *b, size_t len)
{
	assert(b->len + len < b->cap);
	b->len += len;
	b->data[b->len] = '\0';
}

int buf_put(struct buf *b, const void *data, size_t len)
{
	bool has_room = b->len + len < b->cap && len <= b->max - b->len && !b->failed;
	char *to = has_room ? b->data + b->len : buf_reserve(b, len);

	if (!to)
		return -ENOBUFS;
	if (len)
		memcpy(to, data, len);
	buf_added(b, len);
	return 0;
}

int buf_puts(struct buf *b, const char *s)
{
	return buf_put(b, s, strlen(s));
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;
	char *to;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	to = n < 0 ? NULL : buf_reserve(b, (size_t)n);
	if (to) {
		vsnprintf(to, (size_t)n + 1, fmt, again);
		buf_added(b, (size_t)n);
	}
	va_end(again);
	return to ? 0 : -ENOBUFS;
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	b->failed = false;
	if (b->data)
		b->data[0] = '\0';
}

const char *buf_str(const struct buf *b)
{
	return b->data ? b->data : "";
}

char *buf_take(struct buf *b)
{
	char *data;

	if (b->failed)
		return NULL;
	data = b->data ? b->data : calloc(1, 1);
	*b = (struct buf){.max = b->max};
	return data;
}
