/* SPDX-License-Identifier: MIT */
/* The client on stdin and stdout, one JSON object a line. In: a call {"id": "a", "service": "s3",
 * "operation": "PutObject", …}, {"cancel": "a"}, or {"stop": true} (the net thread ends). Out: how
 * each call ended. At the end of stdin it waits for those under way. */
#include "aws/client.h"
#include "base/json.h"
#include "base/own.h"
#include "base/str.h"

#include <pthread.h>
#include <string.h>

#define BODY_MAX (64 << 20)

static const char *const services[AWS_SERVICES_] = {
	[AWS_SAGEMAKER] = "sagemaker",
	[AWS_RUNTIME] = "runtime",
	[AWS_S3] = "s3",
	[AWS_IAM] = "iam",
	[AWS_STS] = "sts",
	[AWS_LOGS] = "logs",
	[AWS_CLOUDWATCH] = "cloudwatch",
	[AWS_SSO] = "sso",
	[AWS_SSO_OIDC] = "sso-oidc",
};

static const char *const kinds[] = {
	[AWS_ERROR_NONE] = "none",
	[AWS_ERROR_THROTTLED] = "throttled",
	[AWS_ERROR_TRANSIENT] = "transient",
	[AWS_ERROR_CREDENTIALS] = "credentials",
	[AWS_ERROR_DENIED] = "denied",
	[AWS_ERROR_NOT_FOUND] = "not_found",
	[AWS_ERROR_EXISTS] = "exists",
	[AWS_ERROR_IN_PROGRESS] = "in_progress",
	[AWS_ERROR_QUOTA] = "quota",
	[AWS_ERROR_CAPACITY] = "capacity",
	[AWS_ERROR_ROLE] = "role",
	[AWS_ERROR_TERMINAL] = "terminal",
	[AWS_ERROR_MODEL] = "model",
	[AWS_ERROR_INVALID] = "invalid",
	[AWS_ERROR_UNREADABLE] = "unreadable",
};

