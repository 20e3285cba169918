"""Downloads, from a hub on this machine: what comes, from which commit, and what damage does."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from zoo.backbones.plm import resolve
from zoo.backbones.weights import cached_folder

NAME, NOW, BEFORE = "lab/tiny", "a" * 40, "b" * 40


@dataclass
class Hub:
    """What a hub has: files of each commit, and what it says of their hashes."""

    address: str
    name: str
    commits: dict[str, dict[str, bytes]]
    hashes: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def siblings(self, commit: str) -> list[dict[str, Any]]:
        """Return the files as the hub's API lists them; weights are large files to it."""
        found = []
        for name, data in self.commits[commit].items():
            sha = self.hashes.get(name, hashlib.sha256(data).hexdigest())
            lfs = {"lfs": {"sha256": sha, "size": len(data), "pointerSize": 134}}
            found.append({"rfilename": name, "size": len(data), "blobId": sha[:40],
                          **(lfs if name.endswith(".safetensors") else {})})  # fmt: skip
        return found


class Handler(BaseHTTPRequestHandler):
    """Answers as huggingface.co does, as far as downloads ask."""

    hub: Hub

    def do_HEAD(self) -> None:  # noqa: N802
        self._answer(with_body=False)

    def do_GET(self) -> None:  # noqa: N802
        self._answer(with_body=True)

    def log_message(self, *_: Any) -> None: ...

    def _answer(self, with_body: bool) -> None:
        path = self.path.split("?")[0]
        self.hub.asked.append(path)
        if path.startswith(f"/api/models/{self.hub.name}/tree/"):
            commit = path.split("/")[-1]
            listed = [{"type": "file", "path": file["rfilename"], "size": file["size"],
                       "oid": file["blobId"]} for file in self.hub.siblings(commit)]  # fmt: skip
            self._send(json.dumps(listed).encode(), {"Content-Type": "application/json"}, with_body)
        elif path.startswith(f"/api/models/{self.hub.name}"):
            words = path.split("/revision/")
            commit = words[1] if len(words) > 1 and words[1] != "main" else NOW
            facts = {"id": self.hub.name, "sha": commit, "siblings": self.hub.siblings(commit)}
            self._send(json.dumps(facts).encode(), {"Content-Type": "application/json"}, with_body)
        elif path.startswith(f"/{self.hub.name}/resolve/"):
            commit, name = path.removeprefix(f"/{self.hub.name}/resolve/").split("/", 1)
            data = self.hub.commits[commit][name]
            tag = f'"{hashlib.sha256(commit.encode() + data).hexdigest()}"'
            self._send(data, {"ETag": tag, "X-Repo-Commit": commit}, with_body)
        else:
            self._send(b"", {}, with_body)

    def _send(self, data: bytes, headers: dict[str, str], with_body: bool) -> None:
        self.send_response(200)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(data)


@pytest.fixture
def hub(plm_folders: dict[str, str]) -> Iterator[Hub]:
    folder = Path(plm_folders["esm"])
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    before = {**files, "extra.txt": b"of an earlier commit"}
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Hub(f"http://127.0.0.1:{server.server_port}", NAME, {NOW: files, BEFORE: before})
    Handler.hub = made
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield made
    server.shutdown()
    server.server_close()


def run(home: Path, address: str, *words: object) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    env = {**clean, "HF_HOME": str(home), "HF_ENDPOINT": address, "HF_HUB_DISABLE_XET": "1"}
    return subprocess.run(
        [sys.executable, "-m", *map(str, words)], env=env, capture_output=True, text=True
    )


def test_a_model_comes_into_the_cache_and_is_found_there(hub: Hub, tmp_path: Path) -> None:
    done = run(tmp_path, hub.address, "zoo.download", NAME, "--json")
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)
    assert Path(found["folder"]).name == NOW
    built = run(tmp_path, "http://127.0.0.1:9", "zoo.build", "--seq", NAME, "--struct", "none",
                "--weights", "pretrained", "--json")  # fmt: skip
    assert built.returncode == 0, built.stderr


