/* SPDX-License-Identifier: MIT */
/*
 * libmicrohttpd's callbacks and the life of a request: URI → checks of the headers → body → steps →
 * reply. Two library daemons share this: an epoll pool on TCP, one thread on the unix socket.
 * api/acceptor.c supplies their connections.
 */
#include "api/server.h"

#include "api/acceptor.h"
#include "api/context.h"
#include "api/figures.h"
#include "api/head.h"
#include "api/idempotency.h"
#include "api/listen.h"
#include "api/reply.h"
#include "api/routes.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/feed.h"
#include "daemon/manager.h"

#include <malloc.h>
#include <microhttpd.h>
#include <string.h>
#include <sys/socket.h>

/* Bytes for the first line, the headers and both buffers. Well above API_URL_MAX and
 * HEAD_BYTES_MAX, so that this server, not the library, replies to a request over the limit. */
#define CONNECTION_MEMORY 32768
#define THREAD_STACK	  (256 << 10)
#define IDLE_TIMEOUT_S	  60
#define CALM_SLICE_US	  (100 * USEC_PER_MSEC)
#define CALM_TIMEOUT_S	  10 /* seconds to wait for suspended connections at the stop */
#define FLUSH_TIMEOUT_S	  2  /* seconds to wait for unsent replies at the stop */
/* Free memory is returned to the system after a body or reply of this size. Within the pause, only
 * a huge one returns it again. */
#define TRIM_BYTES	  (32 << 10)
#define TRIM_HUGE_BYTES	  (1 << 20)
#define TRIM_PAUSE_US	  USEC_PER_SEC
#define TRIM_CONNECTIONS  16 /* or after the last of so many connections has closed */

static struct connection *connection_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info->socket_context;
}

/* libmicrohttpd passes the raw target here, before it decodes it. The result becomes *con_cls. */
static void *on_uri(void *cls, const char *uri, struct MHD_Connection *connection)
{
	struct listener *l = cls;
	struct request *rq = calloc(1, sizeof(*rq));
	struct err e;
	int r;

	if (!rq)
		return NULL;
	rq->api = l->api;
	rq->local = l->local;
	rq->connection = connection;
	rq->conn = connection_of(connection);
	rq->method = "";
	rq->since_us = clock_mono_us();
	connection_move(rq->conn, CONNECTION_HEAD);
	api_count(l->api, API_ACTIVE, 1);
	r = request_parse_uri(rq, uri, &e);
	/* The library needs memory for each parameter. If the connection's memory is spent, it
	 * neither replies nor closes. */
	if (r == -ERR_UNSUPPORTED)
		connection_refuse(rq->conn, 400, "invalid_url", e.msg);
	if (r < 0)
		reply_problem(rq, r == -ERR_LIMIT ? 414 : 400, "invalid_url", "%s", e.msg);
	return rq;
}

static void trim_after(uint64_t bytes)
{
	static int64_t trimmed_us; /* of all threads */
	int64_t now_us = clock_mono_us();

	if (bytes < TRIM_HUGE_BYTES &&
	    now_us - __atomic_load_n(&trimmed_us, __ATOMIC_RELAXED) < TRIM_PAUSE_US)
		return;
	__atomic_store_n(&trimmed_us, now_us, __ATOMIC_RELAXED);
	malloc_trim(0);
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
			 enum MHD_RequestTerminationCode cause)
{
	struct request *rq = *con_cls;
	uint64_t bytes;

	if (!rq)
		return;
	bytes = rq->body_seen > rq->reply_bytes ? rq->body_seen : rq->reply_bytes;
	if (rq->response)
		MHD_destroy_response(rq->response);
	request_done(rq);
	connection_move(rq->conn, CONNECTION_WAITING);
	api_count(rq->api, API_ACTIVE, -1);
	free(rq);
	*con_cls = NULL;
	if (bytes >= TRIM_BYTES)
		trim_after(bytes);
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **socket_cls,
			  enum MHD_ConnectionNotificationCode what)
{
	struct listener *l = cls;
	const union MHD_ConnectionInfo *info;

	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
		*socket_cls = connection_start(l->api->connections, info->connect_fd);
	} else if (connection_close(*socket_cls) >= TRIM_CONNECTIONS) {
		malloc_trim(0);
	}
}

static enum MHD_Result answer(struct request *rq)
{
	if (rq->waiting)
		return MHD_YES;
	reply_figures_count(rq);
	return reply_send(rq) < 0 ? MHD_NO : MHD_YES;
}

static enum MHD_Result run_step(struct request *rq)
{
	bool first = !rq->waiting;

	rq->waiting = false;
	if (first && !connection_move(rq->conn, CONNECTION_BUSY))
		return MHD_NO; /* the connection is closed; the client may try again */
	if (!rq->response && rq->step &&
	    (!first || (idempotency_read(rq) && request_read_json(rq))))
		rq->step(rq);
	api_reader_give(rq->api, TAKE(rq->reader));
	return answer(rq);
}

static void discard_body(struct request *rq)
{
	buf_done(&rq->body);
	connection_body(rq->conn, 0);
}

