/* SPDX-License-Identifier: MIT */
/* The end of the script as the result, or as a failure in the toolkit's format. */
#include "worker/script/script.h"

#include "base/beneath.h"
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#define FAILURE_FILE	 "output/failure"
#define RESULTS_FILE	 "output/data/eval_results.txt"
#define FAILURE_MAX	 1024 /* bytes, the same as SageMaker's FailureReason */
#define RESULTS_MAX	 65536
#define RESULTS_COPY_MAX (16 << 20) /* larger results stay in output/data alone */
#define TAIL_MAX	 OUTPUT_TAIL_MAX
#define TAIL_LINES	 10
#define COMMAND_SHOWN	 160 /* bytes of the command in a message */
#define TEXT_MAX	 (1 << 20)

/* Replace bytes that are not UTF-8 by '?', and carriage returns by line ends. */
static void make_text(struct buf *b)
{
	for (size_t i = 0; i < b->len;) {
		size_t n = 1;

		while (n < 4 && i + n <= b->len && !str_utf8_valid(b->data + i, n))
			n++;
		if (i + n > b->len || !str_utf8_valid(b->data + i, n)) {
			b->data[i] = '?';
			n = 1;
		}
		if (b->data[i] == '\r' || b->data[i] == '\0')
			b->data[i] = '\n';
		i += n;
	}
	while (b->len && strchr(" \n\t", b->data[b->len - 1]))
		b->data[--b->len] = '\0';
}

/* The text from the last traceback on, or the last lines. */
static const char *error_part(const struct buf *tail)
{
	const char *text = buf_str(tail), *found = NULL, *p = text;
	int lines = 0;

	while ((p = strstr(p, "Traceback (most recent call last)")))
		found = p++;
	if (found)
		return found;
	for (p = text + tail->len; p > text; p--)
		if (p[-1] == '\n' && ++lines == TAIL_LINES)
			break;
	return p;
}

static void command_text(const struct script *s, struct buf *out)
{
	for (size_t i = 0; i < json_array_size(s->argv); i++)
		buf_printf(out, "%s%s", i ? " " : "",
			   json_string_value(json_array_get(s->argv, i)));
}

/* At most `max` bytes from the end of `text`, from the start of a character. */
static const char *last_bytes(const char *text, size_t max)
{
	size_t n = strlen(text);

	if (n <= max)
		return text;
	text += n - max;
	while (((unsigned char)*text & 0xc0) == 0x80)
		text++;
	return text;
}

