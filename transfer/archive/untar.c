/* SPDX-License-Identifier: MIT */
/*
 * Reads an archive with libarchive, checks each member's path, type and size, and writes it below
 * the root. A compression ratio above the limit ends the reading.
 */
#include "transfer/archive/untar.h"
#include "transfer/exclude.h"

#include "base/fileio.h"
#include "base/own.h"
#include "base/roots.h"
#include "base/str.h"

#include <archive.h>
#include <archive_entry.h>
#include <string.h>
#include <sys/stat.h>

#define CHUNK_BYTES (INT64_C(4) << 20)
#define AHEAD	    4
#define PEEK_CHUNK  (INT64_C(1) << 20)
#define PEEK_AHEAD  2
#define FILTERS_MAX 2 /* gzip, and the end of the chain */

struct opened {
	struct reader reader;
	int64_t unpacked; /* bytes of members so far, holes included */
	struct archive *archive;
	const char *name; /* the object's, for messages */
};

/* True if the ratio is above the limit. Checked while the archive streams, also for skipped
 * members. */
static bool is_bomb(struct archive *a, const struct transfer_limits *limits)
{
	int64_t out = archive_filter_bytes(a, 0), in = archive_filter_bytes(a, -1);

	return out > TRANSFER_RATIO_FROM && in > 0 && out / in > limits->ratio;
}

static int bomb(const struct opened *o, struct err *reterr)
{
	return err_set(reterr, ERR_LIMIT,
		       "%s unpacks to more than %lld times its size; if you trust the archive, "
		       "raise local.max_ratio",
		       o->name, (long long)o->reader.source->t->limits.ratio);
}

static la_ssize_t on_read(struct archive *a, void *userdata, const void **data)
{
	struct opened *o = userdata;
	struct reader *r = &o->reader;
	ssize_t n = is_bomb(a, &r->source->t->limits) ? bomb(o, &r->err)
						      : reader_next(r, data, &r->err);

	if (n < 0) {
		r->result = (int)n;
		archive_set_error(a, r->err.code, "%s", r->err.msg);
		return -1;
	}
	return n;
}

static int tar_fail(struct opened *o, struct err *reterr)
{
	if (o->reader.result == -ERR_LIMIT)
		o->reader.source->t->failure_code = "too_large";
	if (o->reader.result < 0) {
		*reterr = o->reader.err;
		return o->reader.result;
	}
	o->reader.source->t->failure_code = "data_corrupt";
	return err_set(reterr, ERR_CORRUPT, "%s is not a valid tar.gz: %s", o->name,
		       archive_error_string(o->archive));
}

static void tar_close(struct opened *o)
{
	archive_read_free(o->archive);
	reader_close(&o->reader);
}

static int too_large(struct opened *o, const char *what, const char *setting, int64_t max,
		     struct err *reterr)
{
	o->reader.source->t->failure_code = "too_large";
	return err_set(reterr, ERR_LIMIT, "%s is refused: %s more than the %lld bytes of %s",
		       o->name, what, (long long)max, setting);
}

/* libarchive unpacks gzip in gzip, as no tar does: each layer multiplies what one read can bring,
 * and nothing can stop such a read. */
static int packed_twice(struct opened *o, struct err *reterr)
{
	o->reader.source->t->failure_code = "data_corrupt";
	return err_set(reterr, ERR_CORRUPT,
		       "%s is not a tar.gz: it is packed with gzip more than once; pack it once",
		       o->name);
}

static int tar_open(struct opened *o, struct s3_source *src, const struct s3_object *object,
		    int64_t chunk, int ahead, struct err *reterr)
{
	int r;

	o->name = object->key;
	o->unpacked = 0;
	o->reader.source = src;
	if (object->size > src->t->limits.download)
		return too_large(o, "the archive has", "local.max_download",
				 src->t->limits.download, reterr);
	r = reader_open(&o->reader, src, object, chunk, ahead, reterr);
	if (r < 0)
		return r;
	o->archive = archive_read_new();
	archive_read_support_format_tar(o->archive);
	archive_read_support_format_empty(o->archive);
	archive_read_support_filter_gzip(o->archive);
	if (archive_read_open(o->archive, o, NULL, on_read, NULL) != ARCHIVE_OK)
		r = tar_fail(o, reterr);
	else if (archive_filter_count(o->archive) > FILTERS_MAX)
		r = packed_twice(o, reterr);
	if (r < 0)
		tar_close(o);
	return r;
}

static int check_bomb(struct opened *o, struct err *reterr)
{
	struct transfer *t = o->reader.source->t;

	if (!is_bomb(o->archive, &t->limits))
		return 0;
	t->failure_code = "too_large";
	return bomb(o, reterr);
}

