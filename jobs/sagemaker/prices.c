/* SPDX-License-Identifier: MIT */
/*
 * Parses the embedded table and the configured prices, and looks a price up: the configured price
 * first. If the region is unknown, the dearest region's price counts.
 */
#include "jobs/sagemaker/prices.h"

#include "base/json.h"
#include "base/money.h"
#include "base/own.h"
#include "base/str.h"

#include <ctype.h>
#include <string.h>

#define KEY_MAX 96 /* "region/instance type" */
#define PERCENT 100

extern const char prices_text[]; /* prices.json, embedded by the build */
extern const unsigned long prices_text_len;

struct prices {
	json_t *table;
	json_t *own;	 /* "[region/]instance type": micro-dollars */
	int64_t dearest; /* price level of the dearest region in percent */
};

/* ---- configured prices ---- */

/* True for "[region/]type" with characters that AWS allows in such names. */
static bool key_ok(const char *s, size_t n)
{
	int slashes = 0;

	if (!n || n >= KEY_MAX || s[0] == '/' || s[n - 1] == '/')
		return false;
	for (size_t i = 0; i < n; i++) {
		slashes += s[i] == '/';
		if (!isalnum((unsigned char)s[i]) && !strchr(".-_/", s[i]))
			return false;
	}
	return slashes <= 1;
}

/* Add one "key=price" of n bytes. */
static int own_add(json_t *own, const char *s, size_t n, struct err *reterr)
{
	const char *equal = memchr(s, '=', n);
	char key[KEY_MAX], price[KEY_MAX];
	size_t key_n = equal ? (size_t)(equal - s) : 0;
	int64_t micro_usd;

	if (!equal || !key_ok(s, key_n) || n - key_n > KEY_MAX)
		return err_set(reterr, ERR_INVALID,
			       "'%.*s' is not a price; write INSTANCE_TYPE=DOLLARS such as "
			       "ml.g5.xlarge=1.41, or REGION/INSTANCE_TYPE=DOLLARS",
			       (int)(n < KEY_MAX ? n : KEY_MAX), s);
	str_must_format(key, sizeof(key), "%.*s", (int)key_n, s);
	str_must_format(price, sizeof(price), "%.*s", (int)(n - key_n - 1), equal + 1);
	if (money_parse(price, &micro_usd) < 0)
		return err_set(reterr, ERR_INVALID,
			       "'%s' is not a price for %s; write US dollars such as 1.408, with "
			       "at most six decimals",
			       price, key);
	if (json_object_get(own, key))
		return err_set(reterr, ERR_INVALID, "the price of %s is given twice; remove one",
			       key);
	if (json_object_size(own) == PRICES_OWN_MAX)
		return err_set(reterr, ERR_INVALID, "the list has more than %d prices; remove some",
			       PRICES_OWN_MAX);
	return json_object_set_new(own, key, json_integer(micro_usd)) < 0
		       ? err_errno(reterr, ENOMEM, "hold the prices")
		       : 0;
}

static int own_parse(json_t *own, const char *s, struct err *reterr)
{
	int r = 0;

	while (r >= 0 && *s) {
		size_t n = strcspn(s, ","), from = strspn(s, " \t"), to = n;

		while (to > from && (s[to - 1] == ' ' || s[to - 1] == '\t'))
			to--;
		if (to > from)
			r = own_add(own, s + from, to - from, reterr);
		s += n + (s[n] == ',');
	}
	return r;
}

/* ---- opening ---- */

static void find_dearest(struct prices *p)
{
	const char *region;
	json_t *percent;

	json_object_foreach(json_object_get(p->table, "regions"), region, percent) {
		if (json_integer_value(percent) > p->dearest)
			p->dearest = json_integer_value(percent);
	}
}

int prices_new(const char *own, struct prices **ret, struct err *reterr)
{
	OWN(prices_freep) struct prices *p = calloc(1, sizeof(*p));
	int r;

	if (!p || !(p->own = json_object()))
		return err_errno(reterr, ENOMEM, "hold the prices");
	r = json_parse(prices_text, prices_text_len, &p->table, reterr);
	if (r >= 0)
		r = own_parse(p->own, own, reterr);
	if (r < 0)
		return r;
	find_dearest(p);
	*ret = TAKE(p);
	return 0;
}

void prices_free(struct prices *p)
{
	if (!p)
		return;
	json_decref(p->table);
	json_decref(p->own);
	free(p);
}

void prices_freep(struct prices **p)
{
	prices_free(*p);
}

const char *prices_noted(const struct prices *p)
{
	return json_get_str(p->table, "noted", "");
}

/* ---- look-ups ---- */

/* The configured price. If the region is unknown, the dearest configured price. */
static bool own_price(const struct prices *p, const char *region, const char *type, int64_t *ret)
{
	json_t *general = json_object_get(p->own, type), *price;
	const char *key, *slash;
	int64_t best = general ? json_integer_value(general) : -1;

	json_object_foreach(p->own, key, price) {
		slash = strchr(key, '/');
		if (!slash || !str_eq(slash + 1, type))
			continue;
		if (region[0] && strlen(region) == (size_t)(slash - key) &&
		    str_starts(key, region)) {
			*ret = json_integer_value(price);
			return true;
		}
		if (!region[0] && json_integer_value(price) > best)
			best = json_integer_value(price);
	}
	*ret = best;
	return best >= 0;
}

/* The region's price level in percent; 0 if the table does not have the region. */
static int64_t percent_of(const struct prices *p, const char *region)
{
	return region[0] ? json_get_int(json_object_get(p->table, "regions"), region, 0)
			 : p->dearest;
}

/* The table's price `text` in a region, rounded up. */
static bool table_price(const struct prices *p, const char *region, const char *text, int64_t *ret)
{
	int64_t percent = percent_of(p, region), micro_usd;

	if (!text || !percent || money_parse(text, &micro_usd) < 0)
		return false;
	*ret = (micro_usd * percent + PERCENT - 1) / PERCENT;
	return true;
}

static int unknown(const char *region, const char *what, struct err *reterr)
{
	return err_set(reterr, ERR_NOT_FOUND,
		       "the price of %s%s%s is not known, so its worst case cannot be reserved; "
		       "give the price in the configuration (money.prices), such as \"%s=1.23\" in "
		       "US dollars per %s",
		       what, region[0] ? " in " : "", region, what,
		       str_eq(what, PRICES_SERVERLESS) ? "GB-second" : "hour");
}

int prices_instance(const struct prices *p, const char *region, const char *instance_type,
		    int64_t *ret_micro_usd, struct err *reterr)
{
	const char *text =
		json_get_str(json_object_get(p->table, "instances"), instance_type, NULL);

	if (own_price(p, region, instance_type, ret_micro_usd) ||
	    table_price(p, region, text, ret_micro_usd))
		return 0;
	return unknown(region, instance_type, reterr);
}

int prices_serverless(const struct prices *p, const char *region, int64_t *ret_micro_usd,
		      struct err *reterr)
{
	const char *text = json_get_str(p->table, "serverless_gb_second", NULL);

	if (own_price(p, region, PRICES_SERVERLESS, ret_micro_usd) ||
	    table_price(p, region, text, ret_micro_usd))
		return 0;
	return unknown(region, PRICES_SERVERLESS, reterr);
}
