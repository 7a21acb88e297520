/* SPDX-License-Identifier: MIT */
/* The text of a reply that is sent past the HTTP library. */
#include "api/bare.h"

#include <microhttpd.h>
#include <stdio.h>
#include <sys/socket.h>

#define UNREAD_READS 16

void bare_reply(int fd, unsigned status, const char *code, const char *detail)
{
	const char *title = MHD_get_reason_phrase_for(status);
	char body[512], reply[1024], unread[4096];
	int n = snprintf(body, sizeof(body),
			 "{\"type\":\"urn:trainyard:%s\",\"title\":\"%s\",\"status\":%u,"
			 "\"detail\":\"%s\"}\n",
			 code, title, status, detail);

	n = snprintf(reply, sizeof(reply),
		     "HTTP/1.1 %u %s\r\nConnection: close\r\n%s"
		     "Content-Type: application/problem+json\r\nContent-Length: %d\r\n\r\n%s",
		     status, title, status == 503 ? "Retry-After: 1\r\n" : "", n, body);
	if (send(fd, reply, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		shutdown(fd, SHUT_WR);
	/* close() with unread bytes would reset the connection, and the reply would be lost */
	for (int i = 0; i < UNREAD_READS && recv(fd, unread, sizeof(unread), MSG_DONTWAIT) > 0;)
		i++;
}
