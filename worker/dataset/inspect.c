/* SPDX-License-Identifier: MIT */
/*
 * Reads the data set as preprocess would, up to the plan, and keeps only errors that another
 * attempt would repeat.
 */
#include "worker/dataset/inspect.h"

#include "base/own.h"
#include "base/str.h"
#include "worker/dataset/plan.h"

#include <string.h>

/* True if another attempt on the same data would fail in the same way. Errors of the system or the
 * disk would not. */
static bool is_of_the_data(int r, const struct err *err)
{
	return (r == -ERR_INVALID || r == -ERR_CORRUPT || r == -ERR_LIMIT) &&
	       (!err->field[0] || str_starts(err->field, "/dataset"));
}

int dataset_inspect(const json_t *spec, struct report *report, struct err *reterr)
{
	static volatile sig_atomic_t stop;
	struct worker w = {.dirfd = -1,
			   .work_dirfd = -1,
			   .stop = &stop,
			   .report = report,
			   .cpus = 1,
			   .spec = (json_t *)spec,
			   .kind = "preprocess"};
	OWN(plan_done) struct plan plan = {0};
	int r = plan_init(&plan, &w, reterr);

	if (r >= 0)
		r = plan_scan(&plan, &w, reterr);
	return r < 0 && is_of_the_data(r, reterr) ? r : 0;
}
