/* SPDX-License-Identifier: MIT */
/*
 * The recursion over tables of fields, which calls a function for every reference and every path.
 */
#include "jobs/spec/walk.h"

#include "jobs/spec/parse.h"

struct walk {
	struct spec_parse *p; /* its pointer follows the walk; may be NULL */
	spec_place_fn fn;
	void *userdata;
	unsigned modes;
};

static int walk_table(struct walk *w, const struct spec_table *t, json_t *object);

static int walk_value(struct walk *w, const struct spec_field *f, json_t *object, const char *key,
		      json_t *value)
{
	size_t mark = w->p ? spec_enter(w->p, key) : 0;
	const char *inner;
	json_t *one;
	int r = 0;

	if (f->text && json_is_string(value))
		f = f->text;
	if (f->type == FIELD_OBJECT) {
		r = walk_table(w, f->table, value);
	} else if (f->type == FIELD_MAP && json_is_object(value)) {
		json_object_foreach(value, inner, one) {
			r = walk_value(w, f->item, value, inner, one);
			if (r < 0)
				break;
		}
	} else if ((f->accepts || f->type == FIELD_PATH) && json_is_string(value)) {
		struct spec_place place = {f, object, key, json_string_value(value)};

		r = w->fn(w->userdata, &place);
	}
	if (w->p)
		spec_leave(w->p, mark);
	return r;
}

static int walk_table(struct walk *w, const struct spec_table *t, json_t *object)
{
	const char *key;
	json_t *value;
	int r = 0;

	json_object_foreach(object, key, value) {
		const struct spec_field *f = spec_field_find(t, key, w->modes);

		if (f)
			r = walk_value(w, f, object, key, value);
		if (r < 0)
			return r;
	}
	return 0;
}

static unsigned modes_of(const json_t *spec)
{
	enum job_kind kind;

	if (job_kind_parse(json_get_str(spec, "kind", ""), &kind) < 0)
		return 0;
	return kind == JOB_TRAIN && json_object_get(spec, "entry_point") ? SPEC_TRAIN_SCRIPT
									 : SPEC_MODE(kind);
}

int spec_walk(struct spec_parse *p, json_t *job, spec_place_fn fn, void *userdata)
{
	struct walk w = {.p = p, .fn = fn, .userdata = userdata, .modes = modes_of(job)};

	return walk_table(&w, &spec_job_table, job);
}
