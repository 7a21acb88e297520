/* SPDX-License-Identifier: MIT */
/* Prints the table of the found resources. Called by adopt.c. */
#include "base/buf.h"
#include "base/money.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/adopt/parts.h"

#include <stdio.h>
#include <string.h>

#define COLUMNS	 13
#define CELL_MAX 128

typedef char cells[COLUMNS][CELL_MAX];

static const char *const heads[COLUMNS] = {
	"KIND", "NAME", "STATUS",   "CREATED", "AGE",	"REGION", "INSTALL",
	"RUN",	"JOB",	"ENDPOINT", "NONCE",   "KNOWN", "USD/H",
};

static void cell(char *into, const char *text)
{
	str_excerpt(into, CELL_MAX, text && text[0] ? text : "-");
}

static void fill(const struct find *it, int64_t now, cells row)
{
	char text[64] = "";
	int n = 0;

	cell(row[n++], resource_kind_str(it->kind));
	cell(row[n++], it->name);
	cell(row[n++], it->status);
	cell(row[n++], it->created_us > 0 ? clock_format(text, it->created_us) : "");
	cell(row[n++],
	     it->created_us > 0 && now > it->created_us
		     ? duration_format(text, (now - it->created_us) / USEC_PER_SEC * USEC_PER_SEC)
		     : "");
	cell(row[n++], it->region);
	cell(row[n++], it->install);
	cell(row[n++], it->run);
	cell(row[n++], it->job);
	cell(row[n++], it->endpoint);
	cell(row[n++], it->nonce);
	cell(row[n++], it->row[0] ? "yes" : "no");
	cell(row[n++], it->micro_usd_hour != ADOPT_PRICE_UNKNOWN
			       ? money_format(text, it->micro_usd_hour)
			       : "");
}

static void print_row(const char *const *texts, const int widths[COLUMNS])
{
	for (int c = 0; c < COLUMNS; c++)
		if (c + 1 < COLUMNS)
			printf("%-*s  ", widths[c], texts[c]);
		else
			printf("%s\n", texts[c]);
}

void adopt_print(const struct finds *f)
{
	OWN(freep) cells *rows = calloc(f->n + 1, sizeof(*rows));
	int64_t now = clock_now_us();
	int widths[COLUMNS];

	if (!rows)
		return;
	for (int c = 0; c < COLUMNS; c++)
		widths[c] = (int)strlen(heads[c]);
	for (size_t i = 0; i < f->n; i++) {
		fill(&f->items[i], now, rows[i]);
		for (int c = 0; c < COLUMNS; c++)
			if ((int)strlen(rows[i][c]) > widths[c])
				widths[c] = (int)strlen(rows[i][c]);
	}
	print_row(heads, widths);
	for (size_t i = 0; i < f->n; i++) {
		const char *texts[COLUMNS];

		for (int c = 0; c < COLUMNS; c++)
			texts[c] = rows[i][c];
		print_row(texts, widths);
	}
}

int64_t adopt_total(const struct finds *f)
{
	int64_t all = 0;

	for (size_t i = 0; i < f->n; i++)
		if (f->items[i].micro_usd_hour != ADOPT_PRICE_UNKNOWN)
			all += f->items[i].micro_usd_hour;
	return all;
}
