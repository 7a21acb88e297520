/* SPDX-License-Identifier: MIT */
/* Opens one file after the other, and reads its batches and its schema. */
#include "worker/dataset/table.h"

#include "base/own.h"
#include "base/roots.h"
#include "base/str.h"
#include "worker/dataset/columns.h"
#include "worker/dataset/saved.h"

#include <fcntl.h>
#include <sys/stat.h>

static void drop_batch(struct table *t)
{
	if (t->batch.release)
		t->batch.release(&t->batch);
	t->batch = (struct ArrowArray){0};
}

static void drop_schema(struct table *t)
{
	if (t->schema.release)
		t->schema.release(&t->schema);
	t->schema = (struct ArrowSchema){0};
}

void table_close(struct table *t)
{
	drop_batch(t);
	drop_schema(t);
	arw_reader_close(t->reader);
	saved_files_free(t->files, t->files_n);
	*t = (struct table){0};
}

static int open_file(struct table *t, struct err *reterr)
{
	const char *path = t->files[t->file];
	struct arw_error e = {0};
	char opened[ROOTS_FD_PATH_MAX];
	OWN(closep) int fd = -1;
	struct stat st;
	int r;

	arw_reader_close(t->reader);
	t->reader = NULL;
	drop_schema(t);
	fd = roots_open(AT_FDCWD, path, O_RDONLY, reterr);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(reterr, ERR_INVALID, "%s is not a regular file", path);
	roots_fd_path(fd, opened); /* Arrow reads the same file that was checked */
	r = t->parquet ? arw_open_parquet(opened, &t->reader, &e)
		       : arw_open_stream(opened, &t->reader, &e);
	if (r >= 0 && t->select)
		r = arw_reader_select(t->reader, t->select, t->select_n, &e);
	if (r >= 0)
		r = arw_reader_schema(t->reader, &t->schema, &e);
	return r < 0 ? arrow_error(&e, reterr, path) : 0;
}

int table_open(struct table *t, char **files, size_t files_n, bool parquet, struct err *reterr)
{
	*t = (struct table){.files = files, .files_n = files_n, .parquet = parquet};
	return open_file(t, reterr);
}

int table_select(struct table *t, const char *const *columns, size_t n, struct err *reterr)
{
	t->select = columns;
	t->select_n = n;
	return t->parquet ? open_file(t, reterr) : 0;
}

const char *table_type_name(const struct table *t, int64_t column, char *buf, size_t size)
{
	struct arw_error ignored;

	if (arw_reader_type(t->reader, (int)column, buf, size, &ignored) < 0)
		str_must_copy(buf, size, "of an unknown kind");
	return buf;
}

static int read_batch(struct table *t, struct err *reterr)
{
	struct arw_error e = {0};
	int r = arw_reader_next(t->reader, &t->batch, &e);

	if (r < 0)
		return arrow_error(&e, reterr, t->files[t->file]);
	if (r > 0 && t->parquet) { /* a selection changes which columns there are */
		drop_schema(t);
		if (arw_reader_schema(t->reader, &t->schema, &e) < 0)
			return arrow_error(&e, reterr, t->files[t->file]);
	}
	return r;
}

int table_next(struct table *t, struct err *reterr)
{
	for (;;) {
		int r;

		drop_batch(t);
		r = read_batch(t, reterr);
		if (r < 0 || (r > 0 && t->batch.length > 0))
			return r;
		if (r > 0)
			continue;
		if (t->file + 1 == t->files_n)
			return 0;
		t->file++;
		r = open_file(t, reterr);
		if (r < 0)
			return r;
	}
}
