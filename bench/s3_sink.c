/* SPDX-License-Identifier: MIT */
/*
 * s3_sink: the part of S3 that the clients of bench/transfer.py need, fast enough that they are
 * measured and not the server. It has PutObject (bytes kept in memory), HeadObject,
 * GetObject with ranges, HeadBucket, ListObjectsV2 of one page, ListMultipartUploads (none). One
 * thread a connection, no signatures, no checksums: a checksum that came with a body goes back with
 * it. Prints its port. Not for anything else.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_MAX    (32 << 10)
#define OBJECTS_MAX 1000 /* one page */
#define KEY_MAX	    1024
#define LIST_MAX    (1 << 20)

struct object {
	char key[KEY_MAX];    /* as in the URL: /bucket/key */
	char checksums[1024]; /* header lines */
	char *data;
	size_t size;
	unsigned version;
};

static struct object *objects[OBJECTS_MAX];
static size_t objects_n;
static unsigned versions;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

struct request {
	int fd;
	char head[HEAD_MAX];
	size_t have;	 /* bytes in head */
	size_t head_len; /* of the request, the empty line included */
	char method[8], path[KEY_MAX], query[KEY_MAX];
};

/* ---- bytes ---- */

static bool send_all(int fd, const char *data, size_t len, int flags)
{
	while (len) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL | flags);

		if (n <= 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

static bool read_head(struct request *rq)
{
	char *end;

	rq->head[rq->have] = '\0';
	while (!(end = strstr(rq->head, "\r\n\r\n"))) {
		ssize_t n = recv(rq->fd, rq->head + rq->have, HEAD_MAX - 1 - rq->have, 0);

		if (n <= 0)
			return false;
		rq->have += (size_t)n;
		rq->head[rq->have] = '\0';
	}
	rq->head_len = (size_t)(end + 4 - rq->head);
	return true;
}

/* The value of a header of the request, into ret. */
static bool header(const struct request *rq, const char *name, char *ret, size_t size)
{
	size_t n = strlen(name);

	for (const char *line = rq->head; line < rq->head + rq->head_len;) {
		const char *end = strstr(line, "\r\n");

		if (strncasecmp(line, name, n) == 0 && line[n] == ':') {
			line += n + 1;
			line += strspn(line, " ");
			snprintf(ret, size, "%.*s", (int)(end - line), line);
			return true;
		}
		line = end + 2;
	}
	return false;
}

static bool reply(struct request *rq, const char *status, const char *headers, const char *body,
		  size_t len, bool more)
{
	char head[HEAD_MAX];
	int n = snprintf(head, sizeof(head),
			 "HTTP/1.1 %s\r\nServer: sink\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
			 "x-amz-request-id: 0\r\n%sContent-Length: %zu\r\n\r\n",
			 status, headers, len);

	if (!body || !len)
		return send_all(rq->fd, head, (size_t)n, 0);
	return send_all(rq->fd, head, (size_t)n, MSG_MORE) &&
	       send_all(rq->fd, body, len, more ? MSG_MORE : 0);
}

/* ---- objects ---- */

static struct object *find(const char *path)
{
	struct object *found = NULL;

	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < objects_n && !found; i++)
		if (strcmp(objects[i]->key, path) == 0)
			found = objects[i];
	pthread_mutex_unlock(&lock);
	return found;
}

static void keep(struct object *o)
{
	pthread_mutex_lock(&lock);
	o->version = ++versions;
	for (size_t i = 0; i < objects_n; i++) {
		if (strcmp(objects[i]->key, o->key) == 0) { /* the old one stays with its readers */
			objects[i] = o;
			o = NULL;
			break;
		}
	}
	if (o && objects_n < OBJECTS_MAX)
		objects[objects_n++] = o;
	pthread_mutex_unlock(&lock);
}

static bool put(struct request *rq)
{
	struct object *o = calloc(1, sizeof(*o));
	char text[256] = "0";
	size_t got = rq->have - rq->head_len;

	header(rq, "Content-Length", text, sizeof(text));
	o->size = strtoull(text, NULL, 10);
	o->data = malloc(o->size + 1);
	snprintf(o->key, sizeof(o->key), "%s", rq->path);
	for (size_t i = 0; i < 2; i++) {
		const char *name = i ? "x-amz-checksum-sha256" : "x-amz-checksum-crc32";
		size_t n = strlen(o->checksums);

		if (header(rq, name, text, sizeof(text)))
			snprintf(o->checksums + n, sizeof(o->checksums) - n, "%s: %s\r\n", name,
				 text);
	}
	if (header(rq, "Expect", text, sizeof(text)) && !got)
		send_all(rq->fd, "HTTP/1.1 100 Continue\r\n\r\n", 25, 0);
	if (got > o->size)
		got = o->size;
	memcpy(o->data, rq->head + rq->head_len, got);
	rq->head_len += got;
	while (got < o->size) {
		ssize_t n = recv(rq->fd, o->data + got, o->size - got, 0);

		if (n <= 0)
			return false;
		got += (size_t)n;
	}
	keep(o);
	snprintf(text, sizeof(text), "ETag: \"%032x\"\r\n", o->version);
	return reply(rq, "200 OK", text, NULL, 0, false);
}

