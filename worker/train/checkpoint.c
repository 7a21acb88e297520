/* SPDX-License-Identifier: MIT */
/*
 * Checkpoints. The directory is made under a temporary name. Every file is fsynced, the manifest
 * with the hashes is written last, and then the directory gets its name. So a checkpoint-N that
 * exists is complete, and later damage is detected.
 */
#include "base/fileio.h"
#include "base/hash.h"
#include "base/own.h"
#include "base/str.h"
#include "base/tree.h"
#include "worker/train/run.h"

#include <dirent.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#define CHECKPOINT_V   1
#define CHECKPOINTS    "checkpoints"
#define SMALL_FILE_MAX (1 << 20)

static const struct {
	const char *file;
	enum torch_slot slot;
} slots[] = {
	{"model.safetensors", TORCH_WEIGHT},
	{"exp_avg.safetensors", TORCH_MOMENT1},
	{"exp_avg_sq.safetensors", TORCH_MOMENT2},
};

#define STATE	 "state.json"
#define MANIFEST "manifest.json"

/* The settings that must be the same, so that the rest of the run is the same. */
static json_t *run_identity(const struct train_run *t)
{
	const struct train_settings *s = &t->settings;
	json_t *j = json_pack(
		"{s:I, s:I, s:i, s:I, s:I, s:f, s:f, s:f, s:I, s:I, s:b, s:b, s:i}", "rows",
		(json_int_t)t->train->rows, "tokens", (json_int_t)t->train_rows.tokens,
		"train_batch_size", s->train_batch_size, "total_steps", (json_int_t)s->total_steps,
		"warmup_steps", (json_int_t)s->warmup_steps, "learning_rate", s->learning_rate,
		"weight_decay", s->weight_decay, "max_grad_norm", s->max_grad_norm, "seed",
		(json_int_t)s->seed, "max_length", (json_int_t)s->max_length, "bf16", t->bf16,
		"cuda", t->cuda, "labels", t->config->shape.labels);

	/* newer options only if given, so that checkpoints of earlier versions stay valid */
	if (s->lr_scheduler_type != TRAIN_LINEAR)
		json_object_set_new(j, "lr_scheduler_type",
				    json_string(train_schedule_names[s->lr_scheduler_type]));
	if (s->label_smoothing_factor > 0)
		json_object_set_new(j, "label_smoothing_factor",
				    json_real(s->label_smoothing_factor));
	if (s->gradient_accumulation_steps > 1)
		json_object_set_new(j, "gradient_accumulation_steps",
				    json_integer(s->gradient_accumulation_steps));
	if (s->class_weights == TRAIN_WEIGHTS_BALANCED)
		json_object_set_new(j, "class_weights", json_string("balanced"));
	if (s->class_weights == TRAIN_WEIGHTS_BY_NAME)
		json_object_set_new(j, "class_weights", json_deep_copy(s->weights_by_name));
	if (s->frozen_layers != TRAIN_FREEZE_NONE)
		json_object_set_new(j, "frozen_layers", json_integer(s->frozen_layers));
	return j;
}

static int write_json(const char *dir, const char *name, const json_t *j, struct err *reterr)
{
	OWN(freep) char *text = j ? json_pretty(j) : NULL;
	char path[PATH_MAX];

	if (!text || !path_join(path, sizeof(path), dir, name))
		return err_errno(reterr, ENOMEM, "write %s", name);
	return file_write_atomic(AT_FDCWD, path, text, strlen(text), 0644, reterr);
}

static int manifest_add(json_t *files, const char *dir, const char *name, struct err *reterr)
{
	char path[PATH_MAX], hex[HASH_HEX_LEN];
	struct stat st;
	int r;

	if (!path_join(path, sizeof(path), dir, name) || stat(path, &st) < 0)
		return err_errno(reterr, errno, "hash %s", name);
	r = hash_file(AT_FDCWD, path, hex, reterr);
	if (r >= 0)
		json_object_set_new(
			files, name,
			json_pack("{s:I, s:s}", "size", (json_int_t)st.st_size, "sha256", hex));
	return r;
}

static int write_files(struct train_run *t, const char *dir, struct err *reterr)
{
	OWN(json_decrefp) json_t *files = json_object(), *manifest = NULL, *state = NULL;
	char path[PATH_MAX];
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_LEN(slots); i++) {
		if (!path_join(path, sizeof(path), dir, slots[i].file))
			return err_errno(reterr, ENAMETOOLONG, "write a checkpoint in %s", dir);
		r = model_slot_save(path, t->config, t->net, slots[i].slot, reterr);
		if (r >= 0)
			r = manifest_add(files, dir, slots[i].file, reterr);
	}
	state = json_pack("{s:i, s:I, s:o, s:o}", "v", CHECKPOINT_V, "step", (json_int_t)t->step,
			  "loss_sum", json_number(t->loss_sum), "run", run_identity(t));
	if (t->best.step)
		json_object_set_new(state, "best",
				    json_pack("{s:I, s:o, s:I}", "step", (json_int_t)t->best.step,
					      "value", json_number(t->best.value), "misses",
					      (json_int_t)t->best.misses));
	if (r >= 0)
		r = write_json(dir, STATE, state, reterr);
	if (r >= 0)
		r = manifest_add(files, dir, STATE, reterr);
	manifest = json_pack("{s:i, s:O}", "v", CHECKPOINT_V, "files", files);
	return r < 0 ? r : write_json(dir, MANIFEST, manifest, reterr);
}

