/* SPDX-License-Identifier: MIT */
/*
 * The growing buffers and the arrays made of them. Ownership follows the C data interface: a
 * parent's release frees its children and itself. Each array here owns its buffers through
 * private_data.
 */
#include "worker/dataset/batch.h"

#include "base/err.h"
#include "base/own.h"

#include <string.h>

#define FIRST_CAP    4096
#define METADATA_KEY "huggingface"

static const char *const formats[] = {
	[BATCH_STRING] = "u",	    [BATCH_INT64] = "l",      [BATCH_FLOAT32] = "f",
	[BATCH_INT32_LIST] = "+l",  [BATCH_INT8_LIST] = "+l", [BATCH_INT64_LIST] = "+l",
	[BATCH_FLOAT32_LIST] = "+l"};

/* Of the elements of lists: format and bytes. */
static const struct {
	const char *format;
	size_t size;
} items[] = {[BATCH_INT32_LIST] = {"i", 4},
	     [BATCH_INT8_LIST] = {"c", 1},
	     [BATCH_INT64_LIST] = {"l", 8},
	     [BATCH_FLOAT32_LIST] = {"f", 4}};

static bool is_list(enum batch_type type)
{
	return type >= BATCH_INT32_LIST;
}

void batch_add_column(struct batch *b, enum batch_type type, const char *name)
{
	b->columns[b->columns_n++] = (struct batch_column){.type = type, .name = name};
}

void batch_done(struct batch *b)
{
	for (size_t i = 0; i < b->columns_n; i++) {
		free(b->columns[i].offsets);
		free(b->columns[i].values);
	}
	*b = (struct batch){0};
}

static int reserve(void **p, size_t *cap, size_t need)
{
	size_t want = *cap ? *cap : FIRST_CAP;
	void *grown;

	if (need <= *cap)
		return 0;
	while (want < need)
		want *= 2;
	grown = realloc(*p, want);
	if (!grown)
		return -ENOMEM;
	*p = grown;
	*cap = want;
	return 0;
}

static size_t unit_of(enum batch_type type)
{
	return is_list(type) ? items[type].size : 1;
}

int batch_put(struct batch *b, size_t i, const void *value, size_t len)
{
	struct batch_column *c = &b->columns[i];
	size_t rows = (size_t)b->rows;

	if (len > BATCH_BYTES_MAX - c->values_len)
		return -ERR_LIMIT;
	if (reserve((void **)&c->values, &c->values_cap, c->values_len + len + 1) < 0 ||
	    reserve((void **)&c->offsets, &c->offsets_cap, (rows + 2) * sizeof(*c->offsets)) < 0)
		return -ENOMEM;
	if (len)
		memcpy(c->values + c->values_len, value, len);
	c->offsets[rows] = (int32_t)(c->values_len / unit_of(c->type));
	c->values_len += len;
	c->offsets[rows + 1] = (int32_t)(c->values_len / unit_of(c->type));
	return 0;
}

static void release_schema(struct ArrowSchema *s)
{
	for (int64_t i = 0; i < s->n_children; i++) {
		if (s->children[i] && s->children[i]->release)
			s->children[i]->release(s->children[i]);
		free(s->children[i]);
	}
	free(s->children);
	free((char *)s->name);
	free((char *)s->metadata);
	s->release = NULL;
}

static int init_schema(struct ArrowSchema *s, const char *format, const char *name,
		       int64_t children)
{
	*s = (struct ArrowSchema){.format = format,
				  .name = strdup(name),
				  .flags = ARROW_FLAG_NULLABLE,
				  .release = release_schema};
	if (children)
		s->children = calloc((size_t)children, sizeof(*s->children));
	if (!s->name || (children && !s->children))
		return -ENOMEM;
	for (; s->n_children < children; s->n_children++) {
		s->children[s->n_children] = calloc(1, sizeof(struct ArrowSchema));
		if (!s->children[s->n_children])
			return -ENOMEM;
	}
	return 0;
}

