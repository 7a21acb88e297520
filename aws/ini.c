/* SPDX-License-Identifier: MIT */
/* The files ~/.aws/config and ~/.aws/credentials: sections, keys, and indented lines below a key.
 * If the key's value is empty, these lines are its own keys, otherwise more lines of its value.
 * Like Python's RawConfigParser, which botocore/configloader.py uses. A key without a value counts
 * as absent. */
#include "aws/config.h"
#include "base/own.h"
#include "base/str.h"

#include <ctype.h>
#include <string.h>

struct ini {
	json_t *sections, *section;
	json_t *nested;	  /* of the last key, if its value was empty */
	char *key;	  /* the last key; NULL: none yet in this section */
	size_t indent;	  /* of the last key or section */
	const char *name; /* of the file */
	int line;
};

static int wrong(const struct ini *in, struct err *reterr, const char *what)
{
	return err_set(reterr, ERR_INVALID, "%s, line %d: %s", in->name, in->line, what);
}

/* Bytes of the white-space character at `s`, by Python's str.strip(); 0: none. */
static size_t space_len(const char *s)
{
	static const char *const wide[] = {
		"\xc2\x85", /* U+0085 */
		"\xc2\xa0", /* U+00A0 */
		"\xe1\x9a\x80", "\xe2\x80\x80", "\xe2\x80\x81", "\xe2\x80\x82", "\xe2\x80\x83",
		"\xe2\x80\x84", "\xe2\x80\x85", "\xe2\x80\x86", "\xe2\x80\x87", "\xe2\x80\x88",
		"\xe2\x80\x89", "\xe2\x80\x8a", "\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xaf",
		"\xe2\x81\x9f", "\xe3\x80\x80",
	};

	if (isspace((unsigned char)*s) || (*s >= '\x1c' && *s <= '\x1f'))
		return 1;
	for (size_t i = 0; i < ARRAY_LEN(wide); i++)
		if (str_starts(s, wide[i]))
			return strlen(wide[i]);
	return 0;
}

/* Trim white space at both ends. *ret_indent (may be NULL): number of white-space characters in
 * front. */
static char *trim_indent(char *s, size_t *ret_indent)
{
	size_t n, indent = 0;
	char *end = s;

	while ((n = space_len(s)) > 0) {
		s += n;
		indent++;
	}
	for (char *p = s; *p; p += n ? n : 1) {
		n = space_len(p);
		if (!n)
			end = p + 1;
	}
	if (*s)
		*end = '\0';
	if (ret_indent)
		*ret_indent = indent;
	return s;
}

static char *trim(char *s)
{
	return trim_indent(s, NULL);
}

static int take_section(struct ini *in, char *line, struct err *reterr)
{
	char *end = strrchr(line, ']');

	if (!end || end == line + 1)
		return wrong(in, reterr, "a section must be a name in brackets, as in [default]");
	*end = '\0';
	if (json_object_get(in->sections, line + 1))
		return wrong(in, reterr, "this section appears twice in the file; merge the two");
	in->section = json_object();
	json_object_set_new(in->sections, line + 1, in->section);
	in->nested = NULL;
	free(TAKE(in->key));
	return 0;
}

static int take_key(struct ini *in, char *line, struct err *reterr)
{
	char *split = strpbrk(line, "=:"), *key, *value;

	if (!in->section)
		return wrong(in, reterr, "a section such as [default] must come before the keys");
	if (!split)
		return wrong(in, reterr, "a line must be 'key = value'");
	*split = '\0';
	key = trim(line);
	value = trim(split + 1);
	for (char *p = key; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	if (!key[0])
		return wrong(in, reterr, "there is no key before '='");
	if (json_object_get(in->section, key))
		return wrong(in, reterr, "this key appears twice in the section; remove one");
	free(in->key);
	in->key = strdup(key);
	in->nested = value[0] ? NULL : json_object();
	json_object_set_new(in->section, key, in->nested ? in->nested : json_string(value));
	return in->key ? 0 : wrong(in, reterr, "memory is out");
}

/* Add a line that is indented below a key. */
static int take_continuation(struct ini *in, char *line, struct err *reterr)
{
	const json_t *so_far = json_object_get(in->section, in->key);
	OWN(buf_done) struct buf value = BUF_INIT(AWS_FILE_MAX);
	char *split = strchr(line, '=');

	if (!in->nested) {
		buf_printf(&value, "%s\n%s", json_string_value(so_far), line);
		json_object_set_new(in->section, in->key, json_string(buf_str(&value)));
		return 0;
	}
	if (!split)
		return wrong(in, reterr, "an indented line must be 'key = value'");
	*split = '\0';
	json_object_set_new(in->nested, trim(line), json_string(trim(split + 1)));
	return 0;
}

static int take_line(struct ini *in, char *line, struct err *reterr)
{
	size_t indent;
	char *text = trim_indent(line, &indent);

	if (!text[0] || text[0] == '#' || text[0] == ';')
		return 0;
	if (!str_utf8_valid(text, strlen(text)))
		return wrong(in, reterr, "the line is not UTF-8");
	if (in->key && indent > in->indent)
		return take_continuation(in, text, reterr);
	in->indent = indent;
	return text[0] == '[' ? take_section(in, text, reterr) : take_key(in, text, reterr);
}

/* Make line ends uniform. A carriage return ends a line, too, alone or before a newline. */
static void end_lines(char *text)
{
	for (char *p = text; *p; p++)
		if (*p == '\r')
			*p = p[1] == '\n' ? ' ' : '\n';
}

/* Copy the keys of [DEFAULT] into every section that lacks them. [DEFAULT] itself is not a
 * section. */
static void spread_defaults(json_t *sections)
{
	OWN(json_decrefp) json_t *defaults = json_incref(json_object_get(sections, "DEFAULT"));
	const char *name;
	json_t *section;

	if (!defaults)
		return;
	json_object_del(sections, "DEFAULT");
	json_object_foreach(sections, name, section)
		json_object_update_missing(section, defaults);
}

int aws_ini_parse(const char *text, const char *name, json_t **ret, struct err *reterr)
{
	OWN(json_decrefp) json_t *sections = json_object();
	OWN(freep) char *copy = strdup(text);
	struct ini in = {.sections = sections, .name = name};
	char *rest = copy, *line;
	int r = copy && sections ? 0 : err_errno(reterr, ENOMEM, "read %s", name);

	if (r >= 0)
		end_lines(copy);
	while (r >= 0 && (line = strsep(&rest, "\n"))) {
		in.line++;
		r = take_line(&in, line, reterr);
	}
	free(in.key);
	if (r < 0)
		return r;
	spread_defaults(sections);
	*ret = TAKE(sections);
	return 0;
}
