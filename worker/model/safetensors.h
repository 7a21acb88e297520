/* SPDX-License-Identifier: MIT */
/*
 * safetensors files. The reader maps the file and checks everything before it returns a pointer:
 * header size, JSON, names, types, shapes. Tensors must cover the data without holes or overlaps.
 * The writer makes the same bytes as the reference writer (public source:
 * github.com/huggingface/safetensors).
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SAFETENSORS_HEADER_MAX 100000000 /* bytes, the limit of the reference reader */
#define SAFETENSORS_DIMS_MAX   8

enum st_dtype {
	ST_BOOL,
	ST_U8,
	ST_I8,
	ST_F8_E5M2,
	ST_F8_E4M3,
	ST_I16,
	ST_U16,
	ST_F16,
	ST_BF16,
	ST_I32,
	ST_U32,
	ST_F32,
	ST_F64,
	ST_I64,
	ST_U64,
};

struct st_tensor {
	const char *name;
	enum st_dtype dtype;
	int dims;
	int64_t shape[SAFETENSORS_DIMS_MAX];
	const void *data; /* in the mapping; may be unaligned */
	size_t size_bytes;
};

struct safetensors;

/* Map and check the file. Blocking. Tensors live until safetensors_close(). -ENOENT; -ERR_CORRUPT:
 * the message names the file and the fault. */
int safetensors_open(const char *path, struct safetensors **ret, struct err *reterr) MUSTCHECK;
void safetensors_close(struct safetensors *s);
void safetensors_closep(struct safetensors **s);
size_t safetensors_count(const struct safetensors *s);
const struct st_tensor *safetensors_at(const struct safetensors *s, size_t i);
const struct st_tensor *safetensors_find(const struct safetensors *s, const char *name);

const char *st_dtype_str(enum st_dtype dtype);
int64_t st_elements(const struct st_tensor *t);
/* Write the shape as "[2, 384]" into buf. */
void st_shape_format(const struct st_tensor *t, char *buf, size_t size);
/* Convert the numbers (F64 F32 F16 BF16) to fp32; `to` has st_elements() places. -ERR_UNSUPPORTED:
 * another type. */
int st_to_f32(const struct st_tensor *t, float *to, struct err *reterr) MUSTCHECK;

/* One tensor to write. `fill` is called in file order and puts size_bytes bytes at `to`. */
struct st_source {
	const char *name;
	enum st_dtype dtype;
	int dims;
	int64_t shape[SAFETENSORS_DIMS_MAX];
	int (*fill)(void *ctx, size_t index, void *to, struct err *reterr);
	void *ctx;
	size_t index; /* passed to fill */
};

/* Write `path` durably (PATH.tmp, fsync, rename), with "__metadata__": {"format": "pt"}. Sorts the
 * array in place. A failure leaves no file behind; -ENOSPC: the disk is full. Blocking. */
int safetensors_write(const char *path, struct st_source *sources, size_t n,
		      struct err *reterr) MUSTCHECK;
