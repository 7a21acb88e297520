/* SPDX-License-Identifier: MIT */
/* SHA-256, and SHA-1 for formats that require it (both by OpenSSL). Any thread. */
#pragma once

#include "base/err.h"

#include <stddef.h>

#define HASH_HEX_LEN	  65 /* 64 hex digits and NUL */
#define HASH_SHA1_HEX_LEN 41

struct hash; /* a running SHA-256 */

struct hash *hash_new(void); /* aborts only when memory is out */
void hash_free(struct hash *h);
void hash_freep(struct hash **h);
void hash_update(struct hash *h, const void *data, size_t len);
void hash_hex(struct hash *h, char hex[HASH_HEX_LEN]); /* finishes the hash */
void hash_bytes(const void *data, size_t len, char hex[HASH_HEX_LEN]);
/* Hash a whole file. Blocks on the disk. */
int hash_file(int at, const char *path, char hex[HASH_HEX_LEN], struct err *reterr) MUSTCHECK;
/* Only for names that another program derives this way; never for security. */
void hash_sha1(const void *data, size_t len, char hex[HASH_SHA1_HEX_LEN]);
