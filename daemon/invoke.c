/* SPDX-License-Identifier: MIT */
/* Relaying a request of an api thread to a live endpoint. Thread-safe; the live table's lock is
 * held only for the look-up. */
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/endpoint.h"

#include <string.h>

int live_connect(struct engine *e, const char *name, int *ret_dirfd, struct err *reterr)
{
	enum endpoint_state state = ENDPOINT_DELETED;
	int fd = -1;

	pthread_mutex_lock(&e->live_lock);
	for (struct live_endpoint *l = e->live; l; l = l->next) {
		if (!str_eq(l->name, name))
			continue;
		state = l->state;
		l->last_request_us = clock_now_us();
		if (l->work_dirfd >= 0)
			fd = fcntl(l->work_dirfd, F_DUPFD_CLOEXEC, 3);
	}
	pthread_mutex_unlock(&e->live_lock);
	if (state == ENDPOINT_DELETED)
		return err_set(reterr, ERR_NOT_FOUND, "there is no live endpoint named '%s'", name);
	if (fd < 0)
		return err_set(reterr, ERR_CONFLICT, "endpoint '%s' is %s, not in service", name,
			       endpoint_state_str(state));
	*ret_dirfd = fd;
	return 0;
}

static void on_relayed(struct relay_request *rq)
{
	struct invocation *inv = rq->userdata;

	inv->result = rq->result;
	inv->err = rq->err;
	inv->status = rq->status;
	inv->reply = TAKE(rq->reply);
	inv->reply_len = rq->reply_len;
	memcpy(inv->reply_type, rq->reply_type, sizeof(inv->reply_type));
	inv->relay = NULL;
	free(rq);
	inv->done(inv);
}

int engine_invoke(struct engine *e, struct invocation *inv, struct err *reterr)
{
	struct relay_request *rq;
	int dirfd, r;

	if (inv->body_len > ENGINE_INVOKE_BODY_MAX)
		return err_set(reterr, ERR_LIMIT, "the body is larger than %d bytes",
			       ENGINE_INVOKE_BODY_MAX);
	r = live_connect(e, inv->endpoint, &dirfd, reterr);
	if (r < 0)
		return r;
	rq = calloc(1, sizeof(*rq));
	if (!rq) {
		close(dirfd);
		return err_errno(reterr, ENOMEM, "relay the request");
	}
	*rq = (struct relay_request){
		.dirfd = dirfd,
		.socket = EXECUTION_SERVE_SOCKET,
		.path = EXECUTION_SERVE_PATH,
		.body = inv->body,
		.body_len = inv->body_len,
		.timeout_us = inv->timeout_us,
		.reply_max = ENGINE_INVOKE_REPLY_MAX,
		.done = on_relayed,
		.userdata = inv,
	};
	str_copy(rq->content_type, sizeof(rq->content_type),
		 inv->content_type ? inv->content_type : "application/json");
	str_copy(rq->accept, sizeof(rq->accept), inv->accept ? inv->accept : "application/json");
	inv->relay = rq;
	r = relay_send(e->relay, rq, reterr);
	if (r < 0) {
		close(dirfd);
		free(rq);
	}
	return r;
}