static bool get(struct request *rq, bool body)
{
	const struct object *o = find(rq->path);
	char range[128], headers[4096];
	unsigned long long from = 0, to;
	int n;

	if (!o)
		return reply(rq, "404 Not Found", "", NULL, 0, false);
	to = o->size ? o->size - 1 : 0;
	n = snprintf(headers, sizeof(headers),
		     "ETag: \"%032x\"\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
		     "Accept-Ranges: bytes\r\nContent-Type: binary/octet-stream\r\n",
		     o->version);
	if (!header(rq, "Range", range, sizeof(range))) {
		snprintf(headers + n, sizeof(headers) - (size_t)n, "%s", o->checksums);
		return reply(rq, "200 OK", headers, body ? o->data : NULL, o->size, false);
	}
	from = strtoull(range + 6, NULL, 10);
	if (strchr(range, '-')[1])
		to = strtoull(strchr(range, '-') + 1, NULL, 10);
	if (to >= o->size)
		to = o->size - 1;
	snprintf(headers + n, sizeof(headers) - (size_t)n, "Content-Range: bytes %llu-%llu/%zu\r\n",
		 from, to, o->size);
	return reply(rq, "206 Partial Content", headers, body ? o->data + from : NULL,
		     (size_t)(to - from + 1), false);
}

/* "prefix=up%2Ftree%2F" → "up/tree/" */
static void prefix_of(const char *query, char ret[KEY_MAX])
{
	const char *p = strstr(query, "prefix=");
	size_t n = 0;

	for (p = p ? p + 7 : ""; *p && *p != '&' && n + 1 < KEY_MAX; p++) {
		bool slash = strncasecmp(p, "%2f", 3) == 0;

		ret[n++] = slash ? '/' : *p;
		p += slash ? 2 : 0;
	}
	ret[n] = '\0';
}

static bool list(struct request *rq)
{
	char *text = malloc(LIST_MAX);
	int n = snprintf(text, LIST_MAX, "<ListBucketResult><IsTruncated>false</IsTruncated>");
	size_t bucket = strlen(rq->path);
	char prefix[KEY_MAX];
	bool ok;

	prefix_of(rq->query, prefix);
	while (bucket > 1 && rq->path[bucket - 1] == '/')
		bucket--;
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < objects_n && n < LIST_MAX - 4096; i++) {
		const struct object *o = objects[i];

		if (strncmp(o->key, rq->path, bucket) != 0 || o->key[bucket] != '/' ||
		    strncmp(o->key + bucket + 1, prefix, strlen(prefix)) != 0)
			continue;
		n += snprintf(text + n, LIST_MAX - (size_t)n,
			      "<Contents><Key>%s</Key><LastModified>2026-01-01T00:00:00.000Z"
			      "</LastModified><ETag>&quot;%032x&quot;</ETag><Size>%zu</Size>"
			      "<StorageClass>STANDARD</StorageClass></Contents>",
			      o->key + bucket + 1, o->version, o->size);
	}
	pthread_mutex_unlock(&lock);
	n += snprintf(text + n, LIST_MAX - (size_t)n, "</ListBucketResult>");
	ok = reply(rq, "200 OK", "Content-Type: application/xml\r\n", text, (size_t)n, false);
	free(text);
	return ok;
}

/* ---- connections ---- */

static bool serve_one(struct request *rq)
{
	static const char none[] = "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>"
				   "</ListMultipartUploadsResult>";
	size_t method, path;
	char *query;

	if (!read_head(rq))
		return false;
	method = strcspn(rq->head, " ");
	path = strcspn(rq->head + method + 1, " ");
	if (method >= sizeof(rq->method) || path >= sizeof(rq->path))
		return false;
	snprintf(rq->method, sizeof(rq->method), "%.*s", (int)method, rq->head);
	snprintf(rq->path, sizeof(rq->path), "%.*s", (int)path, rq->head + method + 1);
	query = strchr(rq->path, '?');
	rq->query[0] = '\0';
	if (query) {
		snprintf(rq->query, sizeof(rq->query), "%s", query + 1);
		*query = '\0';
	}
	if (strcmp(rq->method, "PUT") == 0)
		return put(rq);
	if (strstr(rq->query, "uploads"))
		return reply(rq, "200 OK", "Content-Type: application/xml\r\n", none,
			     sizeof(none) - 1, false);
	if (strstr(rq->query, "list-type"))
		return list(rq);
	if (strcmp(rq->method, "HEAD") == 0 && !strchr(rq->path + 1, '/'))
		return reply(rq, "200 OK", "x-amz-bucket-region: us-east-1\r\n", NULL, 0, false);
	return get(rq, strcmp(rq->method, "HEAD") != 0);
}

static void *connection(void *userdata)
{
	struct request *rq = calloc(1, sizeof(*rq));
	int one = 1;

	rq->fd = (int)(long)userdata;
	setsockopt(rq->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	while (serve_one(rq)) {
		rq->have -= rq->head_len;
		memmove(rq->head, rq->head + rq->head_len, rq->have);
	}
	close(rq->fd);
	free(rq);
	return NULL;
}

int main(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *)&at, len) < 0 || listen(fd, 128) < 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &len) < 0)
		return 1;
	printf("%d\n", ntohs(at.sin_port));
	fflush(stdout);
	for (;;) {
		int one = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		pthread_t thread;

		if (one >= 0 && pthread_create(&thread, NULL, connection, (void *)(long)one) == 0)
			pthread_detach(thread);
	}
}
