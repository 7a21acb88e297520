/* SPDX-License-Identifier: MIT */
/* Parses one entry of each list, and makes its paths absolute. */
#include "transfer/lists.h"

#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "wire/transfer.h"

#include <string.h>

static const char *const forms[] = {
	[FORM_FILE] = "file",
	[FORM_TREE] = "tree",
	[FORM_TAR_GZ] = "tar.gz",
	[FORM_PEEK] = "peek",
};

int list_check(const json_t *list, const char *name, struct err *reterr)
{
	if (list && !json_is_array(list))
		return err_set(reterr, ERR_CORRUPT, "\"%s\" must be a list, not %s", name,
			       json_type_name(list));
	if (json_array_size(list) > TRANSFER_LIST_MAX)
		return err_set(reterr, ERR_LIMIT, "\"%s\" has more than %d entries", name,
			       TRANSFER_LIST_MAX);
	return 0;
}

static int parse_form(const json_t *item, const char *list, size_t index, enum transfer_form *ret,
		      struct err *reterr)
{
	const char *form = json_get_str(item, "form", "");

	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		if (!str_eq(forms[i], form))
			continue;
		*ret = (enum transfer_form)i;
		return 0;
	}
	return err_set(reterr, ERR_CORRUPT, "\"%s\"[%zu]: the form '%s' is unknown", list, index,
		       form);
}

/* Make a path of the message absolute. Relative paths lie below work/. */
static bool absolute(const struct transfer *t, const char *path, char ret[PATH_MAX])
{
	return *path == '/' ? str_copy(ret, PATH_MAX, path)
			    : path_is_inside(path) && path_join(ret, PATH_MAX, t->work, path);
}

int fetch_item_parse(const struct transfer *t, const json_t *item, size_t index,
		     struct fetch_item *ret, struct err *reterr)
{
	int r = parse_form(item, "fetch", index, &ret->form, reterr);
	char own[32];

	if (r < 0)
		return r;
	ret->pointer = json_get_str(item, "pointer", NULL);
	ret->from = json_get_str(item, "from", NULL);
	ret->to = json_get_str(item, "to", NULL);
	ret->sha256 = json_get_str(item, "sha256", NULL);
	ret->config = json_get_str(item, "config", NULL);
	ret->revision = json_get_str(item, "revision", NULL);
	ret->split = json_get_str(item, "split", NULL);
	ret->test_split = json_get_str(item, "test_split", NULL);
	ret->members = json_object_get(item, "members");
	ret->exclude = json_object_get(item, "exclude");
	str_must_format(own, sizeof(own), "%s/%zu", TRANSFER_INPUTS, index);
	if (!ret->pointer || !ret->from || !absolute(t, ret->to ? ret->to : own, ret->into) ||
	    (ret->form == FORM_PEEK && !json_is_array(ret->members)) ||
	    (ret->exclude && !json_is_null(ret->exclude) && !json_is_array(ret->exclude)))
		return err_set(reterr, ERR_CORRUPT,
			       "\"fetch\"[%zu] needs \"pointer\", \"from\", \"to\" below work/ or "
			       "absolute if any, \"members\" for a peek, and \"exclude\" as a list "
			       "if any",
			       index);
	if (ret->to)
		ret->to = ret->into;
	return 0;
}

int push_item_parse(const struct transfer *t, const json_t *item, size_t index,
		    struct push_item *ret, struct err *reterr)
{
	const char *from = json_get_str(item, "from", "");
	const char *if_exists = json_get_str(item, "if_exists", "skip_same");
	int r = parse_form(item, "push", index, &ret->form, reterr);

	if (r < 0)
		return r;
	ret->pointer = json_get_str(item, "pointer", NULL);
	ret->to = json_get_str(item, "to", NULL);
	ret->exclude = json_object_get(item, "exclude");
	ret->make_bucket = json_get_bool(item, "make_bucket", false);
	ret->region = json_get_str(item, "region", NULL);
	ret->kms_key = json_get_str(item, "kms_key", NULL);
	if (!ret->pointer || !ret->to || !absolute(t, from, ret->from) || ret->form == FORM_PEEK ||
	    (ret->exclude && !json_is_null(ret->exclude) && !json_is_array(ret->exclude)))
		return err_set(reterr, ERR_CORRUPT,
			       "\"push\"[%zu] needs \"pointer\", \"to\", \"from\" below work/ or "
			       "absolute, and \"exclude\" as a list if any",
			       index);
	ret->overwrite = str_eq(if_exists, "overwrite");
	if (!ret->overwrite && !str_eq(if_exists, "skip_same"))
		return err_set(reterr, ERR_UNSUPPORTED, "\"push\"[%zu]: if_exists '%s' is unknown",
			       index, if_exists);
	return 0;
}
