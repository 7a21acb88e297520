/* SPDX-License-Identifier: MIT */
#include "worker/dataset/inspect.h"

#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "wire/execution.h"
#include "worker/dataset/plan.h"

#include <string.h>

/* True if another try on the same data would say the same; no system's or disk's trouble. */
static bool is_of_the_data(int r, const struct err *why)
{
	return (r == -ERR_INVALID || r == -ERR_CORRUPT || r == -ERR_LIMIT) &&
	       (!why->field[0] || str_starts(why->field, "/dataset"));
}

static json_t *look(const json_t *spec, size_t i, struct report *report)
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
	struct err why = {0};
	int r = plan_init(&plan, &w, &why);

	if (r >= 0)
		r = plan_scan(&plan, &w, &why);
	if (r >= 0 || !is_of_the_data(r, &why))
		return json_pack("{sI}", "spec", (json_int_t)i);
	return json_pack("{sI ss ss}", "spec", (json_int_t)i, "field",
			 why.field[0] ? why.field : "/dataset", "message", why.msg);
}

static int say(json_t *finding)
{
	OWN(json_decrefp) json_t *owned = finding;
	OWN(freep) char *text = owned ? json_text(owned) : NULL;

	return text && printf("%s\n", text) > 0 && fflush(stdout) == 0 ? 0 : -ENOMEM;
}

static int inspect(struct report *report, struct err *reterr)
{
	OWN(buf_done) struct buf text = BUF_INIT(INSPECT_INPUT_MAX);
	OWN(json_decrefp) json_t *message = NULL;
	const json_t *specs;
	size_t i;
	json_t *spec;
	int r = fd_read_all(STDIN_FILENO, "the specs", &text, reterr);

	if (r >= 0)
		r = json_parse(buf_str(&text), text.len, &message, reterr);
	if (r >= 0)
		r = wire_roots_set(message, reterr);
	if (r < 0)
		return r;
	specs = json_object_get(message, "specs");
	json_array_foreach(specs, i, spec) {
		if (say(look(spec, i, report)) < 0)
			return err_errno(reterr, EIO, "answer");
	}
	return 0;
}

int inspect_main(void)
{
	struct report *report = NULL;
	struct err e = {0};
	int r = report_open_silent(&report, &e);

	if (r >= 0)
		r = inspect(report, &e);
	if (r < 0)
		fprintf(stderr, "error: %s\n", e.msg);
	report_close(report);
	return r < 0;
}
