/* SPDX-License-Identifier: MIT */
/*
 * Converts the text of one key into its field, by the key's type, and refuses values out of range
 * with the key's name.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/money.h"
#include "base/own.h"
#include "base/str.h"
#include "config/internal.h"

#include <arpa/inet.h>
#include <pwd.h>
#include <string.h>

#define LIST_MAX 64

static void *field(struct config *cfg, const struct config_key *key)
{
	return (char *)cfg + key->offset;
}

static int refuse(const struct config_key *key, const char *text, const char *remedy,
		  struct err *reterr)
{
	return err_set(reterr, ERR_INVALID, "%s.%s: '%.128s' is invalid; %s", key->section,
		       key->name, text, remedy);
}

static int out_of_range(const struct config_key *key, const char *text, struct err *reterr)
{
	char low[32], high[32];

	if (key->type == CONFIG_DURATION) {
		duration_format(low, key->min * USEC_PER_SEC);
		duration_format(high, key->max * USEC_PER_SEC);
	} else if (key->type == CONFIG_BYTES) {
		str_bytes(low, sizeof(low), key->min);
		str_bytes(high, sizeof(high), key->max);
	} else {
		snprintf(low, sizeof(low), "%lld", (long long)key->min);
		snprintf(high, sizeof(high), "%lld", (long long)key->max);
	}
	return err_set(reterr, ERR_INVALID, "%s.%s: %.64s is out of range; use %s to %s",
		       key->section, key->name, text, low, high);
}

static int set_text(struct config *cfg, const struct config_key *key, const char *text,
		    struct err *reterr)
{
	char **to = field(cfg, key);
	char *copy = strdup(text);

	if (!copy)
		return err_errno(reterr, ENOMEM, "hold %s.%s", key->section, key->name);
	free(*to);
	*to = copy;
	return 0;
}

/* The home directory of this user, into buf; false if it has none. */
static bool find_home(char buf[CONFIG_VALUE_MAX + 1])
{
	const char *set = getenv("HOME");
	char space[4096];
	struct passwd entry, *found = NULL;

	if (!set || *set != '/') {
		if (getpwuid_r(getuid(), &entry, space, sizeof(space), &found) != 0 || !found)
			return false;
		set = found->pw_dir;
	}
	return str_copy(buf, CONFIG_VALUE_MAX + 1, set);
}

int config_expand_home(const char *key, const char *text, char buf[CONFIG_VALUE_MAX + 1],
		       struct err *reterr)
{
	char home[CONFIG_VALUE_MAX + 1];

	if (*text != '~') {
		str_must_format(buf, CONFIG_VALUE_MAX + 1, "%s", text);
		return 0;
	}
	if (text[1] && text[1] != '/')
		return err_set(reterr, ERR_INVALID,
			       "%s: '%.128s': only '~/' is replaced, by the home directory of the "
			       "daemon's user; write the whole path",
			       key, text);
	if (!find_home(home) || !str_format(buf, CONFIG_VALUE_MAX + 1, "%s%s", home, text + 1))
		return err_set(reterr, ERR_INVALID,
			       "%s: '%.128s': the home directory of the daemon's user is unknown "
			       "or too long; write the whole path",
			       key, text);
	return 0;
}

/* config_expand_home() for a key. */
static int expand(const struct config_key *key, const char *text, char buf[CONFIG_VALUE_MAX + 1],
		  struct err *reterr)
{
	char name[64];

	str_must_format(name, sizeof(name), "%s.%s", key->section, key->name);
	return config_expand_home(name, text, buf, reterr);
}

/* "$NAME/rest": use the variable's first path and the rest, or "" if the variable is not set. */
static int set_path(struct config *cfg, const struct config_key *key, const char *text,
		    struct err *reterr)
{
	char name[64], path[CONFIG_VALUE_MAX + 1];
	size_t n = strcspn(text, "/");
	const char *value;
	int r;

