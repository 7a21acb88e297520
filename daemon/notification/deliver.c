/* SPDX-License-Identifier: MIT */
/*
 * The program gets a memory file as its standard input, so that it may leave it unread. The
 * formats: ntfy: https://docs.ntfy.sh/publish/ (the body is the text, headers Title, Priority,
 * Tags); Slack: https://api.slack.com/messaging/webhooks ({"text"}), which Mattermost takes, too.
 */
#include "daemon/notification/deliver.h"

#include "base/fileio.h"
#include "base/own.h"
#include "base/proc.h"
#include "base/str.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define WORDS_MAX     256 /* last bytes of a failed program's standard error that are shown */
#define WAIT_STEP_MS  20
#define ENVIRONMENT   1024 /* variables of the daemon that are passed on, at most */
#define OWN_VARIABLES 4
#define TITLE_MAX     256
#define BODY_MAX      (1 << 20)

extern char **environ;

/* ---- the program ---- */

struct environment {
	const char *all[ENVIRONMENT + OWN_VARIABLES + 1];
	char *own[OWN_VARIABLES];
};

static void environment_done(struct environment *e)
{
	for (size_t i = 0; i < OWN_VARIABLES; i++)
		free(e->own[i]);
}

static bool is_passed_on(const char *variable)
{
	return !str_starts(variable, "AWS_") && !str_starts(variable, "NOTIFY_SOCKET=") &&
	       !str_starts(variable, "TRAINYARD_");
}

static int make_environment(const json_t *message, struct environment *e, struct err *reterr)
{
	static const char *const names[OWN_VARIABLES][2] = {{"TRAINYARD_EVENT", "event"},
							    {"TRAINYARD_TITLE", "title"},
							    {"TRAINYARD_TEXT", "text"},
							    {"TRAINYARD_URGENT", NULL}};
	size_t n = 0;

	for (char **v = environ; v && *v && n < ENVIRONMENT; v++)
		if (is_passed_on(*v))
			e->all[n++] = *v;
	for (size_t i = 0; i < OWN_VARIABLES; i++) {
		const char *value = names[i][1] ? json_get_str(message, names[i][1], "")
				    : json_get_bool(message, "urgent", false) ? "1"
									      : "0";

		if (asprintf(&e->own[i], "%s=%s", names[i][0], value) < 0) {
			e->own[i] = NULL;
			return err_errno(reterr, ENOMEM, "notify");
		}
		e->all[n++] = e->own[i];
	}
	e->all[n] = NULL;
	return 0;
}

static int message_fd(const json_t *message, struct err *reterr)
{
	OWN(closep) int fd = memfd_create("notification", MFD_CLOEXEC);
	OWN(freep) char *text = json_line(message);

	if (fd < 0 || !text || fd_write_all(fd, text, strlen(text)) < 0 ||
	    lseek(fd, 0, SEEK_SET) < 0)
		return err_errno(reterr, errno ? errno : ENOMEM, "write a notification");
	return TAKE_FD(fd);
}

/* Read what is there, and keep the last bytes. */
static void read_words(int fd, char words[WORDS_MAX + 1])
{
	char more[WORDS_MAX];
	size_t len = strlen(words);
	ssize_t n;

	while ((n = read(fd, more, sizeof(more))) > 0) {
		size_t keep = len + (size_t)n > WORDS_MAX ? WORDS_MAX - (size_t)n : len;

		memmove(words, words + len - keep, keep);
		memcpy(words + keep, more, (size_t)n);
		len = keep + (size_t)n;
		for (size_t i = keep; i < len; i++)
			words[i] = words[i] && words[i] != '\n' ? words[i] : ' ';
		words[len] = '\0';
	}
}

/* Wait for the program and drain its standard error; kill it if it takes too long. */
static int wait_for(pid_t pid, int errors, const atomic_bool *stop, char words[WORDS_MAX + 1],
		    struct err *reterr)
{
	int64_t until_us = clock_mono_us() + DELIVER_US;
	bool killed = false;
	int status = 0;
	pid_t r;

	while ((r = waitpid(pid, &status, WNOHANG)) == 0) {
		struct pollfd p = {.fd = errors, .events = POLLIN};

		if (poll(&p, 1, WAIT_STEP_MS) > 0) {
			read_words(errors, words);
			if (!(p.revents & POLLIN)) /* closed: nothing is left to wait for but it */
				poll(NULL, 0, WAIT_STEP_MS);
		}
		if ((clock_mono_us() >= until_us || *stop) && !killed) {
			killed = true;
			kill(-pid, SIGKILL);
		}
	}
	read_words(errors, words);
	str_utf8_mask(words);
	if (killed)
		return err_set(reterr, ERR_UNAVAILABLE,
			       *stop ? "the program was killed, because the daemon stops"
				     : "the program took more than %d s",
			       (int)(DELIVER_US / USEC_PER_SEC));
	if (r < 0)
		return err_errno(reterr, ERR_UNAVAILABLE, "wait for the program");
	if (WIFSIGNALED(status))
		return err_set(reterr, ERR_UNAVAILABLE, "the program was killed by signal %d",
			       WTERMSIG(status));
	if (WEXITSTATUS(status))
		return err_set(reterr, ERR_UNAVAILABLE, "the program exited with status %d%s%s",
			       WEXITSTATUS(status), words[0] ? ": " : "", words);
	return 0;
}

