/* SPDX-License-Identifier: MIT */
/* Replies without the HTTP library, where it cannot reply: it has not taken the connection, or the
 * request does not fit into its memory. Any thread. */
#pragma once

/* Send a problem document and read what has arrived, so that closing does not lose the reply. Never
 * waits; the caller closes. `detail` has no character that JSON escapes. */
void bare_reply(int fd, unsigned status, const char *code, const char *detail);
