/* SPDX-License-Identifier: MIT */
/*
 * Writes one line for each fact to stderr: `time level event=job_state job=… from=… to=… cause=…`.
 * Under systemd the prefix "<N>" (priority) replaces the time. Library folders do not log; the code
 * that handles an error logs it once. Never pass secrets. Thread-safe. Never blocks on stderr:
 * lines that a full pipe, socket or terminal refuses are dropped and counted.
 * `event=log_lines_left_out` reports their number as soon as a line can be written.
 */
#pragma once

enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7,
};

void log_set_level(enum log_level level);
/* Parse "error" "warning" "info" "debug". Returns 0 or -EINVAL. */
int log_level_parse(const char *name, enum log_level *ret);
/* fmt has the form "key=value key=value"; put free text last, as msg="…". */
void log_event(enum log_level level, const char *event, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
