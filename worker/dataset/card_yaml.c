/* SPDX-License-Identifier: MIT */
/* Walks libyaml's nodes and makes JSON of each, with limits on their depth and number. */
#include "worker/dataset/card_yaml.h"

#include "base/own.h"
#include "base/str.h"

#include <regex.h>
#include <string.h>
#include <yaml.h>

struct reader {
	yaml_document_t document;
	regex_t other, whole;
	int64_t nodes;
};

/* PyYAML's resolver.py: whole numbers, floats, dates. Of the whole ones only those that read back
 * as they are written are numbers here. */
#define INT_TEXT                                                                  \
	"[-+]?0b[01_]+|[-+]?0[0-7_]+|[-+]?(0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|" \
	"[-+]?[1-9][0-9_]*(:[0-5]?[0-9])+"
#define FLOAT_TEXT                                                                              \
	"[-+]?([0-9][0-9_]*)\\.[0-9_]*([eE][-+][0-9]+)?|[-+]?\\.[0-9][0-9_]*([eE][-+][0-9]+)?|" \
	"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+\\.[0-9_]*|[-+]?\\.(inf|Inf|INF)|\\.(nan|NaN|NAN)"
#define DATE_TEXT                                                                             \
	"[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{4}-[0-9][0-9]?-[0-9][0-9]?([Tt]|[ \t]+)[0-9][0-9]?" \
	":[0-9]{2}:[0-9]{2}(\\.[0-9]*)?([ \t]*(Z|[-+][0-9][0-9]?(:[0-9]{2})?))?"
#define OTHER_TEXT "^(" INT_TEXT "|" FLOAT_TEXT "|" DATE_TEXT "|=)$"
#define WHOLE_TEXT "^(0|-?[1-9][0-9]{0,17})$"

static const char *const null_words[] = {"", "~", "null", "Null", "NULL"};
static const char *const true_words[] = {"yes",	 "Yes", "YES", "true", "True",
					 "TRUE", "on",	"On",  "ON"};
static const char *const false_words[] = {"no",	   "No",  "NO",	 "false", "False",
					  "FALSE", "off", "Off", "OFF"};

static bool is_one_of(const char *s, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(words[i], s))
			return true;
	return false;
}

static json_t *plain_scalar(const struct reader *r, const char *text)
{
	if (is_one_of(text, null_words, ARRAY_LEN(null_words)))
		return json_null();
	if (is_one_of(text, true_words, ARRAY_LEN(true_words)))
		return json_true();
	if (is_one_of(text, false_words, ARRAY_LEN(false_words)))
		return json_false();
	if (regexec(&r->whole, text, 0, NULL, 0) == 0)
		return json_integer(strtoll(text, NULL, 10));
	return regexec(&r->other, text, 0, NULL, 0) == 0 ? json_null() : json_string(text);
}

static int at_node(const yaml_node_t *node, const char *what, struct err *reterr)
{
	return err_set(reterr, ERR_INVALID, "line %zu: %s", node->start_mark.line + 1, what);
}

static const char *scalar_text(const yaml_node_t *node)
{
	return (const char *)node->data.scalar.value;
}

static int take_scalar(const struct reader *r, const yaml_node_t *node, json_t **ret,
		       struct err *reterr)
{
	const char *text = scalar_text(node);

	if (strlen(text) != node->data.scalar.length)
		return at_node(node, "a text has a NUL character", reterr);
	*ret = node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE ? plain_scalar(r, text)
								  : json_string(text);
	return *ret ? 0 : err_errno(reterr, ENOMEM, "read YAML");
}

static int take_node(struct reader *r, int index, int depth, json_t **ret, struct err *reterr);

static int take_list(struct reader *r, const yaml_node_t *node, int depth, json_t **ret,
		     struct err *reterr)
{
	OWN(json_decrefp) json_t *list = json_array();
	const yaml_node_item_t *item = node->data.sequence.items.start;

	for (; item < node->data.sequence.items.top; item++) {
		json_t *value;
		int x = take_node(r, *item, depth, &value, reterr);

		if (x < 0)
			return x;
		if (json_array_append_new(list, value) < 0)
			return err_errno(reterr, ENOMEM, "read YAML");
	}
	*ret = TAKE(list);
	return 0;
}

static int take_mapping(struct reader *r, const yaml_node_t *node, int depth, json_t **ret,
			struct err *reterr)
{
	OWN(json_decrefp) json_t *map = json_object();
	const yaml_node_pair_t *pair = node->data.mapping.pairs.start;

