/* SPDX-License-Identifier: MIT */
/*
 * worker/tokenizer with a small vocabulary: known ids, limits, refusals, many threads, and random
 * bytes (invalid UTF-8, added tokens, marks) against what must always hold. Equality with Hugging
 * Face is tests/parity/test_tokenizer.py's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/fileio.h"
#include "base/own.h"
#include "base/tree.h"
#include "tests/unit/scratch.h"
#include "worker/tokenizer/load.h"

#include <pthread.h>
#include <string.h>

#define THREADS	      4
#define FUZZ_ROUNDS   20000
#define FUZZ_BYTES    160
#define DAMAGE_ROUNDS 600

enum {
	PAD,
	UNK,
	CLS,
	SEP,
	MASK,
	A,
	AB,
	_B,
	_BC,
	DOT,
	FILM,
	HAN,
	E,
	_1,
	VOCAB
};

static const char vocab_txt[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nab\n##b\n##bc\n.\nfilm  \n"
				"\xE6\xBC\xA2\ne\n##1\n";

struct fixture {
	char dir[64];
	int fd;
	struct tokenizer *t;
	struct tokenizer_scratch *s;
};

static void put_file(const struct fixture *f, const char *name, const char *text)
{
	assert_int_equal(file_write_atomic(f->fd, name, text, strlen(text), 0644, NULL), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err e;

	scratch_make(f->dir, sizeof(f->dir), "tokenizer");
	f->fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put_file(f, "vocab.txt", vocab_txt);
	assert_int_equal(tokenizer_load(f->dir, &f->t, &e), 0);
	f->s = tokenizer_scratch_new();
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	tokenizer_free(f->t);
	tokenizer_scratch_free(f->s);
	close(f->fd);
	scratch_remove(f->dir);
	free(f);
	return 0;
}

static void expect(struct fixture *f, const char *text, const char *pair, size_t max,
		   const int32_t *ids, size_t n)
{
	struct encoding e;

	assert_int_equal(tokenizer_encode(f->t, f->s, text, strlen(text), pair,
					  pair ? strlen(pair) : 0, max, &e),
			 0);
	assert_int_equal(e.n, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(e.ids[i], ids[i]);
}

#define EXPECT(f, text, ...)                                           \
	expect(f, text, NULL, 0, (int32_t[]){CLS, ##__VA_ARGS__, SEP}, \
	       sizeof((int32_t[]){CLS, ##__VA_ARGS__, SEP}) / sizeof(int32_t))

static void test_known_ids(void **state)
{
	struct fixture *f = *state;

	EXPECT(f, "");
	EXPECT(f, " \t\r\n\xC2\xA0\xE3\x80\x80");
	EXPECT(f, "a", A);
	EXPECT(f, "abbc", AB, _BC);
	EXPECT(f, "abb", AB, _B);
	EXPECT(f, "abx a", UNK, A);
	EXPECT(f, "A.a", A, DOT, A);
	EXPECT(f, "film", FILM); /* the vocabulary's line ends with blanks */
	EXPECT(f, "\xC3\xA9 e\xCC\x81", E, E);
	EXPECT(f,
	       "a\xE6\xBC\xA2"
	       "a",
	       A, HAN, A);
	EXPECT(f, "a[SEP]a [MASK]", A, SEP, A, MASK);
	EXPECT(f, "[sep]", UNK, UNK, UNK);
	EXPECT(f,
	       "a\x01"
	       "b",
	       AB);
	EXPECT(f, "e1", E, _1);
}

static void test_words_of_100_and_101_characters(void **state)
{
	struct fixture *f = *state;
	char word[512] = "a";
	struct encoding e;

	memset(word + 1, 'b', 100); /* 101 characters */
	assert_int_equal(tokenizer_encode(f->t, f->s, word, 101, NULL, 0, 0, &e), 0);
	assert_int_equal(e.n, 3);
	assert_int_equal(e.ids[1], UNK);
	assert_int_equal(tokenizer_encode(f->t, f->s, word, 100, NULL, 0, 0, &e), 0);
	assert_int_equal(e.n, 2 + 99);
	assert_int_equal(e.ids[1], AB);
}

static void test_truncation(void **state)
{
	struct fixture *f = *state;
	struct encoding e;

	expect(f, "a a a a", NULL, 4, (int32_t[]){CLS, A, A, SEP}, 4);
	expect(f, "a a a a", NULL, 2, (int32_t[]){CLS, SEP}, 2);
	expect(f, "a", "e e e e", 6, (int32_t[]){CLS, A, SEP, E, E, SEP}, 6);
	expect(f, "e e e e", "a", 6, (int32_t[]){CLS, E, E, SEP, A, SEP}, 6);
	expect(f, "a a a", "e e e", 6, (int32_t[]){CLS, A, SEP, E, E, SEP}, 6);
	expect(f, "a a a a", "e e e", 6, (int32_t[]){CLS, A, A, SEP, E, SEP}, 6);
	assert_int_equal(tokenizer_encode(f->t, f->s, "a", 1, NULL, 0, 1, &e), -EINVAL);
	assert_int_equal(tokenizer_encode(f->t, f->s, "a", 1, "e", 1, 2, &e), -EINVAL);
	assert_int_equal(tokenizer_encode(f->t, f->s, "a e", 3, NULL, 0, 4, &e), 0);
	assert_false(e.truncated);
	assert_int_equal(tokenizer_encode(f->t, f->s, "a e a", 5, NULL, 0, 4, &e), 0);
	assert_true(e.truncated);
}

