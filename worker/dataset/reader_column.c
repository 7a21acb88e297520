/* SPDX-License-Identifier: MIT */
/* What the reading of each column of a saved data set needs: finding it, room, and refusals. */
#include "base/buf.h"
#include "base/own.h"
#include "worker/dataset/reader.h"

static int no_column(const struct reading *g, const char *name, struct err *reterr)
{
	OWN(buf_done) struct buf there = BUF_INIT(ERR_MSG_MAX / 2);

	for (int64_t i = 0; i < g->table.schema.n_children; i++)
		buf_printf(&there, "%s'%s'", i ? ", " : "", g->table.schema.children[i]->name);
	return err_set(reterr, ERR_INVALID,
		       "the data set in %s has no column '%s'; it has %s. Make the data set with a "
		       "preprocess job",
		       g->dir, name, buf_str(&there));
}

int reading_bind(struct reading *g, const char *name, const char *other, enum column_type type,
		 bool optional, const struct ArrowSchema **ret_schema,
		 const struct ArrowArray **ret, struct err *reterr)
{
	const struct ArrowSchema *schema = &g->table.schema;
	int64_t at = column_find(schema, name);

	*ret_schema = NULL;
	*ret = NULL;
	if (at < 0 && other)
		at = column_find(schema, other);
	if (at < 0)
		return optional ? 0 : no_column(g, name, reterr);
	if (column_type(schema->children[at]) != type)
		return err_set(reterr, ERR_INVALID,
			       "the data set in %s: the column '%s' holds %s, but it must hold %s",
			       g->dir, name, column_type_str(column_type(schema->children[at])),
			       column_type_str(type));
	*ret_schema = schema->children[at];
	*ret = g->table.batch.children[at];
	return 0;
}

int reading_refuse(const struct reading *g, const char *what, struct err *reterr)
{
	return err_set(reterr, ERR_INVALID, "the data set in %s, row %lld: %s", g->dir,
		       (long long)g->d->rows + 1, what);
}

int reading_grow(void *pointer, size_t bytes)
{
	void **p = pointer, *grown = realloc(*p, bytes);

	if (!grown)
		return -ENOMEM;
	*p = grown;
	return 0;
}
