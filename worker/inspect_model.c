/* SPDX-License-Identifier: MIT */
/* Loads the tokenizer of each model, keeps the last one, opens the weights, and writes one line for
 * each model. */
#include "worker/inspect_model.h"

#include "base/fileio.h"
#include "base/lfs.h"
#include "base/own.h"
#include "base/roots.h"
#include "base/str.h"
#include "wire/execution.h"
#include "worker/model/weights.h"
#include "worker/tokenizer/tokenizer.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#define MODEL_CONFIG_MAX (1 << 20)

/* The last model. The jobs of a run often name the same model, which is then loaded once. */
struct looked {
	const char *dir;
	struct tokenizer *tokenizer; /* NULL: the load failed, see `err` */
	struct err err;
	int result;
};

static void looked_done(struct looked *l)
{
	tokenizer_free(l->tokenizer);
	*l = (struct looked){0};
}

/* vocab_size of config.json; 0: absent, and the job itself refuses it. */
static int64_t embedding_rows(const char *dir)
{
	OWN(buf_done) struct buf text = BUF_INIT(MODEL_CONFIG_MAX);
	OWN(json_decrefp) json_t *config = NULL;
	char path[PATH_MAX];

	if (!path_join(path, sizeof(path), dir, "config.json") ||
	    roots_read(path, &text, NULL) < 0 ||
	    json_parse(buf_str(&text), text.len, &config, NULL) < 0)
		return 0;
	return json_get_int(config, "vocab_size", 0);
}

static void load(struct looked *l, const char *dir)
{
	if (l->dir && str_eq(l->dir, dir))
		return;
	looked_done(l);
	l->dir = dir;
	l->result = tokenizer_load(dir, &l->tokenizer, &l->err);
}

static int check_file(int folder, const char *dir, const char *name, struct err *reterr)
{
	OWN(closep) int fd = roots_open(folder, name, O_RDONLY, NULL);
	char head[sizeof(LFS_POINTER_MARK)];
	ssize_t n = fd < 0 ? -1 : pread(fd, head, sizeof(head), 0);

	return n > 0 && lfs_is_pointer(head, (size_t)n)
		       ? err_set(reterr, ERR_CORRUPT, "%s/%s is " LFS_POINTER_PROBLEM, dir, name)
		       : 0;
}

/* Refuse a pointer of Git LFS in the place of a file that the job reads. Missing and unreadable
 * files are found later. */
static int check_pointers(const char *dir, bool weights, struct err *reterr)
{
	int fd = roots_open(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, NULL);
	OWN(closedirp) DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	int r = 0;

	while (d && r >= 0 && (e = readdir(d)))
		if (str_ends(e->d_name, ".json") || str_eq(e->d_name, "vocab.txt") ||
		    (weights && str_ends(e->d_name, ".safetensors")))
			r = check_file(dirfd(d), dir, e->d_name, reterr);
	return r;
}

/* Check that the engine could open the weights, without reading them. */
static int check_weights(const char *dir, struct err *reterr)
{
	OWN(weights_done) struct weights w = {0};

	return weights_open(dir, &w, reterr);
}

static int check(struct looked *l, const json_t *model, struct err *reterr)
{
	const char *dir = json_get_str(model, "dir", "");
	bool weights = json_get_bool(model, "rows", false);
	int64_t rows = weights ? embedding_rows(dir) : 0;
	int r = check_pointers(dir, weights, reterr);

	if (r < 0 || !json_get_bool(model, "tokenizer", false))
		return r;
	load(l, dir);
	if (l->result < 0) {
		*reterr = l->err;
		return l->result;
	}
	if (rows > 0)
		r = tokenizer_check_rows(l->tokenizer, dir, rows, reterr);
	return r >= 0 && weights ? check_weights(dir, reterr) : r;
}

static const char *error_of(int r)
{
	switch (-r) {
	case ENOENT:
	case ENOTDIR:
	case EACCES:
		return "missing";
	case ERR_UNSUPPORTED:
		return "unsupported";
	default:
		return "invalid";
	}
}

static int say(size_t i, int r, const struct err *err)
{
	OWN(json_decrefp) json_t *finding = json_pack("{sI}", "model", (json_int_t)i);
	OWN(freep) char *text = NULL;

	if (r < 0 && r != -ENOMEM) {
		json_object_set_new(finding, "error", json_string(error_of(r)));
		json_object_set_new(finding, "message", json_string(err->msg));
	}
	text = finding ? json_text(finding) : NULL;
	return text && printf("%s\n", text) > 0 && fflush(stdout) == 0 ? 0 : -EIO;
}

static int inspect(const json_t *models)
{
	OWN(looked_done) struct looked looked = {0};
	json_t *model;
	size_t i;
	int r = 0;

	json_array_foreach((json_t *)models, i, model) {
		struct err err = {0};
		int found = check(&looked, model, &err);

		r = say(i, found, &err);
		if (r < 0)
			break;
	}
	return r;
}

int inspect_model_main(void)
{
	OWN(buf_done) struct buf text = BUF_INIT(INSPECT_MODEL_INPUT_MAX);
	OWN(json_decrefp) json_t *message = NULL;
	struct err e = {0};
	int r = fd_read_all(STDIN_FILENO, "the models", &text, &e);

	if (r >= 0)
		r = json_parse(buf_str(&text), text.len, &message, &e);
	if (r >= 0)
		r = wire_roots_set(message, &e);
	if (r < 0)
		fprintf(stderr, "error: %s\n", e.msg);
	return r < 0 || inspect(json_object_get(message, "models")) < 0;
}
