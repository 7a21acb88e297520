/* SPDX-License-Identifier: MIT */
/* The writer: order, padding and JSON of the reference implementation. */
#include "base/fileio.h"
#include "base/json.h"
#include "base/own.h"
#include "base/str.h"
#include "worker/model/safetensors.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>

#define FILE_MODE 0644

static size_t dtype_size(enum st_dtype dtype)
{
	static const size_t sizes[] = {
		[ST_BOOL] = 1, [ST_U8] = 1,  [ST_I8] = 1,  [ST_F8_E5M2] = 1, [ST_F8_E4M3] = 1,
		[ST_I16] = 2,  [ST_U16] = 2, [ST_F16] = 2, [ST_BF16] = 2,    [ST_I32] = 4,
		[ST_U32] = 4,  [ST_F32] = 4, [ST_F64] = 8, [ST_I64] = 8,     [ST_U64] = 8,
	};

	return sizes[dtype];
}

static size_t source_bytes(const struct st_source *s)
{
	size_t n = dtype_size(s->dtype);

	for (int i = 0; i < s->dims; i++)
		n *= (size_t)s->shape[i];
	return n;
}

/* The reference's order: wide types first, then by name. */
static int by_type_and_name(const void *a, const void *b)
{
	const struct st_source *x = a, *y = b;

	if (x->dtype != y->dtype)
		return x->dtype > y->dtype ? -1 : 1;
	return strcmp(x->name, y->name);
}

static int put_entry(struct buf *b, const struct st_source *s, size_t offset)
{
	OWN(json_decrefp) json_t *name = json_string(s->name);
	OWN(freep) char *quoted = name ? json_text(name) : NULL;

	if (!quoted)
		return -ENOMEM;
	buf_printf(b, ",%s:{\"dtype\":\"%s\",\"shape\":[", quoted, st_dtype_str(s->dtype));
	for (int i = 0; i < s->dims; i++)
		buf_printf(b, "%s%" PRId64, i ? "," : "", s->shape[i]);
	buf_printf(b, "],\"data_offsets\":[%zu,%zu]}", offset, offset + source_bytes(s));
	return buf_ok(b) ? 0 : -ENOMEM;
}

static int make_header(struct buf *b, const struct st_source *sources, size_t n)
{
	size_t offset = 0;

	buf_puts(b, "{\"__metadata__\":{\"format\":\"pt\"}");
	for (size_t i = 0; i < n; i++) {
		int r = put_entry(b, &sources[i], offset);

		if (r < 0)
			return r;
		offset += source_bytes(&sources[i]);
	}
	buf_puts(b, "}");
	while (buf_ok(b) && b->len % 8)
		buf_puts(b, " ");
	return buf_ok(b) ? 0 : -ENOMEM;
}

static int write_tensors(int fd, const struct st_source *sources, size_t n, struct err *reterr)
{
	size_t most = 1;

	for (size_t i = 0; i < n; i++)
		most = source_bytes(&sources[i]) > most ? source_bytes(&sources[i]) : most;

	OWN(freep) char *room = malloc(most);

	if (!room)
		return err_errno(reterr, ENOMEM, "hold a tensor of %zu bytes", most);
	for (size_t i = 0; i < n; i++) {
		const struct st_source *s = &sources[i];
		int r = s->fill(s->ctx, s->index, room, reterr);

		if (r < 0)
			return r;
		r = fd_write_all(fd, room, source_bytes(s));
		if (r < 0)
			return err_errno(reterr, -r, "write tensor '%s'", s->name);
	}
	return 0;
}

static int write_file(const char *path, const struct st_source *sources, size_t n,
		      struct err *reterr)
{
	OWN(closep) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, FILE_MODE);
	OWN(buf_done) struct buf header = BUF_INIT(SAFETENSORS_HEADER_MAX);
	unsigned char size[8];
	int r;

	if (fd < 0)
		return err_errno(reterr, errno, "create %s", path);
	r = make_header(&header, sources, n);
	if (r < 0)
		return err_errno(reterr, -r, "make the header of %s", path);
	for (int i = 0; i < 8; i++)
		size[i] = (unsigned char)((uint64_t)header.len >> (8 * i));
	r = fd_write_all(fd, size, sizeof(size));
	if (r >= 0)
		r = fd_write_all(fd, header.data, header.len);
	if (r < 0)
		return err_errno(reterr, -r, "write %s", path);
	r = write_tensors(fd, sources, n, reterr);
	if (r < 0)
		return err_ctx(reterr, r, "write %s", path);
	if (fsync(fd) < 0)
		return err_errno(reterr, errno, "write %s", path);
	return 0;
}

int safetensors_write(const char *path, struct st_source *sources, size_t n, struct err *reterr)
{
	char tmp[PATH_MAX], dir[PATH_MAX];
	const char *slash = strrchr(path, '/');
	int r;

	r = snprintf(tmp, sizeof(tmp), "%s.tmp", path);
	if (r < 0 || (size_t)r >= sizeof(tmp))
		return err_errno(reterr, ENAMETOOLONG, "write %s", path);
	str_must_format(dir, sizeof(dir), "%.*s", slash ? (int)(slash - path) : 1,
			slash ? path : ".");
	qsort(sources, n, sizeof(*sources), by_type_and_name);
	r = write_file(tmp, sources, n, reterr);
	if (r < 0) {
		unlink(tmp);
		return r;
	}
	if (rename(tmp, path) < 0 || dir_sync(AT_FDCWD, dir) < 0) {
		r = err_errno(reterr, errno, "write %s", path);
		unlink(tmp);
		return r;
	}
	return 0;
}
