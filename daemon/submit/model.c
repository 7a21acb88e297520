/* SPDX-License-Identifier: MIT */
/*
 * The tokenizer of a model that a job names: what the engine would refuse when the job runs is
 * refused when it is submitted, by the same code.
 */
#include "base/fileio.h"
#include "base/own.h"
#include "base/roots.h"
#include "daemon/submit/prepare.h"
#include "worker/tokenizer/tokenizer.h"

#include <limits.h>
#include <malloc.h>
#include <sys/stat.h>

#define TOKENIZER_LOOKED_AT_MAX (16 << 20) /* bytes of tokenizer.json: memory of the daemon */
#define MODEL_CONFIG_MAX	(1 << 20)

/* True if the job tokenises with our engine, here; a script has its own tokenizer. */
static bool tokenises_here(const struct job_spec *job)
{
	if (job->kind != JOB_PREPROCESS && job->kind != JOB_TRAIN && job->kind != JOB_DEPLOY)
		return false;
	return job_runs_at(job->kind, job->target) == TARGET_LOCAL &&
	       !json_object_get(job->spec, "entry_point");
}

static bool is_too_large(const char *dir)
{
	char path[PATH_MAX];
	struct stat st;

	return path_join(path, sizeof(path), dir, "tokenizer.json") && stat(path, &st) == 0 &&
	       st.st_size > TOKENIZER_LOOKED_AT_MAX;
}

/* vocab_size of config.json; 0 if it says none, which the job itself refuses. */
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

static enum problem_code code_of(int r)
{
	switch (-r) {
	case ENOENT:
	case ENOTDIR:
	case EACCES:
		return PROBLEM_DATA_MISSING;
	case ERR_UNSUPPORTED:
		return PROBLEM_UNSUPPORTED;
	default:
		return PROBLEM_INVALID;
	}
}

void prepare_tokenizer(const struct prepare *p, const struct job_spec *job,
		       const struct spec_path *path, const char *dir)
{
	OWN(tokenizer_freep) struct tokenizer *t = NULL;
	int64_t rows = embedding_rows(dir);
	struct err why = {0};
	int r;

	if (!tokenises_here(job) || is_too_large(dir))
		return;
	r = tokenizer_load(dir, &t, &why);
	if (r >= 0 && rows > 0 && job->kind != JOB_PREPROCESS)
		r = tokenizer_check_rows(t, dir, rows, &why);
	if (r < 0 && r != -ENOMEM)
		problem_add(p->problems, path->pointer, code_of(r), "%s", why.msg);
	tokenizer_free(TAKE(t));
	malloc_trim(0); /* megabytes for a moment: back to the machine */
}
