/* SPDX-License-Identifier: MIT */
/* What callers do with a request besides sending it: begin, read the reply's headers, wait. */
#include "net/internal.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

void net_request_init(struct net_request *rq)
{
	*rq = (struct net_request){.method = "GET", .unix_dirfd = -1};
}

void net_request_done(struct net_request *rq)
{
	buf_done(&rq->head);
	buf_done(&rq->reply);
}

bool net_reply_header(const struct net_request *rq, const char *name, char *ret, size_t size)
{
	size_t len = strlen(name);

	for (const char *line = buf_str(&rq->head); *line;) {
		size_t line_len = strcspn(line, "\r\n"), at = len + 1;

		if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
			while (at < line_len && line[at] == ' ')
				at++;
			if (line_len - at >= size)
				return false;
			memcpy(ret, line + at, line_len - at);
			ret[line_len - at] = '\0';
			return true;
		}
		line += line_len;
		line += strspn(line, "\r\n");
	}
	return false;
}

struct waiter {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool over;
};

static void on_waited(struct net_request *rq)
{
	struct waiter *w = rq->userdata;

	pthread_mutex_lock(&w->lock);
	w->over = true;
	pthread_cond_signal(&w->cond);
	pthread_mutex_unlock(&w->lock);
}

int net_wait(struct net *n, struct net_request *rq, struct err *reterr)
{
	struct waiter w = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
	int r;

	assert(!pthread_equal(pthread_self(), n->thread));
	rq->done = on_waited;
	rq->userdata = &w;
	r = net_send(n, rq, reterr);
	if (r < 0)
		return r;
	pthread_mutex_lock(&w.lock);
	while (!w.over)
		pthread_cond_wait(&w.cond, &w.lock);
	pthread_mutex_unlock(&w.lock);
	if (rq->result < 0 && reterr)
		*reterr = rq->err;
	return rq->result;
}