static int exit_code(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* True if SIGKILL ended the script. An exit code of 137 does not count: a shell returns it for a
 * killed command. */
static bool is_killed(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

/* Write the toolkit's text. `message_max` and `command_max` limit its parts. */
static void failure_text(struct buf *out, int status, bool oom, const char *message,
			 size_t message_max, const char *command, int command_max)
{
	const char *shown = last_bytes(message, message_max);

	buf_printf(out, "ExecuteUserScriptError:\nExitCode %d\nErrorMessage \"%s%s\"",
		   exit_code(status), shown == message ? "" : "...", shown);
	if (is_killed(status) && oom)
		buf_puts(out, "\nExtraInfo \"OutOfMemory: Process killed by SIGKILL (signal 9), "
			      "sent by the kernel's out-of-memory killer\"");
	else if (is_killed(status))
		buf_puts(out, "\nExtraInfo \"Process killed by SIGKILL (signal 9); who sent it "
			      "is not known\"");
	buf_printf(out, "\nCommand \"%.*s%s\"", command_max, command,
		   strlen(command) > (size_t)command_max ? "..." : "");
}

static const char *failure_code(int status, bool oom, const char *message)
{
	if (oom || strstr(message, "OutOfMemoryError"))
		return "oom";
	if (is_killed(status))
		return "killed";
	return "script_error";
}

/* Read a file that the script has left, as far as `out` has room. A FIFO, a device or a link that
 * leads out of work/ is no file. */
static int read_left(struct script *s, const char *path, struct buf *out, struct err *reterr)
{
	OWN(closep) int fd = -1;
	int r = beneath_open(s->w->work_dirfd, path, BENEATH_INNER_LINKS, INT64_MAX, &fd, NULL,
			     reterr);

	return r < 0 ? r : fd_read_all(fd, path, out, reterr);
}

static int failed(struct script *s, int status, bool oom, struct err *reterr)
{
	OWN(buf_done) struct buf own = BUF_INIT(FAILURE_MAX);
	OWN(buf_done) struct buf tail = BUF_INIT(TAIL_MAX);
	OWN(buf_done) struct buf command = BUF_INIT(TEXT_MAX);
	OWN(buf_done) struct buf text = BUF_INIT(TEXT_MAX + TAIL_MAX);
	const char *message, *written;
	size_t len;

	written = output_tail(&s->output, &len);
	/* The script's own message has precedence. It is cut at the limit, not refused. */
	(void)!read_left(s, FAILURE_FILE, &own, NULL);
	make_text(&own);
	buf_put(&tail, written, len);
	make_text(&tail);
	message = own.len ? buf_str(&own) : error_part(&tail);
	command_text(s, &command);
	s->w->failure_code = failure_code(status, oom, message);
	failure_text(&text, status, oom, message, TAIL_MAX, buf_str(&command), COMMAND_SHOWN * 8);
	if (!own.len && buf_ok(&text))
		(void)!file_write_atomic(s->w->work_dirfd, FAILURE_FILE, text.data, text.len, 0644,
					 NULL);
	buf_clear(&text);
	failure_text(&text, status, oom, message, ERR_MSG_MAX - COMMAND_SHOWN - 192,
		     buf_str(&command), COMMAND_SHOWN);
	make_text(&text);
	return err_set(reterr, ERR_INVALID, "%s", buf_str(&text));
}

/* Read lines such as "eval_f1 = 0.86" as final values. */
static void read_results(struct script *s)
{
	OWN(buf_done) struct buf text = BUF_INIT(RESULTS_MAX);
	char *rest, *line;

	if (read_left(s, RESULTS_FILE, &text, NULL) < 0 || !text.len)
		return;
	make_text(&text);
	rest = text.data;
	while ((line = strsep(&rest, "\n"))) {
		char *eq = strstr(line, " = ");
		double v;

		if (!eq || str_to_any_double(eq + 3, &v) < 0)
			continue;
		*eq = '\0';
		json_object_set_new(s->last, line, json_any_number(v));
	}
}

static int copy_left(struct script *s, const char *from, const char *to, struct err *reterr)
{
	OWN(buf_done) struct buf text = BUF_INIT(RESULTS_COPY_MAX);
	int r = read_left(s, from, &text, reterr);

	return r < 0 ? r
		     : file_write_atomic(s->w->work_dirfd, to, buf_str(&text), text.len, 0644,
					 reterr);
}

/* Copy the results to the place where the daemon looks for them, for every kind of job. */
static void show_results(struct script *s)
{
	static const char *const names[] = {"eval_results.txt", "metrics.json"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char from[64], to[64];
		struct err e;

		str_must_format(from, sizeof(from), "output/data/%s", names[i]);
		str_must_format(to, sizeof(to), "output/%s", names[i]);
		if (path_exists(s->w->work_dirfd, from) && !path_exists(s->w->work_dirfd, to) &&
		    copy_left(s, from, to, &e) < 0)
			report_warning(s->w->report, "result_not_copied", "%s", e.msg);
	}
	read_results(s);
	if (json_object_size(s->last))
		report_result(s->w->report, json_incref(s->last));
}

/* Write the toolkit's mark of a success. If the script has removed or replaced output/, that is its
 * error: another attempt would do the same. */
static int note_success(struct script *s, struct err *reterr)
{
	/* for people and tools: the shim's exit record is what counts, and is durable */
	int r = file_write_unsynced(s->w->work_dirfd, "output/success", "", 0, 0644, reterr);

	if (r >= 0 || r == -ENOSPC || r == -EDQUOT)
		return r;
	s->w->failure_code = "script_error";
	return err_ctx(reterr, r,
		       "the script ended with exit code 0, but left no directory output/ to write "
		       "to");
}

int outcome_of(struct script *s, int status, bool oom, struct err *reterr)
{
	bool good = WIFEXITED(status) && WEXITSTATUS(status) == 0;

	if (good)
		show_results(s);
	if (good && !*s->w->stop)
		return note_success(s, reterr);
	s->w->ends_as_script = true;
	s->w->script_status = status;
	if (*s->w->stop) { /* also with exit code 0: a stopped script is not done */
		s->w->failure_code = "cancelled";
		return err_set(reterr, ERR_CANCELLED,
			       "the script was stopped with SIGTERM and ended with exit code %d",
			       exit_code(status));
	}
	return failed(s, status, oom, reterr);
}