def test_a_revision_comes_into_its_folder(hub: Hub, tmp_path: Path) -> None:
    done = run(tmp_path, hub.address, "zoo.download", NAME, "--revision", BEFORE,
               "--out", tmp_path / "model")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "model" / "extra.txt").read_bytes() == b"of an earlier commit"
    alone = run(tmp_path, hub.address, "zoo.download", NAME, "--revision", BEFORE)
    assert alone.returncode == 2 and "--revision needs --out" in " ".join(alone.stderr.split())


@pytest.mark.parametrize("out", [False, True])
def test_a_known_name_means_one_commit_whatever_the_hub_has_now(
    hub: Hub, tmp_path: Path, out: bool
) -> None:
    preset = resolve("esm2_8m").preset
    assert preset is not None
    hub.name, hub.commits[preset.revision] = preset.hub_id, hub.commits[BEFORE]
    words = ("--out", tmp_path / "model") if out else ()
    done = run(tmp_path, hub.address, "zoo.download", "esm2_8m", "--json", *words)
    assert done.returncode == 0, done.stderr
    folder = Path(json.loads(done.stdout)[0]["folder"])
    assert (folder / "extra.txt").read_bytes() == b"of an earlier commit"
    assert not any(word in path for path in hub.asked for word in (NOW, "main"))
    if not out:
        listed = run(tmp_path, "http://127.0.0.1:9", "zoo.list", "esm2_8m", "--json")
        assert json.loads(listed.stdout)["sequence"][0]["here"] is True


def test_a_licence_that_allows_no_commercial_use_is_told(hub: Hub, tmp_path: Path) -> None:
    preset = resolve("ankh_base").preset
    assert preset is not None
    hub.name, hub.commits[preset.revision] = preset.hub_id, hub.commits[NOW]
    done = run(tmp_path, hub.address, "zoo.download", "ankh_base", "--quiet")
    assert done.returncode == 0, done.stderr
    said = "The licence of ankh_base: CC-BY-NC-SA-4.0, which allows no commercial use."
    assert said in " ".join(done.stderr.split())
    free = resolve("esm2_8m").preset
    assert free is not None
    hub.name, hub.commits[free.revision] = free.hub_id, hub.commits[NOW]
    assert "licence" not in run(tmp_path, hub.address, "zoo.download", "esm2_8m").stderr


def test_what_other_tools_fetched_serves_until_the_commit_is_asked_for(
    hub: Hub, tmp_path: Path
) -> None:
    from huggingface_hub import snapshot_download

    plm = resolve("esm2_8m")
    assert plm.hub_id is not None
    hub.name, hub.commits[plm.revision] = plm.hub_id, hub.commits[BEFORE]
    cache = tmp_path / "hub"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
        patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        snapshot_download(plm.hub_id, endpoint=hub.address, cache_dir=cache)
        assert cached_folder(plm) is not None and cached_folder(plm).name == NOW
        assert cached_folder(plm, exact=True) is None
        done = run(tmp_path, hub.address, "zoo.download", "esm2_8m")
        assert done.returncode == 0, done.stderr
        assert cached_folder(plm).name == plm.revision


@pytest.mark.parametrize("out", [False, True])
def test_damaged_weights_are_refused_and_removed(hub: Hub, tmp_path: Path, out: bool) -> None:
    hub.hashes["model.safetensors"] = "0" * 64
    place = tmp_path / "model"
    words = ("--out", place) if out else ()
    done = run(tmp_path, hub.address, "zoo.download", NAME, *words)
    assert done.returncode == 3 and "damaged on its way" in " ".join(done.stderr.split())
    assert not list(tmp_path.rglob("model.safetensors"))
    hub.hashes.clear()
    again = run(tmp_path, hub.address, "zoo.download", NAME, *words)
    assert again.returncode == 0, again.stderr


def test_no_weights_over_http(hub: Hub, tmp_path: Path) -> None:
    done = run(tmp_path, "http://hub.example", "zoo.download", NAME)
    assert done.returncode == 3 and "only https addresses" in " ".join(done.stderr.split())
    assert hub.asked == []
