/* SPDX-License-Identifier: MIT */
/*
 * Pages of lists. The order is (key, n), both in the same direction; n is the row's number and
 * makes the order total. So a page begins exactly after the last item of the previous page,
 * whatever was inserted between. A cursor is GENERATION.LIST.KEY.N in hexadecimal; LIST is a
 * checksum of the list and its sort.
 */
#include "base/json_put.h"
#include "base/own.h"
#include "base/str.h"
#include "storage/read/internal.h"
#include "storage/store.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static uint32_t checksum(uint32_t h, const char *s) /* FNV-1a */
{
	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 16777619u;
	return h;
}

static const char *sort_of(const struct list_filter *f)
{
	return f->sort && f->sort[0] ? f->sort : "-created_at";
}

/* ---- cursors ---- */

static uint32_t list_of(const struct page *p)
{
	return checksum(checksum(2166136261u, p->alias), sort_of(p->f));
}

static void cursor_format(char *buf, size_t size, const char *generation, const struct page *p,
			  uint64_t key, int64_t n)
{
	str_must_format(buf, size, "%s.%08" PRIx32 ".%016" PRIx64 ".%" PRIx64, generation,
			list_of(p), key, (uint64_t)n);
}

static uint64_t bits_of(double d)
{
	uint64_t bits;

	memcpy(&bits, &d, sizeof(bits));
	return bits;
}

/* Read hexadecimal digits up to `end`, which is skipped. Returns false on any other text. */
static bool take_hex(const char **at, char end, uint64_t *ret)
{
	size_t n = strspn(*at, "0123456789abcdef");

	if (!n || n > 16 || (*at)[n] != end)
		return false;
	*ret = strtoull(*at, NULL, 16);
	*at += n + (end ? 1 : 0);
	return true;
}

static int cursor_parse(struct page *p, const char *generation, const char *cursor,
			struct err *reterr)
{
	size_t n = strcspn(cursor, ".");
	const char *at = cursor + n;
	uint64_t list, key, row;

	if (*at != '.' || strspn(cursor, "0123456789abcdef") != n || !n)
		goto malformed;
	at++;
	if (!take_hex(&at, '.', &list) || !take_hex(&at, '.', &key) || !take_hex(&at, '\0', &row))
		goto malformed;
	if (strlen(generation) != n || strncmp(cursor, generation, n) != 0)
		return err_set(reterr, ERR_GONE,
			       "the cursor belongs to a database that was replaced; start again "
			       "without a cursor");
	if (list != list_of(p))
		return err_set(reterr, ERR_INVALID,
			       "the cursor belongs to another list or another sort; keep both, or "
			       "start again without a cursor");
	p->has_cursor = true;
	p->after_us = (int64_t)key;
	memcpy(&p->after_value, &key, sizeof(key));
	p->after_n = (int64_t)row;
	return 0;
malformed:
	return err_set(reterr, ERR_INVALID,
		       "the cursor is invalid; use next_cursor of the page before, unchanged");
}

/* ---- putting the query together ---- */

static int sort_parse(struct page *p, bool metrics, struct err *reterr)
{
	const char *sort = sort_of(p->f), *by = sort;

	p->descending = by[0] == '-';
	by += p->descending;
	if (str_eq(by, "created_at"))
		return 0;
	if (metrics && str_starts(by, "metrics.") && by[8] &&
	    strlen(by + 8) <= STORE_METRIC_NAME_BYTES_MAX) {
		p->metric = by + 8;
		return 0;
	}
	return err_set(
		reterr, ERR_INVALID,
		"sort is '%.64s'; use created_at%s, with '-' before the name for the reverse order",
		sort, metrics ? " or metrics.NAME" : "");
}

int page_init(struct page *p, struct store_reader *sr, const struct list_filter *f,
	      const char *alias, bool metrics, struct err *reterr)
{
	int r;

	*p = (struct page){.f = f, .alias = alias};
	buf_init(&p->sql, READ_SQL_MAX);
	r = check_limit(f->limit, STORE_LIST_DEFAULT, STORE_LIST_MAX, &p->limit, reterr);
	if (r >= 0)
		r = sort_parse(p, metrics, reterr);
	if (r >= 0 && f->cursor)
		r = cursor_parse(p, sr->generation, f->cursor, reterr);
	return r;
}

void page_done(struct page *p)
{
	buf_done(&p->sql);
}

void page_sql(struct page *p, const char *text)
{
	buf_puts(&p->sql, text);
}

void page_arg(struct page *p, struct db_val v)
{
	if (p->args_n < READ_ARGS_MAX)
		p->args[p->args_n++] = v;
	else
		p->sql.failed = true; /* page_read reports it */
}

static void where(struct page *p)
{
	page_sql(p, p->has_where ? "AND " : "WHERE ");
	p->has_where = true;
}

/* "WHERE " or "AND " and the condition; its one '?' gets `v`. */
static void page_where(struct page *p, const char *condition, struct db_val v)
{
	where(p);
	buf_printf(&p->sql, "%s.%s ", p->alias, condition);
	page_arg(p, v);
}

