/* SPDX-License-Identifier: MIT */
/* The files ~/.aws/config and ~/.aws/credentials: sections, keys, and what is indented below a key:
 * its own keys when its value is empty, else more lines of its value. As Python's RawConfigParser
 * reads them, which botocore/configloader.py uses; a key without a value is as if it were absent.
 */
#include "aws/config.h"
#include "base/own.h"
#include "base/str.h"

#include <ctype.h>
#include <string.h>

struct ini {
	json_t *sections, *section;
	json_t *nested;	  /* of the last key, when its value was empty */
	char *key;	  /* the last key; NULL: none yet in this section */
	size_t indent;	  /* of the last key or section */
	const char *name; /* of the file */
	int line;
};

static int wrong(const struct ini *in, struct err *reterr, const char *what)
{
	return err_set(reterr, ERR_INVALID, "%s, line %d: %s", in->name, in->line, what);
}

static char *trim(char *s)
{
	size_t n;

	while (isspace((unsigned char)*s))
		s++;
	n = strlen(s);
	while (n > 0 && isspace((unsigned char)s[n - 1]))
		s[--n] = '\0';
	return s;
}

static int take_section(struct ini *in, char *line, struct err *reterr)
{
	char *end = strrchr(line, ']');

	if (!end || end == line + 1)
		return wrong(in, reterr, "a section must be a name in brackets, as in [default]");
	*end = '\0';
	if (json_object_get(in->sections, line + 1))
		return wrong(in, reterr, "this section is in the file already; put them together");
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
		return wrong(in, reterr, "this key is in the section already");
	free(in->key);
	in->key = strdup(key);
	in->nested = value[0] ? NULL : json_object();
	json_object_set_new(in->section, key, in->nested ? in->nested : json_string(value));
	return in->key ? 0 : wrong(in, reterr, "memory is out");
}

/* What is indented below a key. */
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
	char *text = trim(line);
	size_t indent = (size_t)(text - line);

	if (!text[0] || text[0] == '#' || text[0] == ';')
		return 0;
	if (!str_utf8_valid(text, strlen(text)))
		return wrong(in, reterr, "it is not UTF-8");
	if (in->key && indent > in->indent)
		return take_continuation(in, text, reterr);
	in->indent = indent;
	return text[0] == '[' ? take_section(in, text, reterr) : take_key(in, text, reterr);
}

int aws_ini_parse(const char *text, const char *name, json_t **ret, struct err *reterr)
{
	OWN(json_decrefp) json_t *sections = json_object();
	OWN(freep) char *copy = strdup(text);
	struct ini in = {.sections = sections, .name = name};
	char *rest = copy, *line;
	int r = copy && sections ? 0 : err_errno(reterr, ENOMEM, "read %s", name);

	while (r >= 0 && (line = strsep(&rest, "\n"))) {
		in.line++;
		r = take_line(&in, line, reterr);
	}
	free(in.key);
	if (r >= 0)
		*ret = TAKE(sections);
	return r;
}
