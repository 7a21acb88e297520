/* SPDX-License-Identifier: MIT */
/* The folders of a removal, and the moves into the trash. Each move is durable on return. */
#include "base/beneath.h"
#include "base/fault.h"
#include "base/fileio.h"
#include "base/hash.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/prune/trash.h"
#include "storage/store.h"

#include <sys/stat.h>

/* The folders are opened through the data directory's descriptor, wherever that directory is. */
int trash_folders_open(int data, struct trash_folders *f, struct err *reterr)
{
	int r = dir_make(data, STORE_EXECUTIONS, 0755, reterr);

	if (r < 0)
		return r;
	f->executions = openat(data, STORE_EXECUTIONS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->executions < 0)
		return err_errno(reterr, errno, "open " STORE_EXECUTIONS);
	r = dir_make(f->executions, TRASH_FOLDER, 0700, reterr);
	return r < 0 ? r : beneath_open_dir(f->executions, TRASH_FOLDER, 0, &f->trash, reterr);
}

void trash_folders_done(const struct trash_folders *f)
{
	closep(&f->executions);
	closep(&f->trash);
}

static int move(int from, const char *name, int trash, const char *to, struct err *reterr)
{
	int r;

	if (renameat2(from, name, trash, to, RENAME_NOREPLACE) < 0)
		return errno == ENOENT ? 0 : err_errno(reterr, errno, "move %s to the trash", name);
	r = dir_sync(from, ".");
	if (r >= 0)
		r = dir_sync(trash, ".");
	return r < 0 ? err_errno(reterr, -r, "move %s to the trash", name) : 1;
}

int trash_move_execution(const struct trash_folders *f, const char *id, struct err *reterr)
{
	int r;

	FAULT("prune.move");
	r = move(f->executions, id, f->trash, id, reterr);
	if (r == 1)
		FAULT("prune.moved");
	return r;
}

int trash_move_source(const struct trash_folders *f, int sources, const char *name, json_t *trashed,
		      struct err *reterr)
{
	char to[HASH_HEX_LEN + ID_LEN], id[ID_LEN];
	int r;

	/* a copy with the same content may be in the trash */
	id_new('s', id);
	str_must_format(to, sizeof(to), "%.*s.%s", HASH_HEX_LEN - 1, name, id);
	FAULT("prune.source.move");
	r = move(sources, name, f->trash, to, reterr);
	if (r == 1)
		FAULT("prune.source.moved");
	if (r == 1 && json_array_append_new(trashed, json_string(to)) < 0)
		return err_errno(reterr, ENOMEM, "remove %s", to); /* the next start removes it */
	return r < 0 ? r : 0;
}
