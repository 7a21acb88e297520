/* SPDX-License-Identifier: MIT */
/*
 * Checks the source of a new model, runs the commands that add and remove models, and answers
 * requests that list them.
 */
#include "daemon/submit/models.h"

#include "base/clock.h"
#include "base/fileio.h"
#include "base/log.h"
#include "base/own.h"
#include "base/roots.h"
#include "base/str.h"
#include "daemon/submit/inspect.h"
#include "daemon/submit/prepare.h"
#include "jobs/spec/model_source.h"

#include <limits.h>
#include <string.h>

#define LOOK_BUDGET_US	(10 * USEC_PER_SEC) /* for the worker's check of one model */
#define LOOK_ANSWER_MAX 65536
#define SOURCE_TEXT_MAX (SPEC_PATH_MAX + 512)

/* ---- the source of a new name ---- */

static int check_name(const struct settings *set, const char *name, struct err *reterr)
{
	const struct model_name *configured = settings_model(set, name);

	if (!model_name_ok(name))
		return err_set(reterr, ERR_INVALID,
			       "'%.80s' is not a name; use at most %d letters, digits, '_', '.' "
			       "and '-', and begin with a letter or digit",
			       name, SPEC_NAME_MAX);
	if (configured)
		return err_set(reterr, ERR_EXISTS,
			       "the configuration has the name '%s' (models.%s = %s), which wins "
			       "over an added one; choose another name",
			       name, name, configured->dir);
	return 0;
}

/* List the required files that are missing in `dir`: "config.json, model.safetensors". */
static void missing_files(const char *dir, char *list, size_t size)
{
	static const struct {
		const char *files[3], *text;
	} wanted[] = {{{"config.json"}, "config.json"},
		      {{"tokenizer.json", "vocab.txt", "vocab.json"},
		       "tokenizer.json (or vocab.txt or vocab.json)"},
		      {{"model.safetensors", "model.safetensors.index.json"}, "model.safetensors"}};
	char path[PATH_MAX];

	list[0] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
		bool found = false;
		size_t n = strlen(list);

		for (size_t k = 0; k < ARRAY_LEN(wanted[i].files) && wanted[i].files[k]; k++)
			found |= path_join(path, sizeof(path), dir, wanted[i].files[k]) &&
				 path_exists(AT_FDCWD, path);
		if (!found)
			str_excerptf(list + n, size - n, "%s%s", n ? ", " : "", wanted[i].text);
	}
}

/* Check the model with the native engine; does nothing in a build without the engine. */
static int look_inside(const struct settings *set, const char *dir, json_t *problems,
		       struct err *reterr)
{
	OWN(buf_done) struct buf answer = BUF_INIT(LOOK_ANSWER_MAX);
	OWN(json_decrefp) json_t *question = json_pack("{s:[s]}", "models", dir), *finding = NULL;
	const char *message;
	int r;

	if (!set->native)
		return 0;
	r = question ? inspect_ask(set, "inspect", question, clock_mono_us() + LOOK_BUDGET_US,
				   &answer, reterr)
		     : err_errno(reterr, ENOMEM, "look at '%s'", dir);
	if (r < 0)
		return r;
	if (json_parse(buf_str(&answer), answer.len, &finding, NULL) < 0)
		return err_set(reterr, ERR_UNAVAILABLE,
			       "the check of '%s' took more than %d s; try again", dir,
			       (int)(LOOK_BUDGET_US / USEC_PER_SEC));
	message = json_get_str(finding, "message", NULL);
	if (message)
		problem_add(problems, "/path", PROBLEM_INVALID,
			    "the engine cannot train or serve this model: %s", message);
	return 0;
}

static int check_dir(const struct prepare *p, json_t *source, struct err *reterr)
{
	const struct settings *set = p->manager->settings;
	json_t *problems = p->problems;
	char real[PATH_MAX], data[PATH_MAX], missing[128];
	int r;

	if (!prepare_directory(p, "/path", json_get_str(source, "path", ""), real))
		return 0;
	if (realpath(set->data_dir, data) && path_is_below(real, data)) {
		problem_add(problems, "/path", PROBLEM_FORBIDDEN,
			    "'%s' is in the daemon's data directory and is removed with its job; "
			    "copy the model, or name it in a spec as RUN/job",
			    real);
		return 0;
	}
	missing_files(real, missing, sizeof(missing));
	if (*missing) {
		problem_add(problems, "/path", PROBLEM_DATA_MISSING,
			    "'%s' is not a complete model: the directory has no %s; save the model "
			    "with save_pretrained of model and tokenizer",
			    real, missing);
		return 0;
	}
	r = look_inside(set, real, problems, reterr);
	if (r >= 0 && json_object_set_new(source, "path", json_string(real)) < 0)
		r = err_set(reterr, ERR_INVALID,
			    "the path of the model is not UTF-8; rename the directory");
	return r;
}

