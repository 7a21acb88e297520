/* SPDX-License-Identifier: MIT */
/* The way of a list from a server's bytes to file names: no answer, however made, leads out of the
 * prefix. Under ASan (tests/run unit) this is the fuzzer of that way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "aws/s3.h"
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "transfer/s3/listed_keys.h"

#include <string.h>

#define ROUNDS 20000
#define PREFIX "a/long/prefix/of/many/characters/"

static const struct s3_bucket bucket = {.name = "data"};

struct seen {
	struct listed_keys keys;
	int objects;
	int r;
};

static bool on_object(const struct s3_object *o, void *userdata)
{
	struct seen *s = userdata;
	const char *path;
	struct err e;

	assert_true(str_starts(o->key, PREFIX));
	assert_true(o->size >= 0);
	assert_true(++s->objects <= S3_LIST_MAX);
	path = listed_key_path(o->key, o->size, PREFIX, NULL);
	s->r = listed_keys_add(&s->keys, o->key, o->size, &e);
	if (s->r >= 0 && path)
		assert_true(path_is_inside(path));
	return s->r >= 0;
}

/* What comes of this answer: 0 or negative; the objects that were let through in *s. */
static int read_list(const char *xml, size_t len, struct transfer *t, struct seen *s)
{
	struct s3_call *c = calloc(1, sizeof(*c));
	OWN(s3_pages_done) struct s3_pages pages = {0};
	struct err e;
	int r;

	assert_non_null(c);
	*s = (struct seen){
		.keys = {.t = t, .bucket = "data", .prefix = PREFIX, .uri = "s3://data/"}};
	s3_list(c, &bucket, PREFIX, NULL, NULL, S3_LIST_MAX);
	buf_init(&c->call.http.reply, 1 << 20);
	assert_int_equal(buf_put(&c->call.http.reply, xml, len), 0);
	r = s3_list_result(c, on_object, s, &pages, &e);
	listed_keys_done(&s->keys);
	buf_done(&c->call.http.reply);
	s3_call_done(c);
	free(c);
	return r < 0 ? r : s->r;
}

static int list_of(const char *contents, struct seen *s, const char **ret_code)
{
	OWN(buf_done) struct buf xml = BUF_INIT(1 << 20);
	struct transfer t = {.limits = {.download = INT64_MAX}};
	int r;

	buf_printf(&xml, "<ListBucketResult>%s<IsTruncated>false</IsTruncated></ListBucketResult>",
		   contents);
	r = read_list(buf_str(&xml), xml.len, &t, s);
	*ret_code = t.failure_code ? t.failure_code : "";
	return r;
}

#define ITEM(key, size) "<Contents><Key>" key "</Key><Size>" size "</Size></Contents>"

static void test_keys_outside_of_the_prefix_are_refused(void **state)
{
	static const char *const bad[] = {
		ITEM("x", "1"),
		ITEM("", "1"),
		ITEM("a/long", "1"),
		ITEM(PREFIX "ok", "1") ITEM("b/long/prefix/of/many/characters/x", "1"),
		ITEM(PREFIX "x", "-1"),
		ITEM(PREFIX "x", ""),
		ITEM(PREFIX "x", "1x"),
		ITEM(PREFIX "x", "9223372036854775808"),
		"<Contents><Key>" PREFIX "x/</Key></Contents>",
		ITEM(PREFIX "x", "1") ITEM(PREFIX "x", "1"),
		ITEM(PREFIX "y", "1") ITEM(PREFIX "x", "1"),
	};
	const char *code;
	struct seen s;

	assert_int_equal(list_of(ITEM(PREFIX "x", "1"), &s, &code), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(list_of(bad[i], &s, &code), -ERR_CORRUPT);
}

static void test_each_kind_has_its_code(void **state)
{
	static const struct {
		const char *contents, *code;
	} cases[] = {
		{ITEM(PREFIX "..", "1"), "invalid_input"},
		{ITEM(PREFIX "a//b", "1"), "invalid_input"},
		{ITEM(PREFIX "a/", "1"), "invalid_input"},
		{ITEM(PREFIX "a", "1") ITEM(PREFIX "a/b", "1"), "key_conflict"},
		{ITEM(PREFIX "a", "1") ITEM(PREFIX "a-b", "1") ITEM(PREFIX "a/b/c", "1"),
		 "key_conflict"},
		{ITEM(PREFIX "a/", "0") ITEM(PREFIX "a/b", "1") ITEM(PREFIX "ab", "1"), ""},
	};
	char name[NAME_MAX + 2], item[NAME_MAX + 200];
	const char *code;
	struct seen s;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(list_of(cases[i].contents, &s, &code),
				 *cases[i].code ? -ERR_INVALID : 0);
		assert_string_equal(code, cases[i].code);
	}
	memset(name, 'n', sizeof(name));
	for (int n = NAME_MAX; n <= NAME_MAX + 1; n++) { /* at the limit, and one past it */
		snprintf(item, sizeof(item), ITEM(PREFIX "d/%.*s", "1"), n, name);
		assert_int_equal(list_of(item, &s, &code), n > NAME_MAX ? -ERR_INVALID : 0);
		assert_string_equal(code, n > NAME_MAX ? "name_too_long" : "");
	}
}

