/* SPDX-License-Identifier: MIT */
/* Calls of libmicrohttpd for requests and the acceptor: headers, suspension, the end of a
 * connection. The server's threads and the acceptor's thread run this. */
#include "api/context.h"
#include "api/request.h"

#include <microhttpd.h>
#include <sys/socket.h>

const char *request_header(const struct request *rq, const char *name)
{
	return MHD_lookup_connection_value(rq->connection, MHD_HEADER_KIND, name);
}

struct header_walk {
	bool (*fn)(const char *name, const char *value, void *userdata);
	void *userdata;
	bool whole;
};

static enum MHD_Result on_header(void *cls, enum MHD_ValueKind kind, const char *name,
				 const char *value)
{
	struct header_walk *walk = cls;

	walk->whole = walk->fn(name, value ? value : "", walk->userdata);
	return walk->whole ? MHD_YES : MHD_NO;
}

bool request_headers(const struct request *rq,
		     bool (*fn)(const char *name, const char *value, void *userdata),
		     void *userdata)
{
	struct header_walk walk = {.fn = fn, .userdata = userdata, .whole = true};

	MHD_get_connection_values(rq->connection, MHD_HEADER_KIND, on_header, &walk);
	return walk.whole;
}

void connection_suspend(struct api *api, struct MHD_Connection *connection)
{
	api_count(api, API_SUSPENDED, 1);
	MHD_suspend_connection(connection);
}

void connection_resume(struct api *api, struct MHD_Connection *connection)
{
	MHD_resume_connection(connection);
	api_count(api, API_SUSPENDED, -1);
}

void request_wait(struct request *rq, void (*next)(struct request *rq))
{
	rq->step = next;
	rq->waiting = true;
	connection_suspend(rq->api, rq->connection);
}

void request_resume(struct request *rq)
{
	connection_resume(rq->api, rq->connection);
}

bool connection_gone(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	char byte;

	return info && recv(info->connect_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

bool connection_serve(struct listener *l, int fd, const struct sockaddr *at, socklen_t len)
{
	return MHD_add_connection(l->daemon, fd, at, len) == MHD_YES;
}
