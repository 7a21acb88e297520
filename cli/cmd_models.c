/* SPDX-License-Identifier: MIT */
/* Names of models: list, add, show, remove. */
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "cli/client.h"
#include "cli/show.h"
#include "jobs/hub_id.h"
#include "jobs/spec/model_source.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#define HUB_PREFIX "hub:"

static const struct show_column columns[] = {
	{"NAME", "name"}, {"ORIGIN", "origin"}, {"ADDED", "added_at", SHOW_AGE}, {"MODEL", "model"},
	{NULL},
};

static const struct show_column fields[] = {
	{"model", "name"},
	{"origin", "origin"},
	{"path", "path"},
	{"hub", "hub"},
	{"revision", "revision"},
	{"added", "added_at", SHOW_TIME},
	{"used by", "used_by.jobs"},
	{"endpoints", "used_by.endpoints"},
	{NULL},
};

static int model_list(struct cli *c, struct err *reterr)
{
	OWN(json_decrefp) json_t *answer = NULL;
	char text[PATH_MAX];
	struct request_path p;
	json_t *item;
	size_t i;
	int r;

	request_path(&p, "/v1/models");
	r = client_show(c, &p, &answer, reterr);
	if (r <= 0)
		return r;
	json_array_foreach(json_object_get(answer, "items"), i, item) {
		model_source_text(item, text, sizeof(text));
		if (json_get_bool(item, "hidden", false))
			str_excerpt(text + strlen(text), sizeof(text) - strlen(text),
				    " (hidden by a name of the configuration)");
		json_set_str(item, "model", text);
	}
	show_table(json_object_get(answer, "items"), columns,
		   "No models are registered; 'trainyard model add NAME PATH' registers one.");
	return 0;
}

/* Make {"hub", "revision"} from "org/name@revision". */
static json_t *hub_source(const char *text)
{
	size_t n = strcspn(text, "@");
	json_t *source = json_pack("{ss%}", "hub", text, n);

	if (text[n])
		json_set_str(source, "revision", text + n + 1);
	return source;
}

/* Make a path absolute, from the user's current or home directory. NULL: too long. */
static json_t *path_source(const char *word)
{
	bool of_home = str_starts(word, "~/");
	OWN(freep) char *here = getcwd(NULL, 0);
	const char *from = of_home ? getenv("HOME") : here;
	char path[PATH_MAX];

	if (word[0] == '/')
		return json_pack("{ss}", "path", word);
	if (!from || !path_join(path, sizeof(path), from, of_home ? word + 2 : word))
		return NULL;
	return json_pack("{ss}", "path", path);
}

/* Make the source from the last word: a directory here has precedence over a name on the hub. */
static json_t *source_of(const char *word)
{
	OWN(freep) char *name = strndup(word, strcspn(word, "@"));

	if (str_starts(word, HUB_PREFIX))
		return hub_source(word + strlen(HUB_PREFIX));
	if (name && hub_model_ok(name) && !path_is_dir(AT_FDCWD, word))
		return hub_source(word);
	return path_source(word);
}

static int model_add(struct cli *c, struct request_path *p, struct err *reterr)
{
	OWN(json_decrefp) json_t *answer = NULL, *source = source_of(c->args[2]);
	bool dry = cli_get(c, "dry-run");
	char text[PATH_MAX];
	int r;

	if (!source)
		return err_set(reterr, ERR_INVALID,
			       "'%s' is neither a path nor a name on the hub; write a directory or "
			       "hub:ORG/NAME",
			       c->args[2]);
	request_path_param(p, "dry_run", dry ? "1" : NULL);
	r = client_request(c, "PUT", p, source, &answer, reterr);
	if (r < 0)
		return r;
	if (c->json) {
		show_json(answer);
		return 0;
	}
	printf("%s: %s %s%s\n", c->args[1], dry ? "would stand for" : "stands for",
	       model_source_text(answer, text, sizeof(text)),
	       json_object_get(answer, "hub")
		       ? "; the first job that uses the name downloads the model"
		       : "");
	return 0;
}

static int model_show(struct cli *c, struct request_path *p, struct err *reterr)
{
	OWN(json_decrefp) json_t *answer = NULL;
	int r = client_request(c, "GET", p, NULL, &answer, reterr);

	if (r < 0)
		return r;
	if (c->json)
		show_json(answer);
	else
		show_fields(answer, fields);
	return 0;
}

static int model_remove(struct cli *c, struct request_path *p, struct err *reterr)
{
	int r = client_request(c, "DELETE", p, NULL, NULL, reterr);

	if (r >= 0 && !c->json)
		printf("%s: the name is removed; the files of the model stay\n", c->args[1]);
	return r;
}

int cmd_model(struct cli *c)
{
	static const struct {
		const char *verb;
		int words;
		int (*run)(struct cli *c, struct request_path *p, struct err *reterr);
	} verbs[] = {{"add", 3, model_add}, {"show", 2, model_show}, {"remove", 2, model_remove}};
	const char *verb = c->args[0];
	struct request_path p;
	struct err e;
	int r = -ERR_NOT_FOUND;

	if (str_eq(verb, "list") && c->args_n == 1)
		r = model_list(c, &e);
	else
		err_set(&e, ERR_INVALID, "use 'model %s'", c->command->arguments);
	request_path(&p, "/v1/models");
	if (c->args_n > 1)
		request_path_segment(&p, c->args[1]);
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (str_eq(verb, verbs[i].verb) && c->args_n == verbs[i].words)
			r = verbs[i].run(c, &p, &e);
	return r < 0 ? cli_fail(c, &e) : CLI_OK;
}