/* Half an ETag went into If-Match and matched nothing. */
static void test_half_an_etag_is_never_used(void **state)
{
	char tag[S3_ETAG_MAX + 1], item[S3_ETAG_MAX + 200];
	const char *code;
	struct seen s;

	memset(tag, 'e', sizeof(tag));
	for (int n = S3_ETAG_MAX - 1; n <= S3_ETAG_MAX; n++) {
		snprintf(item, sizeof(item),
			 "<Contents><Key>" PREFIX
			 "x</Key><Size>1</Size><ETag>%.*s</ETag></Contents>",
			 n, tag);
		assert_int_equal(list_of(item, &s, &code), n < S3_ETAG_MAX ? 0 : -ERR_CORRUPT);
	}
}

static void test_a_page_longer_than_asked_for_is_refused(void **state)
{
	OWN(buf_done) struct buf xml = BUF_INIT(1 << 20);
	const char *code;
	struct seen s;

	for (int i = 0; i < S3_LIST_MAX; i++)
		buf_printf(&xml, ITEM(PREFIX "%06d", "1"), i);
	assert_int_equal(list_of(buf_str(&xml), &s, &code), 0);
	assert_int_equal(s.objects, S3_LIST_MAX);
	buf_puts(&xml, ITEM(PREFIX "x", "1"));
	assert_int_equal(list_of(buf_str(&xml), &s, &code), -ERR_CORRUPT);
}

/* Read one page that goes on; 0 or negative. */
static int read_page(struct s3_pages *pages, const char *contents, const char *token)
{
	OWN(buf_done) struct buf xml = BUF_INIT(1 << 20);
	struct transfer t = {.limits = {.download = INT64_MAX}};
	struct seen s = {.keys = {.t = &t, .bucket = "data", .prefix = PREFIX}};
	struct s3_call *c = calloc(1, sizeof(*c));
	struct err e;
	int r;

	assert_non_null(c);
	buf_printf(&xml, "<ListBucketResult>%s<IsTruncated>true</IsTruncated>%s</ListBucketResult>",
		   contents, token);
	s3_list(c, &bucket, PREFIX, NULL, pages->token, S3_LIST_MAX);
	buf_init(&c->call.http.reply, 1 << 20);
	assert_int_equal(buf_put(&c->call.http.reply, buf_str(&xml), xml.len), 0);
	r = s3_list_result(c, on_object, &s, pages, &e);
	listed_keys_done(&s.keys);
	buf_done(&c->call.http.reply);
	s3_call_done(c);
	free(c);
	return r;
}

#define TOKEN "<NextContinuationToken>t</NextContinuationToken>"

/* A list with more pages, but without a token for them, was taken for the whole: files were
 * missing, and the job succeeded. One that began again, or had empty pages for ever, was read for
 * ever. */
static void test_a_list_that_goes_on_has_an_end(void **state)
{
	OWN(s3_pages_done) struct s3_pages pages = {0};
	int n = 0;

	assert_int_equal(read_page(&pages, ITEM(PREFIX "b", "1"), ""), -ERR_CORRUPT);
	pages = (struct s3_pages){0};
	assert_int_equal(read_page(&pages, ITEM(PREFIX "b", "1"), TOKEN), 0);
	assert_string_equal(pages.token, "t");
	assert_int_equal(read_page(&pages, ITEM(PREFIX "c", "1"), TOKEN), 0);
	assert_int_equal(read_page(&pages, ITEM(PREFIX "c", "1"), TOKEN), -ERR_CORRUPT);
	assert_null(pages.token);
	pages = (struct s3_pages){0};
	while (read_page(&pages, "", TOKEN) == 0)
		n++;
	assert_int_equal(n, S3_EMPTY_PAGES_MAX - 1);
	pages = (struct s3_pages){.objects = S3_OBJECTS_MAX - 1};
	assert_int_equal(read_page(&pages, ITEM(PREFIX "b", "1"), TOKEN), 0);
	assert_int_equal(read_page(&pages, ITEM(PREFIX "c", "1"), TOKEN), -ERR_LIMIT);
}

