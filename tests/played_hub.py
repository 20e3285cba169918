"""A Hugging Face hub on this machine: repositories in memory, to push to and to load from."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

Files = dict[str, bytes]


@dataclass
class Hub:
    """What the hub has.

    Attributes:
        address: Where it listens.
        commits: Files of each commit of each repository, in the order they came.
        branches: The commit of each branch of each repository.
        private: Repositories that only their owner reads.
        said_sizes: Sizes that it tells of files by name, if not their own.
        objects: Large files by SHA-256.
        asked: Method and path of each request.
    """

    address: str = ""
    commits: dict[str, dict[str, Files]] = field(default_factory=dict)
    branches: dict[str, dict[str, str]] = field(default_factory=dict)
    private: set[str] = field(default_factory=set)
    said_sizes: dict[str, int] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def commit(self, repo: str, files: Files, branch: str = "main") -> str:
        """Make a commit of these files, and return its name."""
        known = self.commits.setdefault(repo, {})
        name = hashlib.sha1(f"{repo}{len(known)}".encode()).hexdigest()
        known[name] = dict(files)
        self.branches.setdefault(repo, {})[branch] = name
        return name

    def files(self, repo: str, revision: str = "main") -> Files:
        """Return the files of a branch or commit."""
        return self.commits[repo][self.branches[repo].get(revision, revision)]

    def listed(self, files: Files) -> list[dict[str, Any]]:
        """Return the files as the hub tells of them; weights are large files to it."""
        found = []
        for name, data in files.items():
            sha, size = hashlib.sha256(data).hexdigest(), self.said_sizes.get(name, len(data))
            lfs = {"lfs": {"sha256": sha, "oid": sha, "size": size, "pointerSize": 134}}
            found.append({"rfilename": name, "path": name, "type": "file", "size": size,
                          "blobId": sha[:40], "oid": sha[:40],
                          **(lfs if name.endswith(".safetensors") else {})})  # fmt: skip
        return found


class Handler(BaseHTTPRequestHandler):
    """Answers as huggingface.co does, as far as uploads and downloads of models ask."""

    hub: Hub

    def log_message(self, *_: Any) -> None: ...

    def do_HEAD(self) -> None:  # noqa: N802
        self._read("HEAD")

    def do_GET(self) -> None:  # noqa: N802
        self._read("GET")

    def do_PUT(self) -> None:  # noqa: N802
        data = self._body("PUT")
        self.hub.objects[hashlib.sha256(data).hexdigest()] = data
        self._json({})

    def do_POST(self) -> None:  # noqa: N802
        path, body = self._path(), self._body("POST")
        if path == "/api/repos/create":
            self._create(json.loads(body))
        elif path == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
        elif "/branch/" in path:
            repo, branch = path.removeprefix("/api/models/").split("/branch/")
            self.hub.branches[repo][unquote(branch)] = self.hub.branches[repo]["main"]
            self._json({})
        elif "/preupload/" in path:
            self._json({"files": [
                {"path": file["path"], "shouldIgnore": False,
                 "uploadMode": "lfs" if file["path"].endswith(".safetensors") else "regular"}
                for file in json.loads(body)["files"]
            ]})  # fmt: skip
        elif path.endswith(".git/info/lfs/objects/batch"):
            self._json({"transfer": "basic", "objects": [
                {**one, "actions": {"upload": {"href": f"{self.hub.address}/put/{one['oid']}"}}}
                for one in json.loads(body)["objects"]
            ]})  # fmt: skip
        elif "/commit/" in path:
            self._commit(*path.removeprefix("/api/models/").split("/commit/"), body)
        else:
            self._send(404, b"")

    def _path(self) -> str:
        return self.path.split("?")[0]

    def _body(self, method: str) -> bytes:
        self.hub.asked.append(f"{method} {self._path()}")
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _create(self, wish: dict[str, Any]) -> None:
        repo = f"{wish['organization']}/{wish['name']}"
        if repo in self.hub.commits:
            told = {"error": "You already created this model repo"}
            self._json({**told, "url": f"{self.hub.address}/{repo}"}, 409)
            return
        if wish.get("private") or wish.get("visibility") == "private":
            self.hub.private.add(repo)
        self.hub.commit(repo, {".gitattributes": b""})
        self._json({"url": f"{self.hub.address}/{repo}"})

    def _commit(self, repo: str, branch: str, body: bytes) -> None:
        files = dict(self.hub.files(repo, unquote(branch)))
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.objects[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        name = self.hub.commit(repo, files, unquote(branch))
        self._json({"commitUrl": f"{self.hub.address}/{repo}/commit/{name}", "commitOid": name})

    def _read(self, method: str) -> None:
        path = self._path()
        self.hub.asked.append(f"{method} {path}")
        words = path.strip("/").split("/")
        if path == "/":
            self._send(200, b"")
        elif words[:2] == ["api", "models"]:
            self._tell("/".join(words[2:4]), words[4:])
        elif len(words) > 4 and words[2] == "resolve":
            self._file("/".join(words[:2]), words[3], "/".join(words[4:]), method == "GET")
        else:
            self._send(404, b"")

    def _tell(self, repo: str, words: list[str]) -> None:
        if repo not in self.hub.commits:
            self._send(404, b"", {"X-Error-Code": "RepoNotFound"})
            return
        revision = unquote(words[1]) if len(words) > 1 else "main"
        commit = self.hub.branches[repo].get(revision, revision)
        if commit not in self.hub.commits[repo]:
            self._send(404, b"", {"X-Error-Code": "RevisionNotFound"})
            return
        listed = self.hub.listed(self.hub.commits[repo][commit])
        facts = {"id": repo, "sha": commit, "siblings": listed, "private": repo in self.hub.private}
        self._json(listed if words[:1] == ["tree"] else facts)

    def _file(self, repo: str, commit: str, name: str, with_body: bool) -> None:
        data = self.hub.files(repo, commit)[name]
        tag = f'"{hashlib.sha256(data).hexdigest()}"'
        self._send(200, data, {"ETag": tag, "X-Repo-Commit": commit}, with_body)

    def _json(self, value: Any, status: int = 200) -> None:
        self._send(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(
        self, status: int, data: bytes, headers: dict[str, str] | None = None, body: bool = True
    ) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if body and self.command != "HEAD":
            self.wfile.write(data)


@contextmanager
def played() -> Iterator[Hub]:
    """Run a hub that has nothing yet, on a port of its own."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub = Hub(f"http://127.0.0.1:{server.server_port}")
    Handler.hub = hub
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield hub
    server.shutdown()
    server.server_close()
