/* SPDX-License-Identifier: MIT */
/* api/connection: who may stay when places, a peer's share or the memory of bodies are short. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/connection.h"
#include "api/context.h"
#include "base/clock.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ENDS_MAX 16

struct room {
	struct api api;
	struct connections *all;
	struct connection *made[ENDS_MAX];
	int ends[ENDS_MAX];
	int n;
	int rung;
};

static void on_room(void *userdata)
{
	((struct room *)userdata)->rung++;
}

static struct room *room_new(struct connection_limits limits)
{
	struct room *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	r->api.tcp = (struct listener){.api = &r->api, .fd = -1};
	r->api.local = (struct listener){.api = &r->api, .fd = -1, .local = true};
	connection_door_init(&r->api.tcp.door);
	connection_door_init(&r->api.local.door);
	r->all = connections_new(&limits);
	assert_non_null(r->all);
	connections_on_room(r->all, on_room, r);
	return r;
}

static struct connection *come(struct room *r, const char *peer)
{
	int ends[2];

	assert_true(r->n < ENDS_MAX);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	r->ends[r->n] = ends[1];
	r->made[r->n] = connection_open(r->all, &r->api.tcp, ends[0], peer);
	assert_non_null(r->made[r->n]);
	assert_ptr_equal(connection_start(r->all, ends[0]), r->made[r->n]);
	return r->made[r->n++];
}

/* What the library does once it notices. */
static void leave(struct room *r, struct connection *c)
{
	for (int i = 0; i < r->n; i++) {
		if (r->made[i] != c)
			continue;
		close(c->fd);
		close(r->ends[i]);
		r->made[i] = NULL;
		connection_close(c);
	}
}

static void room_done(struct room *r)
{
	for (int i = 0; i < r->n; i++)
		if (r->made[i])
			leave(r, r->made[i]);
	assert_int_equal(connections_count(r->all), 0);
	connections_free(r->all);
	free(r);
}

static struct connection_limits limits(int max, int per_peer)
{
	return (struct connection_limits){.max = max,
					  .per_peer = per_peer,
					  .dropping_max = 4,
					  .bodies_max = 1000,
					  .idle_s = 60};
}

static void test_the_oldest_half_request_makes_room(void **state)
{
	struct room *r = room_new(limits(3, 0));
	struct connection *a, *b, *c;

	a = come(r, "x");
	b = come(r, "x");
	assert_true(connections_make_room(r->all, &r->api.tcp));
	c = come(r, "x");		     /* at the limit */
	connection_move(a, CONNECTION_HEAD); /* came forward: now b waits longest */
	assert_true(connections_make_room(r->all, &r->api.tcp));
	assert_true(b->dropped && !a->dropped && !c->dropped);
	assert_int_equal(r->api.tcp.door.open, 2);
	room_done(r);
}

static void test_what_is_answered_is_never_dropped(void **state)
{
	struct room *r = room_new(limits(2, 0));
	struct connection *a = come(r, "x"), *b = come(r, "x");

	connection_move(a, CONNECTION_BUSY);
	connection_move(b, CONNECTION_BUSY);
	assert_false(connections_make_room(r->all, &r->api.tcp));
	assert_int_equal(r->rung, 0);
	connection_move(a, CONNECTION_WAITING); /* answered: told once, and may go */
	assert_int_equal(r->rung, 1);
	connection_move(a, CONNECTION_WAITING);
	assert_int_equal(r->rung, 1);
	assert_true(connections_make_room(r->all, &r->api.tcp));
	assert_true(a->dropped && !b->dropped);
	room_done(r);
}

static void test_only_so_many_close_at_a_time(void **state)
{
	struct room *r = room_new(limits(1, 0));
	struct connection *first = come(r, "x");

	for (int i = 0; i < 4; i++) {
		assert_true(connections_make_room(r->all, &r->api.tcp));
		come(r, "x");
	}
	assert_false(connections_make_room(r->all, &r->api.tcp));
	leave(r, first);
	assert_int_equal(r->rung, 1);
	assert_true(connections_make_room(r->all, &r->api.tcp));
	room_done(r);
}

