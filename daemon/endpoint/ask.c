/* SPDX-License-Identifier: MIT */
/* Sends one request to a live endpoint. Any thread; the lock of the live table is held only for the
 * look-up. */
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/endpoint/endpoint.h"
#include "jobs/sagemaker/requests.h"
#include "jobs/spec/predict.h"

#include <string.h>

#define SERVE_URL "http://endpoint" EXECUTION_SERVE_PATH

/* The location of a live endpoint: a new descriptor of its socket's directory, or its name on
 * SageMaker. */
struct place {
	int dirfd;
	char resource_name[RESOURCE_NAME_MAX + 1];
	char region[32];
	size_t body_max;
};

static int live_connect(struct manager *mgr, const char *name, struct place *ret,
			struct err *reterr)
{
	enum endpoint_state state = ENDPOINT_DELETED;

	*ret = (struct place){.dirfd = -1};

	pthread_mutex_lock(&mgr->live_lock);
	for (struct live_endpoint *l = mgr->live; l; l = l->next) {
		if (!str_eq(l->name, name))
			continue;
		state = l->state;
		l->last_request_us = clock_now_us();
		if (l->work_dirfd >= 0)
			ret->dirfd = fcntl(l->work_dirfd, F_DUPFD_CLOEXEC, 3);
		memcpy(ret->resource_name, l->resource_name, sizeof(ret->resource_name));
		memcpy(ret->region, l->region, sizeof(ret->region));
		ret->body_max = l->body_max;
	}
	pthread_mutex_unlock(&mgr->live_lock);
	if (state == ENDPOINT_DELETED)
		return err_set(reterr, ERR_NOT_FOUND, "there is no live endpoint named '%s'", name);
	if (ret->dirfd < 0 && !ret->resource_name[0])
		return err_set(reterr, ERR_CONFLICT, "endpoint '%s' is %s, not in service", name,
			       endpoint_state_str(state));
	return 0;
}

/* A local endpoint has one variant with one model. A request for another one is refused, as
 * SageMaker does. */
static int check_choice(const char *name, const struct endpoint_ask *ask, struct err *reterr)
{
	const char *variant = ask->sent[MANAGER_INVOKE_VARIANT];

	if (variant && !str_eq(variant, SAGEMAKER_VARIANT))
		return err_set(reterr, ERR_INVALID,
			       "variant '%s' of endpoint '%s' not found; it has '" SAGEMAKER_VARIANT
			       "'",
			       variant, name);
	for (size_t i = MANAGER_INVOKE_VARIANT + 1; i < MANAGER_INVOKE_SENT; i++)
		if (ask->sent[i])
			return err_set(reterr, ERR_INVALID,
				       "endpoint '%s' runs on this machine, where the header %s "
				       "has nothing to choose from",
				       name, manager_invoke_sent[i].name);
	return 0;
}

static void on_answer(struct net_request *http)
{
	struct endpoint_ask *ask = http->userdata;

	ask_read(ask, http);

	ask->result = http->result;
	ask->err = http->err;
	ask->status = http->status;
	ask->reply_len = http->reply.len;
	ask->reply = http->result == 0 ? buf_take(&http->reply) : NULL;
	if (!net_reply_header(http, "Content-Type", ask->reply_type, sizeof(ask->reply_type)))
		ask->reply_type[0] = '\0';
	net_request_done(http);
	ask->done(ask);
}

int endpoint_ask(struct manager *mgr, const char *name, struct endpoint_ask *ask,
		 struct err *reterr)
{
	struct net_request *http = &ask->http;
	struct place at;
	int r = ask_check_headers(ask, reterr);

	if (r >= 0)
		r = live_connect(mgr, name, &at, reterr);
	if (r < 0)
		return r;
	if (ask->body_len > at.body_max) {
		closep(&at.dirfd);
		return err_set(reterr, EMSGSIZE,
			       "the body is larger than %zu bytes, which is what %s takes",
			       at.body_max, spec_predict_taker(at.body_max));
	}
	if (at.resource_name[0])
		return endpoint_ask_sagemaker(mgr, at.resource_name, at.region, at.body_max, ask,
					      reterr);
	r = check_choice(name, ask, reterr);
	if (r < 0) {
		close(at.dirfd);
		return r;
	}
	net_request_init(http);
	http->method = "POST";
	http->url = SERVE_URL;
	http->headers_n = ask_headers(ask, http->headers);
	http->unix_dirfd = at.dirfd;
	http->unix_socket = EXECUTION_SERVE_SOCKET;
	http->body = ask->body;
	http->body_len = ask->body_len;
	http->timeout_us = ask->timeout_us;
	http->stall_us = ask->timeout_us;
	http->reply_max = ask->reply_max;
	http->done = on_answer;
	http->userdata = ask;
	r = net_send(mgr->net, http, reterr);
	if (r < 0) {
		close(at.dirfd);
		ask_headers_done(ask);
	}
	return r;
}
