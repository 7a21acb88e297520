/* SPDX-License-Identifier: MIT */
/* A request outside of curl: its start, its reply's headers, its end. */
#include "net/internal.h"

#include <string.h>
#include <strings.h>
#include <unistd.h>

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

void net_request_over(struct net *n, struct net_request *rq)
{
	if (rq->unix_dirfd >= 0)
		close(rq->unix_dirfd);
	rq->unix_dirfd = -1;
	pthread_mutex_lock(&n->lock);
	n->pending--;
	pthread_mutex_unlock(&n->lock);
	rq->done(rq);
}