/* The next member's path below the root; "" is the root itself. 1: a member, 0: the end. */
static int tar_next(struct opened *o, struct archive_entry **ret, const char **ret_path,
		    struct err *reterr)
{
	int status = archive_read_next_header(o->archive, ret), r;
	const char *path;

	r = transfer_stopped(o->reader.source->t, reterr);
	if (r >= 0)
		r = check_bomb(o, reterr);
	if (r < 0 || status == ARCHIVE_EOF)
		return r;
	path = status == ARCHIVE_OK || status == ARCHIVE_WARN ? archive_entry_pathname(*ret) : NULL;
	if (!path)
		return tar_fail(o, reterr);
	while (path[0] == '.' && path[1] == '/')
		path += 2 + strspn(path + 2, "/");
	*ret_path = str_eq(path, ".") ? "" : path;
	return 1;
}

static int refuse(struct opened *o, const char *path, const char *problem, struct err *reterr)
{
	o->reader.source->t->failure_code = "data_corrupt";
	return err_set(reterr, ERR_CORRUPT, "%s is refused: its member '%.200s' %s", o->name, path,
		       problem);
}

/* Count more bytes of members, holes included. */
static int count_unpacked(struct opened *o, int64_t bytes, struct err *reterr)
{
	struct transfer *t = o->reader.source->t;

	if (bytes < 0 || bytes > t->limits.unpacked - o->unpacked)
		return too_large(o, "the archive unpacks to", "local.max_unpacked",
				 t->limits.unpacked, reterr);
	o->unpacked += bytes;
	return check_bomb(o, reterr);
}

/* ---- unpack ---- */

/* `size`: the member's, which a hole at its end makes larger than what its data reach. */
static int write_member(struct opened *o, int fd, const char *path, int64_t size,
			struct err *reterr)
{
	int64_t offset, end = 0;
	const void *data;
	size_t len;
	int status, r;

	while ((status = archive_read_data_block(o->archive, &data, &len, &offset)) == ARCHIVE_OK) {
		r = count_unpacked(o, offset + (int64_t)len - end, reterr);
		if (r < 0)
			return r;
		if (offset != end && lseek(fd, offset, SEEK_SET) < 0)
			return err_errno(reterr, errno, "write '%s'", path);
		r = fd_write_all(fd, data, len);
		if (r < 0)
			return err_errno(reterr, -r, "write '%s'", path);
		end = offset + (int64_t)len;
		r = transfer_stopped(o->reader.source->t, reterr);
		if (r < 0)
			return r;
	}
	if (status != ARCHIVE_EOF)
		return tar_fail(o, reterr);
	if (size > end) {
		r = count_unpacked(o, size - end, reterr);
		if (r < 0)
			return r;
		end = size;
	}
	return ftruncate(fd, end) < 0 ? err_errno(reterr, errno, "write '%s'", path) : 0;
}

/* Open the directory of a member below `root`. *ret_name is the member's last name. Returns a
 * descriptor. */
static int open_parent(const char *root, const char *path, const char **ret_name,
		       struct err *reterr)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX];

	*ret_name = slash ? slash + 1 : path;
	if (snprintf(dir, sizeof(dir), "%s/%.*s", root, slash ? (int)(slash - path) : 0, path) >=
	    (int)sizeof(dir))
		return err_errno(reterr, ENAMETOOLONG, "write '%s'", path);
	return roots_make_dir(dir, 0755, reterr);
}

static int unpack_dir(const char *root, const char *path, struct err *reterr)
{
	char dir[PATH_MAX];
	int r;

	if (!path_join(dir, sizeof(dir), root, path))
		return err_errno(reterr, ENAMETOOLONG, "write '%s'", path);
	r = roots_make_dir(dir, 0755, reterr);
	if (r < 0)
		return r;
	close(r);
	return 0;
}

static int unpack_file(struct opened *o, const char *root, struct archive_entry *entry,
		       const char *path, struct err *reterr)
{
	const char *name;
	OWN(closep) int parent = open_parent(root, path, &name, reterr);
	OWN(closep) int fd = -1;
	int r;

	if (parent < 0)
		return parent;
	(void)unlinkat(parent, name, 0); /* a later member of the same name replaces it */
	fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    archive_entry_perm(entry) & 0100 ? 0755 : 0644);
	if (fd < 0)
		return err_errno(reterr, errno, "write '%s'", path);
	r = write_member(o, fd, path, archive_entry_size(entry), reterr);
	if (r < 0)
		(void)unlinkat(parent, name, 0); /* half a member is removed */
	return r;
}

/* Blame the archive for names that the file system cannot have, or that conflict with another
 * member. */