static void test_a_peer_over_its_share_loses_its_own(void **state)
{
	struct room *r = room_new(limits(10, 2));
	struct connection *other = come(r, "y"), *a = come(r, "x"), *b = come(r, "x");
	struct connection *c = come(r, "x");

	assert_true(a->dropped && !b->dropped && !c->dropped && !other->dropped);
	connection_move(b, CONNECTION_BUSY);
	connection_move(c, CONNECTION_BUSY);
	assert_true(come(r, "x")->crowded);
	assert_false(come(r, "y")->crowded); /* at its limit */
	connections_hung_up(r->all, b->fd, b->serial);
	assert_false(come(r, "z")->crowded);
	room_done(r);
}

static void test_a_serial_tells_old_events(void **state)
{
	struct room *r = room_new(limits(10, 0));
	struct connection *a = come(r, "x");

	connections_hung_up(r->all, a->fd, a->serial + 1);
	assert_int_equal(a->hung_up_us, 0);
	connections_hung_up(r->all, a->fd + 1000, a->serial);
	connections_hung_up(r->all, a->fd, a->serial);
	assert_true(a->hung_up_us > 0);
	room_done(r);
}

static void test_a_half_request_is_over_in_time(void **state)
{
	struct room *r = room_new(limits(10, 0));
	struct connection *head = come(r, "x"), *body = come(r, "x"), *busy = come(r, "x");
	int64_t now = clock_mono_us();

	connection_move(head, CONNECTION_HEAD);
	connection_move(body, CONNECTION_BODY);
	connection_move(busy, CONNECTION_BUSY);
	connections_reap(r->all, &r->api.tcp, now + 59 * USEC_PER_SEC);
	assert_false(head->dropped);
	connections_reap(r->all, &r->api.tcp, now + 61 * USEC_PER_SEC);
	assert_true(head->dropped && !body->dropped);
	connection_move(body, CONNECTION_BODY); /* a further byte gives no further time */
	connections_reap(r->all, &r->api.tcp, now + (CONNECTION_BODY_S + 1) * USEC_PER_SEC);
	assert_true(body->dropped && !busy->dropped);
	room_done(r);
}

static void test_who_has_left_is_dropped_once_the_bytes_are_read(void **state)
{
	struct room *r = room_new(limits(10, 0));
	struct connection *a = come(r, "x");
	int64_t later = clock_mono_us() + 10 * CONNECTION_HANG_US;
	char bytes[8];

	assert_int_equal(write(r->ends[0], "GET", 3), 3);
	assert_int_equal(shutdown(r->ends[0], SHUT_WR), 0);
	connections_reap(r->all, &r->api.tcp, later);
	assert_false(a->dropped); /* nobody has said that it hung up */
	connections_hung_up(r->all, a->fd, a->serial);
	connections_reap(r->all, &r->api.tcp, later);
	assert_false(a->dropped); /* a whole request may lie there */
	assert_int_equal(read(a->fd, bytes, sizeof(bytes)), 3);
	connections_reap(r->all, &r->api.tcp, a->hung_up_us);
	assert_false(a->dropped);
	connections_reap(r->all, &r->api.tcp, later);
	assert_true(a->dropped);
	room_done(r);
}

static void test_bodies_have_one_budget(void **state)
{
	struct room *r = room_new(limits(10, 0));
	struct connection *a = come(r, "x"), *b = come(r, "x"), *c = come(r, "x");

	connection_move(a, CONNECTION_BODY);
	connection_move(b, CONNECTION_BODY);
	assert_true(connection_body(a, 600));
	assert_true(connection_body(b, 400)); /* at the limit */
	assert_false(connection_body(c, 1));
	assert_false(connection_body(b, 401));
	connection_move(b, CONNECTION_WAITING); /* answered */
	assert_true(connection_body(c, 400));
	a->moved_us -= 2 * CONNECTION_STALL_US;
	assert_true(connection_body(c, 401)); /* a has stalled, and goes */
	assert_true(a->dropped && !b->dropped);
	assert_true(connection_body(c, 1000));
	assert_false(connection_body(c, 1001));
	room_done(r);
}

