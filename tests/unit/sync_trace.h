/* SPDX-License-Identifier: MIT */
/*
 * What a test asks the kernel to make durable. These take the place of fsync, fdatasync, rename,
 * renameat and renameat2 of libc, for the program and its shared libraries. They do the same and
 * note it, on any thread; read the notes while no other thread takes any.
 */
#pragma once

/* Forget what was noted. */
void trace_clear(void);
/* The notes, one a line: "sync NAME", "rename FROM TO"; names without their directories, and "DIR/"
 * for a directory. Valid until the next call. */
const char *trace_text(void);
