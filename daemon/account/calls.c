/* SPDX-License-Identifier: MIT */
/* Shared by all account queries: one call, texts and times of a response, pages. Threads of the
 * account service. */
#include "base/own.h"
#include "base/str.h"
#include "daemon/account/parts.h"
#include "daemon/core.h"

#include <math.h>
#include <string.h>

/* ---- calls ---- */

enum account_failure account_failure_of(enum aws_error_kind kind)
{
	switch (kind) {
	case AWS_ERROR_CREDENTIALS:
		return ACCOUNT_CREDENTIALS;
	case AWS_ERROR_DENIED:
		return ACCOUNT_DENIED;
	case AWS_ERROR_THROTTLED:
		return ACCOUNT_THROTTLED;
	case AWS_ERROR_TRANSIENT:
		return ACCOUNT_UNREACHABLE;
	case AWS_ERROR_NOT_FOUND:
		return ACCOUNT_MISSING;
	case AWS_ERROR_UNREADABLE:
		return ACCOUNT_UNREADABLE;
	case AWS_ERROR_NONE:
		return ACCOUNT_OURS;
	case AWS_ERROR_EXISTS:
	case AWS_ERROR_IN_PROGRESS:
	case AWS_ERROR_QUOTA:
	case AWS_ERROR_CAPACITY:
	case AWS_ERROR_ROLE:
	case AWS_ERROR_TERMINAL:
	case AWS_ERROR_MODEL:
	case AWS_ERROR_INVALID:
		break;
	}
	return ACCOUNT_REFUSED;
}

int account_call(struct account_turn *t, enum aws_service service, const char *operation,
		 json_t *input, json_t **ret_output)
{
	OWN(json_decrefp) json_t *owned = input;
	struct account_query *q = t->q;
	struct aws_call call;

	aws_call_init(&call, service, operation);
	call.input = owned;
	call.region = q->region;
	q->result = aws_wait(t->aws, &call, &q->err);
	t->kind = call.kind;
	q->failure = q->result < 0 ? account_failure_of(call.kind) : ACCOUNT_OURS;
	if (q->result == 0)
		*ret_output = TAKE(call.output);
	aws_call_done(&call);
	return q->result;
}

/* ---- answers ---- */

const json_t *account_items(const json_t *output, const char *key)
{
	const json_t *value = json_object_get(output, key);

	if (json_is_object(value))
		value = json_object_get(value, "member");
	return json_is_array(value) ? value : NULL;
}

json_t *account_time(const json_t *value)
{
	char text[CLOCK_TEXT_LEN];
	int64_t at_us = 0;

	if (json_is_number(value) && fabs(json_number_value(value)) < 1e11)
		at_us = (int64_t)(json_number_value(value) * 1e6);
	else if (!json_is_string(value) || clock_parse(json_string_value(value), &at_us) < 0)
		return json_null();
	return json_string(clock_format(text, at_us));
}

json_t *account_text(const json_t *object, const char *key)
{
	const char *text = json_get_str(object, key, NULL);

	return text ? json_string(text) : json_null();
}

/* ---- pages ---- */

static int read_cursor(struct account_turn *t, json_t *input, const char *token_in,
		       size_t *ret_offset)
{
	const char *cursor = t->q->cursor, *colon = cursor ? strchr(cursor, ':') : NULL;
	char number[16];
	int64_t offset = 0;

	*ret_offset = 0;
	if (!cursor)
		return 0;
	if (!str_format(number, sizeof(number), "%.*s", colon ? (int)(colon - cursor) : 0,
			cursor) ||
	    str_to_i64(number, &offset) < 0 || offset < 0 || offset > ACCOUNT_PAGE) {
		t->q->failure = ACCOUNT_REFUSED;
		return t->q->result = err_set(
			       &t->q->err, ERR_INVALID,
			       "'cursor' must be the next_cursor of the page before, unchanged");
	}
	if (colon[1])
		json_object_set_new(input, token_in, json_string(colon + 1));
	*ret_offset = (size_t)offset;
	return 0;
}

static json_t *cursor_at(size_t offset, const char *token)
{
	return json_sprintf("%zu:%s", offset, token);
}

/* Take items from one page. *ret_cursor is set if the answer is full: it points to the next item,
 * or where one may be. */
static void take_page(struct account_turn *t, const struct account_list *list, const json_t *page,
		      size_t offset, const char *token, const char *next, json_t *items,
		      json_t **ret_cursor)
{
	const json_t *raw = account_items(page, list->items);

	for (size_t i = offset; i < json_array_size(raw); i++) {
		json_t *item = list->take(t, json_array_get(raw, i));

		if (item && (int64_t)json_array_size(items) == t->q->limit) {
			json_decref(item);
			*ret_cursor = cursor_at(i, token);
			return;
		}
		if (item)
			json_array_append_new(items, item);
	}
	if (next && (int64_t)json_array_size(items) == t->q->limit)
		*ret_cursor = cursor_at(0, next);
}

int account_pages(struct account_turn *t, const struct account_list *list, json_t *input)
{
	OWN(json_decrefp) json_t *items = json_array();
	json_t *cursor = NULL;
	size_t offset;
	int r = read_cursor(t, input, list->token_in, &offset);

	while (r >= 0 && !cursor) {
		OWN(json_decrefp) json_t *page = NULL;
		const char *token, *next;

		r = account_call(t, list->service, list->operation, json_copy(input), &page);
		if (r < 0)
			break;
		token = json_get_str(input, list->token_in, "");
		next = json_get_str(page, list->token_out, NULL);
		take_page(t, list, page, offset, token, next, items, &cursor);
		offset = 0;
		if (cursor)
			break;
		if (!next)
			cursor = json_null();
		else if (clock_mono_us() >= t->until_us)
			cursor = cursor_at(0, next);
		else
			json_object_set_new(input, list->token_in, json_string(next));
	}
	if (r >= 0)
		t->q->json = json_pack("{sO so}", "items", items, "next_cursor", cursor);
	return r;
}
