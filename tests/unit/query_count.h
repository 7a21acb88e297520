/* SPDX-License-Identifier: MIT */
/*
 * How often a test's program asks: these take the place of statvfs and sqlite3_step for the whole
 * program, do the same, and count. Any thread.
 */
#pragma once

struct query_count {
	int rows;  /* of statements whose text has the words */
	int asked; /* such statements that were begun anew */
	int room;  /* looks at the disk's free space */
};

/* Begin to count statements with these words in their text (a literal). */
void query_count_begin(const char *words);
struct query_count query_count_read(void);
