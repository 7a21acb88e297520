/* SPDX-License-Identifier: MIT */
/*
 * Evaluates identity and trust policies: parses a document, compares actions and resources as
 * patterns, and combines the statements. A deny takes precedence over an allow.
 */
#include "aws/policy.h"

#include "base/own.h"
#include "base/percent.h"
#include "base/str.h"

#include <ctype.h>
#include <string.h>

/* ---- documents ---- */

int policy_parse(const char *text, json_t **ret, struct err *reterr)
{
	OWN(freep) char *copy = NULL;
	int r;

	if (strlen(text) > POLICY_TEXT_MAX)
		return err_set(reterr, ERR_LIMIT, "the policy is larger than %d bytes",
			       POLICY_TEXT_MAX);
	copy = strdup(text);
	if (!copy)
		return err_errno(reterr, ENOMEM, "read a policy");
	if (copy[strspn(copy, " \t\r\n")] != '{')
		percent_decode(copy, false, copy, strlen(copy) + 1);
	r = json_parse(copy, strlen(copy), ret, reterr);
	if (r >= 0 && !json_is_object(*ret)) {
		json_decref(TAKE(*ret));
		return err_set(reterr, ERR_INVALID, "the policy is not a JSON object");
	}
	return r;
}

/* Element i of a string, an object, or a list of them; NULL: past the end. */
static const json_t *item(const json_t *one_or_list, size_t i)
{
	if (json_is_array(one_or_list))
		return json_array_get(one_or_list, i);
	return i == 0 ? one_or_list : NULL;
}

/* ---- patterns ---- */

enum match {
	MATCH_NONE,
	MATCH_SOME, /* a part of the texts that the pattern stands for */
	MATCH_ALL,
};

struct glob {
	const char *text;
	size_t len;
	bool fold; /* True if case is ignored */
};

static bool same(const struct glob *a, char x, char y)
{
	return a->fold ? tolower((unsigned char)x) == tolower((unsigned char)y) : x == y;
}

/* One cell of the table: true if the rest of a from i matches the rest of b from j. `next` is row i
 * + 1; `row` is row i, filled from the end. `cover`: every text of b must match a; otherwise one is
 * enough. */
static bool cell(const struct glob *a, size_t i, const struct glob *b, size_t j, const bool *next,
		 const bool *row, bool cover)
{
	char x = i < a->len ? a->text[i] : '\0', y = j < b->len ? b->text[j] : '\0';

	if (x == '*')
		return next[j] || (y && row[j + 1]);
	if (y == '*' && !cover)
		return row[j + 1] || (x && next[j]);
	if (!x || !y)
		return !x && !y;
	if (y == '*')
		return false;
	return (x == '?' || (y == '?' && !cover) || same(a, x, y)) && next[j + 1];
}

static bool together(const struct glob *a, const struct glob *b, bool cover)
{
	bool *rows = calloc(2 * (b->len + 2), sizeof(*rows)), result;
	bool *row = rows, *next = rows ? rows + b->len + 2 : NULL;

	if (!rows)
		return !cover; /* out of memory: the cautious answer is "some" */
	for (size_t i = a->len + 1; i-- > 0;) {
		for (size_t j = b->len + 1; j-- > 0;)
			row[j] = cell(a, i, b, j, next, row, cover);
		memcpy(next, row, (b->len + 2) * sizeof(*row));
	}
	result = next[0];
	free(rows);
	return result;
}

/* Replace "${aws:username}" by a star: it can have any value, so it never covers everything. */
static void open_variables(const char *pattern, struct buf *out)
{
	while (*pattern) {
		const char *start = strstr(pattern, "${");
		const char *end = start ? strchr(start, '}') : NULL;

		if (!end) {
			buf_puts(out, pattern);
			return;
		}
		buf_put(out, pattern, (size_t)(start - pattern));
		buf_puts(out, "*");
		pattern = end + 1;
	}
}

static enum match match(const char *pattern, const char *text, bool fold)
{
	struct glob a = {pattern, strlen(pattern), fold}, b = {text, strlen(text), fold};
	OWN(buf_done) struct buf open = BUF_INIT(POLICY_TEXT_MAX);

