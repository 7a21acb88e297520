/* SPDX-License-Identifier: MIT */
/* Values of a statement: binding parameters, reading columns. */
#include "base/json_put.h"
#include "base/own.h"
#include "base/str.h"
#include "storage/db_parts.h"
#include "storage/paths.h"
#include "storage/stored_json.h"

#include <math.h>
#include <string.h>

/* ---- in ---- */

struct db_val db_id(const char *id)
{
	return DB_TEXT(id && id[0] ? id : NULL);
}

static int bind_path(const struct db *db, sqlite3_stmt *s, int at, const char *path)
{
	OWN(buf_done) struct buf packed = BUF_INIT(SIZE_MAX);

	if (!path || !path_pack(db->dir, path, &packed))
		return sqlite3_bind_text(s, at, path, -1, SQLITE_STATIC);
	return sqlite3_bind_text(s, at, buf_str(&packed), -1, SQLITE_TRANSIENT);
}

static int bind_plain(sqlite3_stmt *s, int at, const json_t *j)
{
	char *text = json_text(j);

	return text ? sqlite3_bind_text(s, at, text, -1, free) : SQLITE_NOMEM;
}

static int bind_json(const struct db *db, sqlite3_stmt *s, int at, const json_t *j)
{
	struct buf text = BUF_INIT(SIZE_MAX / 2);

	paths_put(db->dir, j, &text);
	if (buf_ok(&text))
		return sqlite3_bind_text(s, at, buf_take(&text), -1, free);
	buf_done(&text);
	return SQLITE_NOMEM;
}

int db_bind(const struct db *db, sqlite3_stmt *s, int at, const struct db_val *v)
{
	switch (v->type) {
	case DB_VAL_NULL:
		return sqlite3_bind_null(s, at);
	case DB_VAL_INT:
		return sqlite3_bind_int64(s, at, v->i);
	case DB_VAL_REAL:
		return isnan(v->d) ? sqlite3_bind_null(s, at) : sqlite3_bind_double(s, at, v->d);
	case DB_VAL_TEXT:
		return sqlite3_bind_text(s, at, v->s, -1, SQLITE_STATIC);
	case DB_VAL_PATH:
		return bind_path(db, s, at, v->s);
	case DB_VAL_JSON:
		return v->j ? bind_json(db, s, at, v->j) : sqlite3_bind_null(s, at);
	case DB_VAL_PLAIN:
		return v->j ? bind_plain(s, at, v->j) : sqlite3_bind_null(s, at);
	}
	return SQLITE_MISUSE;
}

/* ---- out ---- */

bool db_col_is_null(struct db_stmt *q, int col)
{
	return sqlite3_column_type(q->s, col) == SQLITE_NULL;
}

int64_t db_col_int(struct db_stmt *q, int col)
{
	return sqlite3_column_int64(q->s, col);
}

double db_col_real(struct db_stmt *q, int col)
{
	return sqlite3_column_double(q->s, col);
}

void db_col_copy(struct db_stmt *q, int col, char *buf, size_t size)
{
	if (!str_copy(buf, size, db_col_text(q, col)))
		q->cut = sqlite3_column_name(q->s, col);
}

int db_check_whole(const struct db_stmt *q, struct err *reterr)
{
	if (!q->cut)
		return 0;
	return err_set(reterr, ERR_CORRUPT,
		       "database: a text of column %s is longer than the daemon ever writes it",
		       q->cut);
}

const char *db_col_text(struct db_stmt *q, int col)
{
	const char *s = (const char *)sqlite3_column_text(q->s, col);

	return s ? s : "";
}

int db_col_path(struct db_stmt *q, int col, char *buf, size_t size, struct err *reterr)
{
	OWN(buf_done) struct buf path = BUF_INIT(SIZE_MAX);
	const char *text = db_col_text(q, col);

	if (path_unpack(q->db->dir, text, &path))
		text = buf_str(&path);
	if (str_copy(buf, size, text))
		return 0;
	return err_set(reterr, ERR_LIMIT,
		       "database: column %s holds a path of %zu bytes, and the limit is %zu; use a "
		       "data directory with a shorter path: %.128s...",
		       sqlite3_column_name(q->s, col), strlen(text), size - 1, text);
}

int db_col_plain(struct db_stmt *q, int col, json_t **ret, struct err *reterr)
{
	const char *s = (const char *)sqlite3_column_text(q->s, col);

	*ret = NULL;
	if (!s)
		return 0;
	if (json_parse_nul(s, (size_t)sqlite3_column_bytes(q->s, col), ret, reterr) < 0)
		return err_set(reterr, ERR_CORRUPT, "database: column %s holds no JSON",
			       sqlite3_column_name(q->s, col));
	return 0;
}

int db_col_json(struct db_stmt *q, int col, json_t **ret, struct err *reterr)
{
	int r = db_col_plain(q, col, ret, reterr);

	if (r < 0 || !*ret)
		return r;
	*ret = paths_unpack(q->db->dir, *ret);
	return *ret ? 0 : err_errno(reterr, ENOMEM, "use the database");
}

int db_col_json_put(struct db_stmt *q, int col, bool plain, struct buf *out, struct err *reterr)
{
	OWN(json_decrefp) json_t *value = NULL;
	const char *s = (const char *)sqlite3_column_text(q->s, col);
	int r;

	if (!s || stored_json_put(out, s, (size_t)sqlite3_column_bytes(q->s, col),
				  plain ? NULL : q->db->dir))
		return 0;
	r = plain ? db_col_plain(q, col, &value, reterr) : db_col_json(q, col, &value, reterr);
	if (r >= 0)
		json_put(out, value, JSON_KEYS_IN_ORDER);
	return r;
}
