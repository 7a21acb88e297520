/* SPDX-License-Identifier: MIT */
/*
 * Formats the events of a page as lines, and appends them after the committed bytes. If the log is
 * full, a notice is its last line.
 */
#include "daemon/sagemaker/log_file.h"
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"

#include <string.h>

/* The prefix "[algo-2] " for lines of a job with several instances. */
static void line_head(const struct resource_row *row, const char *stream, char *ret, size_t size)
{
	const json_t *where = json_object_get(row->request, "ResourceConfig");
	const char *algo = strchr(stream, '/');
	const char *dash = algo ? strrchr(algo, '-') : NULL;

	ret[0] = '\0';
	if (json_get_int(where, "InstanceCount", 1) > 1 && dash)
		str_excerptf(ret, size, "[%.*s] ", (int)(dash - algo - 1), algo + 1);
}

static void lines_of(const struct resource_row *row, const struct sagemaker_metrics *m,
		     const char *stream, const json_t *events, size_t first, struct buf *out)
{
	char head[64];

	line_head(row, stream, head, sizeof(head));
	for (size_t i = first; i < json_array_size(events); i++) {
		const char *line = json_get_str(json_array_get(events, i), "message", "");

		if (!sagemaker_metrics_is_event(m, line))
			buf_printf(out, "%s%s\n", head, line);
	}
}

/* Append after the committed bytes; first cut off what a crash left there. */
static int append(struct manager *mgr, const struct resource_row *row, const struct buf *lines,
		  int64_t *ret_size, struct err *reterr)
{
	struct execution_row ex;
	OWN(closep) int fd = -1;
	char path[SPEC_PATH_MAX + 16];
	int r = store_execution_last(mgr->store, row->job, &ex, reterr);

	if (r < 0)
		return r;
	str_must_format(path, sizeof(path), "%s/" EXECUTION_LOG, ex.dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd < 0 || ftruncate(fd, row->log_size) < 0 || lseek(fd, row->log_size, SEEK_SET) < 0)
		return err_errno(reterr, errno, "write %s", path);
	r = fd_write_all(fd, lines->data, lines->len);
	if (r >= 0 && fdatasync(fd) < 0)
		r = -errno;
	if (r < 0)
		return err_errno(reterr, -r, "write %s", path);
	*ret_size = row->log_size + (int64_t)lines->len;
	return 0;
}

static bool is_full(struct manager *mgr, const struct resource_row *row)
{
	return row->log_size >= mgr->settings->log_max_bytes;
}

/* If the lines do not fit, cut them between two characters and add a notice: the log is then
 * full. */
static void cut_lines(struct buf *lines, int64_t room)
{
	if ((int64_t)lines->len < room)
		return;
	while (room > 0 && (lines->data[room] & 0xc0) == 0x80)
		room--;
	lines->len = (size_t)room;
	buf_puts(lines, "\n[trainyard: the log has reached local.log_max_bytes; the rest is in "
			"CloudWatch, group " SAGEMAKER_LOG_GROUP "]\n");
}

int sagemaker_log_append(struct manager *mgr, const struct resource_row *row,
			 const struct sagemaker_metrics *m, const char *stream,
			 const json_t *events, size_t first, int64_t *size, struct err *reterr)
{
	OWN(buf_done) struct buf lines = BUF_INIT(AWS_REPLY_MAX * 2);

	if (!is_full(mgr, row))
		lines_of(row, m, stream, events, first, &lines);
	if (!lines.len)
		return 0;
	cut_lines(&lines, mgr->settings->log_max_bytes - *size);
	return append(mgr, row, &lines, size, reterr);
}