int deliver_to_command(const struct notify_settings *set, const json_t *message,
		       const atomic_bool *stop, struct err *reterr)
{
	const char *const argv[] = {set->command, json_get_str(message, "event", ""), NULL};
	OWN(environment_done) struct environment e = {0};
	OWN(closep) int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	OWN(closep) int in = message_fd(message, reterr);
	char words[WORDS_MAX + 1] = "";
	int ends[2], r;
	pid_t pid;

	if (in < 0)
		return -ERR_UNAVAILABLE;
	r = make_environment(message, &e, reterr);
	if (r < 0 || null < 0 || pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_set(reterr, ERR_UNAVAILABLE, "no memory or descriptor is free");
	struct proc_spec spec = {.path = set->command,
				 .argv = argv,
				 .envp = e.all,
				 .cwd = "/",
				 .fds = {{in, 0}, {null, 1}, {ends[1], 2}},
				 .fds_n = 3,
				 .new_session = true};
	r = proc_spawn(&spec, &pid, reterr);
	close(ends[1]);
	r = r < 0 ? -ERR_UNAVAILABLE : wait_for(pid, ends[0], stop, words, reterr);
	close(ends[0]);
	return r;
}

/* ---- the address ---- */

/* A header is one line of ASCII. */
static void put_header(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, "%s: ", name);
	for (const char *c = value; *c; c++)
		buf_printf(out, "%c", *c >= ' ' && *c <= '~' ? *c : '?');
}

static int fill_ntfy(const json_t *message, struct buf *body, struct buf *title,
		     struct net_request *rq)
{
	bool urgent = json_get_bool(message, "urgent", false);

	buf_puts(body, json_get_str(message, "text", ""));
	put_header(title, "Title", json_get_str(message, "title", ""));
	rq->headers[rq->headers_n++] = buf_str(title);
	rq->headers[rq->headers_n++] = urgent ? "Priority: high" : "Priority: default";
	rq->headers[rq->headers_n++] = urgent ? "Tags: warning" : "Tags: white_check_mark";
	rq->headers[rq->headers_n++] = "Content-Type: text/plain; charset=utf-8";
	return buf_ok(body) && buf_ok(title) ? 0 : -ENOMEM;
}

/* Slack's three control characters: else a text of a job could be a link, or call everybody. */
static void put_slack(struct buf *out, const char *text)
{
	for (const char *c = text; *c; c++)
		if (*c == '&')
			buf_puts(out, "&amp;");
		else if (*c == '<')
			buf_puts(out, "&lt;");
		else if (*c == '>')
			buf_puts(out, "&gt;");
		else
			buf_put(out, c, 1);
}

static json_t *slack_json(const json_t *message)
{
	OWN(buf_done) struct buf text = BUF_INIT(BODY_MAX);

	buf_puts(&text, "*");
	put_slack(&text, json_get_str(message, "title", ""));
	buf_puts(&text, "*\n");
	put_slack(&text, json_get_str(message, "text", ""));
	return json_pack("{ss}", "text", buf_str(&text));
}

static int fill_json(const struct notify_settings *set, const json_t *message, struct buf *body,
		     struct net_request *rq)
{
	OWN(json_decrefp) json_t *slack = set->format == NOTIFY_SLACK ? slack_json(message) : NULL;
	OWN(freep) char *text = json_line(set->format == NOTIFY_SLACK ? slack : message);

	buf_puts(body, text ? text : "");
	rq->headers[rq->headers_n++] = "Content-Type: application/json";
	return text && buf_ok(body) ? 0 : -ENOMEM;
}

/* "https://host" of an address: the rest may be a secret. */
static void put_place(struct buf *out, const char *url)
{
	const char *host = strstr(url, "://");
	const char *at;

	host = host ? host + 3 : url;
	at = memchr(host, '@', strcspn(host, "/?#"));
	host = at ? at + 1 : host;
	buf_printf(out, "%.*s", (int)strcspn(host, "/?#"), host);
}

static int judge(const struct net_request *rq, int r, const char *place, struct err *reterr)
{
	bool later = rq->status == 408 || rq->status == 429 || rq->status >= 500;

	if (r < 0)
		return err_ctx(reterr, -ERR_UNAVAILABLE, "%s", place);
	if (rq->status >= 200 && rq->status < 300)
		return 0;
	r = err_set(reterr, later ? ERR_UNAVAILABLE : ERR_INVALID, "%s answered %d%s%.200s", place,
		    rq->status, rq->reply.len ? ": " : "", buf_str(&rq->reply));
	str_utf8_mask(reterr->msg); /* what a server sends may be anything */
	return r;
}

int deliver_to_url(const struct notify_settings *set, struct net *net, const json_t *message,
		   struct err *reterr)
{
	OWN(buf_done)
	struct buf body = BUF_INIT(BODY_MAX), title = BUF_INIT(TITLE_MAX), place = BUF_INIT(512);
	struct net_request rq;
	int r;

	net_request_init(&rq);
	put_place(&place, set->url);
	rq.method = "POST";
	rq.url = set->url;
	rq.timeout_us = DELIVER_US;
	r = set->format == NOTIFY_NTFY ? fill_ntfy(message, &body, &title, &rq)
				       : fill_json(set, message, &body, &rq);
	if (r < 0)
		return err_set(reterr, ERR_UNAVAILABLE, "no memory is free");
	rq.body = buf_str(&body);
	rq.body_len = body.len;
	r = net_wait(net, &rq, reterr);
	r = judge(&rq, r, buf_str(&place), reterr);
	net_request_done(&rq);
	return r;
}