static enum MHD_Result take_body(struct request *rq, const char *data, size_t *len)
{
	size_t n = *len;

	*len = 0;
	rq->body_seen += n;
	connection_move(rq->conn, CONNECTION_BODY);
	if (rq->body_seen > REQUEST_DRAIN_MAX && rq->response)
		return MHD_NO;
	if (!rq->response && buf_put(&rq->body, data, n) < 0) {
		head_body_too_large(rq, rq->body.max);
		discard_body(rq);
	}
	if (!rq->response && !connection_body(rq->conn, rq->body.cap)) {
		reply_problem(rq, 503, "busy",
			      "the bodies of other requests fill http.bodies_max_bytes; try again");
		discard_body(rq);
	}
	return MHD_YES;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *data,
				  size_t *data_len, void **con_cls)
{
	struct request *rq = *con_cls;
	int64_t len;

	if (!rq)
		return MHD_NO;
	if (rq->started)
		return *data_len ? take_body(rq, data, data_len) : run_step(rq);
	rq->started = true;
	connection_move(rq->conn, CONNECTION_BODY);
	rq->head = str_eq(method, "HEAD");
	rq->method = rq->head ? "GET" : method;
	rq->old = str_eq(version, MHD_HTTP_VERSION_1_0);
	head_check(rq);
	/* Read and drop a refused body, so that the client receives the reply. Do not read it if
	 * the client waits for "100 Continue", the body is far too large, or its end is
	 * uncertain. */
	len = head_body_length(rq);
	if (rq->response &&
	    (rq->abrupt || request_header(rq, MHD_HTTP_HEADER_EXPECT) || len > REQUEST_DRAIN_MAX))
		return answer(rq);
	return MHD_YES;
}

__attribute__((format(printf, 2, 0))) static void on_library_log(void *cls, const char *fmt,
								 va_list ap)
{
	char text[256];

	str_vexcerptf(text, sizeof(text), fmt, ap);
	text[strcspn(text, "\n")] = '\0';
	log_event(LOG_LEVEL_DEBUG, "http", "msg=\"%s\"", text);
}

static int start_daemon(struct listener *l, const struct api_config *cfg, int threads,
			struct err *reterr)
{
	/* The acceptor's limits must be reached first, because the library refuses a client without
	 * a reply. */
	int connections = (cfg->connections_max + ACCEPTOR_DROPPING_MAX) * threads;

	l->daemon = MHD_start_daemon(
		MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC |
			MHD_USE_ERROR_LOG | MHD_USE_NO_LISTEN_SOCKET,
		0, NULL, NULL, on_request, l, MHD_OPTION_EXTERNAL_LOGGER, on_library_log, NULL,
		MHD_OPTION_URI_LOG_CALLBACK, on_uri, l, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
		l, MHD_OPTION_NOTIFY_CONNECTION, on_connection, l, MHD_OPTION_THREAD_POOL_SIZE,
		threads > 1 ? (unsigned)threads : 0u, MHD_OPTION_THREAD_STACK_SIZE,
		(size_t)THREAD_STACK, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)connections, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned)IDLE_TIMEOUT_S, MHD_OPTION_END);
	if (!l->daemon)
		return err_set(reterr, ERR_UNAVAILABLE,
			       "libmicrohttpd cannot start the HTTP server; the line before in the "
			       "log has the reason");
	return 0;
}

/* Replace zero fields by the defaults. */
static struct api_config complete(const struct api_config *given)
{
	struct api_config cfg = *given;

	if (cfg.threads <= 0)
		cfg.threads = API_THREADS_DEFAULT;
	if (cfg.threads > API_THREADS_MAX)
		cfg.threads = API_THREADS_MAX;
	if (cfg.connections_max <= 0)
		cfg.connections_max = API_CONNECTIONS_DEFAULT;
	if (!cfg.body_max_bytes)
		cfg.body_max_bytes = API_BODY_MAX_DEFAULT;
	if (!cfg.bodies_max_bytes)
		cfg.bodies_max_bytes = API_BODIES_MAX_DEFAULT;
	if (cfg.bodies_max_bytes < 2 * cfg.body_max_bytes)
		cfg.bodies_max_bytes = 2 * cfg.body_max_bytes; /* a buffer grows by half */
	return cfg;
}

static struct connections *make_connections(const struct api_config *cfg)
{
	struct connection_limits limits = {
		.max = cfg->connections_max,
		.per_peer = cfg->connections_per_peer,
		.dropping_max = ACCEPTOR_DROPPING_MAX,
		.bodies_max = cfg->bodies_max_bytes,
		.idle_s = IDLE_TIMEOUT_S,
	};

	return connections_new(&limits);
}

static struct api *api_new(const struct api_config *cfg, struct manager *e)
{
	struct api *api = calloc(1, sizeof(*api));

