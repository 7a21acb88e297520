/* SPDX-License-Identifier: MIT */
/* Maps a file, parses and checks its header, and converts tensors to float. */
#include "worker/model/safetensors.h"

#include "base/fileio.h"
#include "base/json.h"
#include "base/lfs.h"
#include "base/own.h"
#include "base/roots.h"
#include "base/str.h"

#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

struct safetensors {
	void *map;
	size_t map_size;
	json_t *header; /* owns the names */
	struct st_tensor *tensors;
	size_t n;
};

static const struct {
	const char *name;
	size_t size;
} dtypes[] = {
	[ST_BOOL] = {"BOOL", 1}, [ST_U8] = {"U8", 1},		[ST_I8] = {"I8", 1},
	[ST_I16] = {"I16", 2},	 [ST_U16] = {"U16", 2},		[ST_F16] = {"F16", 2},
	[ST_BF16] = {"BF16", 2}, [ST_I32] = {"I32", 4},		[ST_U32] = {"U32", 4},
	[ST_F32] = {"F32", 4},	 [ST_F64] = {"F64", 8},		[ST_I64] = {"I64", 8},
	[ST_U64] = {"U64", 8},	 [ST_F8_E5M2] = {"F8_E5M2", 1}, [ST_F8_E4M3] = {"F8_E4M3", 1},
};

const char *st_dtype_str(enum st_dtype dtype)
{
	return dtypes[dtype].name;
}

static int dtype_parse(const char *name, enum st_dtype *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(dtypes); i++)
		if (name && str_eq(dtypes[i].name, name)) {
			*ret = (enum st_dtype)i;
			return 0;
		}
	return -EINVAL;
}

int64_t st_elements(const struct st_tensor *t)
{
	int64_t n = 1;

	for (int i = 0; i < t->dims; i++)
		n *= t->shape[i];
	return n;
}

void st_shape_format(const struct st_tensor *t, char *buf, size_t size)
{
	size_t used = 0;

	for (int i = 0; i < t->dims && used < size; i++) {
		int n = snprintf(buf + used, size - used, "%s%" PRId64, i ? ", " : "[",
				 t->shape[i]);

		used += n > 0 ? (size_t)n : 0;
	}
	if (used < size)
		str_excerptf(buf + used, size - used, "%s", t->dims ? "]" : "[]");
}

/* A non-negative integer of a JSON array; -1: it is something else. */
static int64_t size_at(const json_t *array, size_t i)
{
	const json_t *v = json_array_get(array, i);

	return json_is_integer(v) && json_integer_value(v) >= 0 ? json_integer_value(v) : -1;
}

static int parse_shape(const json_t *shape, struct st_tensor *t, struct err *reterr)
{
	int64_t bytes = (int64_t)dtypes[t->dtype].size;

	if (!json_is_array(shape) || json_array_size(shape) > SAFETENSORS_DIMS_MAX)
		return err_set(reterr, ERR_CORRUPT,
			       "tensor '%s' has no \"shape\" of at most %d sizes", t->name,
			       SAFETENSORS_DIMS_MAX);
	t->dims = (int)json_array_size(shape);
	for (int i = 0; i < t->dims; i++) {
		t->shape[i] = size_at(shape, (size_t)i);
		if (t->shape[i] < 0 || __builtin_mul_overflow(bytes, t->shape[i], &bytes))
			return err_set(reterr, ERR_CORRUPT,
				       "tensor '%s' has a shape with an invalid or too large size",
				       t->name);
	}
	t->size_bytes = (size_t)bytes;
	return 0;
}

static int parse_tensor(const char *name, const json_t *j, const char *data, size_t data_size,
			struct st_tensor *t, struct err *reterr)
{
	const json_t *offsets = json_object_get(j, "data_offsets");
	int64_t begin, end;
	int r;

	t->name = name;
	if (dtype_parse(json_get_str(j, "dtype", NULL), &t->dtype) < 0)
		return err_set(reterr, ERR_CORRUPT, "tensor '%s' has no known \"dtype\"", name);
	r = parse_shape(json_object_get(j, "shape"), t, reterr);
	if (r < 0)
		return r;
	begin = size_at(offsets, 0);
	end = size_at(offsets, 1);
	if (json_array_size(offsets) != 2 || begin < 0 || end < begin || (size_t)end > data_size)
		return err_set(
			reterr, ERR_CORRUPT,
			"\"data_offsets\" of tensor '%s' do not lie in the %zu bytes of data", name,
			data_size);
	if ((size_t)(end - begin) != t->size_bytes)
		return err_set(reterr, ERR_CORRUPT,
			       "tensor '%s' has %" PRId64 " bytes where its shape needs %zu", name,
			       end - begin, t->size_bytes);
	t->data = data + begin;
	return 0;
}

static int by_place(const void *a, const void *b)
{
	const struct st_tensor *x = a, *y = b;

	if (x->data != y->data)
		return x->data < y->data ? -1 : 1;
	return (x->size_bytes > y->size_bytes) - (x->size_bytes < y->size_bytes);
}

/* Check that tensors leave no holes, do not overlap, and end with the data. */
static int check_cover(const struct safetensors *s, const char *data, size_t data_size,
		       struct err *reterr)
{
	const char *at = data;

	for (size_t i = 0; i < s->n; i++) {
		if ((const char *)s->tensors[i].data != at)
			return err_set(reterr, ERR_CORRUPT,
				       "tensor '%s' leaves a hole or overlaps the one before it",
				       s->tensors[i].name);
		at += s->tensors[i].size_bytes;
	}
	if (at != data + data_size)
		return err_set(reterr, ERR_CORRUPT, "%zu bytes at the end belong to no tensor",
			       (size_t)(data + data_size - at));
	return 0;
}

