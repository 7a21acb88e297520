# SPDX-License-Identifier: MIT
"""Repositories of the fake hub: commits of files, with the ids of git and git-lfs."""
import dataclasses
import hashlib
import json

LFS_SUFFIXES = (".safetensors", ".parquet", ".bin", ".h5", ".onnx", ".gz")
LFS_SIZE = 10 * 1000 * 1000


@dataclasses.dataclass
class File:
    data: bytes

    @property
    def blob_id(self):
        return hashlib.sha1(b"blob %d\0" % len(self.data) + self.data).hexdigest()

    @property
    def sha256(self):
        return hashlib.sha256(self.data).hexdigest()


def is_lfs(path, file):
    return path.endswith(LFS_SUFFIXES) or len(file.data) > LFS_SIZE


@dataclasses.dataclass
class Repo:
    """`id` is the full name; `names` are old ones, which redirect. `token`: who may read it."""
    kind: str                 # "model" or "dataset"
    id: str
    names: tuple = ()
    private: bool = False
    gated: bool = False
    card: dict = dataclasses.field(default_factory=dict)
    commits: dict = dataclasses.field(default_factory=dict)    # sha -> {path: File}
    refs: dict = dataclasses.field(default_factory=dict)       # revision -> sha

    def commit(self, files, revision="main"):
        """A new state of a revision: {path: bytes}. The card becomes the README's header, as JSON,
        which is YAML. Returns the commit's id."""
        files = dict(files)
        if self.card and revision == "main":
            files["README.md"] = b"---\n" + json.dumps(self.card).encode() + b"\n---\n"
        tree = {path: File(data) for path, data in sorted(files.items())}
        listing = "".join(f"{path} {file.blob_id}\n" for path, file in tree.items())
        sha = hashlib.sha1(f"{self.id} {revision}\n{listing}".encode()).hexdigest()
        self.commits[sha] = tree
        self.refs[revision] = sha
        return sha

    def find(self, revision):
        """(sha, files) or None."""
        sha = self.refs.get(revision, revision)
        return (sha, self.commits[sha]) if sha in self.commits else None

    def info(self, sha, blobs=False):
        siblings = []
        for path, file in self.commits[sha].items():
            entry = {"rfilename": path}
            if blobs:
                entry |= {"size": len(file.data), "blobId": file.blob_id}
                if is_lfs(path, file):
                    entry["lfs"] = lfs(file)
            siblings.append(entry)
        return {"_id": sha[:24], "id": self.id, "author": self.id.partition("/")[0], "sha": sha,
                "lastModified": "2024-01-04T12:09:45.000Z", "private": self.private,
                "gated": "auto" if self.gated else False, "disabled": False, "downloads": 0,
                "likes": 0, "tags": [], "cardData": self.card, "siblings": siblings,
                "createdAt": "2022-03-02T23:29:22.000Z"}

    def entries(self, sha, under="", recursive=True):
        """What the tree call lists below a folder: files and folders."""
        prefix = f"{under}/" if under else ""
        found = {}
        for path, file in self.commits[sha].items():
            if not path.startswith(prefix):
                continue
            parts = path[len(prefix):].split("/")
            for depth in range(1, len(parts)):
                folder = prefix + "/".join(parts[:depth])
                found[folder] = {"type": "directory", "oid": sha, "size": 0, "path": folder}
                if not recursive:
                    break
            if recursive or len(parts) == 1:
                found[path] = file_entry(path, file)
        return [found[path] for path in sorted(found)]


def lfs(file):
    return {"oid": file.sha256, "sha256": file.sha256, "size": len(file.data), "pointerSize": 134}


def file_entry(path, file):
    entry = {"type": "file", "oid": file.blob_id, "size": len(file.data), "path": path}
    if is_lfs(path, file):
        entry["lfs"] = lfs(file)
    return entry
