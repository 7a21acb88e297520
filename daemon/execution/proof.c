/* SPDX-License-Identifier: MIT */
/*
 * Proves that an exit record comes from the shim. Each execution has a random secret. The shim gets
 * it through a pipe and writes it into exit.json. The database holds its SHA-256, and the daemon
 * forgets the secret after the shim runs. A job cannot forge the record before the shim writes it.
 * A job has the same user, so this is best effort. Manager's thread.
 */
#include "base/log.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/execution/execution.h"

#include <fcntl.h>
#include <string.h>
#include <sys/random.h>

#define PROOF_BYTES ((HASH_HEX_LEN - 1) / 2)

int proof_new(char value[HASH_HEX_LEN], char digest[HASH_HEX_LEN], struct err *reterr)
{
	unsigned char bytes[PROOF_BYTES];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return err_errno(reterr, errno, "make a random value");
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(value + 2 * i, 3, "%02x", bytes[i]);
	explicit_bzero(bytes, sizeof(bytes));
	hash_bytes(value, HASH_HEX_LEN - 1, digest);
	return 0;
}

int proof_pipe(const char *value, int *ret_fd, struct err *reterr)
{
	int ends[2];
	ssize_t n;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_errno(reterr, errno, "make a pipe");
	n = write(ends[1], value, strlen(value)); /* an empty pipe has room */
	close(ends[1]);
	if (n < 0) {
		close(ends[0]);
		return err_errno(reterr, EPIPE, "write to a pipe");
	}
	*ret_fd = ends[0];
	return 0;
}

bool proof_holds(struct execution *ex, struct exit_record *rec)
{
	char digest[HASH_HEX_LEN];
	bool holds;

	hash_bytes(rec->proof, strlen(rec->proof), digest);
	holds = !ex->row.proof[0] || str_eq(digest, ex->row.proof);
	rec->proof[0] = '\0';
	if (!holds && !ex->forgery_logged) {
		ex->forgery_logged = true;
		log_event(LOG_LEVEL_WARNING, "exit_record_refused",
			  "execution=%s msg=\"the supervisor of the execution did not write this "
			  "exit record\"",
			  ex->row.id);
	}
	return holds;
}
