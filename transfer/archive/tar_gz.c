/* SPDX-License-Identifier: MIT */
/* A tree as one tar.gz object. The same files always give the same bytes (sorted, no times, no
 * owners). The bytes are sent while they are compressed. */
#include "base/fileio.h"
#include "base/own.h"
#include "base/roots.h"
#include "base/str.h"
#include "transfer/s3/checksum.h"
#include "transfer/s3/stream.h"

#include <archive.h>
#include <archive_entry.h>
#include <string.h>
#include <sys/stat.h>

#define CHUNK	      (256 << 10)
#define PER_FILE_MAX  (8 << 10) /* most bytes of headers and padding per file */
#define SMALL_BYTES   (1 << 20)
#define GZIP_SETTINGS "gzip:compression-level=1,gzip:!timestamp"

struct tarring {
	struct put *put;
	const char *root;
	struct stream *stream;
	struct archive *archive;
	struct err err; /* of the stream, set inside libarchive's callback */
	int r;
};

static unsigned plain_mode(const struct tree_file *f)
{
	return f->mode & 0111 ? 0755 : 0644;
}

/* Hash names, modes and contents: the identity of the object. */
static int made_of(struct put *p, const char *root, const struct tree *tree, char ret[HASH_HEX_LEN],
		   struct err *reterr)
{
	OWN(hash_freep) struct hash *all = hash_new();

	for (size_t i = 0; i < tree->n; i++) {
		const struct tree_file *f = &tree->files[i];
		char full[PATH_MAX], line[PATH_MAX + 128], sum[HASH_HEX_LEN];
		OWN(closep) int fd = -1;
		int r = transfer_stopped(p->t, reterr);

		if (r < 0)
			return r;
		if (!path_join(full, sizeof(full), root, f->path))
			return err_errno(reterr, ENAMETOOLONG, "read '%s'", f->path);
		fd = roots_open(AT_FDCWD, full, O_RDONLY, reterr);
		if (fd < 0)
			return fd;
		r = checksum_range(fd, 0, f->size, sum, reterr);
		if (r < 0)
			return err_ctx(reterr, r, "cannot read '%s'", full);
		str_must_format(line, sizeof(line), "%s %o %lld ", sum, plain_mode(f),
				(long long)f->size);
		hash_update(all, line, strlen(line));
		hash_update(all, f->path, strlen(f->path) + 1);
	}
	hash_hex(all, ret);
	return 0;
}

/* *ret: true if the same archive was sent before. */
static int is_there(struct put *p, const char *key, const char *sum, bool *ret, struct err *reterr)
{
	struct slot *slot;
	struct s3_object o;
	int r;

	*ret = false;
	if (!p->occupied)
		return 0;
	slot = pump_slot(p->pump);
	s3_head_object(&slot->s3, &p->bucket, key);
	r = pump_call(slot, reterr);
	if (r >= 0)
		r = s3_object_result(&slot->s3, &o, reterr);
	else if (s3_problem_of(&slot->s3) == S3_NO_KEY || s3_problem_of(&slot->s3) == S3_DENIED)
		r = *o.made_of = '\0';
	pump_release(slot);
	if (r >= 0)
		*ret = str_eq(o.made_of, sum);
	p->t->failure_code = r < 0 ? p->t->failure_code : NULL;
	return r;
}

static la_ssize_t on_write(struct archive *a, void *userdata, const void *data, size_t len)
{
	struct tarring *t = userdata;

	if (t->r >= 0)
		t->r = stream_write(t->stream, data, len, &t->err);
	if (t->r >= 0)
		return (la_ssize_t)len;
	archive_set_error(a, t->err.code, "%s", t->err.msg);
	return -1;
}

/* Return the stream's own failure, or else libarchive's. */
static int archive_fail(struct tarring *t, const char *path, struct err *reterr)
{
	if (t->r >= 0)
		return err_set(reterr, EIO, "cannot add '%s' to the tar archive: %s", path,
			       archive_error_string(t->archive));
	*reterr = t->err;
	return t->r;
}

