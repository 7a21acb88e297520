/* SPDX-License-Identifier: MIT */
/*
 * Replaces stdout and stderr by streams that filter what is written. A character that is split over
 * two writes is kept until it is complete.
 */
#include "cli/terminal.h"

#include "base/printable.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#define CHUNK	    4096
#define UTF8_LENGTH 4

struct filter {
	int fd;
	char left[UTF8_LENGTH]; /* first bytes of an unfinished character */
	size_t left_n;
};

static struct filter filters[] = {{.fd = STDOUT_FILENO}, {.fd = STDERR_FILENO}};

static bool write_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno != EINTR)
			return false;
		data += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

static ssize_t filter_write(void *cookie, const char *data, size_t len)
{
	struct filter *f = cookie;
	char in[CHUNK + UTF8_LENGTH], out[sizeof(in) * PRINTABLE_GROWTH];

	for (size_t at = 0, n; at < len; at += n) {
		size_t had = f->left_n, written;

		n = len - at < CHUNK ? len - at : CHUNK;
		memcpy(in, f->left, had);
		memcpy(in + had, data + at, n);
		written = printable(out, in, had + n, &f->left_n);
		memcpy(f->left, in + had + n - f->left_n, f->left_n);
		if (!write_all(f->fd, out, written))
			return 0; /* fopencookie(3) wants 0 for an error; errno has the reason */
	}
	return (ssize_t)len;
}

static FILE *filtered(struct filter *f, int mode)
{
	FILE *stream = fopencookie(f, "w", (cookie_io_functions_t){.write = filter_write});

	if (stream)
		setvbuf(stream, NULL, mode, BUFSIZ);
	return stream;
}

void terminal_open(void)
{
	FILE *out = filtered(&filters[0], isatty(STDOUT_FILENO) ? _IOLBF : _IOFBF);
	FILE *err = filtered(&filters[1], _IOLBF);

	if (!out || !err) /* out of memory: nothing could be printed */
		_exit(1);
	stdout = out;
	stderr = err;
}

int terminal_fd(FILE *stream)
{
	return stream == stderr ? STDERR_FILENO : STDOUT_FILENO;
}

void terminal_command(const char *sequence)
{
	fflush(stderr);
	write_all(STDERR_FILENO, sequence, strlen(sequence));
}

int terminal_copy(const char *data, size_t len)
{
	if (fflush(stdout) != 0)
		return -errno;
	if (!isatty(STDOUT_FILENO))
		return write_all(STDOUT_FILENO, data, len) ? 0 : -errno;
	return fwrite(data, 1, len, stdout) == len && fflush(stdout) == 0 ? 0 : -errno;
}