static int unpacked(struct opened *o, const char *path, int r, struct err *reterr)
{
	if (r == -EEXIST || r == -ENOTDIR || r == -EISDIR)
		return refuse(o, path, "has the name of a file and of a directory", reterr);
	if (r != -ENAMETOOLONG)
		return r;
	r = refuse(o, path, "has a name that is too long", reterr);
	o->reader.source->t->failure_code = "name_too_long";
	return r;
}

static int unpack_one(struct opened *o, const char *root, struct archive_entry *entry,
		      const char *path, struct err *reterr)
{
	char clean[PATH_MAX];
	size_t n;

	if (!*path)
		return 0;
	if (!str_copy(clean, sizeof(clean), path))
		return unpacked(o, path, -ENAMETOOLONG, reterr);
	for (n = strlen(clean); n > 1 && clean[n - 1] == '/'; n--)
		clean[n - 1] = '\0';
	if (!path_is_inside(clean))
		return refuse(o, path, "leads out of the directory", reterr);
	if (exclude_matches(o->reader.source->exclude, clean))
		return 0;
	if (archive_entry_hardlink(entry) || archive_entry_filetype(entry) == AE_IFLNK)
		return refuse(o, path, "is a link", reterr);
	if (archive_entry_filetype(entry) == AE_IFDIR)
		return unpacked(o, path, unpack_dir(root, clean, reterr), reterr);
	if (archive_entry_filetype(entry) != AE_IFREG)
		return refuse(o, path, "is not a regular file", reterr);
	return unpacked(o, path, unpack_file(o, root, entry, clean, reterr), reterr);
}

/* The error of an archive without even an end mark. */
static int not_one(struct opened *o, struct err *reterr)
{
	o->reader.source->t->failure_code = "data_corrupt";
	return err_set(reterr, ERR_CORRUPT, "%s is not a tar.gz, because it is empty", o->name);
}

int untar(struct s3_source *src, const struct s3_object *o, const char *root, struct err *reterr)
{
	OWN(closep) int root_fd = roots_make_dir(root, 0755, reterr);
	struct archive_entry *entry;
	struct opened opened;
	const char *path;
	int members = 0, r;

	if (root_fd < 0)
		return root_fd;
	r = tar_open(&opened, src, o, CHUNK_BYTES, AHEAD, reterr);
	if (r < 0)
		return r;
	while ((r = tar_next(&opened, &entry, &path, reterr)) > 0) {
		r = ++members > UNTAR_MEMBERS_MAX ? refuse(&opened, path, "is one too many", reterr)
						  : unpack_one(&opened, root, entry, path, reterr);
		if (r < 0)
			break;
	}
	if (r >= 0)
		r = reader_check(&opened.reader, reterr);
	if (r >= 0 && archive_format(opened.archive) == ARCHIVE_FORMAT_EMPTY)
		r = not_one(&opened, reterr);
	tar_close(&opened);
	return r;
}

/* ---- look into ---- */

static bool is_wanted(const json_t *members, const char *path)
{
	const json_t *item;
	size_t i;

	json_array_foreach(members, i, item)
		if (str_eq(json_string_value(item), path))
			return true;
	return false;
}

static int read_member(struct opened *o, const char *path, json_t *into, struct err *reterr)
{
	OWN(buf_done) struct buf text = BUF_INIT(PEEK_MEMBER_MAX);
	json_t *value = NULL;

	for (;;) {
		char *room = buf_reserve(&text, 4096);
		la_ssize_t n;

		if (!room)
			return refuse(o, path, "is larger than 1 MiB", reterr);
		n = archive_read_data(o->archive, room, 4096);
		if (n < 0)
			return tar_fail(o, reterr);
		if (n == 0)
			break;
		buf_added(&text, (size_t)n);
	}
	if (json_parse(buf_str(&text), text.len, &value, NULL) < 0) {
		str_utf8_mask(text.len ? text.data : (char[]){""});
		value = json_string(buf_str(&text));
	}
	json_object_set_new(into, path, value);
	return 0;
}

int untar_peek(struct s3_source *src, const struct s3_object *o, const json_t *members,
	       json_t **ret, struct err *reterr)
{
	struct archive_entry *entry;
	struct opened opened;
	const char *path;
	int r;

	r = tar_open(&opened, src, o, PEEK_CHUNK, PEEK_AHEAD, reterr);
	if (r < 0)
		return r;
	*ret = json_object();
	while (json_object_size(*ret) < json_array_size(members) &&
	       (r = tar_next(&opened, &entry, &path, reterr)) > 0) {
		OWN(freep) char *name = strdup(path);

		r = name && is_wanted(members, name) && archive_entry_filetype(entry) == AE_IFREG
			    ? read_member(&opened, name, *ret, reterr)
			    : 0;
		if (r < 0)
			break;
	}
	tar_close(&opened);
	if (r >= 0)
		return 0;
	json_decref(*ret);
	*ret = NULL;
	return r;
}