static int64_t checkpoint_step(const char *name)
{
	int64_t step;

	if (!str_starts(name, "checkpoint-") || str_to_i64(name + strlen("checkpoint-"), &step) < 0)
		return -1;
	return step;
}

/* How many checkpoints are newer than `step`. */
static int64_t count_newer(DIR *d, int64_t step)
{
	const struct dirent *e;
	int64_t n = 0;

	rewinddir(d);
	while ((e = readdir(d)))
		n += checkpoint_step(e->d_name) > step;
	return n;
}

/* The oldest checkpoint that need not be kept; -1: none. */
static int64_t find_surplus(const struct train_run *t, DIR *d)
{
	const struct train_settings *s = &t->settings;
	const struct dirent *e;
	int64_t oldest = -1;

	rewinddir(d);
	while ((e = readdir(d))) {
		int64_t step = checkpoint_step(e->d_name);

		if (step >= 0 && (oldest < 0 || step < oldest) &&
		    !(s->load_best_model_at_end && step == t->best.step))
			oldest = step;
	}
	return oldest >= 0 && count_newer(d, oldest) >= s->save_total_limit ? oldest : -1;
}

/* A checkpoint that cannot be removed stays, and the training continues. */
static void prune(const struct train_run *t)
{
	OWN(closedirp) DIR *d = opendir(CHECKPOINTS);
	char name[64];
	int64_t step;

	while (d && (step = find_surplus(t, d)) >= 0) {
		snprintf(name, sizeof(name), "checkpoint-%lld", (long long)step);
		if (tree_remove(dirfd(d), name, NULL) < 0) {
			fprintf(stderr, "cannot remove %s/%s; the training goes on\n", CHECKPOINTS,
				name);
			return;
		}
	}
}

int checkpoint_write(struct train_run *t, struct err *reterr)
{
	char tmp[64], name[64];
	int r;

	snprintf(name, sizeof(name), CHECKPOINTS "/checkpoint-%lld", (long long)t->step);
	snprintf(tmp, sizeof(tmp), CHECKPOINTS "/tmp-%lld", (long long)t->step);
	r = tree_remove(AT_FDCWD, tmp, reterr);
	if (r >= 0)
		r = dir_make(AT_FDCWD, tmp, 0755, reterr);
	if (r >= 0)
		r = write_files(t, tmp, reterr);
	if (r >= 0)
		r = tree_remove(AT_FDCWD, name, reterr);
	if (r >= 0 && (rename(tmp, name) < 0 || dir_sync(AT_FDCWD, CHECKPOINTS) < 0))
		r = err_errno(reterr, errno, "rename %s", tmp);
	if (r < 0) {
		err_ctx(reterr, r, "cannot write %s", name);
		if (tree_remove(AT_FDCWD, tmp, NULL) < 0)
			fprintf(stderr, "cannot remove %s; the training goes on\n", tmp);
		return r;
	}
	t->saved_step = t->step;
	report_checkpoint(t->w->report, t->step, name);
	prune(t);
	return 0;
}

int checkpoint_verify(const char *dir, struct err *reterr)
{
	OWN(json_decrefp) json_t *manifest = NULL;
	char path[PATH_MAX], hex[HASH_HEX_LEN];
	const char *name;
	json_t *file, *files;
	int r;

	if (!path_join(path, sizeof(path), dir, MANIFEST))
		return err_errno(reterr, ENAMETOOLONG, "open %s", dir);
	r = json_read_file(AT_FDCWD, path, SMALL_FILE_MAX, &manifest, reterr);
	if (r < 0)
		return err_set(reterr, ERR_CORRUPT, "the checkpoint has no readable manifest.json");
	files = json_object_get(manifest, "files");
	if (json_get_int(manifest, "v", 0) != CHECKPOINT_V || !json_object_get(files, STATE))
		return err_set(reterr, ERR_CORRUPT, "manifest.json is not of this version");
	for (size_t i = 0; i < ARRAY_LEN(slots); i++)
		if (!json_object_get(files, slots[i].file))
			return err_set(reterr, ERR_CORRUPT, "manifest.json does not name %s",
				       slots[i].file);
	json_object_foreach(files, name, file) {
		if (!path_is_inside(name) || !path_join(path, sizeof(path), dir, name))
			return err_set(reterr, ERR_CORRUPT, "manifest.json names '%s'", name);
		r = hash_file(AT_FDCWD, path, hex, reterr);
		if (r < 0)
			return err_set(reterr, ERR_CORRUPT, "%s is missing or unreadable", name);
		if (!str_eq(hex, json_get_str(file, "sha256", "")))
			return err_set(reterr, ERR_CORRUPT, "%s is not the file that was written",
				       name);
	}
	return 0;
}

