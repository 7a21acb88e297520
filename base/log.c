/* SPDX-License-Identifier: MIT */
/*
 * Formats a line, makes it safe for a terminal, and writes it without blocking. Dropped lines are
 * counted and reported by the next line that is written.
 */
#include "base/log.h"

#include "base/clock.h"
#include "base/own.h"
#include "base/printable.h"
#include "base/str.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define LOG_LINE_MAX 2048 /* below PIPE_BUF: a pipe takes the whole line or nothing */
#define LOG_NOTE_MAX 128

static _Atomic(enum log_level) max_level = LOG_LEVEL_INFO;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned long long left_out; /* dropped lines; guarded by the lock */

static const struct {
	const char *name;
	enum log_level level;
} names[] = {
	{"error", LOG_LEVEL_ERROR},
	{"warning", LOG_LEVEL_WARNING},
	{"info", LOG_LEVEL_INFO},
	{"debug", LOG_LEVEL_DEBUG},
};

void log_set_level(enum log_level level)
{
	max_level = level;
}

int log_level_parse(const char *name, enum log_level *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (str_eq(names[i].name, name)) {
			*ret = names[i].level;
			return 0;
		}
	}
	return -EINVAL;
}

static const char *level_name(enum log_level level)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (names[i].level == level)
			return names[i].name;
	return "info";
}

/* Write to stderr without blocking: a full pipe, terminal or socket refuses at once. A pipe or
 * terminal is opened again, because O_NONBLOCK on stderr itself would affect every process that
 * shares it. */
static ssize_t write_now(const char *data, size_t len)
{
	struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
	struct stat st;
	ssize_t n = -1;
	int fd;

	if (fstat(STDERR_FILENO, &st) < 0)
		return -1;
	if (S_ISSOCK(st.st_mode))
		return send(STDERR_FILENO, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (!S_ISFIFO(st.st_mode) && !S_ISCHR(st.st_mode))
		return write(STDERR_FILENO, data, len);
	fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0) {
		n = write(fd, data, len);
		close(fd);
		/* the file belongs to another user, or descriptors are out */
	} else if (poll(&p, 1, 0) > 0) {
		n = write(STDERR_FILENO, data, len);
	}
	return n;
}

/* Write one line. If lines were dropped before, first report their number. */
static void put(const char *line, size_t len)
{
	char note[LOG_NOTE_MAX], at[CLOCK_TEXT_LEN];
	int n;

	pthread_mutex_lock(&lock);
	if (left_out) {
		n = snprintf(note, sizeof(note), "%s%s event=log_lines_left_out n=%llu\n",
			     getenv("JOURNAL_STREAM") ? "<4>" : clock_format(at, clock_now_us()),
			     getenv("JOURNAL_STREAM") ? "" : " warning", left_out);
		if (write_now(note, (size_t)n) > 0)
			left_out = 0;
	}
	if (left_out || write_now(line, len) < 0)
		left_out++;
	pthread_mutex_unlock(&lock);
}

void log_event(enum log_level level, const char *event, const char *fmt, ...)
{
	char line[LOG_LINE_MAX], safe[LOG_LINE_MAX * PRINTABLE_GROWTH], at[CLOCK_TEXT_LEN];
	size_t n;
	va_list ap;

	if (level > max_level)
		return;
	if (getenv("JOURNAL_STREAM"))
		str_must_format(line, sizeof(line), "<%d>event=%s ", (int)level, event);
	else
		str_must_format(line, sizeof(line), "%s %s event=%s ",
				clock_format(at, clock_now_us()), level_name(level), event);
	n = strlen(line);
	va_start(ap, fmt);
	str_vexcerptf(line + n, sizeof(line) - n - 1, fmt, ap);
	va_end(ap);
	n = strlen(line);
	for (size_t i = 0; i < n; i++) /* one fact, one line */
		if (line[i] == '\n' || line[i] == '\r')
			line[i] = ' ';
	n = printable(safe, line, n, NULL); /* removes commands to the reader's terminal */
	n = n < LOG_LINE_MAX ? n : LOG_LINE_MAX - 1;
	safe[n++] = '\n';
	put(safe, n);
}
