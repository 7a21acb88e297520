/* SPDX-License-Identifier: MIT */
/* Copies a tokenizer's files to a saved model, byte for byte. */
#include "base/fileio.h"
#include "base/own.h"
#include "base/roots.h"
#include "worker/tokenizer/tokenizer.h"

static const char *const names[] = {"tokenizer.json",
				    "vocab.txt",
				    "vocab.json",
				    "merges.txt",
				    "tokenizer_config.json",
				    "special_tokens_map.json",
				    "added_tokens.json"};

static int copy_one(int from, const char *name, int to, struct err *reterr)
{
	OWN(closep) int fd = roots_open(from, name, O_RDONLY, reterr);
	char opened[ROOTS_FD_PATH_MAX];

	return fd < 0 ? fd : file_copy(AT_FDCWD, roots_fd_path(fd, opened), to, name, reterr);
}

int tokenizer_copy_files(const char *from_model_dir, const char *to_dir, struct err *reterr)
{
	OWN(closep) int from = roots_open(AT_FDCWD, from_model_dir, O_RDONLY | O_DIRECTORY, reterr);
	OWN(closep) int to = open(to_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (from < 0)
		return from;
	if (to < 0)
		return err_errno(reterr, errno, "open %s", to_dir);
	if (!path_exists(from, "tokenizer.json") && !path_exists(from, "vocab.txt") &&
	    !path_exists(from, "vocab.json"))
		return err_set(reterr, ENOENT, "%s has no tokenizer.json, vocab.txt or vocab.json",
			       from_model_dir);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		int r;

		if (!path_exists(from, names[i]))
			continue;
		r = copy_one(from, names[i], to, reterr);
		if (r < 0)
			return err_ctx(reterr, r, "cannot copy the tokenizer of %s",
				       from_model_dir);
	}
	return 0;
}
