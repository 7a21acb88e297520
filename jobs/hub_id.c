/* SPDX-License-Identifier: MIT */
/* Checks names of repositories, and lists the models that have a name without an organisation. */
#include "jobs/hub_id.h"

#include "base/own.h"
#include "base/str.h"

#include <string.h>

static bool part_ok(const char *s, size_t n)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";

	return n > 0 && strspn(s, allowed) >= n && !strchr("-.", s[0]) && !strchr("-.", s[n - 1]);
}

bool hub_id_ok(const char *s)
{
	const char *slash = strchr(s, '/');
	const char *name = slash ? slash + 1 : s;

	return strlen(s) <= HUB_ID_MAX && (!slash || part_ok(s, (size_t)(slash - s))) &&
	       part_ok(name, strlen(name)) && !strstr(s, "--") && !strstr(s, "..") &&
	       !str_ends(s, ".git");
}

bool hub_model_ok(const char *s)
{
	static const char *const known[] = {
		"albert-base-v2",
		"bert-base-cased",
		"bert-base-chinese",
		"bert-base-german-cased",
		"bert-base-multilingual-cased",
		"bert-base-multilingual-uncased",
		"bert-base-uncased",
		"bert-large-cased",
		"bert-large-uncased",
		"distilbert-base-cased",
		"distilbert-base-german-cased",
		"distilbert-base-multilingual-cased",
		"distilbert-base-uncased",
		"distilbert-base-uncased-finetuned-sst-2-english",
		"distilgpt2",
		"distilroberta-base",
		"gpt2",
		"roberta-base",
		"roberta-large",
		"t5-base",
		"t5-small",
		"xlm-roberta-base",
	};

	if (!hub_id_ok(s))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (str_eq(s, known[i]))
			return true;
	return strchr(s, '/');
}