static void test_type_ids(void **state)
{
	struct fixture *f = *state;
	static const int8_t want[] = {0, 0, 0, 1, 1, 1};
	struct encoding e;

	assert_int_equal(tokenizer_encode(f->t, f->s, "a", 1, "e e", 3, 0, &e), 0);
	assert_int_equal(e.n, sizeof(want));
	assert_memory_equal(e.type_ids, want, sizeof(want));
}

static void test_invalid_utf8_is_counted(void **state)
{
	struct fixture *f = *state;
	static const char text[] = "a\xFF"
				   "b \xE2\x82 \xED\xA0\x80 e\xC3";
	struct encoding e;

	assert_int_equal(tokenizer_encode(f->t, f->s, text, sizeof(text) - 1, NULL, 0, 0, &e), 0);
	assert_int_equal(e.invalid_utf8, 6); /* FF, E2 82, ED, A0, 80, C3 */
	assert_int_equal(e.n, 4);
	assert_int_equal(e.ids[1], AB);
	assert_int_equal(e.ids[2], E);
}

static void test_facts(void **state)
{
	struct fixture *f = *state;
	const struct tokenizer_special *s = tokenizer_special(f->t);

	assert_int_equal(tokenizer_vocab_size(f->t), VOCAB);
	assert_int_equal(s->pad, PAD);
	assert_int_equal(s->unk, UNK);
	assert_int_equal(s->mask, MASK);
	assert_int_equal(tokenizer_model_max_length(f->t), 0);
	assert_true(tokenizer_has_type_ids(f->t));
}

static void test_config_overrides(void **state)
{
	struct fixture *f = *state;
	struct tokenizer *cased = NULL;
	struct encoding e;

	put_file(f, "tokenizer_config.json",
		 "{\"do_lower_case\": false, \"model_max_length\": 1000000000000000019884624838656,"
		 " \"tokenizer_class\": \"DistilBertTokenizer\"}");
	assert_int_equal(tokenizer_load(f->dir, &cased, NULL), 0);
	assert_int_equal(tokenizer_encode(cased, f->s, "A a", 3, NULL, 0, 0, &e), 0);
	assert_int_equal(e.ids[1], UNK);
	assert_int_equal(e.ids[2], A);
	assert_false(tokenizer_has_type_ids(cased));
	assert_int_equal(tokenizer_model_max_length(cased), 0);
	tokenizer_free(cased);
}

static void test_refusals(void **state)
{
	struct fixture *f = *state;
	struct tokenizer *t = NULL;
	struct err e;

	put_file(f, "vocab.txt", "[PAD]\n[CLS]\n[SEP]\n");
	assert_int_equal(tokenizer_load(f->dir, &t, &e), -ERR_UNSUPPORTED);
	assert_non_null(strstr(e.msg, "vocab.txt: unk_token '[UNK]'"));
	put_file(f, "vocab.txt", "[UNK]\n\xFF\n");
	assert_int_equal(tokenizer_load(f->dir, &t, &e), -ERR_CORRUPT);
	put_file(f, "vocab.txt", vocab_txt);
	put_file(f, "tokenizer_config.json", "{\"truncation_side\": \"left\"}");
	assert_int_equal(tokenizer_load(f->dir, &t, &e), -ERR_UNSUPPORTED);
	put_file(f, "tokenizer_config.json", "[]");
	assert_int_equal(tokenizer_load(f->dir, &t, &e), -ERR_CORRUPT);
	put_file(f, "tokenizer.json", "{");
	assert_int_equal(tokenizer_load(f->dir, &t, &e), -ERR_CORRUPT);
	assert_int_equal(tokenizer_load("/nowhere", &t, &e), -ENOENT);
	assert_null(t);
}

/* The size of the vocabulary with this tokenizer_config.json, or the error. */
static int load_with(const struct fixture *f, json_t *config)
{
	OWN(tokenizer_freep) struct tokenizer *t = NULL;
	OWN(freep) char *text = json_text(config);
	int r;

	put_file(f, "tokenizer_config.json", text);
	json_decref(config);
	r = tokenizer_load(f->dir, &t, NULL);
	return r < 0 ? r : (int)tokenizer_vocab_size(t);
}

static json_t *config_of_added(int n)
{
	json_t *decoder = json_object();
	char id[16], content[16];

	for (int i = 0; i < n; i++) {
		snprintf(id, sizeof(id), "%d", 100 + i);
		snprintf(content, sizeof(content), "<%d>", i);
		json_object_set_new(decoder, id, json_pack("{ss}", "content", content));
	}
	return json_pack("{so}", "added_tokens_decoder", decoder);
}

