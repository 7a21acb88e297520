/* SPDX-License-Identifier: MIT */
/* The files ~/.aws/config and ~/.aws/credentials: sections, keys, and keys nested by indentation.
 */
#include "aws/config.h"
#include "base/own.h"
#include "base/str.h"

#include <ctype.h>
#include <string.h>

struct ini {
	json_t *sections, *section, *nested;
	const char *name;
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
	char *end = strchr(line, ']'), *name;
	json_t *section;

	if (!end)
		return wrong(in, reterr, "a section needs a closing ']'");
	*end = '\0';
	name = trim(line + 1);
	section = json_object_get(in->sections, name);
	if (!section) {
		section = json_object();
		json_object_set_new(in->sections, name, section);
	}
	in->section = section;
	in->nested = NULL;
	return 0;
}

/* " #" and " ;" begin a comment in a value, as in Python's configparser of botocore's files. */
static void cut_comment(char *value)
{
	for (char *p = value; *p; p++) {
		if ((*p == '#' || *p == ';') && p > value && isspace((unsigned char)p[-1])) {
			*p = '\0';
			return;
		}
	}
}

static int take_key(struct ini *in, char *line, bool indented, struct err *reterr)
{
	char *eq = strchr(line, '='), *key, *value;

	if (!in->section)
		return wrong(in, reterr, "a key needs a section such as [default] before it");
	if (!eq)
		return indented ? 0 : wrong(in, reterr, "a line must be 'key = value'");
	*eq = '\0';
	key = trim(line);
	cut_comment(eq + 1);
	value = trim(eq + 1);
	for (char *p = key; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	if (!key[0])
		return wrong(in, reterr, "there is no key before '='");
	if (!str_utf8_valid(value, strlen(value)) || !str_utf8_valid(key, strlen(key)))
		return wrong(in, reterr, "it is not UTF-8");
	if (indented && in->nested) {
		json_object_set_new(in->nested, key, json_string(value));
		return 0;
	}
	in->nested = NULL;
	if (value[0]) {
		json_object_set_new(in->section, key, json_string(value));
	} else {
		in->nested = json_object();
		json_object_set_new(in->section, key, in->nested);
	}
	return 0;
}

static int take_line(struct ini *in, char *line, struct err *reterr)
{
	bool indented = isspace((unsigned char)line[0]);
	char *text = trim(line);

	if (!text[0] || text[0] == '#' || text[0] == ';')
		return 0;
	if (text[0] == '[' && !indented)
		return take_section(in, text, reterr);
	return take_key(in, text, indented, reterr);
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
	if (r >= 0)
		*ret = TAKE(sections);
	return r;
}
