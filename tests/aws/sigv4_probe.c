/* SPDX-License-Identifier: MIT */
/* Signs one request per line of JSON on stdin; answers {"canonical","lines"} or {"error"}. */
#include "aws/sigv4.h"
#include "base/json.h"
#include "base/own.h"
#include "base/str.h"

#include <string.h>

#define HEADERS_MAX 64

static void read_headers(const json_t *list, struct sigv4_header *headers, size_t *n)
{
	json_t *pair;
	size_t i;

	*n = 0;
	json_array_foreach(list, i, pair)
		if (*n < HEADERS_MAX)
			headers[(*n)++] =
				(struct sigv4_header){json_string_value(json_array_get(pair, 0)),
						      json_string_value(json_array_get(pair, 1))};
}

static json_t *answer(const json_t *in)
{
	OWN(buf_done) struct buf canonical = BUF_INIT(1 << 20);
	OWN(buf_done) struct buf lines = BUF_INIT(1 << 20);
	struct sigv4_header headers[HEADERS_MAX];
	struct aws_keys keys = {0};
	struct err e = {0};
	struct sigv4_request rq = {
		.method = json_get_str(in, "method", "GET"),
		.host = json_get_str(in, "host", ""),
		.path = json_get_str(in, "path", "/"),
		.query = json_get_str(in, "query", ""),
		.headers = headers,
		.body = json_get_str(in, "body", ""),
		.body_len = strlen(json_get_str(in, "body", "")),
		.payload_hash = json_get_str(in, "payload_hash", NULL),
		.service = json_get_str(in, "service", ""),
		.region = json_get_str(in, "region", ""),
		.s3 = json_get_bool(in, "s3", false),
		.now_us = json_get_int(in, "now", 0) * 1000000,
	};

	read_headers(json_object_get(in, "headers"), headers, &rq.headers_n);
	str_must_copy(keys.id, sizeof(keys.id), json_get_str(in, "key", ""));
	str_must_copy(keys.secret, sizeof(keys.secret), json_get_str(in, "secret", ""));
	str_must_copy(keys.token, sizeof(keys.token), json_get_str(in, "token", ""));
	if (sigv4_canonical(&rq, &keys, &canonical, &e) < 0 ||
	    sigv4_sign(&rq, &keys, &lines, &e) < 0)
		return json_pack("{ss}", "error", e.msg);
	return json_pack("{ss ss}", "canonical", buf_str(&canonical), "lines", buf_str(&lines));
}

int main(void)
{
	OWN(freep) char *line = NULL;
	size_t size = 0;
	ssize_t len;

	while ((len = getline(&line, &size, stdin)) > 0) {
		OWN(json_decrefp) json_t *in = NULL;
		OWN(json_decrefp) json_t *out = NULL;
		OWN(freep) char *text = NULL;

		if (json_parse(line, (size_t)len, &in, NULL) < 0)
			return 1;
		out = answer(in);
		text = json_text(out);
		printf("%s\n", text ? text : "{}");
		fflush(stdout);
	}
	return 0;
}