/* Each is listed, too: transformers 4 and 5 read a name of the model's own alike only then. */
static json_t *config_of_named(int n)
{
	json_t *config = json_object(), *listed = json_array();
	char name[16], content[16];

	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "n%d_token", i);
		snprintf(content, sizeof(content), "<%d>", i);
		json_object_set_new(config, name, json_string(content));
		json_array_append_new(listed, json_string(content));
	}
	json_object_set_new(config, "additional_special_tokens", listed);
	return config;
}

static void test_limit_of_added_tokens(void **state)
{
	int most = TOKENIZER_ADDED_MAX - 5; /* [PAD] and its like are added, too */

	assert_int_equal(load_with(*state, config_of_added(most)), VOCAB + most);
	assert_int_equal(load_with(*state, config_of_added(most + 1)), -ERR_LIMIT);
	assert_int_equal(load_with(*state, config_of_added(TOKENIZER_ADDED_MAX + 1)), -ERR_LIMIT);
}

static void test_limit_of_named_tokens(void **state)
{
	int most = TOKENIZER_NAMED_MAX - 7; /* bos_token and its like */

	assert_int_equal(load_with(*state, config_of_named(most)), VOCAB + most);
	assert_int_equal(load_with(*state, config_of_named(most + 1)), -ERR_UNSUPPORTED);
}

static void test_copy_files(void **state)
{
	struct fixture *f = *state;
	char to[96];
	struct err e;
	struct buf text = BUF_INIT(4096);

	snprintf(to, sizeof(to), "%s/model", f->dir);
	assert_int_equal(tokenizer_copy_files(f->dir, to, &e), -ENOENT);
	assert_int_equal(dir_make(AT_FDCWD, to, 0755, &e), 0);
	assert_int_equal(tokenizer_copy_files(f->dir, to, &e), 0);
	assert_int_equal(file_read(f->fd, "model/vocab.txt", &text, &e), 0);
	assert_string_equal(buf_str(&text), vocab_txt);
	assert_false(path_exists(f->fd, "model/tokenizer.json"));
	assert_int_equal(tokenizer_copy_files("/nonexistent", to, &e), -ENOENT);
	buf_done(&text);
}

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

static const char json_seed[] =
	"{\"version\":\"1.0\",\"added_tokens\":[{\"id\":3,\"content\":\"[SEP]\",\"special\":true,"
	"\"normalized\":false,\"lstrip\":true},{\"id\":9,\"content\":\"New\",\"normalized\":true}],"
	"\"normalizer\":{\"type\":\"BertNormalizer\",\"clean_text\":true,\"lowercase\":true,"
	"\"handle_chinese_chars\":true,\"strip_accents\":null},\"pre_tokenizer\":{\"type\":"
	"\"BertPreTokenizer\"},\"post_processor\":{\"type\":\"BertProcessing\",\"sep\":[\"[SEP]\","
	"3],"
	"\"cls\":[\"[CLS]\",2]},\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\","
	"\"max_input_chars_per_word\":5,\"vocab\":{\"[UNK]\":1,\"[CLS]\":2,\"[SEP]\":3,\"a\":5,"
	"\"##b\":6,\"\":7,\"##\":8}}}";

static void write_plainly(const struct fixture *f, const char *name, const char *data, size_t len)
{
	OWN(closep) int fd = openat(f->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_int_equal(fd_write_all(fd, data, len), 0);
}

/* save_pretrained writes the same tokens to both files: they count once. */
static void test_an_added_token_of_two_files_counts_once(void **state)
{
	struct fixture *f = *state;
	OWN(tokenizer_freep) struct tokenizer *t = NULL;
	OWN(json_decrefp) json_t *file = json_loads(json_seed, 0, NULL), *added = json_object();
	OWN(freep) char *file_text = NULL;
	OWN(freep) char *added_text = NULL;
	json_t *list = json_object_get(file, "added_tokens");
	struct err e = {0};

	for (int i = 0; i < TOKENIZER_ADDED_MAX / 2 + 10; i++) {
		char content[16];

		snprintf(content, sizeof(content), "<%d>", i);
		json_object_set_new(added, content, json_integer(10 + i));
		json_array_append_new(list, json_pack("{si ss}", "id", 10 + i, "content", content));
	}
	file_text = json_text(file);
	added_text = json_text(added);
	put_file(f, "tokenizer.json", file_text);
	put_file(f, "added_tokens.json", added_text);
	assert_int_equal(tokenizer_load(f->dir, &t, &e), 0);
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
		TEST(test_known_ids),
		TEST(test_words_of_100_and_101_characters),
		TEST(test_truncation),
		TEST(test_type_ids),
		TEST(test_invalid_utf8_is_counted),
		TEST(test_facts),
		TEST(test_config_overrides),
		TEST(test_refusals),
		TEST(test_limit_of_added_tokens),
		TEST(test_limit_of_named_tokens),
		TEST(test_copy_files),
		TEST(test_random_bytes),
		TEST(test_damaged_tokenizer_json),
		TEST(test_an_added_token_of_two_files_counts_once),
		TEST(test_threads_share_one_tokenizer),
	};

	return cmocka_run_group_tests_name("tokenizer", tests, NULL, NULL);
}
