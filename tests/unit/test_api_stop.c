/* SPDX-License-Identifier: MIT */
/* api/server: a stop while a request waits for the manager frees nothing that its threads use. */
#include "tests/unit/manager_rig.h"

#include "api/server.h"
#include "base/own.h"
#include "daemon/core.h"
#include "tests/unit/wait.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <cmocka.h>

static uint16_t port_of(const struct api *api)
{
	return (uint16_t)strtoul(strrchr(api_url(api), ':') + 1, NULL, 10);
}

static int ask(uint16_t port, const char *path)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char text[256];
	int n = snprintf(text, sizeof(text),
			 "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nConnection: close\r\n\r\n", path,
			 port);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(send(fd, text, (size_t)n, 0), n);
	return fd;
}

static size_t queued(struct manager *mgr)
{
	size_t n;

	pthread_mutex_lock(&mgr->queue_lock);
	n = mgr->queue_n;
	pthread_mutex_unlock(&mgr->queue_lock);
	return n;
}

static void wait_queued(struct manager *mgr)
{
	wait_until(queued(mgr));
	assert_int_equal(queued(mgr), 1);
}

/* Before: api_stop() returned as if all were over, and the manager was freed below its threads. */
static void test_a_stop_waits_for_who_uses_the_engine(void **state)
{
	struct rig *rig = *state;
	struct api_config cfg = {.tcp_fd = -1,
				 .unix_fd = -1,
				 .listen = "127.0.0.1:0",
				 .data_dir = rig->data,
				 .version = "0"};
	struct api *api = NULL;
	struct err e = {0};
	OWN(closep) int fd = -1;
	char answer[32] = "";

	rig_stop(rig);
	rig_open(rig); /* no thread: nothing is answered */
	assert_int_equal(api_start(&cfg, rig->manager, &api, &e), 0);
	fd = ask(port_of(api), "/v1/jobs/j0000000000000000000/explain");
	wait_queued(rig->manager);
	assert_false(api_stop(api));
	rig_run(rig); /* the request has its answer by the server's thread */
	assert_true(recv(fd, answer, sizeof(answer) - 1, MSG_WAITALL) > 0);
	answer[sizeof(answer) - 1] = '\0';
	assert_non_null(strstr(answer, "HTTP/1.1 404"));
	assert_true(api_stop(api));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_stop_waits_for_who_uses_the_engine,
						rig_setup, rig_teardown),
	};

	rig_block_signals();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
