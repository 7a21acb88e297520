/* SPDX-License-Identifier: MIT */
/*
 * The transfers of an execution: "fetch" before its main work, "push" after it; two lists in
 * spec.json beside "spec". trainyard-transfer executes them with its own credentials and writes the
 * results to work/transfers.json as {"POINTER": value, …}. The pointer of a fetched item names a
 * value in "spec"; for the main work the local path replaces that value.
 *
 *   "fetch": [
 *     {"pointer": "/channels/train", "from": "s3://bucket/prefix/", "form": "tree"}
 *     {"pointer": "/model",          "from": "s3://bucket/x/model.tar.gz", "form": "tar.gz"}
 *     {"pointer": "/dataset/path",   "from": "s3://bucket/reviews.csv.gz", "form": "file"}
 *     {"pointer": "/dataset/path",   "from": "https://…/x.csv", "sha256": "…", "form": "file"}
 *     {"pointer": "/dataset/path",   "from": "hub:datasets/stanfordnlp/imdb", "config":
 *     "plain_text", "revision": "main", "split": "train", "form": "tree"}   or "test_split"
 *     {"pointer": "/model",          "from": "hub:models/distilbert-base-uncased",
 *      "revision": "main", "form": "tree"}
 *     {"pointer": "/parity",         "from": "s3://bucket/x/model.tar.gz", "form": "peek",
 *      "members": ["parity.json"]}            only these small members (of a
 *                                             prefix: objects); value {"parity.json": {…}}
 *     {"pointer": "/path", "from": "s3://…", "form": "tree", "to": "/a/local/dir",
 *      "exclude": ["checkpoint-*"]}   a download job; "to" below work/, or absolute
 *   ]
 *
 *     An item without "to" comes out of the content-keyed cache (DATA/cache, in "cache_dir",
 *     "cache_max_bytes"), as a tree of hard links in work/inputs/. Value: the absolute path.
 *
 *   "push": [
 *     {"pointer": "/outputs/train", "from": "output/train" (below work/, or absolute),
 *      "to": "s3://bucket/prefix/", "form": "tree", "exclude": ["checkpoint-*"]}
 *     {"pointer": "/model", "from": "/…/model", "to": "s3://bucket/prefix/model.tar.gz",
 *      "form": "tar.gz"}                                   one object; members at the root
 *     {"pointer": "/x", "from": "/…/file", "to": "s3://bucket/key", "form": "file"}
 *   ]
 *     "exclude": `*` and `?` within one name, `**` as a part of its own for any number of parts; a
 *     pattern without '/' is about names at any depth; what lies below an excluded directory is
 *     excluded. A tar.gz holds the same bytes for the same files.
 *     "if_exists": "skip_same" (default: same size and checksum are not sent again) or
 *     "overwrite" (sent whatever is there). Value: the uri
 *     (a tree's ends with '/'). "make_bucket": true makes a missing bucket of this account (only
 *     for the default bucket), "kms_key" optional. "region": a bucket that lies elsewhere is
 *     refused.
 *
 *   "aws": {"region", "profile", "account"}: what the configuration gives explicitly; "account" is
 *     sent as x-amz-expected-bucket-owner where the bucket is the default one. Keys and the rest
 *     come from the environment (exec.inherit: names of variables that the shim hands on from the
 *     daemon's own environment; their values are in no file).
 */
#pragma once

#define TRANSFER_OUTPUTS  "/outputs/" /* such a pointer names an output, not a value in "spec" */
#define TRANSFER_RESULTS  "transfers.json" /* in work/ */
#define TRANSFER_INPUTS	  "inputs"	   /* in work/ */
#define TRANSFER_LIST_MAX 64		   /* items of one list */
