/* SPDX-License-Identifier: MIT */
#include "wire/control.h"

#include "base/clock.h"
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "wire/execution.h"

#include <poll.h>
#include <string.h>

#define CONNECT_RETRY_MS 10

static const char *const op_names[] = {
	[CONTROL_PING] = "ping",
	[CONTROL_STOP] = "stop",
};

json_t *control_request_format(const struct control_request *req)
{
	json_t *j = json_pack("{si ss}", "v", WIRE_VERSION, "op", op_names[req->op]);

	if (j && req->op == CONTROL_STOP && req->grace_ms >= 0)
		json_object_set_new(j, "grace_ms", json_integer(req->grace_ms));
	return j;
}

json_t *control_reply_ok(pid_t pid)
{
	json_t *j = json_pack("{si sb}", "v", WIRE_VERSION, "ok", 1);

	if (j && pid >= 0)
		json_object_set_new(j, "pid", json_integer(pid));
	return j;
}

json_t *control_reply_error(const char *message)
{
	return json_pack("{si sb ss}", "v", WIRE_VERSION, "ok", 0, "error", message);
}

/* Parse one JSON object with a known version. */
static int message_parse(const char *text, size_t len, json_t **ret, struct err *reterr)
{
	OWN(json_decrefp) json_t *j = NULL;
	int r;

	if (len > EXECUTION_CONTROL_MAX)
		return err_set(reterr, ERR_LIMIT, "a control message is longer than %d bytes",
			       EXECUTION_CONTROL_MAX);
	r = json_parse(text, len, &j, reterr);
	if (r < 0)
		return err_ctx(reterr, r, "control message");
	if (!json_is_object(j))
		return err_set(reterr, ERR_INVALID, "a control message must be an object, not %s",
			       json_type_name(j));
	r = wire_version_check(j, "the control message", reterr);
	if (r < 0)
		return r;
	*ret = TAKE(j);
	return 0;
}

static int op_parse(const json_t *j, enum control_op *ret, struct err *reterr)
{
	const char *op = json_get_str(j, "op", NULL);

	for (size_t i = 0; i < ARRAY_LEN(op_names); i++) {
		if (str_eq(op_names[i], op)) {
			*ret = (enum control_op)i;
			return 0;
		}
	}
	return err_at(reterr, ERR_INVALID, "/op", "op must be \"ping\" or \"stop\"");
}

int control_request_parse(const char *text, size_t len, struct control_request *ret,
			  struct err *reterr)
{
	OWN(json_decrefp) json_t *j = NULL;
	const json_t *grace;
	int r = message_parse(text, len, &j, reterr);

	if (r >= 0)
		r = op_parse(j, &ret->op, reterr);
	if (r < 0)
		return r;
	ret->grace_ms = -1;
	grace = json_object_get(j, "grace_ms");
	if (!grace || json_is_null(grace))
		return 0;
	ret->grace_ms = json_integer_value(grace);
	if (!json_is_integer(grace) || ret->grace_ms < 0 || ret->grace_ms > CONTROL_GRACE_MAX_MS)
		return err_at(reterr, ERR_INVALID, "/grace_ms",
			      "grace_ms must be a whole number from 0 to %lld",
			      (long long)CONTROL_GRACE_MAX_MS);
	return 0;
}

int control_reply_parse(const char *text, size_t len, json_t **ret_reply, struct err *reterr)
{
	OWN(json_decrefp) json_t *j = NULL;
	int r = message_parse(text, len, &j, reterr);

	if (r < 0)
		return r;
	if (!json_get_bool(j, "ok", false))
		return err_set(reterr, ERR_CONFLICT, "the shim refused: %s",
			       json_get_str(j, "error", "no reason given"));
	*ret_reply = TAKE(j);
	return 0;
}

int control_connect(int dirfd, int *ret_fd, struct err *reterr)
{
	OWN(closep) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un addr;
	socklen_t len;
	int r;

	if (fd < 0)
		return err_errno(reterr, errno, "make a socket");
	r = socket_address(dirfd, EXECUTION_CONTROL, &addr, &len);
	if (r >= 0 && connect(fd, (struct sockaddr *)&addr, len) < 0)
		r = -errno;
	if (r < 0)
		return err_errno(reterr, -r, "connect to %s", EXECUTION_CONTROL);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* Wait until `fd` is ready for `events`. Returns 0, -ETIMEDOUT or -errno. */
static int wait_ready(int fd, short events, int64_t deadline_us)
{
	struct pollfd p = {.fd = fd, .events = events};

	for (;;) {
		int64_t left_us = deadline_us - clock_mono_us();
		int n = left_us <= 0 ? 0 : poll(&p, 1, (int)(left_us / USEC_PER_MSEC) + 1);

		if (n > 0)
			return 0;
		if (n == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

/* As control_connect(), but waits until the shim's queue has room. */
static int connect_until(int dirfd, int64_t deadline_us, int *ret_fd, struct err *reterr)
{
	for (;;) {
		int r = control_connect(dirfd, ret_fd, reterr);

		if (r != -EAGAIN || clock_mono_us() >= deadline_us)
			return r;
		poll(NULL, 0, CONNECT_RETRY_MS);
	}
}

/* Send the request and read the reply into text. Returns its length, or -ECONNRESET if the shim has
 * closed the socket. */
static int exchange(int fd, const char *request, char *text, size_t size, int64_t deadline_us)
{
	ssize_t n;
	int r = wait_ready(fd, POLLOUT, deadline_us);

	if (r >= 0 && send(fd, request, strlen(request), MSG_NOSIGNAL) < 0)
		r = -errno;
	if (r >= 0)
		r = wait_ready(fd, POLLIN, deadline_us);
	if (r < 0)
		return r;
	n = recv(fd, text, size, 0);
	if (n < 0)
		return -errno;
	return n == 0 ? -ECONNRESET : (int)n;
}

int control_send(int dirfd, const json_t *msg, int timeout_ms, json_t **ret_reply,
		 struct err *reterr)
{
	int64_t deadline_us = clock_mono_us() + timeout_ms * USEC_PER_MSEC;
	OWN(freep) char *request = json_text(msg);
	OWN(json_decrefp) json_t *reply = NULL;
	OWN(closep) int fd = -1;
	char text[EXECUTION_CONTROL_MAX + 1];
	int r;

	if (!request)
		return err_errno(reterr, ENOMEM, "ask the shim");
	r = connect_until(dirfd, deadline_us, &fd, reterr);
	if (r < 0)
		return r;
	r = exchange(fd, request, text, sizeof(text), deadline_us);
	if (r < 0)
		return err_errno(reterr, -r, "ask the shim over %s", EXECUTION_CONTROL);
	r = control_reply_parse(text, (size_t)r, &reply, reterr);
	if (r >= 0 && ret_reply)
		*ret_reply = TAKE(reply);
	return r;
}
