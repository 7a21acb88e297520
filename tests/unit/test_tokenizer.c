/* SPDX-License-Identifier: MIT */
/*
 * worker/tokenizer with a small vocabulary: known ids, limits and refusals. Equality with Hugging
 * Face is tests/parity/test_tokenizer.py's.
 */
#include "tests/unit/tokenizer_fixture.h"

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
		TEST(test_an_added_token_of_two_files_counts_once),
	};

	return cmocka_run_group_tests_name("tokenizer", tests, NULL, NULL);
}