	if (*text != '$' || n > sizeof(name)) {
		r = expand(key, text, path, reterr);
		return r < 0 ? r : set_text(cfg, key, path, reterr);
	}
	memcpy(name, text + 1, n - 1);
	name[n - 1] = '\0';
	value = getenv(name);
	if (!value || !*value)
		return set_text(cfg, key, "", reterr);
	if (snprintf(path, sizeof(path), "%.*s%s", (int)strcspn(value, ":"), value, text + n) >=
	    (int)sizeof(path))
		return refuse(key, text, "shorten the value of its environment variable", reterr);
	return set_text(cfg, key, path, reterr);
}

static void list_free(char **list)
{
	for (size_t i = 0; list && list[i]; i++)
		free(list[i]);
	free(list);
}

static void list_freep(char ***list)
{
	list_free(*list);
}

static int set_list(struct config *cfg, const struct config_key *key, const char *text,
		    struct err *reterr)
{
	OWN(list_freep) char **list = calloc(LIST_MAX + 1, sizeof(*list));
	char ***to = field(cfg, key), item[CONFIG_VALUE_MAX + 1], path[CONFIG_VALUE_MAX + 1];
	size_t n = 0;
	int r;

	if (!list)
		return err_errno(reterr, ENOMEM, "hold %s.%s", key->section, key->name);
	while (*text) {
		size_t len = strcspn(text, ":");

		if (len && n == LIST_MAX)
			return err_set(reterr, ERR_INVALID,
				       "%s.%s has more than %d entries; remove some", key->section,
				       key->name, LIST_MAX);
		str_must_format(item, sizeof(item), "%.*s", (int)len, text);
		r = expand(key, item, path, reterr);
		if (r < 0)
			return r;
		if (len && !(list[n++] = strdup(path)))
			return err_errno(reterr, ENOMEM, "hold %s.%s", key->section, key->name);
		text += len + (text[len] == ':');
	}
	if (n == 0)
		return refuse(key, "", "give at least one, separated by colons", reterr);
	list_free(*to);
	*to = TAKE(list);
	return 0;
}

/* True for ADDR:PORT or [ADDR]:PORT with a numeric ADDR or "localhost". */
static bool address_ok(const char *text)
{
	const char *colon = strrchr(text, ':');
	unsigned char raw[sizeof(struct in6_addr)];
	char host[64];
	size_t len;
	int64_t port;

	if (!colon || str_to_i64(colon + 1, &port) < 0 || port < 0 || port > 65535)
		return false;
	len = (size_t)(colon - text);
	if (len >= sizeof(host))
		return false;
	memcpy(host, text, len);
	host[len] = '\0';
	if (*host == '[' && len > 2 && host[len - 1] == ']') {
		host[len - 1] = '\0';
		return inet_pton(AF_INET6, host + 1, raw) == 1;
	}
	return str_eq(host, "localhost") || inet_pton(AF_INET, host, raw) == 1;
}

static int set_int(struct config *cfg, const struct config_key *key, const char *text,
		   struct err *reterr)
{
	int64_t v;

	if (str_to_i64(text, &v) < 0)
		return refuse(key, text, "write a whole number", reterr);
	if (v < key->min || v > key->max)
		return out_of_range(key, text, reterr);
	*(int *)field(cfg, key) = (int)v;
	return 0;
}

static int set_bytes(struct config *cfg, const struct config_key *key, const char *text,
		     struct err *reterr)
{
	int64_t v;

	if (str_parse_bytes(text, &v) < 0)
		return refuse(key, text, "write a number of bytes, or one such as 64MiB", reterr);
	if (v < key->min || v > key->max)
		return out_of_range(key, text, reterr);
	*(int64_t *)field(cfg, key) = v;
	return 0;
}

static int set_duration(struct config *cfg, const struct config_key *key, const char *text,
			struct err *reterr)
{
	int64_t us = 0;
	int r = str_eq(text, "none") ? 0 : duration_parse(text, &us);

