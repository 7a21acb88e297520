/* SPDX-License-Identifier: MIT */
/*
 * safetensors files. The reader maps the file and checks everything before it hands out a pointer:
 * header size, JSON, names, types, shapes, and that the tensors cover the data without holes or
 * overlaps. The writer makes the bytes that the reference writer makes.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SAFETENSORS_HEADER_MAX 100000000 /* as the reference reader */
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

/* -ENOENT; -ERR_CORRUPT with the file and what is wrong. The tensors live until
 * safetensors_close(). Blocking. */
int safetensors_open(const char *path, struct safetensors **ret, struct err *reterr) MUSTCHECK;
void safetensors_close(struct safetensors *s);
void safetensors_closep(struct safetensors **s);
size_t safetensors_count(const struct safetensors *s);
const struct st_tensor *safetensors_at(const struct safetensors *s, size_t i);
const struct st_tensor *safetensors_find(const struct safetensors *s, const char *name);

const char *st_dtype_str(enum st_dtype dtype);
int64_t st_elements(const struct st_tensor *t);
/* "[2, 384]" into buf. */
void st_shape_format(const struct st_tensor *t, char *buf, size_t size);
/* The numbers as fp32 (from F64 F32 F16 BF16); to has st_elements() places. -ERR_UNSUPPORTED. */
int st_to_f32(const struct st_tensor *t, float *to, struct err *reterr) MUSTCHECK;

/* One tensor to write: `fill` is called in file order and puts size_bytes bytes at `to`. */
struct st_source {
	const char *name;
	enum st_dtype dtype;
	int dims;
	int64_t shape[SAFETENSORS_DIMS_MAX];
	int (*fill)(void *ctx, size_t index, void *to, struct err *reterr);
	void *ctx;
	size_t index; /* handed to fill */
};

/* Write `path` durably (PATH.tmp, fsync, rename), with "__metadata__": {"format": "pt"}. The array
 * is sorted in place. On failure nothing is left behind; -ENOSPC when the disk is full. */
int safetensors_write(const char *path, struct st_source *sources, size_t n,
		      struct err *reterr) MUSTCHECK;
