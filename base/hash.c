/* SPDX-License-Identifier: MIT */
/*
 * Hashes through OpenSSL's EVP interface. Memory that runs out aborts, so that no caller gets a
 * wrong hash.
 */
#include "base/hash.h"

#include "base/own.h"

#include <fcntl.h>
#include <openssl/evp.h>

#define HASH_CHUNK 65536

struct hash {
	EVP_MD_CTX *ctx;
};

struct hash *hash_new(void)
{
	struct hash *h = calloc(1, sizeof(*h));

	if (h)
		h->ctx = EVP_MD_CTX_new();
	if (!h || !h->ctx || EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL) != 1)
		abort();
	return h;
}

void hash_free(struct hash *h)
{
	if (!h)
		return;
	EVP_MD_CTX_free(h->ctx);
	free(h);
}

void hash_freep(struct hash **h)
{
	hash_free(*h);
}

void hash_update(struct hash *h, const void *data, size_t len)
{
	EVP_DigestUpdate(h->ctx, data, len);
}

static void to_hex(const unsigned char *sum, unsigned n, char *hex)
{
	static const char digits[] = "0123456789abcdef";

	for (unsigned i = 0; i < n; i++) {
		hex[2 * i] = digits[sum[i] >> 4];
		hex[2 * i + 1] = digits[sum[i] & 15];
	}
	hex[2 * n] = '\0';
}

void hash_hex(struct hash *h, char hex[HASH_HEX_LEN])
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	EVP_DigestFinal_ex(h->ctx, sum, &n);
	to_hex(sum, n, hex);
}

void hash_sha1(const void *data, size_t len, char hex[HASH_SHA1_HEX_LEN])
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (EVP_Digest(data, len, sum, &n, EVP_sha1(), NULL) != 1)
		abort();
	to_hex(sum, n, hex);
}

void hash_bytes(const void *data, size_t len, char hex[HASH_HEX_LEN])
{
	OWN(hash_freep) struct hash *h = hash_new();

	hash_update(h, data, len);
	hash_hex(h, hex);
}

int hash_file(int at, const char *path, char hex[HASH_HEX_LEN], struct err *reterr)
{
	OWN(closep) int fd = openat(at, path, O_RDONLY | O_CLOEXEC);
	OWN(hash_freep) struct hash *h = hash_new();
	char chunk[HASH_CHUNK];

	if (fd < 0)
		return err_errno(reterr, errno, "read %s", path);
	for (;;) {
		ssize_t n = read(fd, chunk, sizeof(chunk));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(reterr, errno, "read %s", path);
		if (n == 0)
			break;
		hash_update(h, chunk, (size_t)n);
	}
	hash_hex(h, hex);
	return 0;
}
