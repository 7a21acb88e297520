/* SPDX-License-Identifier: MIT */
/*
 * Builds the JSON while expat parses: a stack of open elements, and the text of the innermost one.
 * A document type is refused.
 */
#include "aws/xml.h"

#include "base/buf.h"
#include "base/own.h"
#include "base/str.h"

#include <expat.h>
#include <string.h>

#define TEXT_MAX (4 << 20)

struct frame {
	json_t *value; /* an object after its first child */
	char name[128];
};

struct reader {
	struct frame frames[XML_DEPTH_MAX];
	int depth; /* frames in use; [0] is the document */
	const char *const *lists;
	struct buf text;
	bool wrong;
	XML_Parser parser;
};

static bool is_list(const struct reader *rd, const char *name)
{
	for (size_t i = 0; rd->lists && rd->lists[i]; i++)
		if (str_eq(rd->lists[i], name))
			return true;
	return false;
}

static void put_child(struct reader *rd, json_t *parent, const char *name, json_t *value)
{
	json_t *there = json_object_get(parent, name);

	if (there && !json_is_array(there)) {
		json_t *list = json_pack("[O]", there);

		json_object_set_new(parent, name, list);
		there = list;
	} else if (!there && is_list(rd, name)) {
		there = json_array();
		json_object_set_new(parent, name, there);
	}
	if (there)
		json_array_append_new(there, value);
	else
		json_object_set_new(parent, name, value);
}

static void stop(struct reader *rd)
{
	rd->wrong = true;
	XML_StopParser(rd->parser, XML_FALSE);
}

static void on_start(void *userdata, const XML_Char *name, const XML_Char **attributes)
{
	struct reader *rd = userdata;
	const char *colon = strrchr(name, ':');
	struct frame *f;

	if (rd->depth == XML_DEPTH_MAX) {
		stop(rd);
		return;
	}
	if (!rd->frames[rd->depth - 1].value)
		rd->frames[rd->depth - 1].value = json_object();
	f = &rd->frames[rd->depth++];
	f->value = NULL;
	if (!str_copy(f->name, sizeof(f->name), colon ? colon + 1 : name))
		stop(rd);
	buf_clear(&rd->text);
}

static void on_end(void *userdata, const XML_Char *name)
{
	struct reader *rd = userdata;
	struct frame *f = &rd->frames[--rd->depth];
	json_t *value = TAKE(f->value);

	if (!value)
		value = json_stringn(buf_str(&rd->text), rd->text.len);
	if (!value || rd->text.failed) {
		json_decref(value);
		stop(rd);
		return;
	}
	put_child(rd, rd->frames[rd->depth - 1].value, f->name, value);
	buf_clear(&rd->text);
}

static void on_text(void *userdata, const XML_Char *text, int len)
{
	struct reader *rd = userdata;

	buf_put(&rd->text, text, (size_t)len);
}

/* Refuse a document type: answers of AWS have none, so it could only be an attack. */
static void on_doctype(void *userdata, const XML_Char *name, const XML_Char *sysid,
		       const XML_Char *pubid, int internal)
{
	stop(userdata);
}

int xml_parse(const char *text, size_t len, const char *const *lists, json_t **ret,
	      struct err *reterr)
{
	struct reader rd = {.lists = lists, .text = BUF_INIT(TEXT_MAX), .depth = 1};
	enum XML_Status status;

	rd.parser = XML_ParserCreate("UTF-8");
	if (!rd.parser)
		return err_errno(reterr, ENOMEM, "read an XML answer");
	XML_SetUserData(rd.parser, &rd);
	XML_SetElementHandler(rd.parser, on_start, on_end);
	XML_SetCharacterDataHandler(rd.parser, on_text);
	XML_SetStartDoctypeDeclHandler(rd.parser, on_doctype);
	status = XML_Parse(rd.parser, text, (int)len, 1);
	XML_ParserFree(rd.parser);
	buf_done(&rd.text);
	if (status == XML_STATUS_OK && !rd.wrong && rd.frames[0].value) {
		*ret = rd.frames[0].value;
		return 0;
	}
	while (rd.depth > 0)
		json_decref(rd.frames[--rd.depth].value);
	return err_set(reterr, ERR_CORRUPT,
		       "the answer is not well-formed XML of the expected kind");
}