static uint32_t next(uint32_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	*x ^= *x << 5;
	return *x;
}

/* Changed bytes, cut ends, and pieces of the answer in other places. */
static size_t mutate(char *text, size_t len, size_t room, uint32_t *x)
{
	static const char *const pieces[] = {"<Key>", "</Key>", "%2e%2e%2f", "%00",
					     "&#0;",  "x",	"<Size>",    "</Contents>",
					     PREFIX,  "%",	"&amp;",     "/"};

	for (uint32_t changes = 1 + next(x) % 4; changes; changes--) {
		const char *piece = pieces[next(x) % ARRAY_LEN(pieces)];
		size_t at = next(x) % len, n = strlen(piece);

		switch (next(x) % 4) {
		case 0:
			text[at] = (char)next(x);
			break;
		case 1:
			len = at + 1;
			break;
		default:
			if (len + n > room)
				break;
			memmove(text + at + n, text + at, len - at);
			memcpy(text + at, piece, n);
			len += n;
		}
	}
	return len;
}

static void test_no_list_leads_out_of_its_prefix(void **state)
{
	static const char seed[] =
		"<?xml version=\"1.0\"?><ListBucketResult><Name>data</Name>" ITEM(
			PREFIX "a%20b", "12") ITEM(PREFIX "c/", "0")
			ITEM(PREFIX "c/d",
			     "3") "<NextContinuationToken>t</NextContinuationToken>"
				  "<IsTruncated>true</IsTruncated></ListBucketResult>";
	uint32_t x = 1;
	int taken = 0;

	for (int i = 0; i < ROUNDS; i++) {
		struct transfer t = {.limits = {.download = INT64_MAX}};
		char text[2 * sizeof(seed)], *exact;
		struct seen s;
		size_t n;

		memcpy(text, seed, sizeof(seed) - 1);
		n = mutate(text, sizeof(seed) - 1, sizeof(text), &x);
		exact = malloc(n); /* so that ASan sees one byte too many */
		assert_non_null(exact);
		memcpy(exact, text, n);
		taken += read_list(exact, n, &t, &s) >= 0;
		free(exact);
	}
	assert_true(taken > 0 && taken < ROUNDS);
}

/* Parts beyond those that were asked for are somebody's mistake: they are not written anywhere. */
static void test_part_numbers_beyond_the_list_are_left_out(void **state)
{
	static const char xml[] = "<ListPartsResult>"
				  "<Part><PartNumber>0</PartNumber><Size>1</Size></Part>"
				  "<Part><PartNumber>2</PartNumber><Size>22</Size></Part>"
				  "<Part><PartNumber>3</PartNumber><Size>3</Size></Part>"
				  "</ListPartsResult>";
	struct s3_call *c = calloc(1, sizeof(*c));
	struct s3_part parts[3] = {0};
	struct err e;
	int after;

	assert_non_null(c);
	s3_list_parts(c, &bucket, "key", "id", 0);
	buf_init(&c->call.http.reply, 1 << 20);
	assert_int_equal(buf_put(&c->call.http.reply, xml, sizeof(xml) - 1), 0);
	assert_int_equal(s3_list_parts_result(c, parts, 2, &after, &e), 0);
	assert_int_equal(parts[0].size, 0);
	assert_int_equal(parts[1].size, 22);
	assert_int_equal(parts[2].size, 0);
	buf_done(&c->call.http.reply);
	s3_call_done(c);
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_part_numbers_beyond_the_list_are_left_out),
		cmocka_unit_test(test_keys_outside_of_the_prefix_are_refused),
		cmocka_unit_test(test_each_kind_has_its_code),
		cmocka_unit_test(test_a_page_longer_than_asked_for_is_refused),
		cmocka_unit_test(test_a_list_that_goes_on_has_an_end),
		cmocka_unit_test(test_half_an_etag_is_never_used),
		cmocka_unit_test(test_no_list_leads_out_of_its_prefix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
