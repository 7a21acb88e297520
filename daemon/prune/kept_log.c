/* SPDX-License-Identifier: MIT */
/*
 * Keeps the end of a log when its execution's files are removed. The result is a directory with
 * `log`, sparse up to the kept part, and `log.gap`, as after the shim's cap. Repeating this has the
 * same result. Trash thread.
 */
#include "base/beneath.h"
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "base/tree.h"
#include "daemon/prune/trash.h"
#include "wire/execution.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#define GAP_MAX	     4096
#define KEPT_SUFFIX  ".kept"
#define REMOVE_BOUND 1000 /* entries of a directory that the daemon made */

struct kept {
	int64_t from, size; /* the kept bytes: from … size */
	char *bytes;
};

/* The end of the part that the cap removed; 0 if it removed nothing. */
static int64_t gap_end(int dir, int64_t size)
{
	json_t *gap = NULL;
	int64_t to;

	if (beneath_read_json(dir, EXECUTION_LOG_GAP, GAP_MAX, &gap, NULL) < 0)
		return 0;
	to = json_get_int(gap, "to", 0);
	json_decref(gap);
	return to > 0 && to <= size ? to : 0;
}

/* Leave out a partial first line, unless it is the only one. */
static void begin_at_a_line(struct kept *k)
{
	size_t len = (size_t)(k->size - k->from);
	const char *end = memchr(k->bytes, '\n', len);
	size_t cut = end ? (size_t)(end - k->bytes) + 1 : 0;

	if (!cut || cut == len)
		return;
	memmove(k->bytes, k->bytes + cut, len - cut);
	k->from += (int64_t)cut;
}

static int read_end(int dir, struct kept *k, struct err *reterr)
{
	OWN(closep) int log = -1;
	struct stat st;
	int64_t gap;
	ssize_t n;
	int r = beneath_open(dir, EXECUTION_LOG, BENEATH_NO_LINKS, INT64_MAX, &log, &st, reterr);

	if (r < 0)
		return r;
	gap = gap_end(dir, st.st_size);
	k->size = st.st_size;
	k->from = st.st_size > LOG_KEPT_BYTES ? st.st_size - LOG_KEPT_BYTES : 0;
	if (gap > k->from)
		k->from = gap;
	k->bytes = malloc(LOG_KEPT_BYTES);
	if (!k->bytes)
		return err_errno(reterr, ENOMEM, "keep the end of a log");
	n = pread(log, k->bytes, (size_t)(k->size - k->from), k->from);
	if (n < 0)
		return err_errno(reterr, errno, "read the end of a log");
	k->size = k->from + n;
	if (k->from > gap)
		begin_at_a_line(k);
	return 0;
}

static int write_gap(int dir, int64_t to, struct err *reterr)
{
	OWN(json_decrefp)
	json_t *gap =
		json_pack("{s:i, s:i, s:I}", "v", WIRE_VERSION, "from", 0, "to", (json_int_t)to);
	OWN(freep) char *text = gap ? json_text(gap) : NULL;

	if (!text)
		return err_errno(reterr, ENOMEM, "keep the end of a log");
	return file_write_atomic(dir, EXECUTION_LOG_GAP, text, strlen(text), 0600, reterr);
}

static int write_end(int dir, const struct kept *k, struct err *reterr)
{
	OWN(closep) int log = -1;
	int r = beneath_create(dir, EXECUTION_LOG, 0600, &log, reterr);

	if (r < 0)
		return r;
	if (lseek(log, k->from, SEEK_SET) < 0)
		return err_errno(reterr, errno, "write the end of a log");
	r = fd_write_all(log, k->bytes, (size_t)(k->size - k->from));
	if (r >= 0 && fsync(log) < 0)
		r = -errno;
	if (r < 0)
		return err_errno(reterr, -r, "write the end of a log");
	return k->from ? write_gap(dir, k->from, reterr) : dir_sync(dir, ".");
}

static int make(int at, int trash, const char *id, const struct kept *k, struct err *reterr)
{
	char name[ID_LEN + sizeof(KEPT_SUFFIX)];
	OWN(closep) int dir = -1;
	int r;

	str_must_format(name, sizeof(name), "%s" KEPT_SUFFIX, id);
	r = tree_remove_some(trash, name, REMOVE_BOUND, reterr); /* left by an earlier try */
	if (r >= 0 && mkdirat(trash, name, 0700) < 0)
		return err_errno(reterr, errno, "make %s", name);
	if (r >= 0)
		r = beneath_open_dir(trash, name, 0, &dir, reterr);
	if (r >= 0)
		r = write_end(dir, k, reterr);
	if (r < 0)
		return r;
	if (renameat2(trash, name, at, id, RENAME_NOREPLACE) < 0)
		return err_errno(reterr, errno, "keep the end of the log of %s", id);
	r = dir_sync(at, ".");
	return r < 0 ? err_errno(reterr, -r, "keep the end of the log of %s", id) : 0;
}

int kept_log_make(int at, int trash, const char *id, struct err *reterr)
{
	struct kept k = {0};
	OWN(closep) int dir = -1;
	struct err err;
	int r = tree_open(trash, id, &dir, &err);

	if (r >= 0)
		r = read_end(dir, &k, &err);
	/* Without a regular log there is nothing to keep. */
	r = r < 0 && r != -ENOMEM && r != -EIO ? 0
	    : r < 0			       ? err_set(reterr, -r, "%s", err.msg)
					       : make(at, trash, id, &k, reterr);
	free(k.bytes);
	return r;
}
