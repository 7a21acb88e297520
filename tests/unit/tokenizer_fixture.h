/* SPDX-License-Identifier: MIT */
/* A tokenizer with a small vocabulary in a folder of its own. */
#pragma once

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

#include <string.h>

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

static inline void put_file(const struct fixture *f, const char *name, const char *text)
{
	assert_int_equal(file_write_atomic(f->fd, name, text, strlen(text), 0644, NULL), 0);
}

static inline int setup(void **state)
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

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	tokenizer_free(f->t);
	tokenizer_scratch_free(f->s);
	close(f->fd);
	scratch_remove(f->dir);
	free(f);
	return 0;
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
