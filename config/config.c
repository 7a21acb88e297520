/* SPDX-License-Identifier: MIT */
/*
 * The table of keys (made from keys.def), the order of the sources, the models of the section
 * [models], and checks over several keys.
 */
#include "config/config.h"

#include "base/own.h"
#include "base/str.h"
#include "config/internal.h"

#include <ctype.h>
#include <limits.h>
#include <string.h>

#define KEY_TEXT_MAX  160
#define ENV_PREFIX    "TRAINYARD_"
#define MODELS	      "models"
#define MODELS_PREFIX ENV_PREFIX "MODELS_"
#define BESIDE	      "conf.d" /* folder beside the file */

extern char **environ;

#define OFFSET_STRING(name)   offsetof(struct config, name)
#define OFFSET_PATH(name)     offsetof(struct config, name)
#define OFFSET_ADDRESS(name)  offsetof(struct config, name)
#define OFFSET_LEVEL(name)    offsetof(struct config, name)
#define OFFSET_LIST(name)     offsetof(struct config, name)
#define OFFSET_INT(name)      offsetof(struct config, name)
#define OFFSET_BYTES(name)    offsetof(struct config, name)
#define OFFSET_MONEY(name)    offsetof(struct config, name##_micro_usd)
#define OFFSET_DURATION(name) offsetof(struct config, name##_us)

const struct config_key config_keys[] = {
#define CONFIG_KEY(type_, section_, key_, fallback_, min_, max_, reloadable_, help_) \
	{.section = #section_,                                                       \
	 .name = #key_,                                                              \
	 .type = CONFIG_##type_,                                                     \
	 .fallback = fallback_,                                                      \
	 .min = min_,                                                                \
	 .max = max_,                                                                \
	 .reloadable = reloadable_,                                                  \
	 .help = help_,                                                              \
	 .offset = OFFSET_##type_(section_##_##key_)},
#include "config/keys.def"
#undef CONFIG_KEY
};

#define KEYS ARRAY_LEN(config_keys)

const size_t config_keys_n = KEYS;

/* State of one load. */
struct load {
	struct config *cfg;
	/* keys and models that the file has already set */
	bool in_file[KEYS], model_in_file[CONFIG_MODELS_MAX];
};

static const struct config_key *find_key(const char *section, const char *name)
{
	for (size_t i = 0; i < KEYS; i++)
		if (str_eq(section, config_keys[i].section) && str_eq(name, config_keys[i].name))
			return &config_keys[i];
	return NULL;
}

static int unknown_key(const char *section, const char *name, struct err *reterr)
{
	char text[KEY_TEXT_MAX], known[KEYS][KEY_TEXT_MAX];
	const char *names[KEYS], *near;

	if (!*section)
		return err_set(reterr, ERR_INVALID,
			       "the key '%s' stands before any [section]; put it below one", name);
	str_excerptf(text, sizeof(text), "%s.%s", section, name);
	for (size_t i = 0; i < KEYS; i++) {
		str_must_format(known[i], sizeof(known[i]), "%s.%s", config_keys[i].section,
				config_keys[i].name);
		names[i] = known[i];
		if (str_eq(name, config_keys[i].name))
			return err_set(reterr, ERR_INVALID,
				       "there is no key '%s'; did you mean '%s'?", text, known[i]);
	}
	near = str_nearest(text, names, KEYS);
	return err_set(reterr, ERR_INVALID, "there is no key '%s'%s%s%s", text,
		       near ? "; did you mean '" : "; see --help-config", near ? near : "",
		       near ? "'?" : "");
}

static bool model_name_ok(const char *s)
{
	size_t n = strlen(s);

	if (n > CONFIG_NAME_MAX || !isalnum((unsigned char)*s))
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("_.-", *s))
			return false;
	return true;
}

/* NULL if there is none. */
static struct config_model *find_model(struct config *cfg, const char *name)
{
	for (size_t i = 0; i < cfg->models_n; i++)
		if (str_eq(name, cfg->models[i].name))
			return &cfg->models[i];
	return NULL;
}