static char *one_pair(const char *key, const char *value)
{
	int32_t pairs = 1, key_len = (int32_t)strlen(key), value_len = (int32_t)strlen(value);
	char *out = malloc(3 * sizeof(int32_t) + (size_t)key_len + (size_t)value_len), *p = out;

	if (!out)
		return NULL;
	p = mempcpy(p, &pairs, sizeof(pairs));
	p = mempcpy(p, &key_len, sizeof(key_len));
	p = mempcpy(p, key, (size_t)key_len);
	p = mempcpy(p, &value_len, sizeof(value_len));
	memcpy(p, value, (size_t)value_len);
	return out;
}

int batch_schema(const struct batch *b, const char *metadata, struct ArrowSchema *ret)
{
	int r = init_schema(ret, "+s", "", (int64_t)b->columns_n);

	ret->flags = 0;
	ret->metadata = one_pair(METADATA_KEY, metadata);
	if (!ret->metadata)
		r = -ENOMEM;
	for (size_t i = 0; i < b->columns_n && r >= 0; i++) {
		const struct batch_column *c = &b->columns[i];
		r = init_schema(ret->children[i], formats[c->type], c->name, is_list(c->type));
		if (r >= 0 && is_list(c->type))
			r = init_schema(ret->children[i]->children[0], items[c->type].format,
					"item", 0);
	}
	if (r < 0)
		ret->release(ret);
	return r;
}

struct array_private {
	const void *buffers[3];
	void *owned[2];
	struct ArrowArray *children[BATCH_COLUMNS_MAX];
};

static void release_array(struct ArrowArray *a)
{
	struct array_private *p = a->private_data;

	for (int64_t i = 0; i < a->n_children; i++) {
		if (p->children[i]->release)
			p->children[i]->release(p->children[i]);
		free(p->children[i]);
	}
	free(p->owned[0]);
	free(p->owned[1]);
	free(p);
	a->release = NULL;
}

static int init_array(struct ArrowArray *a, int64_t length, int64_t buffers, int64_t children)
{
	struct array_private *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	*a = (struct ArrowArray){.length = length,
				 .n_buffers = buffers,
				 .buffers = p->buffers,
				 .children = children ? p->children : NULL,
				 .release = release_array,
				 .private_data = p};
	for (; a->n_children < children; a->n_children++) {
		p->children[a->n_children] = calloc(1, sizeof(struct ArrowArray));
		if (!p->children[a->n_children])
			return -ENOMEM;
	}
	return 0;
}

/* Buffers move from the column into the array as each is initialised. */
static int take_column(struct batch_column *c, int64_t rows, struct ArrowArray *ret)
{
	bool list = is_list(c->type);
	struct array_private *p;
	struct ArrowArray *values = ret;
	int r = init_array(ret, rows, c->type == BATCH_STRING ? 3 : 2, list);

	if (r >= 0 && list) {
		values = ret->children[0];
		r = init_array(values, (int64_t)(c->values_len / unit_of(c->type)), 2, 0);
	}
	if (r < 0)
		return r;
	p = values->private_data;
	p->owned[0] = TAKE(c->values);
	p->buffers[c->type == BATCH_STRING ? 2 : 1] = p->owned[0];
	if (c->type != BATCH_INT64 && c->type != BATCH_FLOAT32) {
		p = ret->private_data;
		p->owned[1] = TAKE(c->offsets);
		p->buffers[1] = p->owned[1];
	}
	c->values_len = c->values_cap = c->offsets_cap = 0;
	free(TAKE(c->offsets));
	return 0;
}

int batch_take(struct batch *b, struct ArrowArray *ret)
{
	int r = init_array(ret, b->rows, 1, (int64_t)b->columns_n);

	for (size_t i = 0; i < b->columns_n && r >= 0; i++)
		r = take_column(&b->columns[i], b->rows, ret->children[i]);
	b->rows = 0;
	if (r < 0 && ret->release)
		ret->release(ret);
	return r;
}
