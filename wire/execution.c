/* SPDX-License-Identifier: MIT */
/*
 * Formats and reads the exit record, checks versions, passes roots in a message, and tests the lock
 * of an execution.
 */
#include "wire/execution.h"

#include "base/beneath.h"
#include "base/own.h"
#include "base/roots.h"
#include "base/str.h"

#include <string.h>
#include <sys/file.h>

static const char *const cause_names[] = {
	[EXIT_EXITED] = "exited",	  [EXIT_STOPPED] = "stopped",
	[EXIT_TIMED_OUT] = "timed_out",	  [EXIT_EXEC_FAILED] = "exec_failed",
	[EXIT_OOM_KILLED] = "oom_killed",
};

const char *exit_cause_str(enum exit_cause cause)
{
	return cause_names[cause];
}

static int exit_cause_parse(const char *s, enum exit_cause *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(cause_names); i++) {
		if (str_eq(cause_names[i], s)) {
			*ret = (enum exit_cause)i;
			return 0;
		}
	}
	return -EINVAL;
}

json_t *exit_record_format(const struct exit_record *rec)
{
	char message[sizeof(rec->message)]; /* may contain a file or process name, so any bytes */
	json_t *j;

	str_assign(message, rec->message);
	str_utf8_mask(message);
	j = json_pack("{si ss si si sI sI sI sI sI ss}", "v", WIRE_VERSION, "cause",
		      exit_cause_str(rec->cause), "code", rec->code, "signal", rec->signal,
		      "started_us", (json_int_t)rec->started_us, "finished_us",
		      (json_int_t)rec->finished_us, "user_us", (json_int_t)rec->user_us,
		      "system_us", (json_int_t)rec->system_us, "max_rss_bytes",
		      (json_int_t)rec->max_rss_bytes, "message", message);
	if (j && rec->proof[0])
		json_set_str(j, "proof", rec->proof);
	return j;
}

int wire_version_check(const json_t *j, const char *what, struct err *reterr)
{
	int64_t v = json_get_int(j, "v", 0);

	if (v == WIRE_VERSION || (v == WIRE_VERSION - 1 && v > 0))
		return 0;
	return err_set(reterr, ERR_UNSUPPORTED,
		       "%s has version %lld, and this program knows version %d", what, (long long)v,
		       WIRE_VERSION);
}

void wire_roots_add(json_t *message, const char *const *roots, const char *data_dir)
{
	json_t *list = json_array();

	for (; *roots; roots++)
		json_array_append_new(list, json_string(*roots));
	json_object_set_new(message, "roots", list);
	json_set_str(message, "data_dir", data_dir);
}

int wire_roots_set(const json_t *message, struct err *reterr)
{
	static const char *dirs[ROOTS_MAX + 1];
	const json_t *list = json_object_get(message, "roots");
	size_t n = json_array_size(list);

	if (!list)
		return 0;
	if (n > ROOTS_MAX)
		return err_set(reterr, ERR_LIMIT, "%s has more than %d roots", EXECUTION_SPEC,
			       ROOTS_MAX);
	for (size_t i = 0; i < n; i++)
		dirs[i] = json_string_value(json_array_get(list, i));
	roots_set(dirs, json_get_str(message, "data_dir", NULL));
	return 0;
}

static int exit_record_parse(const json_t *j, struct exit_record *ret, struct err *reterr)
{
	int r = wire_version_check(j, EXECUTION_EXIT, reterr);

	if (r < 0)
		return r;
	if (exit_cause_parse(json_get_str(j, "cause", ""), &ret->cause) < 0)
		return err_set(reterr, ERR_CORRUPT, "%s has an unknown cause", EXECUTION_EXIT);
	ret->code = (int)json_get_int(j, "code", -1);
	ret->signal = (int)json_get_int(j, "signal", 0);
	ret->started_us = json_get_int(j, "started_us", 0);
	ret->finished_us = json_get_int(j, "finished_us", 0);
	ret->user_us = json_get_int(j, "user_us", 0);
	ret->system_us = json_get_int(j, "system_us", 0);
	ret->max_rss_bytes = json_get_int(j, "max_rss_bytes", 0);
	str_excerpt(ret->message, sizeof(ret->message), json_get_str(j, "message", ""));
	if (!str_copy(ret->proof, sizeof(ret->proof), json_get_str(j, "proof", "")))
		ret->proof[0] = '\0'; /* half a proof is none */
	return 0;
}

int exit_record_read(int at, struct exit_record *ret, struct err *reterr)
{
	OWN(json_decrefp) json_t *j = NULL;
	int r = beneath_read_json(at, EXECUTION_EXIT, EXECUTION_EXIT_MAX, &j, reterr);

	return r < 0 ? r : exit_record_parse(j, ret, reterr);
}

int execution_is_alive(int at, int *lock_fd, struct err *reterr)
{
	int r = *lock_fd >= 0 ? 0
			      : beneath_open(at, EXECUTION_LOCK, BENEATH_NO_LINKS, INT64_MAX,
					     lock_fd, NULL, reterr);

	if (r < 0)
		return r;
	if (flock(*lock_fd, LOCK_EX | LOCK_NB) == 0) {
		(void)flock(*lock_fd, LOCK_UN);
		return 0;
	}
	return errno == EWOULDBLOCK ? 1 : err_errno(reterr, errno, "lock %s", EXECUTION_LOCK);
}