	for (; pair < node->data.mapping.pairs.top; pair++) {
		const yaml_node_t *key = yaml_document_get_node(&r->document, pair->key);
		json_t *value;
		int x;

		if (!key || key->type != YAML_SCALAR_NODE ||
		    strlen(scalar_text(key)) != key->data.scalar.length)
			return at_node(node, "a key is no plain text", reterr);
		if (str_eq(scalar_text(key), "<<"))
			return at_node(key, "merge keys (<<) are not supported", reterr);
		x = take_node(r, pair->value, depth, &value, reterr);
		if (x < 0)
			return x;
		if (json_object_set_new(map, scalar_text(key), value) < 0)
			return err_errno(reterr, ENOMEM, "read YAML");
	}
	*ret = TAKE(map);
	return 0;
}

/* A tag such as !!python/object makes another value of a node. Untagged nodes have the default. */
static bool has_tag(const yaml_node_t *node)
{
	const char *tag = (const char *)node->tag;

	return tag && !str_eq(tag, YAML_STR_TAG) && !str_eq(tag, YAML_SEQ_TAG) &&
	       !str_eq(tag, YAML_MAP_TAG);
}

static int take_node(struct reader *r, int index, int depth, json_t **ret, struct err *reterr)
{
	const yaml_node_t *node = yaml_document_get_node(&r->document, index);

	if (!node)
		return err_set(reterr, ERR_INVALID, "a node is missing");
	if (depth > CARD_YAML_DEPTH || ++r->nodes > CARD_YAML_NODES)
		return err_set(reterr, ERR_LIMIT, "line %zu: more than %d levels or %d values",
			       node->start_mark.line + 1, CARD_YAML_DEPTH, CARD_YAML_NODES);
	if (has_tag(node))
		return at_node(node, "tags (!) are not supported", reterr);
	if (node->type == YAML_SCALAR_NODE)
		return take_scalar(r, node, ret, reterr);
	if (node->type == YAML_SEQUENCE_NODE)
		return take_list(r, node, depth + 1, ret, reterr);
	return take_mapping(r, node, depth + 1, ret, reterr);
}

static int parser_error(const yaml_parser_t *p, struct err *reterr)
{
	if (p->error == YAML_MEMORY_ERROR)
		return err_errno(reterr, ENOMEM, "read YAML");
	return err_set(reterr, ERR_INVALID, "line %zu: %s", p->problem_mark.line + 1,
		       p->problem ? p->problem : "no YAML");
}

/* There must be no second document. */
static int check_end(yaml_parser_t *p, struct err *reterr)
{
	yaml_document_t more;
	bool any;

	if (!yaml_parser_load(p, &more))
		return parser_error(p, reterr);
	any = yaml_document_get_root_node(&more) != NULL;
	yaml_document_delete(&more);
	return any ? err_set(reterr, ERR_INVALID, "the card has several documents") : 0;
}

static int take_document(struct reader *r, yaml_parser_t *p, json_t **ret, struct err *reterr)
{
	OWN(json_decrefp) json_t *root = NULL;
	bool empty = !yaml_document_get_root_node(&r->document);
	int x;

	if (empty) {
		*ret = json_null();
		return 0;
	}
	x = take_node(r, 1, 0, &root, reterr); /* node 1 is the root */
	if (x >= 0)
		x = check_end(p, reterr);
	if (x >= 0)
		*ret = TAKE(root);
	return x;
}

int card_yaml_parse(const char *text, size_t len, json_t **ret, struct err *reterr)
{
	struct reader r = {0};
	yaml_parser_t p;
	int x;

	if (!yaml_parser_initialize(&p))
		return err_errno(reterr, ENOMEM, "read YAML");
	yaml_parser_set_encoding(&p, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&p, (const unsigned char *)text, len);
	if (!yaml_parser_load(&p, &r.document)) {
		x = parser_error(&p, reterr);
	} else {
		if (regcomp(&r.other, OTHER_TEXT, REG_EXTENDED | REG_NOSUB) != 0 ||
		    regcomp(&r.whole, WHOLE_TEXT, REG_EXTENDED | REG_NOSUB) != 0)
			x = err_errno(reterr, ENOMEM, "read YAML");
		else
			x = take_document(&r, &p, ret, reterr);
		regfree(&r.other);
		regfree(&r.whole);
		yaml_document_delete(&r.document);
	}
	yaml_parser_delete(&p);
	return x;
}
