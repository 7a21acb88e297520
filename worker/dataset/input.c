/* SPDX-License-Identifier: MIT */
/* See input.h. zlib reads plain files unchanged, so both kinds take one path. */
#include "worker/dataset/input.h"

#include "base/own.h"
#include "base/roots.h"
#include "worker/dataset/encoding.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#define INPUT_BLOCK 262144

int input_open(struct input *in, const char *path, struct err *reterr)
{
	OWN(closep) int fd = roots_open(AT_FDCWD, path, O_RDONLY, reterr);
	const char *problem;
	struct stat st;
	int r;

	*in = (struct input){.path = path};
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return err_errno(reterr, errno, "read %s", path);
	if (!S_ISREG(st.st_mode))
		return err_errno(reterr, S_ISDIR(st.st_mode) ? EISDIR : EINVAL, "read %s", path);
	in->size = st.st_size;
	in->block = malloc(INPUT_BLOCK);
	in->gz = gzdopen(fd, "rb");
	if (!in->block || !in->gz)
		return err_errno(reterr, ENOMEM, "read %s", path);
	fd = -1; /* now zlib's */
	gzbuffer(in->gz, INPUT_BLOCK);
	r = input_fill(in, reterr);
	if (r < 0)
		return r;
	problem = encoding_problem(in->block, in->n);
	if (problem)
		return err_set(reterr, ERR_INVALID, "%s is %s", path, problem);
	if (in->n >= 3 && memcmp(in->block, "\xEF\xBB\xBF", 3) == 0)
		in->at = 3;
	return 0;
}

int input_fill(struct input *in, struct err *reterr)
{
	int n = gzread(in->gz, in->block, INPUT_BLOCK), code;
	const char *why = gzerror(in->gz, &code);

	in->at = 0;
	in->n = n > 0 ? (size_t)n : 0;
	if (n > 0)
		return 1;
	if (code == Z_OK || code == Z_STREAM_END)
		return 0;
	if (code == Z_ERRNO)
		return err_errno(reterr, errno ? errno : EIO, "read %s", in->path);
	return err_set(reterr, ERR_CORRUPT, "%s is not a whole gzip file: %s", in->path,
		       code == Z_BUF_ERROR ? "it ends too early" : why);
}

double input_fraction(const struct input *in)
{
	double at = (double)gzoffset(in->gz);

	return in->size > 0 && at > 0 ? at / (double)in->size : 0;
}

void input_close(struct input *in)
{
	if (in->gz)
		gzclose_r(in->gz);
	free(in->block);
	*in = (struct input){0};
}