static int load_state(struct train_run *t, const char *dir, struct err *reterr)
{
	OWN(json_decrefp) json_t *state = NULL, *identity = run_identity(t);
	OWN(freep) char *was = NULL, *is = json_text(identity);
	const json_t *best;
	char path[PATH_MAX];
	int r;

	if (!path_join(path, sizeof(path), dir, STATE))
		return err_errno(reterr, ENAMETOOLONG, "open %s", dir);
	r = json_read_file(AT_FDCWD, path, SMALL_FILE_MAX, &state, reterr);
	if (r < 0)
		return r;
	was = json_text(json_object_get(state, "run"));
	if (!json_equal(json_object_get(state, "run"), identity))
		return err_set(reterr, ERR_CONFLICT,
			       "the checkpoint belongs to a training with other settings or data: "
			       "%s, now %s",
			       was ? was : "", is ? is : "");
	t->step = t->saved_step = json_get_int(state, "step", 0);
	t->loss_sum = json_get_num(state, "loss_sum", 0);
	if (t->step < 1 || t->step > t->settings.total_steps)
		return err_set(reterr, ERR_CORRUPT, "step %lld is out of range",
			       (long long)t->step);
	best = json_object_get(state, "best");
	t->best = (struct train_best){.step = json_get_int(best, "step", 0),
				      .value = json_get_num(best, "value", 0),
				      .misses = json_get_int(best, "misses", 0)};
	return 0;
}

int checkpoint_load(struct train_run *t, const char *dir, struct err *reterr)
{
	char path[PATH_MAX];
	int r = checkpoint_verify(dir, reterr);

	if (r >= 0)
		r = load_state(t, dir, reterr);
	for (size_t i = 0; r >= 0 && i < ARRAY_LEN(slots); i++) {
		if (!path_join(path, sizeof(path), dir, slots[i].file))
			return err_errno(reterr, ENAMETOOLONG, "open %s", dir);
		r = model_slot_load(path, t->config, t->net, slots[i].slot, reterr);
	}
	if (r < 0)
		return err_ctx(reterr, r, "cannot resume from %s", dir);
	return 0;
}

int checkpoint_load_weights(struct train_run *t, int64_t step, struct err *reterr)
{
	char dir[64], path[PATH_MAX];
	int r;

	snprintf(dir, sizeof(dir), CHECKPOINTS "/checkpoint-%lld", (long long)step);
	r = checkpoint_verify(dir, reterr);
	if (r >= 0 && !path_join(path, sizeof(path), dir, slots[TORCH_WEIGHT].file))
		r = err_errno(reterr, ENAMETOOLONG, "open %s", dir);
	if (r >= 0)
		r = model_slot_load(path, t->config, t->net, TORCH_WEIGHT, reterr);
	return err_ctx(reterr, r, "cannot load the best model from %s", dir);
}

/* Into the open directory `to`, by a link if the file system has them. */
static int adopt_file(int from, int to, const char *file, struct err *reterr)
{
	if (linkat(from, file, to, file, 0) == 0)
		return 0;
	return file_copy(from, file, to, file, reterr);
}

int checkpoint_adopt(const char *from, const char *name, struct err *reterr)
{
	static const char tmp[] = CHECKPOINTS "/tmp-adopt";
	OWN(closep) int source = open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC), target = -1;
	char path[PATH_MAX];
	int r;

	if (!path_join(path, sizeof(path), CHECKPOINTS, name))
		return err_errno(reterr, ENAMETOOLONG, "open %s", name);
	r = tree_remove(AT_FDCWD, tmp, reterr);
	if (r >= 0)
		r = dir_make(AT_FDCWD, tmp, 0755, reterr);
	target = r < 0 ? -1 : open(tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r >= 0 && (source < 0 || target < 0))
		r = err_errno(reterr, errno, "open %s", source < 0 ? from : tmp);
	for (size_t i = 0; r >= 0 && i < ARRAY_LEN(slots); i++)
		r = adopt_file(source, target, slots[i].file, reterr);
	if (r >= 0)
		r = adopt_file(source, target, STATE, reterr);
	if (r >= 0)
		r = adopt_file(source, target, MANIFEST, reterr);
	if (r >= 0)
		r = tree_remove(AT_FDCWD, path, reterr);
	if (r >= 0 && (dir_sync(AT_FDCWD, tmp) < 0 || rename(tmp, path) < 0 ||
		       dir_sync(AT_FDCWD, CHECKPOINTS) < 0))
		r = err_errno(reterr, errno, "rename %s", tmp);
	return r;
}
