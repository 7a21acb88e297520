/* SPDX-License-Identifier: MIT */
/* The two replacements, found before the libraries' functions, and their counters. */
#include "tests/unit/query_count.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

struct sqlite3_stmt;
const char *sqlite3_sql(struct sqlite3_stmt *stmt);
int sqlite3_stmt_busy(struct sqlite3_stmt *stmt);
int sqlite3_step(struct sqlite3_stmt *stmt);

#define SQLITE_ROW 100

static _Atomic(const char *) counted;
static atomic_int rows, asked, room;

void query_count_begin(const char *words)
{
	rows = asked = room = 0;
	counted = words;
}

struct query_count query_count_read(void)
{
	return (struct query_count){.rows = rows, .asked = asked, .room = room};
}

/* ---- in the place of the libraries' ---- */

static void *next_of(const char *name)
{
	void *fn = dlsym(RTLD_NEXT, name);

	if (!fn)
		abort();
	return fn;
}

int sqlite3_step(struct sqlite3_stmt *stmt)
{
	static _Atomic(int (*)(struct sqlite3_stmt *)) step;
	const char *words = counted, *sql = sqlite3_sql(stmt);
	int r;

	if (!step)
		step = (int (*)(struct sqlite3_stmt *))next_of("sqlite3_step");
	words = words && sql && strstr(sql, words) ? words : NULL;
	if (words && !sqlite3_stmt_busy(stmt))
		asked++;
	r = step(stmt);
	if (words && r == SQLITE_ROW)
		rows++;
	return r;
}

int statvfs(const char *path, struct statvfs *ret)
{
	static _Atomic(int (*)(const char *, struct statvfs *)) ask;

	if (!ask)
		ask = (int (*)(const char *, struct statvfs *))next_of("statvfs");
	room++;
	return ask(path, ret);
}
