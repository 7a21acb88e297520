/* SPDX-License-Identifier: MIT */
/*
 * Finds added tokens ([SEP] and others) in a text by leftmost-longest search. There are few tokens,
 * so a scan for their first bytes is faster than an automaton.
 */
#include "base/own.h"
#include "worker/tokenizer/internal.h"

#include <string.h>

int added_add(struct added_set *set, const char *content, size_t len, int32_t id, bool lstrip,
	      bool rstrip)
{
	struct added_token *grown, *token;
	unsigned char first = (unsigned char)content[0];

	if (!len)
		return 0; /* an empty token never matches */
	grown = realloc(set->tokens, (set->n + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	set->tokens = grown;
	token = &grown[set->n];
	*token = (struct added_token){.len = len, .id = id, .lstrip = lstrip, .rstrip = rstrip};
	token->content = malloc(len);
	if (!token->content)
		return -ENOMEM;
	memcpy(token->content, content, len);
	if (!set->n++)
		set->only_first = first;
	else if (set->only_first != first)
		set->only_first = -1;
	set->first[first] = true;
	return 0;
}

void added_done(struct added_set *set)
{
	for (size_t i = 0; i < set->n; i++)
		free(set->tokens[i].content);
	free(set->tokens);
	*set = (struct added_set){0};
}

static const struct added_token *longest_at(const struct added_set *set, const unsigned char *s,
					    size_t len)
{
	const struct added_token *best = NULL;

	for (size_t i = 0; i < set->n; i++) {
		const struct added_token *token = &set->tokens[i];

		if (token->len <= len && (!best || token->len > best->len) &&
		    memcmp(s, token->content, token->len) == 0)
			best = token;
	}
	return best;
}

static size_t next_candidate(const struct added_set *set, const unsigned char *s, size_t len,
			     size_t at)
{
	const unsigned char *hit;

	if (set->only_first < 0) {
		while (at < len && !set->first[s[at]])
			at++;
		return at;
	}
	hit = at < len ? memchr(s + at, set->only_first, len - at) : NULL;
	return hit ? (size_t)(hit - s) : len;
}

bool added_find(const struct added_set *set, const unsigned char *s, size_t len,
		struct added_match *m)
{
	const struct added_token *token = NULL;
	size_t from = m->end, at, n;

	if (!set->n)
		return false;
	for (at = next_candidate(set, s, len, m->next); at < len; at++) {
		token = longest_at(set, s + at, len - at);
		if (token)
			break;
		at = next_candidate(set, s, len, at + 1) - 1;
	}
	if (!token)
		return false;
	m->start = at;
	m->next = m->end = at + token->len;
	m->id = token->id;
	while (token->lstrip && m->start > from && (n = space_before(s, m->start)) > 0)
		m->start -= n;
	if (m->start < from) /* inside the white space that the previous match has taken */
		m->start = from;
	while (token->rstrip && (n = space_at(s + m->end, len - m->end)) > 0)
		m->end += n;
	return true;
}