static int set_model(struct config *cfg, const char *name, const char *dir, struct err *reterr)
{
	struct config_model *m = find_model(cfg, name);
	char path[CONFIG_VALUE_MAX + 1];
	int r;

	if (!model_name_ok(name))
		return err_set(reterr, ERR_INVALID,
			       "models.%s: the name is invalid; use at most %d letters, digits, "
			       "'_', '.' and '-'",
			       name, CONFIG_NAME_MAX);
	if (!*dir)
		return err_set(reterr, ERR_INVALID,
			       "models.%s: the value is empty; give the model's directory", name);
	r = config_expand_home("models", dir, path, reterr);
	if (r < 0)
		return r;
	if (!m && cfg->models_n == CONFIG_MODELS_MAX)
		return err_set(reterr, ERR_INVALID,
			       "models.%s: the section has more than %d models; remove some, or "
			       "use 'trainyard model add'",
			       name, CONFIG_MODELS_MAX);
	if (!m) {
		m = &cfg->models[cfg->models_n++];
		m->name = strdup(name);
	}
	free(m->dir);
	m->dir = strdup(path);
	return m->name && m->dir ? 0 : err_errno(reterr, ENOMEM, "hold models.%s", name);
}

static int set_value(struct config *cfg, const struct config_key *key, const char *text,
		     struct err *reterr)
{
	char **to = &cfg->texts[key - config_keys], *copy;
	int r = config_value_set(cfg, key, text, reterr);

	if (r < 0)
		return r;
	copy = strdup(text);
	if (!copy)
		return err_errno(reterr, ENOMEM, "hold %s.%s", key->section, key->name);
	free(*to);
	*to = copy;
	return 0;
}

static int set_key(struct config *cfg, const char *section, const char *name, const char *value,
		   struct err *reterr)
{
	const struct config_key *key = find_key(section, name);

	if (str_eq(section, MODELS))
		return set_model(cfg, name, value, reterr);
	return key ? set_value(cfg, key, value, reterr) : unknown_key(section, name, reterr);
}

/* True if the file has set this before; false notes that it has now. */
static bool noted(bool *was)
{
	bool twice = *was;

	*was = true;
	return twice;
}

/* Handle a line of a file. A key that the same file repeats is refused. */
static int set_line(void *userdata, const char *section, const char *name, const char *value,
		    struct err *reterr)
{
	struct load *load = userdata;
	const struct config_key *key = find_key(section, name);
	int r = set_key(load->cfg, section, name, value, reterr);

	if (r >= 0 &&
	    noted(key ? &load->in_file[key - config_keys]
		      : &load->model_in_file[find_model(load->cfg, name) - load->cfg->models]))
		r = err_set(reterr, ERR_INVALID, "%s.%s is set twice; remove one of the two",
			    section, name);
	return r;
}

static int read_file(void *userdata, const char *path, struct err *reterr)
{
	struct load load = {.cfg = userdata};

	return config_file_read(path, set_line, &load, reterr);
}

static int from_files(struct config *cfg, const struct config_files *files, struct err *reterr)
{
	const char *slash = files->file ? strrchr(files->file, '/') : NULL;
	char beside[PATH_MAX];
	int r = 0;

	if (files->vendor_dir)
		r = config_folder_read(files->vendor_dir, read_file, cfg, reterr);
	if (r < 0 || !files->file)
		return r;
	r = read_file(cfg, files->file, reterr);
	if (r < 0)
		return r;
	if (!str_format(beside, sizeof(beside), "%.*s" BESIDE,
			slash ? (int)(slash + 1 - files->file) : 0, files->file))
		return err_set(reterr, ERR_INVALID, "the path '%s' is too long", files->file);
	return config_folder_read(beside, read_file, cfg, reterr);
}

static void env_name(const struct config_key *key, char *buf, size_t size)
{
	str_must_format(buf, size, ENV_PREFIX "%s_%s", key->section, key->name);
	for (char *c = buf; *c; c++)
		*c = (char)toupper((unsigned char)*c);
}

/* TRAINYARD_MODELS_MINILM=DIR adds a model; its name is in lower case. */
static int models_from_environment(struct config *cfg, struct err *reterr)
{
	char name[KEY_TEXT_MAX];

	for (char **e = environ; e && *e; e++) {
		const char *at = *e + strlen(MODELS_PREFIX);
		size_t n;
		int r;

		if (!str_starts(*e, MODELS_PREFIX) || !strchr(at, '='))
			continue;
		n = strcspn(at, "=");
		if (!str_format(name, sizeof(name), "%.*s", (int)n, at))
			return err_set(reterr, ERR_INVALID,
				       "%.64s…: the name of a model has at most %d bytes", *e,
				       CONFIG_NAME_MAX);
		for (char *c = name; *c; c++)
			*c = (char)tolower((unsigned char)*c);
		r = set_model(cfg, name, at + n + 1, reterr);
		if (r < 0)
			return err_ctx(reterr, r, "%.*s", (int)strcspn(*e, "="), *e);
	}
	return 0;
}

