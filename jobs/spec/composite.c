/* SPDX-License-Identifier: MIT */
/*
 * Parses objects, lists and maps, and calls the right function for any other value. An object keeps
 * its good fields even if others are bad, so that one submit reports as many problems as possible.
 */
#include "base/own.h"
#include "jobs/spec/parse.h"

#include <string.h>

json_t *spec_set(struct spec_parse *p, json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new(object, key, value) == 0)
		return value;
	p->no_memory = true;
	return NULL;
}

static json_t *parse_default(struct spec_parse *p, const struct spec_field *f)
{
	OWN(json_decrefp) json_t *v = json_loads(f->fallback, JSON_DECODE_ANY, NULL);

	return v ? spec_value_parse(p, f, v) : NULL;
}

json_t *spec_object_parse(struct spec_parse *p, const struct spec_table *t, const json_t *in)
{
	OWN(json_decrefp) json_t *out = json_object();
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)in, key, value) {
		const struct spec_field *f = spec_field_find(t, key, p->modes);
		size_t mark = spec_enter(p, key);
		json_t *one;

		if (!f)
			spec_unknown_field(p, t, key);
		else if ((one = spec_value_parse(p, f, value)))
			spec_set(p, out, key, one);
		spec_leave(p, mark);
	}
	for (size_t i = 0; i < t->n; i++) {
		const struct spec_field *f = &t->fields[i];
		size_t mark;

		if (!spec_field_in(f, p->modes) || json_object_get(in, f->name))
			continue;
		mark = spec_enter(p, f->name);
		if (f->flags & SPEC_REQUIRED)
			spec_problem(p, PROBLEM_MISSING, "%s needs '%s': %s", t->what, f->name,
				     f->help);
		else if (f->fallback)
			spec_set(p, out, f->name, parse_default(p, f));
		spec_leave(p, mark);
	}
	return TAKE(out);
}

static json_t *parse_any(struct spec_parse *p, const struct spec_field *f, const json_t *v)
{
	OWN(freep) char *text = json_text(v);

	if (text && strlen(text) > (size_t)f->max) {
		spec_problem(p, PROBLEM_OUT_OF_RANGE,
			     "'%s' is %zu bytes long as JSON; shorten it to at most %.12g", f->name,
			     strlen(text), f->max);
		return NULL;
	}
	return json_deep_copy(v);
}

static json_t *parse_later(struct spec_parse *p, const struct spec_field *f, const json_t *v)
{
	spec_problem(p, PROBLEM_UNSUPPORTED, "'%s' does not exist in this version; %s", f->name,
		     f->help);
	return NULL;
}

static json_t *parse_object(struct spec_parse *p, const struct spec_field *f, const json_t *v)
{
	if (f->flags & SPEC_SHORT && json_is_string(v)) {
		OWN(json_decrefp)
		json_t *full = json_pack("{s:O}", f->table->fields[0].name, (json_t *)v);

		return full ? spec_object_parse(p, f->table, full) : NULL;
	}
	return json_is_object(v) ? spec_object_parse(p, f->table, v)
				 : spec_wrong_type(p, f, v, "an object");
}

/* A path, or {"hub": name} in its place. */
static json_t *parse_path(struct spec_parse *p, const struct spec_field *f, const json_t *v)
{
	return f->remote & REMOTE_HUB && json_object_get(v, "hub")
		       ? spec_object_parse(p, f->table, v)
		       : spec_path(p, f, v);
}

static bool count_ok(struct spec_parse *p, const struct spec_field *f, size_t n)
{
	if (n > (size_t)f->max)
		spec_problem(p, PROBLEM_TOO_MANY, "'%s' has %zu entries; at most %g are allowed",
			     f->name, n, f->max);
	else if (n < (size_t)f->min)
		spec_problem(p, PROBLEM_MISSING, "'%s' needs at least %g %s", f->name, f->min,
			     f->min == 1 ? "entry" : "entries");
	else
		return true;
	return false;
}

/* Add `one` to `seen`; report a problem if it is already there. */
static void check_unique(struct spec_parse *p, const struct spec_field *f, json_t *seen,
			 const json_t *one)
{
	OWN(freep) char *text = json_text(one);

	if (!text)
		p->no_memory = true;
	else if (json_object_get(seen, text))
		spec_problem(p, PROBLEM_DUPLICATE,
			     "the same %s is in '%s' twice; remove one of them", f->item->name,
			     f->name);
	else
		spec_set(p, seen, text, json_true());
}

static json_t *parse_list(struct spec_parse *p, const struct spec_field *f, const json_t *v)
{
	OWN(json_decrefp) json_t *out = json_array(), *seen = json_object();

	if (!json_is_array(v))
		return spec_wrong_type(p, f, v, "a list");
	if (!count_ok(p, f, json_array_size(v)))
		return NULL;
	for (size_t i = 0; i < json_array_size(v); i++) {
		size_t mark = spec_enter_index(p, i);
		OWN(json_decrefp) json_t *one = spec_value_parse(p, f->item, json_array_get(v, i));

		if (one && f->flags & SPEC_UNIQUE)
			check_unique(p, f, seen, one);
		if (one && json_array_append(out, one) < 0)
			p->no_memory = true;
		spec_leave(p, mark);
	}
	return TAKE(out);
}

static json_t *parse_jobs(struct spec_parse *p, const struct spec_field *f, const json_t *v)
{
	if (!json_is_array(v))
		return spec_wrong_type(p, f, v, "a list");
	return count_ok(p, f, json_array_size(v)) ? json_array() : NULL;
}

static json_t *parse_map(struct spec_parse *p, const struct spec_field *f, const json_t *v)
{
	OWN(json_decrefp) json_t *out = json_object();
	const char *key;
	json_t *value;

	if (!json_is_object(v))
		return spec_wrong_type(p, f, v, "an object");
	if (!count_ok(p, f, json_object_size(v)))
		return NULL;
	json_object_foreach((json_t *)v, key, value) {
		size_t mark = spec_enter(p, key);
		json_t *one = spec_value_parse(p, f->item, value);

		if (one)
			spec_set(p, out, key, one);
		spec_leave(p, mark);
	}
	return TAKE(out);
}

json_t *spec_value_parse(struct spec_parse *p, const struct spec_field *f, const json_t *v)
{
	static json_t *(*const parsers[])(struct spec_parse *, const struct spec_field *,
					  const json_t *) = {
		[FIELD_STRING] = spec_string, [FIELD_NAME] = spec_name,
		[FIELD_PATH] = parse_path,    [FIELD_INT] = spec_int,
		[FIELD_NUMBER] = spec_number, [FIELD_BOOL] = spec_bool,
		[FIELD_ENUM] = spec_enum,     [FIELD_DURATION] = spec_duration,
		[FIELD_BYTES] = spec_bytes,   [FIELD_OBJECT] = parse_object,
		[FIELD_LIST] = parse_list,    [FIELD_MAP] = parse_map,
		[FIELD_ANY] = parse_any,      [FIELD_JOBS] = parse_jobs,
		[FIELD_LATER] = parse_later,
	};
	size_t before = p->found;
	json_t *out;

	if (f->text && json_is_string(v))
		f = f->text;
	out = parsers[f->type](p, f, v);

	if (out && f->check)
		f->check(p, f, out);
	else if (!out && p->found == before) /* no problem was reported, so memory is out */
		p->no_memory = true;
	return out;
}
