/* SPDX-License-Identifier: MIT */
/*
 * One line per fact on stderr: `time level event=job_state job=… from=… to=… cause=…`; under
 * systemd with the "<N>" priority prefix instead of the time. Library folders do not log; the
 * code that handles an error logs it once. Never pass secrets. Thread-safe. Never waits for who
 * reads stderr: lines that a full pipe, socket or terminal refuses are left out and counted, and
 * `event=log_lines_left_out` says how many once there is room.
 */
#pragma once

enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7,
};

void log_set_level(enum log_level level);
/* "error" "warning" "info" "debug"; 0 or -EINVAL. */
int log_level_parse(const char *name, enum log_level *ret);
/* fmt makes "key=value key=value"; put free text last, as msg="…". */
void log_event(enum log_level level, const char *event, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