static int from_environment(struct config *cfg, struct err *reterr)
{
	char name[KEY_TEXT_MAX];

	for (size_t i = 0; i < KEYS; i++) {
		const char *value;
		int r;

		env_name(&config_keys[i], name, sizeof(name));
		value = getenv(name);
		if (!value)
			continue;
		r = set_value(cfg, &config_keys[i], value, reterr);
		if (r < 0)
			return err_ctx(reterr, r, "%s", name);
	}
	return models_from_environment(cfg, reterr);
}

static int set_override(struct config *cfg, const char *text, struct err *reterr)
{
	const char *equal = strchr(text, '='), *dot = strchr(text, '.');
	char section[KEY_TEXT_MAX], name[KEY_TEXT_MAX];

	if (!equal || !dot || dot > equal || equal - text >= KEY_TEXT_MAX)
		return err_set(reterr, ERR_INVALID,
			       "'%.64s' is not a setting; write section.key=value", text);
	str_must_format(section, sizeof(section), "%.*s", (int)(dot - text), text);
	str_must_format(name, sizeof(name), "%.*s", (int)(equal - dot - 1), dot + 1);
	return set_key(cfg, section, name, equal + 1, reterr);
}

static int check(const struct config *cfg, struct err *reterr)
{
	if (cfg->lease_ttl_default_us > cfg->lease_ttl_max_us)
		return err_set(reterr, ERR_INVALID,
			       "lease.ttl_default is longer than lease.ttl_max; lower the first or "
			       "raise the second");
	return 0;
}

int config_load(const struct config_files *files, const char *const *overrides, struct config **ret,
		struct err *reterr)
{
	OWN(config_freep) struct config *cfg = calloc(1, sizeof(*cfg));
	int r = 0;

	if (!cfg || !(cfg->models = calloc(CONFIG_MODELS_MAX, sizeof(*cfg->models))) ||
	    !(cfg->texts = calloc(KEYS, sizeof(*cfg->texts))))
		return err_errno(reterr, ENOMEM, "hold the configuration");
	for (size_t i = 0; i < KEYS && r >= 0; i++)
		r = set_value(cfg, &config_keys[i], config_keys[i].fallback, reterr);
	if (r >= 0)
		r = from_files(cfg, files, reterr);
	if (r >= 0)
		r = from_environment(cfg, reterr);
	for (; r >= 0 && overrides && *overrides; overrides++)
		r = set_override(cfg, *overrides, reterr);
	if (r >= 0)
		r = check(cfg, reterr);
	if (r < 0)
		return r;
	*ret = TAKE(cfg);
	return 0;
}

void config_free(struct config *cfg)
{
	if (!cfg)
		return;
	for (size_t i = 0; i < KEYS; i++) {
		config_value_done(cfg, &config_keys[i]);
		if (cfg->texts)
			free(cfg->texts[i]);
	}
	free(cfg->texts);
	for (size_t i = 0; i < cfg->models_n; i++) {
		free(cfg->models[i].name);
		free(cfg->models[i].dir);
	}
	free(cfg->models);
	free(cfg);
}

void config_freep(struct config **cfg)
{
	config_free(*cfg);
}

void config_print(struct buf *out)
{
	const char *section = "";
	char env[KEY_TEXT_MAX];

	buf_puts(
		out,
		"# Configuration of trainyardd. Every key can also come from the "
		"environment, which "
		"wins.\n# Keys marked 'reload' take effect on SIGHUP (systemctl reload trainyard), "
		"all others at the next start.\n");
	for (size_t i = 0; i < KEYS; i++) {
		const struct config_key *key = &config_keys[i];

		if (!str_eq(section, key->section))
			buf_printf(out, "\n[%s]\n", section = key->section);
		env_name(key, env, sizeof(env));
		buf_printf(out, "# %s\n# (%s%s)\n#%s = %s\n", key->help, env,
			   key->reloadable ? "; reload" : "", key->name, key->fallback);
	}
	buf_puts(out,
		 "\n[models]\n# Names for model directories, any number; specs may use the name.\n"
		 "# (" MODELS_PREFIX "MINILM)\n#minilm = /srv/models/minilm\n");
}
