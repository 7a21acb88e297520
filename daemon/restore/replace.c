/* SPDX-License-Identifier: MIT */
/* Shows both databases, asks, exchanges them. */
#include "daemon/restore/replace.h"

#include "base/clock.h"
#include "base/own.h"
#include "daemon/agree.h"
#include "storage/replace.h"

#include <inttypes.h>
#include <stdio.h>

static void print_facts(const char *word, const char *path, const struct replace_facts *f)
{
	char at[CLOCK_TEXT_LEN];

	printf("%-9s%s\n", word, path);
	if (!f->readable)
		printf("         it cannot be read\n");
	else
		printf("         newest event %s, %" PRId64 " run%s, %" PRId64 " job%s not ended\n",
		       f->newest_us ? clock_format(at, f->newest_us) : "none", f->runs,
		       f->runs == 1 ? "" : "s", f->unfinished, f->unfinished == 1 ? "" : "s");
}

static void print_plan(const char *data_dir, const char *backup, const struct replace *rp)
{
	print_facts("restores", backup, &rp->backup);
	if (rp->replaces) {
		print_facts("replaces", "the database of this directory:", &rp->present);
		printf("         which stays as %s\n", rp->aside);
	}
	printf("in       %s\n", data_dir);
}

int restore_run(const char *data_dir, const char *backup, bool yes, struct err *reterr)
{
	struct replace rp;
	int r = replace_open(data_dir, backup, &rp, reterr);

	if (r >= 0) {
		print_plan(data_dir, backup, &rp);
		if (!agree(yes))
			r = err_set(reterr, ERR_CANCELLED, "nothing was changed");
	}
	if (r >= 0)
		r = replace_put(&rp, reterr);
	replace_close(&rp);
	if (r >= 0)
		puts("Restored. Start the daemon: it looks for what was started after the backup, "
		     "and starts no job\nuntil you have looked and run `trainyard restore "
		     "confirm`.");
	return r;
}
