/* SPDX-License-Identifier: MIT */
/* The word splitter: one pass over the text, with the rules for quotes and backslashes. */
#include "aws/words.h"
#include "base/err.h"

#include <string.h>

#define BLANKS " \t\r\n"

/* True if the backslash escapes `next`: always outside quotes; in double quotes only some
 * characters. */
static bool escapes(char quote, char next)
{
	return !quote || (quote == '"' && (next == '"' || next == '\\'));
}

/* Copy one word; *in and *out then point past it. False if its quote has no end. */
static bool take_word(char **in, char **out)
{
	char quote = 0;

	for (; **in && (quote || !strchr(BLANKS, **in)); (*in)++) {
		if (!quote && (**in == '\'' || **in == '"')) {
			quote = **in;
		} else if (quote == **in) {
			quote = 0;
		} else {
			if (**in == '\\' && escapes(quote, (*in)[1]))
				(*in)++;
			if (!**in)
				return false; /* a backslash at the end */
			*(*out)++ = **in;
		}
	}
	return !quote;
}

int aws_words(char *text, char **words, size_t max)
{
	char *in = text, *out = text;
	size_t n = 0;

	for (;;) {
		in += strspn(in, BLANKS);
		if (!*in)
			return (int)n;
		if (n == max)
			return -ERR_LIMIT;
		words[n++] = out;
		if (!take_word(&in, &out))
			return -ERR_INVALID;
		in += *in != '\0';
		*out++ = '\0';
	}
}