void page_where_common(struct page *p, bool has_run, bool has_target)
{
	const struct list_filter *f = p->f;

	if (f->name)
		page_where(p, "name = ?", DB_TEXT(f->name));
	if (has_run && f->run)
		page_where(p, "run = ?", DB_TEXT(f->run));
	if (has_target && f->target)
		page_where(p, "target = ?",
			   DB_TEXT(job_target_str((enum job_target)(f->target - 1))));
	if (f->created_after_us)
		page_where(p, "created_us >= ?", DB_INT(f->created_after_us));
	if (f->created_before_us)
		page_where(p, "created_us < ?", DB_INT(f->created_before_us));
}

void page_where_bits(struct page *p, const char *column, uint32_t bits, int n,
		     const char *(*name)(int i))
{
	const char *comma = "";

	if (!bits)
		return;
	where(p);
	buf_printf(&p->sql, "%s.%s IN (", p->alias, column);
	for (int i = 0; i < n; i++) {
		if (!(bits & (UINT32_C(1) << i)))
			continue;
		buf_printf(&p->sql, "%s'%s'", comma, name(i));
		comma = ", ";
	}
	page_sql(p, ") ");
}

void page_where_tag(struct page *p)
{
	const struct list_filter *f = p->f;

	if (!f->tag)
		return;
	where(p);
	buf_printf(&p->sql,
		   "EXISTS (SELECT 1 FROM json_each(%s.tags) t "
		   "WHERE t.key = ? OR t.key || ':' || CAST(t.value AS TEXT) = ?) ",
		   p->alias);
	page_arg(p, DB_TEXT(f->tag));
	page_arg(p, DB_TEXT(f->tag));
}

/* Jobs without the metric come last in both directions. */
static void add_key(struct page *p)
{
	if (!p->metric)
		buf_printf(&p->sql, "%s.created_us", p->alias);
	else
		buf_printf(&p->sql, "coalesce(m.value, %s9e999)", p->descending ? "-" : "");
}

static void add_order(struct page *p)
{
	const char *way = p->descending ? "DESC" : "ASC";

	if (p->has_cursor) {
		where(p);
		page_sql(p, "(");
		add_key(p);
		buf_printf(&p->sql, ", %s.n) %s (?, ?) ", p->alias, p->descending ? "<" : ">");
		page_arg(p, p->metric ? DB_REAL(p->after_value) : DB_INT(p->after_us));
		page_arg(p, DB_INT(p->after_n));
	}
	page_sql(p, "ORDER BY ");
	add_key(p);
	buf_printf(&p->sql, " %s, %s.n %s LIMIT ?", way, p->alias, way);
	page_arg(p, DB_INT(p->limit + 1)); /* one more row shows if there is a next page */
}

/* ---- reading it ---- */

static double key_value(const struct page *p, struct db_stmt *q, int col)
{
	if (!db_col_is_null(q, col))
		return db_col_real(q, col);
	return p->descending ? -INFINITY : INFINITY;
}

/* Begin an item of the page: its place in the order is the place of the cursor. */
static void begin_item(struct page *p, struct db_stmt *q, int key_col, struct buf *out)
{
	buf_puts(out, p->items_n++ ? "," : "");
	p->key = p->metric ? bits_of(key_value(p, q, key_col)) : (uint64_t)db_col_int(q, key_col);
	p->n = db_col_int(q, key_col + 1);
	if (p->f->with_spec) /* after the sort key */
		p->specs += strlen(db_col_text(q, key_col + 2));
}

static void end_page(const struct page *p, const char *cursor, struct buf *out)
{
	if (p->f->only_items) {
		buf_puts(out, "]");
		return;
	}
	buf_puts(out, "],\"next_cursor\":");
	if (cursor[0])
		json_put_string(out, cursor, strlen(cursor));
	else
		buf_puts(out, "null");
	buf_puts(out, "}");
}

int page_read(struct page *p, struct store_reader *sr,
	      int (*item)(struct db_stmt *q, const struct list_filter *f, struct buf *out,
			  struct err *reterr),
	      int key_col, struct buf *out, struct err *reterr)
{
	OWN(db_releasep) struct db_stmt *q = NULL;
	char cursor[READ_CURSOR_MAX] = "";
	int r;

	add_order(p);
	if (!buf_ok(&p->sql))
		return out_of_memory(reterr);
	buf_puts(out, p->f->only_items ? "[" : "{\"items\":[");
	r = db_query_text(sr->db, buf_str(&p->sql), p->args, p->args_n, &q, reterr);
	while (r >= 0 && (r = db_step(q, reterr)) > 0) {
		if (p->items_n == p->limit || p->specs >= STORE_LIST_SPECS_MAX) {
			cursor_format(cursor, sizeof(cursor), sr->generation, p, p->key, p->n);
			break;
		}
		begin_item(p, q, key_col, out);
		r = item(q, p->f, out, reterr);
	}
	if (r < 0)
		return r;
	end_page(p, cursor, out);
	return buf_ok(out) ? 0 : out_of_memory(reterr);
}