static int add_bytes(struct tarring *t, int fd, const struct tree_file *f, struct err *reterr)
{
	OWN(freep) char *chunk = malloc(CHUNK);
	int64_t left = f->size;

	if (!chunk)
		return err_errno(reterr, ENOMEM, "read '%s'", f->path);
	while (left > 0) {
		ssize_t n = read(fd, chunk, left < CHUNK ? (size_t)left : CHUNK);
		int r = transfer_stopped(t->put->t, reterr);

		if (r < 0)
			return r;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(reterr, errno, "read '%s'", f->path);
		if (n == 0)
			return err_set(reterr, ERR_CONFLICT,
				       "'%s' became shorter while the upload read it", f->path);
		if (archive_write_data(t->archive, chunk, (size_t)n) != n)
			return archive_fail(t, f->path, reterr);
		left -= n;
		transfer_moved(t->put->t, n);
	}
	return 0;
}

static int add_file(struct tarring *t, const struct tree_file *f, struct err *reterr)
{
	struct archive_entry *entry = archive_entry_new();
	OWN(closep) int fd = -1;
	char full[PATH_MAX];
	int r = 0;

	if (!entry)
		r = err_errno(reterr, ENOMEM, "read '%s'", f->path);
	else if (!path_join(full, sizeof(full), t->root, f->path))
		r = err_errno(reterr, ENAMETOOLONG, "read '%s'", f->path);
	else
		r = fd = roots_open(AT_FDCWD, full, O_RDONLY, reterr);
	if (r >= 0) {
		archive_entry_set_pathname(entry, f->path);
		archive_entry_set_filetype(entry, AE_IFREG);
		archive_entry_set_perm(entry, (mode_t)plain_mode(f));
		archive_entry_set_size(entry, f->size);
		archive_entry_set_mtime(entry, 0, 0);
		if (archive_write_header(t->archive, entry) != ARCHIVE_OK)
			r = archive_fail(t, f->path, reterr);
	}
	if (r >= 0)
		r = add_bytes(t, fd, f, reterr);
	archive_entry_free(entry);
	return r;
}

static int write_tar(struct tarring *t, const struct tree *tree, struct err *reterr)
{
	int r = 0;

	t->archive = archive_write_new();
	if (!t->archive)
		return err_errno(reterr, ENOMEM, "make a tar");
	archive_write_set_format_pax_restricted(t->archive);
	archive_write_add_filter_gzip(t->archive);
	archive_write_set_options(t->archive, GZIP_SETTINGS);
	archive_write_set_bytes_in_last_block(t->archive, 1);
	if (archive_write_open(t->archive, t, NULL, on_write, NULL) != ARCHIVE_OK)
		r = archive_fail(t, "", reterr);
	for (size_t i = 0; r >= 0 && i < tree->n; i++)
		r = add_file(t, &tree->files[i], reterr);
	if (r >= 0 && archive_write_close(t->archive) != ARCHIVE_OK)
		r = archive_fail(t, "", reterr);
	if (r < 0)
		t->r = r; /* send nothing while libarchive frees the archive */
	archive_write_free(t->archive);
	return r;
}

/* Small files come first: a peek then reads only the start of the object. */
static int by_size_class(const void *a, const void *b)
{
	const struct tree_file *x = a, *y = b;
	int class = (x->size > SMALL_BYTES) - (y->size > SMALL_BYTES);

	return class ? class : strcmp(x->path, y->path);
}

int put_tar_gz(struct put *p, const char *root, struct tree *tree, const char *key,
	       struct err *reterr)
{
	struct tarring t = {.put = p, .root = root};
	char sum[HASH_HEX_LEN];
	bool there = false;
	int r;

	if (tree->n)
		qsort(tree->files, tree->n, sizeof(tree->files[0]), by_size_class);
	r = made_of(p, root, tree, sum, reterr);
	if (r >= 0)
		r = is_there(p, key, sum, &there, reterr);
	if (r < 0)
		return r;
	if (there) {
		p->skipped += (int64_t)tree->n;
		transfer_moved(p->t, tree->bytes);
		return 0;
	}
	r = stream_open(p, key, sum,
			tree->bytes + tree->bytes / 100 + (int64_t)tree->n * PER_FILE_MAX + CHUNK,
			&t.stream, reterr);
	if (r >= 0)
		r = write_tar(&t, tree, reterr);
	if (r >= 0)
		r = stream_finish(t.stream, reterr);
	stream_free(t.stream);
	return r;
}