	if (together(&a, &b, true))
		return MATCH_ALL;
	open_variables(pattern, &open);
	a = (struct glob){buf_str(&open), open.len, fold};
	return together(&a, &b, false) ? MATCH_SOME : MATCH_NONE;
}

/* The best match of one pattern or a list of them. */
static enum match match_any(const json_t *patterns, const char *text, bool fold)
{
	enum match best = MATCH_NONE;
	const json_t *one;

	for (size_t i = 0; (one = item(patterns, i)); i++) {
		enum match m = json_is_string(one) ? match(json_string_value(one), text, fold)
						   : MATCH_NONE;

		if (m > best)
			best = m;
	}
	return best;
}

/* Match "Action" or "NotAction", "Resource" or "NotResource". */
static enum match match_element(const json_t *statement, const char *name, const char *not_name,
				const char *text, bool fold)
{
	const json_t *wanted = json_object_get(statement, name);
	const json_t *unwanted = json_object_get(statement, not_name);

	if (wanted)
		return match_any(wanted, text, fold);
	if (!unwanted)
		return MATCH_NONE;
	return (enum match)(MATCH_ALL - match_any(unwanted, text, fold));
}

static bool has_condition(const json_t *statement)
{
	return json_object_size(json_object_get(statement, "Condition")) > 0;
}

/* ---- identity policies ---- */

struct verdict {
	enum match allow, deny;
};

static void add(struct verdict *v, const json_t *statement, enum match m)
{
	bool deny = str_eq(json_get_str(statement, "Effect", ""), "Deny");
	enum match *into = deny ? &v->deny : &v->allow;

	if (!deny && !str_eq(json_get_str(statement, "Effect", ""), "Allow"))
		return;
	if (m == MATCH_ALL && has_condition(statement))
		m = MATCH_SOME;
	if (m > *into)
		*into = m;
}

static enum policy_answer answer_of(const struct verdict *v)
{
	if (v->deny == MATCH_ALL || v->allow == MATCH_NONE)
		return POLICY_NO;
	return v->allow == MATCH_ALL && v->deny == MATCH_NONE ? POLICY_YES : POLICY_MAYBE;
}

enum policy_answer policy_allows(const json_t *documents, const char *action, const char *resource)
{
	struct verdict v = {0};
	const json_t *document, *statement;

	for (size_t i = 0; (document = item(documents, i)); i++) {
		const json_t *statements = json_object_get(document, "Statement");

		for (size_t j = 0; (statement = item(statements, j)); j++) {
			enum match a =
				match_element(statement, "Action", "NotAction", action, true);
			enum match r = match_element(statement, "Resource", "NotResource", resource,
						     false);

			add(&v, statement, a < r ? a : r);
		}
	}
	return answer_of(&v);
}

/* ---- trust policies ---- */

static enum match match_principal(const json_t *statement, const char *service)
{
	const json_t *principal = json_object_get(statement, "Principal");

	if (!principal) /* NotPrincipal does not name the remaining principals */
		return json_object_get(statement, "NotPrincipal") ? MATCH_SOME : MATCH_NONE;
	if (json_is_string(principal))
		return str_eq(json_string_value(principal), "*") ? MATCH_SOME : MATCH_NONE;
	return match_any(json_object_get(principal, "Service"), service, true);
}

enum policy_answer policy_trusts(const json_t *document, const char *service)
{
	const json_t *statements = json_object_get(document, "Statement"), *statement;
	struct verdict v = {0};

	for (size_t i = 0; (statement = item(statements, i)); i++) {
		enum match a =
			match_element(statement, "Action", "NotAction", "sts:AssumeRole", true);
		enum match p = match_principal(statement, service);

		add(&v, statement, a < p ? a : p);
	}
	return answer_of(&v);
}

json_t *policy_answer_json(enum policy_answer answer)
{
	return answer == POLICY_MAYBE ? json_string("maybe") : json_boolean(answer == POLICY_YES);
}