struct probe {
	struct aws_call call;
	json_t *in;
	struct buf got; /* by on_data */
	struct probe *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ended = PTHREAD_COND_INITIALIZER;
static struct probe *probes;

static void say(json_t *out)
{
	char *text = json_text(out);

	printf("%s\n", text ? text : "{}");
	fflush(stdout);
	free(text);
	json_decref(out);
}

static json_t *text_of(const char *data, size_t len)
{
	json_t *text = json_stringn(data, len);

	return text ? text : json_string("not UTF-8");
}

static void probe_free(struct probe *p)
{
	aws_call_done(&p->call);
	buf_done(&p->got);
	json_decref(p->in);
	free(p);
}

static void on_done(struct aws_call *c)
{
	struct probe *p = c->userdata;
	char etag[128] = "";

	net_reply_header(&c->http, "ETag", etag, sizeof(etag));
	say(json_pack("{ss si ss ss ss ss ss si sb si sO? so so ss}", "id",
		      json_get_str(p->in, "id", ""), "result", -c->result, "error",
		      c->result < 0 ? c->err.msg : "", "kind", kinds[c->kind], "code", c->code,
		      "message", c->message, "request_id", c->request_id, "status", c->status,
		      "uncertain", c->uncertain, "attempts", c->attempts, "output", c->output,
		      "reply", text_of(buf_str(&c->http.reply), c->http.reply.len), "got",
		      text_of(buf_str(&p->got), p->got.len), "etag", etag));
	pthread_mutex_lock(&lock);
	for (struct probe **at = &probes; *at; at = &(*at)->next) {
		if (*at == p) {
			*at = p->next;
			break;
		}
	}
	probe_free(p);
	pthread_cond_signal(&ended);
	pthread_mutex_unlock(&lock);
}

static bool on_data(struct net_request *rq, const char *data, size_t len)
{
	struct probe *p = ((struct aws_call *)rq->userdata)->userdata;

	return buf_put(&p->got, data, len) == 0 && !json_get_bool(p->in, "refuse_data", false);
}

static ssize_t read_body(struct net_request *rq, char *data, size_t size, size_t offset)
{
	struct probe *p = ((struct aws_call *)rq->userdata)->userdata;

	memcpy(data, json_get_str(p->in, "body", "") + offset, size);
	return (ssize_t)size;
}

static void fill(struct probe *p)
{
	const char *service = json_get_str(p->in, "service", "");
	struct aws_call *c = &p->call;
	json_t *header;
	size_t i;

	aws_call_init(c, AWS_SERVICES_, json_get_str(p->in, "operation", ""));
	for (i = 0; i < AWS_SERVICES_; i++)
		if (str_eq(services[i], service))
			c->service = (enum aws_service)i;
	c->region = json_get_str(p->in, "region", NULL);
	c->input = json_object_get(p->in, "input");
	c->method = json_get_str(p->in, "method", NULL);
	c->bucket = json_get_str(p->in, "bucket", NULL);
	c->key = json_get_str(p->in, "key", NULL);
	c->path = json_get_str(p->in, "path", NULL);
	c->query = json_get_str(p->in, "query", NULL);
	c->payload_hash = json_get_str(p->in, "payload_hash", NULL);
	json_array_foreach(json_object_get(p->in, "headers"), i, header)
		c->headers[c->headers_n++] = json_string_value(header);
	c->body_len = strlen(json_get_str(p->in, "body", ""));
	if (json_get_bool(p->in, "read_body", false))
		c->read_body = read_body;
	else if (c->body_len)
		c->body = json_get_str(p->in, "body", NULL);
	c->on_data = json_get_bool(p->in, "stream", false) ? on_data : NULL;
	c->timeout_us = json_get_int(p->in, "timeout_ms", 0) * 1000;
	c->attempts_max = (int)json_get_int(p->in, "attempts_max", 0);
	c->reply_max = (size_t)json_get_int(p->in, "reply_max", 0);
	c->done = on_done;
	c->userdata = p;
	buf_init(&p->got, BODY_MAX);
}

/* One thread reads stdin, so an id that is found stays until it is cancelled or has ended. */
static void cancel(struct aws *a, const char *id)
{
	struct aws_call *found = NULL;

	pthread_mutex_lock(&lock);
	for (struct probe *p = probes; p; p = p->next)
		if (str_eq(json_get_str(p->in, "id", ""), id))
			found = &p->call;
	pthread_mutex_unlock(&lock);
	if (found)
		aws_cancel(a, found);
}

static void obey(struct aws *a, struct net *net, json_t *in)
{
	struct probe *p;

	if (json_get_bool(in, "stop", false)) {
		net_stop(net);
	} else if (json_object_get(in, "cancel")) {
		cancel(a, json_get_str(in, "cancel", ""));
	} else if ((p = calloc(1, sizeof(*p)))) {
		p->in = TAKE(in);
		fill(p);
		pthread_mutex_lock(&lock);
		p->next = probes;
		probes = p;
		pthread_mutex_unlock(&lock);
		aws_send(a, &p->call);
	}
	json_decref(in);
}

int main(void)
{
	struct aws_config_options o = {0};
	OWN(freep) char *line = NULL;
	struct aws_config *config = NULL;
	struct aws_options options = {0};
	struct net *net = NULL;
	struct aws *a = NULL;
	struct err e = {0};
	size_t cap = 0;
	ssize_t len;

	if (aws_config_load(&o, &config, &e) < 0 || net_new(NULL, &net, &e) < 0) {
		fprintf(stderr, "client_probe: %s\n", e.msg);
		return 1;
	}
	options.net = net;
	options.config = config;
	if (aws_new(&options, &a, &e) < 0) {
		fprintf(stderr, "client_probe: %s\n", e.msg);
		return 1;
	}
	while ((len = getline(&line, &cap, stdin)) > 0) {
		json_t *in = NULL;

		if (json_parse(line, (size_t)len, &in, &e) < 0) {
			fprintf(stderr, "client_probe: %s\n", e.msg);
			return 1;
		}
		obey(a, net, in);
	}
	pthread_mutex_lock(&lock);
	while (probes)
		pthread_cond_wait(&ended, &lock);
	pthread_mutex_unlock(&lock);
	net_stop(net);
	aws_free(a);
	net_free(net);
	aws_config_free(config);
	return 0;
}
