/* SPDX-License-Identifier: MIT */
/* worker/tokenizer with random bytes (invalid UTF-8, added tokens, marks) and a damaged
 * tokenizer.json: what must always hold; many threads on one tokenizer. */
#include "tests/unit/tokenizer_fixture.h"

#include <pthread.h>

#define THREADS	      4
#define FUZZ_ROUNDS   20000
#define FUZZ_BYTES    160
#define DAMAGE_ROUNDS 600

static uint64_t next_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *state >> 33;
}

/* Pieces that touch every branch, glued together and then damaged. */
static size_t random_bytes(uint64_t *rng, char *out)
{
	static const char *const pieces[] = {"a",
					     "b",
					     "ab",
					     "abbc",
					     " ",
					     ".",
					     "[SEP]",
					     "[",
					     "\xCC\x81",
					     "\xE6\xBC\xA2",
					     "\xC3\xA9",
					     "\xE3\x80\xAE",
					     "\xF0\x9D\x85\xA5",
					     "\xF0\x9D\x85\x9E",
					     "\xED\x95\x9C",
					     "\xC4\xB0",
					     "\xE2\x80\x8B",
					     "\xFF",
					     "\xC3",
					     "\xE2\x82",
					     "\xF4\x90\x80\x80",
					     "\n",
					     "#",
					     "film",
					     "\xE2\x84\xAB",
					     "\xEF\xBF\xBD"};
	size_t n = next_random(rng) % FUZZ_BYTES, len = 0;

	while (len < n) {
		const char *piece = pieces[next_random(rng) % ARRAY_LEN(pieces)];
		size_t piece_len = strlen(piece);

		memcpy(out + len, piece, piece_len);
		len += piece_len;
	}
	for (size_t i = 0; len && i < next_random(rng) % 3; i++)
		out[next_random(rng) % len] = (char)next_random(rng);
	return len;
}

static void check_always(const struct encoding *e, size_t max, bool pair)
{
	int types = 0;

	assert_true(e->n >= (pair ? 3 : 2));
	assert_true(!max || e->n <= max);
	assert_true(!e->truncated || e->n == max);
	assert_int_equal(e->ids[0], CLS);
	assert_int_equal(e->ids[e->n - 1], SEP);
	for (size_t i = 0; i < e->n; i++) {
		assert_in_range(e->ids[i], 0, VOCAB - 1);
		assert_true(e->type_ids[i] >= types && e->type_ids[i] <= pair);
		types = e->type_ids[i];
	}
}

static void test_random_bytes(void **state)
{
	struct fixture *f = *state;
	uint64_t rng = 1;

	for (int round = 0; round < FUZZ_ROUNDS; round++) {
		/* exactly sized, so that the sanitizer sees one byte too far */
		char room[FUZZ_BYTES + 8];
		size_t len = random_bytes(&rng, room), max = next_random(&rng) % 20 + 3;
		char *text = malloc(len ? len : 1);
		bool pair = round % 3 == 0;
		struct encoding e;
		int32_t cut[32];
		size_t cut_n;

		memcpy(text, room, len);
		assert_int_equal(tokenizer_encode(f->t, f->s, text, len, pair ? text : NULL,
						  pair ? len / 2 : 0, max, &e),
				 0);
		check_always(&e, max, pair);
		cut_n = e.n;
		memcpy(cut, e.ids, e.n * sizeof(*e.ids));
		assert_int_equal(tokenizer_encode(f->t, f->s, text, len, NULL, 0, 0, &e), 0);
		check_always(&e, 0, false);
		if (!pair) /* stopping early gives the beginning of the whole */
			assert_memory_equal(cut, e.ids, (cut_n - 1) * sizeof(*cut));
		free(text);
	}
}

static void write_plainly(const struct fixture *f, const char *name, const char *data, size_t len)
{
	OWN(closep) int fd = openat(f->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_int_equal(fd_write_all(fd, data, len), 0);
}

/* Damaged in random places: refused with a message, or it loads and encodes. */
static void test_damaged_tokenizer_json(void **state)
{
	struct fixture *f = *state;
	uint64_t rng = 5;
	int loaded = 0, refused = 0;

	for (int round = 0; round < DAMAGE_ROUNDS; round++) {
		OWN(tokenizer_freep) struct tokenizer *t = NULL;
		char data[sizeof(json_seed)];
		struct encoding e;
		struct err err = {0};

		memcpy(data, json_seed, sizeof(data));
		for (int i = 0; i < round % 3; i++)
			data[next_random(&rng) % (sizeof(data) - 1)] =
				"0123456789\"{}[],:-abf"[next_random(&rng) % 21];
		write_plainly(f, "tokenizer.json", data, sizeof(data) - 1);
		if (tokenizer_load(f->dir, &t, &err) < 0) {
			assert_true(err.msg[0]);
			refused++;
			continue;
		}
		loaded++;
		assert_int_equal(tokenizer_encode(t, f->s, "ab [SEP] new x", 14, "b", 1, 6, &e), 0);
		assert_in_range(e.n, 3, 6);
	}
	assert_true(loaded > DAMAGE_ROUNDS / 4 && refused > DAMAGE_ROUNDS / 8);
}

static void *encode_many(void *arg)
{
	const struct tokenizer *t = arg;
	struct tokenizer_scratch *s = tokenizer_scratch_new();
	uint64_t rng = 7, sum = 0;

	for (int i = 0; i < 2000; i++) {
		char text[FUZZ_BYTES + 8];
		size_t len = random_bytes(&rng, text);
		struct encoding e;

		if (tokenizer_encode(t, s, text, len, NULL, 0, 0, &e) < 0)
			break;
		for (size_t k = 0; k < e.n; k++)
			sum = sum * 31 + (uint64_t)e.ids[k];
	}
	tokenizer_scratch_free(s);
	return (void *)(uintptr_t)sum;
}

static void test_threads_share_one_tokenizer(void **state)
{
	struct fixture *f = *state;
	void *expected = encode_many(f->t);
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, encode_many, f->t), 0);
	for (int i = 0; i < THREADS; i++) {
		void *sum;

		assert_int_equal(pthread_join(threads[i], &sum), 0);
		assert_ptr_equal(sum, expected);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_random_bytes),
		TEST(test_damaged_tokenizer_json),
		TEST(test_threads_share_one_tokenizer),
	};

	return cmocka_run_group_tests_name("tokenizer", tests, NULL, NULL);
}
