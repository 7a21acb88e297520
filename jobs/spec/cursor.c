/* SPDX-License-Identifier: MIT */
/* The location of a parse, and the functions that report problems and warnings there
 * (jobs/spec/parse.h). */
#include "base/str.h"
#include "jobs/spec/parse.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void spec_problem(struct spec_parse *p, enum problem_code code, const char *fmt, ...)
{
	va_list ap;

	p->found++;
	va_start(ap, fmt);
	problem_addv(p->problems, p->pointer, code, fmt, ap);
	va_end(ap);
}

void spec_warning(struct spec_parse *p, const char *fmt, ...)
{
	char text[ERR_MSG_MAX * 2], detail[ERR_MSG_MAX];
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
	va_end(ap);
	str_excerpt(detail, sizeof(detail), text);
	if (json_array_append_new(p->run->warnings, json_pack("{s:s, s:s}", "pointer", p->pointer,
							      "detail", detail)) < 0)
		p->no_memory = true;
}

bool spec_enough(const struct spec_parse *p)
{
	return p->found >= SPEC_PROBLEMS_MAX;
}

size_t spec_enter(struct spec_parse *p, const char *key)
{
	size_t mark = strlen(p->pointer);

	json_pointer_add(p->pointer, sizeof(p->pointer), key);
	return mark;
}

size_t spec_enter_index(struct spec_parse *p, size_t index)
{
	size_t mark = strlen(p->pointer);

	json_pointer_add_index(p->pointer, sizeof(p->pointer), index);
	return mark;
}

void spec_leave(struct spec_parse *p, size_t mark)
{
	p->pointer[mark] = '\0';
}

void spec_at_job(struct spec_parse *p, size_t i)
{
	p->pointer[0] = '\0';
	if (p->single)
		return;
	spec_enter(p, "jobs");
	spec_enter_index(p, i);
}
