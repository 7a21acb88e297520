/* SPDX-License-Identifier: MIT */
/* Tasks of the net thread: later, sooner, and at its end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/own.h"
#include "base/str.h"
#include "net/net.h"

#include <semaphore.h>
#include <string.h>

static struct net *net;

static int set_up(void **state)
{
	return net_new(NULL, &net, NULL);
}

static int tear_down(void **state)
{
	net_free(TAKE(net));
	return 0;
}

struct job {
	struct net_task task;
	sem_t over;
	struct job *hurried;
	int at;
	bool stopped;
};

static int turn; /* of the tasks; on the net thread */

static void on_task(struct net_task *task, bool stopped)
{
	struct job *j = (struct job *)task;

	j->at = ++turn;
	j->stopped = stopped;
	if (j->hurried)
		net_hurry(&j->hurried->task);
	sem_post(&j->over);
}

static void job_init(struct job *j)
{
	*j = (struct job){.task.fn = on_task};
	sem_init(&j->over, 0, 0);
}

static void test_tasks(void **state)
{
	struct job jobs[20], late, hurry;

	turn = 0;
	job_init(&late);
	net_after(net, &late.task, INT64_C(3600) * 1000000);
	for (int i = 0; i < 20; i++) {
		job_init(&jobs[i]);
		net_after(net, &jobs[i].task, 0);
	}
	for (int i = 0; i < 20; i++) {
		sem_wait(&jobs[i].over);
		assert_int_equal(jobs[i].at, i + 1);
		assert_false(jobs[i].stopped);
	}
	job_init(&hurry);
	hurry.hurried = &late;
	net_after(net, &hurry.task, 1);
	sem_wait(&late.over);
	sem_wait(&hurry.over);
	assert_int_equal(hurry.at, 21);
	assert_int_equal(late.at, 22);
	assert_false(late.stopped);
}

static void test_tasks_end_with_the_thread(void **state)
{
	struct job late, after;

	job_init(&late);
	job_init(&after);
	net_after(net, &late.task, INT64_C(3600) * 1000000);
	net_stop(net);
	sem_wait(&late.over);
	assert_true(late.stopped);
	net_after(net, &after.task, 0);
	sem_wait(&after.over);
	assert_true(after.stopped);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_tasks),
		TEST(test_tasks_end_with_the_thread),
	};

	return cmocka_run_group_tests_name("net tasks", tests, NULL, NULL);
}
