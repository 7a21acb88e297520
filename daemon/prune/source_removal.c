/* SPDX-License-Identifier: MIT */
/*
 * Removes frozen copies of source directories. Only the manager's thread moves a copy, between two
 * transactions. So a submit finds the copy in its place, and ends the intent. Or the submit does
 * not find the copy, and makes a new one. Copies are removed in the trash. Manager's thread.
 */
#include "base/hash.h"
#include "base/log.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/prune/steps.h"
#include "storage/prune_plan.h"
#include "storage/write/prune.h"

#include <fcntl.h>

DIR *sources_open(const struct manager *mgr, struct err *reterr)
{
	OWN(closep)
	int fd = openat(trash_data(mgr->pruner->trash), STORE_SOURCES,
			O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (d)
		(void)!TAKE_FD(fd);
	else
		err_errno(reterr, errno, "open " STORE_SOURCES);
	return d;
}

/* Move each copy. A copy that cannot be moved does not block the others. The moved names, and those
 * that were not there, are appended to *moved. */
static int move_each(struct manager *mgr, const json_t *names, json_t *moved, json_t *trashed,
		     struct err *reterr)
{
	struct trash_folders f = {-1, -1};
	DIR *sources = sources_open(mgr, reterr);
	int r = sources ? trash_folders_open(trash_data(mgr->pruner->trash), &f, reterr)
			: -ERR_UNAVAILABLE;
	int worst = r;
	json_t *name;
	size_t i;

	if (!sources && reterr->code == ENOENT) { /* somebody has removed all copies */
		json_array_extend(moved, (json_t *)names);
		return 0;
	}
	json_array_foreach(names, i, name) {
		if (!sources || f.trash < 0)
			break;
		r = trash_move_source(&f, dirfd(sources), json_string_value(name), trashed, reterr);
		if (r >= 0)
			json_array_append(moved, name);
		else
			worst = r;
	}
	trash_folders_done(&f);
	if (sources)
		closedir(sources);
	return worst;
}

static int end_intents(struct manager *mgr, const json_t *moved, struct err *reterr)
{
	int r = txn_begin(mgr, reterr);
	const json_t *name;
	size_t i;

	if (r < 0)
		return r;
	store_use_last_reserve(mgr->store);
	json_array_foreach(moved, i, name)
		if (r >= 0)
			r = store_source_removed(mgr->store, json_string_value(name), reterr);
	if (r < 0)
		txn_fail(mgr, r, reterr);
	return txn_end(mgr, reterr);
}

/* Takes over `trashed`. */
static void queue_removal(struct manager *mgr, json_t *trashed)
{
	struct removal *rm = json_array_size(trashed) ? calloc(1, sizeof(*rm)) : NULL;

	if (!rm) { /* nothing to do; if memory is out, the next start removes it */
		json_decref(trashed);
		return;
	}
	rm->trashed = trashed;
	trash_add(mgr->pruner->trash, rm);
}

void sources_move(struct manager *mgr)
{
	OWN(json_decrefp) json_t *names = NULL, *moved = json_array();
	json_t *trashed = json_array();
	struct err err = {0};
	int r = store_source_removals(mgr->store, &names, &err);

	if (r >= 0 && json_array_size(names))
		r = move_each(mgr, names, moved, trashed, &err);
	if (json_array_size(moved) && end_intents(mgr, moved, &err) < 0)
		r = -err.code;
	if (r < 0)
		prune_try_later(mgr, "", &err);
	queue_removal(mgr, trashed);
}

/* True if the name is that of an incomplete copy: HASH.ID. */
static bool is_incomplete(const char *name)
{
	char hash[HASH_HEX_LEN];

	str_must_format(hash, sizeof(hash), "%.*s", HASH_HEX_LEN - 1, name);
	return prune_source_name(hash) && name[HASH_HEX_LEN - 1] == '.' &&
	       id_valid('s', name + HASH_HEX_LEN);
}

void sources_tidy(struct manager *mgr)
{
	OWN(json_decrefp) json_t *trashed = json_array();
	struct trash_folders f = {-1, -1};
	struct err err = {0};
	DIR *d = sources_open(mgr, &err);
	struct dirent *e;
	int r = 0;

	if (!d)
		return;
	while (r >= 0 && (e = readdir(d))) {
		if (!is_incomplete(e->d_name))
			continue;
		if (f.trash < 0)
			r = trash_folders_open(trash_data(mgr->pruner->trash), &f, &err);
		if (r >= 0)
			r = trash_move_source(&f, dirfd(d), e->d_name, trashed, &err);
	}
	if (r < 0)
		log_event(LOG_LEVEL_WARNING, "sources_not_tidied", "msg=\"%s\"", err.msg);
	trash_folders_done(&f);
	closedir(d);
}
