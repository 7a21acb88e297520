/* SPDX-License-Identifier: MIT */
/* The table of marks, and the guess by zero bytes if there is none. Byte order marks are those of
 * the Unicode standard, section 23.8. */
#include "base/encoding.h"

#include "base/lfs.h"
#include "base/own.h"

#include <stdbool.h>
#include <string.h>

#define CONVERT(what, name) \
	what ", but must be UTF-8; convert it, as with: iconv -f " name " -t UTF-8"
#define UNMARKED_MIN 8 /* bytes that are examined if there is no mark */
#define UNMARKED_MAX 16
#define UNPACK(what) what ", but must be text; unpack it, or pack it with gzip"

/* In this order: a mark of UTF-32 begins with one of UTF-16. */
static const struct {
	const char *bytes;
	size_t len;
	const char *problem;
} marks[] = {
	{"\xFF\xFE\0\0", 4, CONVERT("UTF-32, little-endian", "UTF-32")},
	{"\0\0\xFE\xFF", 4, CONVERT("UTF-32, big-endian", "UTF-32")},
	{"\xFF\xFE", 2, CONVERT("UTF-16, little-endian", "UTF-16")},
	{"\xFE\xFF", 2, CONVERT("UTF-16, big-endian", "UTF-16")},
	{LFS_POINTER_MARK, sizeof(LFS_POINTER_MARK) - 1, LFS_POINTER_PROBLEM},
	{"PK\x03\x04", 4,
	 "a zip archive, as .xlsx workbooks are, but must be text; unpack it, or save the sheet as "
	 "CSV"},
	{"\xD0\xCF\x11\xE0", 4,
	 "an old workbook or document of Office, but must be text; save it "
	 "as CSV"},
	{"BZh91AY&SY", 10, UNPACK("packed with bzip2")},
	{"\xFD"
	 "7zXZ",
	 5, UNPACK("packed with xz")},
	{"\x28\xB5\x2F\xFD", 4, UNPACK("packed with zstd")},
};

/* True if the bytes of each unit are zero except the one at `ascii`. Without a mark the first
 * characters of a header or an object are ASCII, and their other bytes are zero. */
static bool has_units(const char *bytes, size_t len, size_t unit, size_t ascii)
{
	for (size_t i = 0; i < len; i++)
		if (!bytes[i] == (i % unit == ascii))
			return false;
	return true;
}

static const char *unmarked(const char *bytes, size_t len)
{
	static const struct {
		size_t unit, ascii;
		const char *problem;
	} forms[] = {{4, 0, CONVERT("UTF-32, little-endian", "UTF-32LE")},
		     {4, 3, CONVERT("UTF-32, big-endian", "UTF-32BE")},
		     {2, 0, CONVERT("UTF-16, little-endian", "UTF-16LE")},
		     {2, 1, CONVERT("UTF-16, big-endian", "UTF-16BE")}};

	len = (len < UNMARKED_MAX ? len : UNMARKED_MAX) & ~(size_t)3;
	for (size_t i = 0; len >= UNMARKED_MIN && i < ARRAY_LEN(forms); i++)
		if (has_units(bytes, len, forms[i].unit, forms[i].ascii))
			return forms[i].problem;
	return NULL;
}

const char *encoding_problem(const char *bytes, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(marks); i++)
		if (len >= marks[i].len && memcmp(bytes, marks[i].bytes, marks[i].len) == 0)
			return marks[i].problem;
	return unmarked(bytes, len);
}
