/* SPDX-License-Identifier: MIT */
/*
 * Requests of API threads and of predict jobs to live endpoints. Any thread; the lock of the live
 * table is held only for the lookup.
 */
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
		return err_set(reterr, ERR_NOT_FOUND,
			       "there is no live endpoint named '%s'; GET /v1/endpoints lists them",
			       name);
	if (ret->dirfd < 0 && !ret->resource_name[0])
		return err_set(reterr, ERR_CONFLICT,
			       "endpoint '%s' is %s, not in service; GET /v1/endpoints/%s gives "
			       "the reason",
			       name, endpoint_state_str(state), name);
	return 0;
}

/* A local endpoint has one variant with one model. A request for another one is refused, as
 * SageMaker does. */
static int check_choice(const struct invocation *inv, struct err *reterr)
{
	const char *variant = inv->sent[MANAGER_INVOKE_VARIANT];

	if (variant && !str_eq(variant, SAGEMAKER_VARIANT))
		return err_set(reterr, ERR_INVALID,
			       "variant '%s' of endpoint '%s' does not exist; the endpoint has "
			       "'" SAGEMAKER_VARIANT "'",
			       variant, inv->endpoint);
	for (size_t i = MANAGER_INVOKE_VARIANT + 1; i < MANAGER_INVOKE_SENT; i++)
		if (inv->sent[i])
			return err_set(reterr, ERR_INVALID,
				       "endpoint '%s' runs on this machine, where the header %s is "
				       "not supported; leave it out",
				       inv->endpoint, manager_invoke_sent[i].name);
	return 0;
}

static void invoke_on_answer(struct net_request *http)
{
	struct relay *relay = http->userdata;
	struct invocation *inv = relay->inv;

	relay_read_headers(relay, http);
	inv->result = http->result;
	inv->err = http->err;
	inv->status = http->status;
	if (http->result == 0)
		relay_read(relay, http);
	net_request_done(http);
	relay_done(relay);
}

static int relay_here(struct manager *mgr, struct relay *relay, int dirfd, struct err *reterr)
{
	struct net_request *http = &relay->http;
	const struct invocation *inv = relay->inv;

	net_request_init(http);
	http->method = "POST";
	http->url = SERVE_URL;
	http->headers_n = relay_headers(relay, http->headers);
	http->unix_dirfd = dirfd;
	http->unix_socket = EXECUTION_SERVE_SOCKET;
	http->body = inv->body;
	http->body_len = inv->body_len;
	http->timeout_us = mgr->settings->predict_timeout_us;
	http->stall_us = mgr->settings->predict_timeout_us;
	http->reply_max = relay_reply_max(inv);
	http->done = invoke_on_answer;
	http->userdata = relay;
	return net_send(mgr->net, http, reterr);
}

static int send_to(struct manager *mgr, struct relay *relay, const struct place *at,
		   struct err *reterr)
{
	int r;

	relay->target = at->resource_name[0] ? TARGET_SAGEMAKER : TARGET_LOCAL;
	if (relay->target == TARGET_SAGEMAKER)
		return relay_sagemaker(mgr, at->resource_name, at->region, at->body_max, relay,
				       reterr);
	r = check_choice(relay->inv, reterr);
	if (r >= 0)
		r = relay_here(mgr, relay, at->dirfd, reterr);
	if (r < 0)
		close(at->dirfd);
	return r;
}

int manager_invoke(struct manager *mgr, struct invocation *inv, struct err *reterr)
{
	struct relay *relay;
	struct place at;
	int r;

	if (inv->body_len > MANAGER_INVOKE_BODY_MAX)
		return err_set(reterr, ERR_LIMIT,
			       "the body is larger than %d bytes; split the request",
			       MANAGER_INVOKE_BODY_MAX);
	r = invocation_check_headers(inv, reterr);
	if (r >= 0)
		r = live_connect(mgr, inv->endpoint, &at, reterr);
	if (r < 0)
		return r;
	if (inv->body_len > at.body_max) {
		closep(&at.dirfd);
		return err_set(
			reterr, EMSGSIZE,
			"the body is larger than %zu bytes, which is what %s takes; split the "
			"request",
			at.body_max, spec_predict_taker(at.body_max));
	}
	relay = calloc(1, sizeof(*relay));
	if (!relay) {
		closep(&at.dirfd);
		return err_errno(reterr, ENOMEM, "relay the request");
	}
	relay->manager = mgr;
	relay->since_us = clock_mono_us();
	relay->inv = inv;
	inv->relay = relay;
	r = send_to(mgr, relay, &at, reterr);
	if (r < 0) {
		relay_headers_done(relay);
		free(relay);
		inv->relay = NULL;
	}
	return r;
}

void invocation_clear(struct invocation *inv)
{
	for (size_t i = 0; i < MANAGER_INVOKE_REPLIED; i++)
		free(TAKE(inv->replied[i]));
	free(TAKE(inv->reply));
}