	if (r == -EINVAL)
		return refuse(key, text, "write a time such as 90s, 15m, 1h or 7d", reterr);
	if (r < 0 || us < key->min * USEC_PER_SEC || us > key->max * USEC_PER_SEC)
		return out_of_range(key, text, reterr);
	*(int64_t *)field(cfg, key) = us;
	return 0;
}

static int set_money(struct config *cfg, const struct config_key *key, const char *text,
		     struct err *reterr)
{
	int64_t v = MONEY_NONE;
	int r = str_eq(text, "none") ? 0 : money_parse(text, &v);

	if (r == -EINVAL)
		return refuse(key, text, "write US dollars such as 50 or 12.50, or none", reterr);
	if (r < 0 || (v != MONEY_NONE &&
		      (v < key->min * MICRO_USD_PER_USD || v > key->max * MICRO_USD_PER_USD)))
		return out_of_range(key, text, reterr);
	*(int64_t *)field(cfg, key) = v;
	return 0;
}

int config_value_set(struct config *cfg, const struct config_key *key, const char *text,
		     struct err *reterr)
{
	enum log_level level;

	if (strlen(text) > CONFIG_VALUE_MAX)
		return err_set(reterr, ERR_INVALID, "%s.%s is longer than %d bytes; shorten it",
			       key->section, key->name, CONFIG_VALUE_MAX);
	switch (key->type) {
	case CONFIG_STRING:
		return set_text(cfg, key, text, reterr);
	case CONFIG_PATH:
		return set_path(cfg, key, text, reterr);
	case CONFIG_ADDRESS:
		if (!address_ok(text))
			return refuse(key, text,
				      "write a numeric address and a port, such as 127.0.0.1:8470",
				      reterr);
		return set_text(cfg, key, text, reterr);
	case CONFIG_LEVEL:
		if (log_level_parse(text, &level) < 0)
			return refuse(key, text, "use error, warning, info or debug", reterr);
		return set_text(cfg, key, text, reterr);
	case CONFIG_LIST:
		return set_list(cfg, key, text, reterr);
	case CONFIG_INT:
		return set_int(cfg, key, text, reterr);
	case CONFIG_BYTES:
		return set_bytes(cfg, key, text, reterr);
	case CONFIG_MONEY:
		return set_money(cfg, key, text, reterr);
	case CONFIG_DURATION:
		return set_duration(cfg, key, text, reterr);
	}
	return -EINVAL;
}

void config_value_done(struct config *cfg, const struct config_key *key)
{
	switch (key->type) {
	case CONFIG_STRING:
	case CONFIG_PATH:
	case CONFIG_ADDRESS:
	case CONFIG_LEVEL:
		free(*(char **)field(cfg, key));
		return;
	case CONFIG_LIST:
		list_free(*(char ***)field(cfg, key));
		return;
	case CONFIG_INT:
	case CONFIG_BYTES:
	case CONFIG_MONEY:
	case CONFIG_DURATION:
		return;
	}
}

static bool same_list(char *const *a, char *const *b)
{
	while (*a && *b && str_eq(*a, *b))
		a++, b++;
	return !*a && !*b;
}

bool config_value_equal(const struct config *a, const struct config *b,
			const struct config_key *key)
{
	const void *x = (const char *)a + key->offset, *y = (const char *)b + key->offset;

	switch (key->type) {
	case CONFIG_STRING:
	case CONFIG_PATH:
	case CONFIG_ADDRESS:
	case CONFIG_LEVEL:
		return str_eq(*(char *const *)x, *(char *const *)y);
	case CONFIG_LIST:
		return same_list(*(char **const *)x, *(char **const *)y);
	case CONFIG_INT:
		return *(const int *)x == *(const int *)y;
	case CONFIG_BYTES:
	case CONFIG_MONEY:
	case CONFIG_DURATION:
		return *(const int64_t *)x == *(const int64_t *)y;
	}
	return false;
}
