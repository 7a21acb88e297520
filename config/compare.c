/* SPDX-License-Identifier: MIT */
/* Finds the keys in which two configurations differ. */
#include "base/str.h"
#include "config/internal.h"

static bool same_models(const struct config *a, const struct config *b)
{
	if (a->models_n != b->models_n)
		return false;
	for (size_t i = 0; i < a->models_n; i++)
		if (!str_eq(a->models[i].name, b->models[i].name) ||
		    !str_eq(a->models[i].dir, b->models[i].dir))
			return false;
	return true;
}

void config_compare(const struct config *was, const struct config *now, config_change_fn fn,
		    void *userdata)
{
	for (size_t i = 0; i < config_keys_n; i++)
		if (!config_value_equal(was, now, &config_keys[i]))
			fn(userdata, &config_keys[i], was->texts[i], now->texts[i]);
	if (!same_models(was, now))
		fn(userdata, NULL, "", "");
}