int manager_model_check(struct manager *mgr, const char *name, const json_t *body, json_t **ret,
			json_t *problems, struct err *reterr)
{
	OWN(json_decrefp) json_t *source = NULL;
	struct prepare p = {.manager = mgr, .problems = problems};
	int r = check_name(mgr->settings, name, reterr);

	if (r >= 0)
		r = model_source_parse(body, &source, problems, reterr);
	if (r >= 0 && json_object_get(source, "path"))
		r = check_dir(&p, source, reterr);
	if (r >= 0 && json_array_size(problems))
		r = err_set(reterr, ERR_INVALID, "cannot add the model");
	if (r < 0)
		return r;
	*ret = TAKE(source);
	return 0;
}

/* ---- the commands ---- */

static int model_add(struct manager *mgr, struct command *c, struct err *reterr)
{
	OWN(json_decrefp) json_t *known = NULL;
	char text[SOURCE_TEXT_MAX];
	int r = store_model_find(mgr->store, c->id, &known, reterr);

	c->number = r == -ERR_NOT_FOUND;
	if (r == -ERR_NOT_FOUND)
		return store_model_insert(mgr->store, c->id, c->json, clock_now_us(), reterr);
	if (r < 0 || json_equal(known, c->json))
		return r;
	return err_set(reterr, ERR_EXISTS,
		       "the name '%s' already stands for the model %s; remove it first, or choose "
		       "another name",
		       c->id, model_source_text(known, text, sizeof(text)));
}

static int model_remove(struct manager *mgr, struct command *c, struct err *reterr)
{
	const struct model_name *configured = settings_model(mgr->settings, c->id);
	int r = store_model_delete(mgr->store, c->id, clock_now_us(), reterr);

	if (r != -ERR_NOT_FOUND || !configured)
		return r;
	return err_set(reterr, ERR_CONFLICT,
		       "the configuration names '%s' (key models.%s); remove the key and start the "
		       "daemon again",
		       c->id, c->id);
}

int model_command(struct manager *mgr, struct command *c, struct err *reterr)
{
	str_assign(c->result_id, c->id);
	return c->kind == COMMAND_MODEL_ADD ? model_add(mgr, c, reterr)
					    : model_remove(mgr, c, reterr);
}

int models_log_hidden(struct manager *mgr, struct err *reterr)
{
	for (size_t i = 0; i < mgr->settings->models_n; i++) {
		const struct model_name *configured = &mgr->settings->models[i];
		OWN(json_decrefp) json_t *added = NULL;
		char text[SOURCE_TEXT_MAX];
		int r = store_model_find(mgr->store, configured->name, &added, reterr);

		if (r == -ERR_NOT_FOUND)
			continue;
		if (r < 0)
			return r;
		log_event(LOG_LEVEL_WARNING, "model_hidden",
			  "name=%s configured=\"%s\" added=\"%s\" msg=\"the configuration's model "
			  "hides the added one\"",
			  configured->name, configured->dir,
			  model_source_text(added, text, sizeof(text)));
	}
	return 0;
}

/* ---- answers ---- */

static json_t *configured_json(const struct model_name *m)
{
	return json_pack("{ss ss ss}", "name", m->name, "origin", "configuration", "path", m->dir);
}

/* Build an item from a row of the store; takes over nothing. */
static json_t *added_json(const struct settings *set, const char *name, const json_t *source)
{
	json_t *item = json_pack("{ss ss}", "name", name, "origin", "added");

	json_object_update(item, (json_t *)source);
	if (settings_model(set, name))
		json_object_set_new(item, "hidden", json_true());
	return item;
}

int manager_models(struct manager *mgr, struct store_reader *reader, json_t **ret,
		   struct err *reterr)
{
	const struct settings *set = mgr->settings;
	OWN(json_decrefp) json_t *added = NULL, *items = json_array();
	const char *name;
	json_t *source;
	int r = store_read_models(reader, &added, reterr);

	for (size_t i = 0; r >= 0 && i < set->models_n; i++)
		json_array_append_new(items, configured_json(&set->models[i]));
	if (r >= 0)
		json_object_foreach(added, name, source)
			json_array_append_new(items, added_json(set, name, source));
	if (r >= 0)
		*ret = json_pack("{sO}", "items", items);
	return r;
}

int manager_model(struct manager *mgr, struct store_reader *reader, const char *name, json_t **ret,
		  struct err *reterr)
{
	const struct model_name *configured = settings_model(mgr->settings, name);
	OWN(json_decrefp) json_t *added = NULL, *users = NULL;
	const json_t *source;
	int r = store_read_models(reader, &added, reterr);

	if (r < 0)
		return r;
	if (configured) {
		*ret = configured_json(configured);
		return 0;
	}
	source = json_object_get(added, name);
	if (!source)
		return err_set(reterr, ERR_NOT_FOUND,
			       "there is no model named '%.80s'; GET /v1/models lists them", name);
	r = store_read_model_users(reader, name, &users, reterr);
	if (r < 0)
		return r;
	*ret = added_json(mgr->settings, name, source);
	json_object_set(*ret, "used_by", users);
	return 0;
}
