/* SPDX-License-Identifier: MIT */
/*
 * Reads DIR/log with pread, so that a growing file, or a gap that appears during the read, does no
 * harm.
 */
#include "wire/logfile.h"

#include "base/beneath.h"
#include "base/fileio.h"
#include "base/own.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#define LOG_NAME     "log"
#define LOG_GAP_NAME "log.gap"
#define GAP_FILE_MAX 4096
#define TAIL_CHUNK   16384

struct gap {
	int64_t from, to; /* equal: no gap */
};

int logfile_open(struct logfile *lf, const char *dir, struct err *reterr)
{
	int r;

	*lf = (struct logfile)LOGFILE_CLOSED;
	lf->dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (lf->dirfd < 0)
		return err_errno(reterr, errno, "open %s", dir);
	r = beneath_open(lf->dirfd, LOG_NAME, BENEATH_NO_LINKS, INT64_MAX, &lf->fd, NULL, reterr);
	if (r >= 0)
		return 0;
	logfile_close(lf);
	if (r == -ERR_INVALID)
		return err_set(reterr, ERR_GONE,
			       "the log no longer exists: the job has replaced the file");
	return r;
}

void logfile_close(struct logfile *lf)
{
	closep(&lf->fd);
	closep(&lf->dirfd);
	lf->fd = lf->dirfd = -1;
}

int64_t logfile_size(const struct logfile *lf)
{
	struct stat st;

	return fstat(lf->fd, &st) < 0 ? -errno : st.st_size;
}

/* If the gap file cannot be read, there is no gap, and its bytes are shown as zeros. */
static struct gap read_gap(const struct logfile *lf)
{
	struct gap g = {0};
	json_t *j;

	if (beneath_read_json(lf->dirfd, LOG_GAP_NAME, GAP_FILE_MAX, &j, NULL) < 0)
		return g;
	g.from = json_get_int(j, "from", 0);
	g.to = json_get_int(j, "to", 0);
	json_decref(j);
	if (g.from < 0 || g.to < g.from)
		g = (struct gap){0};
	return g;
}

int64_t logfile_start(const struct logfile *lf)
{
	struct gap g = read_gap(lf);

	return g.from == 0 ? g.to : 0;
}

int64_t logfile_tail(const struct logfile *lf, int64_t lines)
{
	struct gap g = read_gap(lf);
	int64_t size = logfile_size(lf), floor = g.to;
	char chunk[TAIL_CHUNK];

	if (size - floor > LOGFILE_TAIL_BYTES)
		floor = size - LOGFILE_TAIL_BYTES;
	if (lines <= 0)
		return size;
	for (int64_t end = size; end > floor;) {
		int64_t start = end - floor > TAIL_CHUNK ? end - TAIL_CHUNK : floor;
		ssize_t n = pread(lf->fd, chunk, (size_t)(end - start), start);

		if (n != end - start)
			break;
		for (ssize_t i = n - 1; i >= 0; i--) {
			/* A newline at the very end belongs to the last line. */
			if (chunk[i] == '\n' && start + i != size - 1 && --lines == 0)
				return start + i + 1;
		}
		end = start;
	}
	return size < floor ? size : floor;
}

static ssize_t show_notice(struct logfile *lf, char *buf, size_t max)
{
	size_t n = lf->notice_len - lf->notice_shown;

	if (n > max)
		n = max;
	memcpy(buf, lf->notice + lf->notice_shown, n);
	lf->notice_shown += n;
	return (ssize_t)n;
}

void logfile_say(struct logfile *lf, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(lf->notice, sizeof(lf->notice), fmt, ap);
	va_end(ap);
	lf->notice_len = (size_t)n < sizeof(lf->notice) ? (size_t)n : sizeof(lf->notice) - 1;
	lf->notice_shown = 0;
}

static void skip_gap(struct logfile *lf, const struct gap *g)
{
	logfile_say(lf, "%s[trainyard: %" PRId64 " bytes of the log were cut here]\n",
		    lf->offset ? "\n" : "", g->to - lf->offset);
	lf->offset = g->to;
}

ssize_t logfile_read(struct logfile *lf, int64_t end, char *buf, size_t max)
{
	struct gap g;
	ssize_t n;

	if (lf->notice_shown < lf->notice_len)
		return show_notice(lf, buf, max);
	if (lf->fd < 0 || lf->offset >= end)
		return 0;
	if ((int64_t)max > end - lf->offset)
		max = (size_t)(end - lf->offset);
	n = pread(lf->fd, buf, max, lf->offset);
	if (n <= 0)
		return n < 0 ? -errno : 0;
	/* Read the gap after the bytes. log.gap is written before the bytes are removed, so zeros
	 * that were read are always inside this gap. */
	g = read_gap(lf);
	if (lf->offset >= g.from && lf->offset < g.to) {
		skip_gap(lf, &g);
		return show_notice(lf, buf, max);
	}
	if (lf->offset < g.from && lf->offset + n > g.from)
		n = (ssize_t)(g.from - lf->offset);
	lf->offset += n;
	return n;
}