static int check_metadata(const json_t *metadata, struct err *reterr)
{
	const char *key;
	json_t *value;

	if (!json_is_object(metadata))
		return err_set(reterr, ERR_CORRUPT, "\"__metadata__\" is not an object");
	json_object_foreach((json_t *)metadata, key, value)
		if (!json_is_string(value))
			return err_set(reterr, ERR_CORRUPT,
				       "\"__metadata__\" has a value that is "
				       "not a string");
	return 0;
}

static int parse_header(struct safetensors *s, struct err *reterr)
{
	const unsigned char *map = s->map;
	uint64_t size = 0;
	const char *key, *data;
	struct err cause = {0};
	json_t *value;
	int r;

	if (s->map_size < 8)
		return err_set(reterr, ERR_CORRUPT, "the file has only %zu bytes", s->map_size);
	for (int i = 7; i >= 0; i--)
		size = size << 8 | map[i];
	if (size > SAFETENSORS_HEADER_MAX || size > s->map_size - 8)
		return err_set(reterr, ERR_CORRUPT,
			       "the header should have %" PRIu64
			       " bytes, but the file has %zu: the file is truncated or is not a "
			       "safetensors file",
			       size, s->map_size);
	if (size == 0 || map[8] != '{')
		return err_set(reterr, ERR_CORRUPT, "the header does not begin with '{'");
	r = json_parse((const char *)map + 8, (size_t)size, &s->header, &cause);
	if (r < 0)
		return err_set(reterr, ERR_CORRUPT, "the header is not JSON: %s", cause.msg);
	s->tensors = calloc(json_object_size(s->header) + 1, sizeof(*s->tensors));
	if (!s->tensors)
		return err_errno(reterr, ENOMEM, "read the header");
	data = (const char *)map + 8 + size;
	json_object_foreach(s->header, key, value) {
		if (str_eq(key, "__metadata__"))
			r = check_metadata(value, reterr);
		else
			r = parse_tensor(key, value, data, s->map_size - 8 - (size_t)size,
					 &s->tensors[s->n++], reterr);
		if (r < 0)
			return r;
	}
	qsort(s->tensors, s->n, sizeof(*s->tensors), by_place);
	return check_cover(s, data, s->map_size - 8 - (size_t)size, reterr);
}

int safetensors_open(const char *path, struct safetensors **ret, struct err *reterr)
{
	OWN(closep) int fd = roots_open(AT_FDCWD, path, O_RDONLY, reterr);
	OWN(safetensors_closep) struct safetensors *s = calloc(1, sizeof(*s));
	struct stat st;
	int r;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return err_errno(reterr, errno, "open %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(reterr, ERR_INVALID, "%s is not a regular file", path);
	if (!s)
		return err_errno(reterr, ENOMEM, "open %s", path);
	if (st.st_size > 0) {
		s->map_size = (size_t)st.st_size;
		s->map = mmap(NULL, s->map_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (s->map == MAP_FAILED) {
			s->map = NULL;
			return err_errno(reterr, errno, "map %s", path);
		}
	}
	if (lfs_is_pointer(s->map, s->map_size))
		return err_set(reterr, ERR_CORRUPT, "%s is " LFS_POINTER_PROBLEM, path);
	r = parse_header(s, reterr);
	if (r < 0)
		return err_ctx(reterr, r, "%s is damaged", path);
	*ret = TAKE(s);
	return 0;
}

void safetensors_close(struct safetensors *s)
{
	if (!s)
		return;
	if (s->map)
		munmap(s->map, s->map_size);
	json_decref(s->header);
	free(s->tensors);
	free(s);
}

void safetensors_closep(struct safetensors **s)
{
	safetensors_close(*s);
}

size_t safetensors_count(const struct safetensors *s)
{
	return s->n;
}

const struct st_tensor *safetensors_at(const struct safetensors *s, size_t i)
{
	return &s->tensors[i];
}

const struct st_tensor *safetensors_find(const struct safetensors *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (str_eq(s->tensors[i].name, name))
			return &s->tensors[i];
	return NULL;
}

static float from_f16(uint16_t h)
{
	uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = (h >> 10) & 0x1f, part = h & 0x3ff;
	uint32_t bits;
	float f;

	if (exponent == 0) {
		f = (float)part / 16777216.0f;
		return sign ? -f : f;
	}
	bits = sign | (exponent == 31 ? 0x7f800000u : (exponent + 112) << 23) | part << 13;
	memcpy(&f, &bits, sizeof(f));
	return f;
}

static float from_bf16(uint16_t h)
{
	uint32_t bits = (uint32_t)h << 16;
	float f;

	memcpy(&f, &bits, sizeof(f));
	return f;
}

int st_to_f32(const struct st_tensor *t, float *to, struct err *reterr)
{
	size_t n = (size_t)st_elements(t), size = dtypes[t->dtype].size;
	const char *from = t->data;

	if (t->dtype == ST_F32) {
		if (n)
			memcpy(to, from, n * size);
		return 0;
	}
	if (t->dtype != ST_F16 && t->dtype != ST_BF16 && t->dtype != ST_F64)
		return err_set(reterr, ERR_UNSUPPORTED,
			       "tensor '%s' is %s; weights must be F32, F16, BF16 or F64", t->name,
			       st_dtype_str(t->dtype));
	for (size_t i = 0; i < n; i++) {
		uint16_t half;
		double wide;

		if (t->dtype == ST_F64) {
			memcpy(&wide, from + i * size, sizeof(wide));
			to[i] = (float)wide;
			continue;
		}
		memcpy(&half, from + i * size, sizeof(half));
		to[i] = t->dtype == ST_F16 ? from_f16(half) : from_bf16(half);
	}
	return 0;
}
