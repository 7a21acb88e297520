/* SPDX-License-Identifier: MIT */
/*
 * Loads the configuration, and loads it again on SIGHUP. Threads may still read the settings before
 * a reload, so each reload that changes something keeps those of the one before: some kilobytes.
 */
#include "daemon/configuration.h"

#include "base/log.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/config_settings.h"

/* The settings after a reload, and what they borrow from. */
struct generation {
	struct config *cfg;
	struct prices *prices;
	struct settings set;
	struct generation *before;
};

struct changes {
	bool reloadable; /* which keys are counted and logged */
	int n;
};

int configuration_load(const struct options *opt, struct config **ret, struct err *reterr)
{
	const struct {
		const char *key, *value;
	} given[] = {
		{"daemon.data_dir", opt->data_dir},
		{"http.listen", opt->listen},
		{"http.socket", opt->socket},
		{"log.level", opt->log_level},
	};
	struct config_files files = {.vendor_dir = opt->vendor_dir, .file = opt->config_file};
	char texts[ARRAY_LEN(given)][CONFIG_VALUE_MAX];
	const char *overrides[ARRAY_LEN(given) + 1] = {0};
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(given); i++) {
		if (!given[i].value)
			continue;
		if (!str_format(texts[n], sizeof(texts[n]), "%s=%s", given[i].key, given[i].value))
			return err_set(reterr, ERR_LIMIT, "the value of %s is too long",
				       given[i].key);
		overrides[n] = texts[n];
		n++;
	}
	return config_load(&files, overrides, ret, reterr);
}

void configuration_set_log_level(const struct config *cfg)
{
	enum log_level level;

	if (log_level_parse(cfg->log_level, &level) >= 0)
		log_set_level(level);
}

static void on_change(void *userdata, const struct config_key *key, const char *was,
		      const char *now)
{
	struct changes *changes = userdata;

	if (changes->reloadable != (key && key->reloadable))
		return;
	changes->n++;
	if (changes->reloadable)
		log_event(LOG_LEVEL_INFO, "config_changed", "key=%s.%s was=\"%s\" now=\"%s\"",
			  key->section, key->name, was, now);
	else /* without the values: an address may be a secret */
		log_event(LOG_LEVEL_WARNING, "config_needs_restart", "key=%s%s%s",
			  key ? key->section : "models", key ? "." : "", key ? key->name : "");
}

static int compare(const struct config *was, const struct config *now, bool reloadable)
{
	struct changes changes = {.reloadable = reloadable};

	config_compare(was, now, on_change, &changes);
	return changes.n;
}

static void generation_free(struct generation *gen)
{
	if (!gen)
		return;
	prices_free(gen->prices);
	config_free(gen->cfg);
	free(gen);
}

static void generation_freep(struct generation **gen)
{
	generation_free(*gen);
}

static int generation_new(const struct configuration *c, struct generation **ret,
			  struct err *reterr)
{
	OWN(generation_freep) struct generation *gen = calloc(1, sizeof(*gen));
	int r;

	if (!gen)
		return err_errno(reterr, ENOMEM, "read the configuration again");
	r = configuration_load(c->opt, &gen->cfg, reterr);
	if (r < 0)
		return r;
	r = prices_new(gen->cfg->money_prices, &gen->prices, reterr);
	if (r < 0)
		return err_ctx(reterr, r, "money.prices");
	gen->set = *c->set;
	settings_take(gen->cfg, &gen->set);
	gen->set.prices = gen->prices;
	*ret = TAKE(gen);
	return 0;
}

const struct settings *configuration_reload(void *userdata)
{
	OWN(generation_freep) struct generation *gen = NULL;
	struct configuration *c = userdata;
	struct err err = {0};
	int changed, waiting;

	if (generation_new(c, &gen, &err) < 0) {
		log_event(LOG_LEVEL_ERROR, "reload_refused", "msg=\"%s\"", err.msg);
		return NULL;
	}
	changed = compare(c->last ? c->last->cfg : c->cfg, gen->cfg, true);
	waiting = compare(c->cfg, gen->cfg, false);
	configuration_set_log_level(gen->cfg);
	log_event(LOG_LEVEL_INFO, "reloaded", "changed=%d needs_restart=%d", changed, waiting);
	if (!changed)
		return NULL;
	gen->before = c->last;
	c->last = TAKE(gen);
	return &c->last->set;
}

void configuration_done(struct configuration *c)
{
	while (c->last) {
		struct generation *gen = c->last;

		c->last = gen->before;
		generation_free(gen);
	}
}
