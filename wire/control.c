/* SPDX-License-Identifier: MIT */
/* Formats and parses requests and replies of the control socket, and connects to it. */
#include "wire/control.h"

#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "wire/execution.h"

#include <string.h>

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