	if (!api)
		return NULL;
	api->manager = e;
	api->tcp = (struct listener){.api = api, .fd = -1};
	api->local = (struct listener){.api = api, .fd = -1, .local = true};
	connection_door_init(&api->tcp.door);
	connection_door_init(&api->local.door);
	api->connections = make_connections(cfg);
	api->figures = reply_figures_new();
	api->data_dir = strdup(cfg->data_dir);
	api->body_max_bytes = cfg->body_max_bytes;
	str_must_copy(api->version, sizeof(api->version), cfg->version);
	pthread_mutex_init(&api->lock, NULL);
	pthread_cond_init(&api->calmed, NULL);
	return api;
}

/* A passed socket stays in its place at the end: who has opened it keeps it. */
static int open_sockets(struct api *api, const struct api_config *cfg, struct err *reterr)
{
	int r;

	api->tcp.fd = cfg->tcp_fd;
	api->local.fd = cfg->unix_fd;
	if (api->tcp.fd >= 0)
		r = listen_passed(api->tcp.fd, api->host, sizeof(api->host), &api->port, reterr);
	else
		r = listen_tcp(cfg->listen, &api->tcp.fd, api->host, sizeof(api->host), &api->port,
			       reterr);
	if (r < 0 || api->local.fd >= 0 || !cfg->socket_path || !*cfg->socket_path)
		return r;
	r = listen_unix(cfg->socket_path, &api->local.fd, reterr);
	api->socket_path = r < 0 ? NULL : strdup(cfg->socket_path);
	return r;
}

int api_start(const struct api_config *given, struct manager *e, struct api **ret,
	      struct err *reterr)
{
	struct api_config complete_cfg = complete(given), *cfg = &complete_cfg;
	struct api *api = api_new(cfg, e);
	int r;

	if (!api || !api->connections || !api->figures || !api->data_dir) {
		(void)!api_stop(api); /* no request waits yet */
		return err_errno(reterr, ENOMEM, "start the HTTP server");
	}
	r = open_sockets(api, cfg, reterr);
	str_must_format(api->url, sizeof(api->url),
			strchr(api->host, ':') ? "http://[%s]:%u" : "http://%s:%u", api->host,
			api->port);
	if (r >= 0)
		r = start_daemon(&api->tcp, cfg, cfg->threads, reterr);
	if (r >= 0 && api->local.fd >= 0)
		r = start_daemon(&api->local, cfg, 1, reterr);
	if (r >= 0)
		r = acceptor_start(api, api->connections, &api->acceptor, reterr);
	if (r < 0) {
		(void)!api_stop(api);
		return r;
	}
	*ret = api;
	return 0;
}

const char *api_url(const struct api *api)
{
	return api->url;
}

/* Wait until *count is 0 or the timeout is over; meanwhile end all waits on the feed. */
static bool wait_calm(struct api *api, const int *count, int timeout_s)
{
	int64_t until_us = clock_mono_us() + timeout_s * USEC_PER_SEC;
	bool calm = false;

	/* each request that ends also wakes this thread */
	while (!calm && clock_mono_us() < until_us) {
		feed_expire(manager_feed(api->manager), USEC_NEVER);
		pthread_mutex_lock(&api->lock);
		if (*count)
			cond_wait_us(&api->calmed, &api->lock, CALM_SLICE_US);
		calm = !*count;
		pthread_mutex_unlock(&api->lock);
	}
	return calm;
}

static void stop_daemon(struct listener *l)
{
	if (l->daemon)
		MHD_stop_daemon(l->daemon);
	if (l->fd >= 0)
		close(l->fd);
}

/* True if no request waits. Stopping the library earlier would abort the process. */
static bool is_calm(struct api *api)
{
	if (!api->tcp.daemon)
		return true;
	if (!wait_calm(api, &api->suspended, CALM_TIMEOUT_S))
		return false;
	/* A request that passed the check just before may still start to wait. */
	return wait_calm(api, &api->active, FLUSH_TIMEOUT_S) ||
	       wait_calm(api, &api->suspended, FLUSH_TIMEOUT_S);
}

static bool begin_stop(struct api *api)
{
	bool first;

	pthread_mutex_lock(&api->lock);
	first = !api->stopping;
	api->stopping = true;
	pthread_mutex_unlock(&api->lock);
	return first;
}

static void api_free(struct api *api)
{
	acceptor_stop(api->acceptor);
	connections_free(api->connections);
	if (api->socket_path)
		unlink(api->socket_path);
	while (api->readers_n)
		store_reader_close(api->readers[--api->readers_n]);
	pthread_cond_destroy(&api->calmed);
	pthread_mutex_destroy(&api->lock);
	free(api->data_dir);
	free(api->socket_path);
	free(api->figures);
	free(api);
}

bool api_stop(struct api *api)
{
	if (!api)
		return true;
	if (begin_stop(api) && api->acceptor)
		acceptor_quiesce(api->acceptor);
	if (!is_calm(api)) {
		log_event(LOG_LEVEL_ERROR, "api_stop", "suspended=%d msg=\"requests still wait\"",
			  api->suspended);
		return false;
	}
	stop_daemon(&api->tcp);
	stop_daemon(&api->local);
	api_free(api);
	return true;
}
