/* SPDX-License-Identifier: MIT */
/*
 * Reads the configuration file with inih. This file supplies the lines, because Debian's inih has
 * lines of 200 bytes and no line numbers for handlers. The reader counts lines and strips
 * indentation and comments. It passes a long value in pieces, which inih takes for continuation
 * lines and the handler joins again.
 */
#include "base/encoding.h"
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "config/internal.h"

#include <ini.h>
#include <string.h>

#define KEY_TEXT_MAX 128

struct reader {
	config_line_fn fn;
	void *userdata;
	struct err *reterr;
	const char *next; /* rest of the file */
	int line;
	const char *piece; /* rest of this line's value, piece_n bytes; NULL: none */
	size_t piece_n;
	bool joined;	  /* True if the piece continues the value before */
	struct buf value; /* value of `section` and `key`, not reported yet */
	char section[KEY_TEXT_MAX], key[KEY_TEXT_MAX];
	int value_line;
	int result;
};

static void reader_done(struct reader *rd)
{
	buf_done(&rd->value);
}

static int fail(struct reader *rd, int line, const char *what)
{
	if (rd->result >= 0) {
		rd->line = line;
		rd->result = err_set(rd->reterr, ERR_INVALID, "%s", what);
	}
	return rd->result;
}

/* Report the complete value. */
static void flush(struct reader *rd)
{
	if (rd->result < 0 || !rd->key[0])
		return;
	if (!buf_ok(&rd->value)) {
		fail(rd, rd->value_line, "the value is too long; shorten it");
		return;
	}
	rd->result = rd->fn(rd->userdata, rd->section, rd->key, buf_str(&rd->value), rd->reterr);
	if (rd->result < 0)
		rd->line = rd->value_line;
	rd->key[0] = '\0';
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Length of the line at s without a comment and without blanks at its end. */
static size_t content_length(const char *s, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (s[i] == ';' && is_blank(s[i - 1]))
			n = i;
	while (n && is_blank(s[n - 1]))
		n--;
	return n;
}

/* Copy at most size - 1 bytes of the piece. Never cut next to a blank, which inih would strip, or
 * before a character that inih would take for a comment. */
static void put_piece(struct reader *rd, char *to, size_t size)
{
	size_t n = rd->piece_n < size - 1 ? rd->piece_n : size - 1;

	while (n > 1 && n < rd->piece_n &&
	       (is_blank(rd->piece[n - 1]) || is_blank(rd->piece[n]) || strchr("#;", rd->piece[n])))
		n--;
	memcpy(to, rd->piece, n);
	to[n] = '\0';
	rd->piece += n;
	rd->piece_n -= n;
	if (!rd->piece_n)
		rd->piece = NULL;
}

static bool line_ok(struct reader *rd, const char *s, size_t n)
{
	if (memchr(s, '\0', n) || !str_utf8_valid(s, n))
		fail(rd, rd->line, "the line is not UTF-8 text; save the file as UTF-8");
	else if (*s == '[' && s[n - 1] != ']')
		fail(rd, rd->line, "the section's name has no ']' at its end; write [name]");
	else if (*s != '[' && !memchr(s, '=', n < KEY_TEXT_MAX ? n : KEY_TEXT_MAX))
		fail(rd, rd->line,
		     "the line is neither [section] nor key = value; correct it, or put '#' before "
		     "it");
	else if (*s == '[' && n > KEY_TEXT_MAX)
		fail(rd, rd->line, "the name of the section is too long");
	return rd->result >= 0;
}

/* inih's reader, like fgets: returns the next line, or the next piece of a long line. */
static char *read_line(char *to, int size, void *stream)
{
	struct reader *rd = stream;

	if (rd->result < 0)
		return NULL;
	rd->joined = rd->piece != NULL;
	if (rd->joined) {
		to[0] = ' ';
		put_piece(rd, to + 1, (size_t)size - 1);
		return to;
	}
	flush(rd);
	while (*rd->next && rd->result >= 0) {
		const char *s = rd->next;
		size_t n = strcspn(s, "\n");

		rd->next += n + (s[n] == '\n');
		rd->line++;
		while (n && is_blank(*s))
			s++, n--;
		if (!n || *s == '#' || *s == ';')
			continue;
		n = content_length(s, n);
		if (!line_ok(rd, s, n))
			return NULL;
		rd->piece = s;
		rd->piece_n = n;
		put_piece(rd, to, (size_t)size);
		return to;
	}
	return NULL;
}

/* inih's handler; 1 means success. */
static int take(void *user, const char *section, const char *key, const char *value)
{
	struct reader *rd = user;

	if (!rd->joined) {
		buf_clear(&rd->value);
		rd->value_line = rd->line;
		if (!str_copy(rd->section, sizeof(rd->section), section) ||
		    !str_copy(rd->key, sizeof(rd->key), key) || !*key)
			fail(rd, rd->line,
			     "the line has no valid key before '='; write key = value");
	}
	buf_puts(&rd->value, value);
	return 1;
}

int config_file_read(const char *file, config_line_fn fn, void *userdata, struct err *reterr)
{
	OWN(buf_done) struct buf text = BUF_INIT(CONFIG_FILE_MAX);
	OWN(reader_done)
	struct reader rd = {.fn = fn,
			    .userdata = userdata,
			    .reterr = reterr,
			    .value = BUF_INIT(CONFIG_VALUE_MAX)};
	int r = file_read(AT_FDCWD, file, &text, reterr);

	if (r < 0)
		return r;
	if (memchr(buf_str(&text), '\0', text.len))
		return err_set(reterr, ERR_INVALID,
			       "%s is not a text file; name the configuration file", file);
	rd.next = buf_str(&text);
	if (str_starts(rd.next, UTF8_MARK))
		rd.next += strlen(UTF8_MARK);
	r = ini_parse_stream(read_line, &rd, take, &rd);
	flush(&rd);
	if (r != 0 && rd.result >= 0)
		fail(&rd, rd.line,
		     "the line is neither [section] nor key = value; correct it, or put '#' before "
		     "it");
	return rd.result < 0 ? err_ctx(reterr, rd.result, "%s:%d", file, rd.line) : 0;
}