static void test_a_refused_body_gives_its_share_back(void **state)
{
	struct room *r = room_new(limits(10, 0));
	struct connection *a = come(r, "x"), *b = come(r, "x");

	connection_move(a, CONNECTION_BODY);
	connection_move(b, CONNECTION_BODY);
	assert_true(connection_body(a, 1000));
	assert_false(connection_body(b, 600));
	assert_true(connection_body(a, 400));
	assert_true(connection_body(b, 600));
	assert_true(connection_body(a, 0));
	assert_true(connection_body(b, 1000));
	assert_false(a->dropped || b->dropped);
	room_done(r);
}

static void test_a_dropped_connection_is_told_so(void **state)
{
	struct room *r = room_new(limits(1, 0));
	struct connection *a = come(r, "x");

	assert_true(connection_move(a, CONNECTION_BODY));
	assert_true(connections_make_room(r->all, &r->api.tcp));
	assert_false(connection_move(a, CONNECTION_BUSY));
	room_done(r);
}

/* The library closes a descriptor that it has no memory for without a word. */
static void test_a_number_that_was_reused_is_not_shut(void **state)
{
	struct room *r = room_new(limits(10, 0));
	int ends[2];
	struct connection *c;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_non_null(connection_open(r->all, &r->api.tcp, ends[0], "x"));
	connections_reap(r->all, &r->api.tcp, clock_mono_us() + 61 * USEC_PER_SEC);
	assert_int_equal(write(ends[0], "1", 1), 1); /* it is another's now */
	c = connection_open(r->all, &r->api.tcp, ends[0], "x");
	assert_int_equal(connections_count(r->all), 1);
	assert_int_equal(r->api.tcp.door.open, 1);
	connections_reap(r->all, &r->api.tcp, clock_mono_us() + 61 * USEC_PER_SEC);
	assert_true(c->dropped);
	assert_int_equal(write(ends[0], "1", 1), 1);
	assert_ptr_equal(connection_start(r->all, ends[0]), c);
	assert_int_equal(send(ends[0], "1", 1, MSG_NOSIGNAL), -1); /* what was waiting to end */
	connections_free(r->all); /* together with what nobody has closed */
	close(ends[0]);
	close(ends[1]);
	free(r);
}

static void test_what_the_library_never_took_up_is_forgotten(void **state)
{
	struct room *r = room_new(limits(10, 0));
	struct connection *kept = come(r, "x"), *dropped;
	int64_t later = clock_mono_us() + 61 * USEC_PER_SEC;
	int a[2], b[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, a), 0);
	dropped = connection_open(r->all, &r->api.tcp, a[0], "x");
	connection_move(kept, CONNECTION_BUSY);
	connections_reap(r->all, &r->api.tcp, later);
	assert_true(dropped->dropped);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, b), 0);
	assert_non_null(connection_open(r->all, &r->api.tcp, b[0], "x"));
	assert_int_equal(connections_count(r->all), 3); /* they may still be taken up */
	close(a[0]);
	assert_int_equal(dup2(a[1], b[0]), b[0]); /* closed, and the number is another's */
	connections_reap(r->all, &r->api.tcp, later);
	assert_int_equal(connections_count(r->all), 1);
	assert_int_equal(r->api.tcp.door.open, 1);
	close(a[1]);
	close(b[0]);
	close(b[1]);
	room_done(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_oldest_half_request_makes_room),
		cmocka_unit_test(test_what_is_answered_is_never_dropped),
		cmocka_unit_test(test_only_so_many_close_at_a_time),
		cmocka_unit_test(test_a_peer_over_its_share_loses_its_own),
		cmocka_unit_test(test_a_serial_tells_old_events),
		cmocka_unit_test(test_a_half_request_is_over_in_time),
		cmocka_unit_test(test_who_has_left_is_dropped_once_the_bytes_are_read),
		cmocka_unit_test(test_bodies_have_one_budget),
		cmocka_unit_test(test_a_refused_body_gives_its_share_back),
		cmocka_unit_test(test_a_dropped_connection_is_told_so),
		cmocka_unit_test(test_what_the_library_never_took_up_is_forgotten),
		cmocka_unit_test(test_a_number_that_was_reused_is_not_shut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
