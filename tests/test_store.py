"""`zoo store`: what is listed, found damaged, and removed."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
import torch

from tests.states.fillers import fill, open_store, sequences
from tests.verbs import call
from zoo.states.room import size_text
from zoo.states.shard import shard_paths
from zoo.states.shards import Shards

WANTED = sequences(12)
LETTERS = "states/letters-f00d-float32-float32-*"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return some_states(tmp_path / "store")


def some_states(root: Path) -> Path:
    """Store states of one model, a layer of another, and some graphs."""
    fill(open_store(root), WANTED)
    fill(open_store(root, fingerprint="beef", layers=(2,)), WANTED[:5])
    Shards(root / "graphs" / "abc").put({"key": {"src": torch.arange(9)}})
    return root


def ask(capsys, action: str, root: Path, *options: object):
    """Return the exit code and the JSON that the verb prints."""
    done = call(capsys, "store", action, "--root", root, *options, "--json")
    return done.code, json.loads(done.out)


def hurt(folder: Path, *, cut: bool = False) -> Path:
    (path,) = shard_paths(folder)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data[:-1] if cut else data)
    return path


def on_disk(root: Path) -> int:
    return sum(path.stat().st_size for path in root.rglob("*.safetensors"))


def test_ls_lists_all_that_is_stored(capsys, root):
    code, found = ask(capsys, "ls", root)
    rows = {row["name"].rsplit("-", 4)[0]: row for row in found["holdings"]}
    assert code == 0
    assert found["bytes"] == sum(row["bytes"] for row in rows.values()) == on_disk(root)
    assert {name: (row["layers"], row["entries"]) for name, row in rows.items()} == {
        "graphs/abc": ([], 1),
        "states/letters-beef": ([2], 5),
        "states/letters-f00d": ([1, 3], 12),
    }


def test_ls_prints_a_table_and_the_root(capsys, root):
    done = call(capsys, "store", "ls", "--root", root)
    assert done.code == 0
    for part in ("graphs/abc", "1, 3", "12", "last used", time.strftime("%Y-%m-%d"), str(root)):
        assert part in done.out


def test_reading_counts_as_use(capsys, root):
    store = open_store(root)
    for shards in store.shards.values():
        os.utime(shards.folder, (1e9, 1e9))
    assert min(row["last_used"] for row in ask(capsys, "ls", root)[1]["holdings"]) == 1e9
    store.rows(WANTED[0], 1)
    assert min(row["last_used"] for row in ask(capsys, "ls", root)[1]["holdings"]) > 1e9


@pytest.mark.parametrize("action", ["ls", "verify"])
def test_an_empty_store_is_no_error(capsys, tmp_path, action):
    done = call(capsys, "store", action, "--root", tmp_path / "none")
    assert done.code == 0
    assert str(tmp_path / "none") in done.out


def test_the_root_comes_from_the_environment(capsys, root, monkeypatch):
    monkeypatch.setenv("ZOO_STORE", str(root))
    assert str(root) in call(capsys, "store", "ls").out


def test_a_whole_store_verifies(capsys, root):
    code, found = ask(capsys, "verify", root)
    assert (code, found["files"], found["problems"]) == (0, 4, [])


@pytest.mark.parametrize("cut", [False, True], ids=["changed", "truncated"])
def test_damage_is_found_and_mended(capsys, root, cut):
    path = hurt(open_store(root).folder / "layer_3", cut=cut)
    done = call(capsys, "store", "verify", "--root", root)
    assert done.code == 1
    assert str(path) in done.out
    assert "prune --damaged" in done.err
    code, found = ask(capsys, "prune", root, "--damaged")
    assert (code, found["files"]) == (0, [str(path)])
    assert ask(capsys, "verify", root)[0] == 0
    store = open_store(root)
    assert store.missing(WANTED) == WANTED
    assert fill(store, WANTED)
    assert ask(capsys, "verify", root)[0] == 0


def test_ls_tells_of_shards_that_cannot_be_read(capsys, root):
    hurt(open_store(root).folder / "layer_3", cut=True)
    done = call(capsys, "store", "ls", "--root", root)
    assert done.code == 0
    assert "1 damaged" in done.err


def test_leftovers_of_kills_are_no_damage_and_go(capsys, root):
    old, fresh = (root / "graphs" / "abc" / f"{letter * 32}.part" for letter in "ab")
    for path in (old, fresh):
        path.write_bytes(b"half a shard")
    os.utime(old, (1, 1))
    code, found = ask(capsys, "verify", root)
    assert (code, found["leftovers"], found["problems"]) == (0, [str(old)], [])
    before = on_disk(root)
    assert ask(capsys, "prune", root, "--damaged")[1]["files"] == [str(old)]
    assert fresh.exists() and not old.exists()
    assert on_disk(root) == before


def test_prune_takes_the_models_that_match(capsys, root):
    code, found = ask(capsys, "prune", root, "--model", "letters-f00d-*")
    assert code == 0
    assert len(found["files"]) == 2
    names = [row["name"] for row in ask(capsys, "ls", root)[1]["holdings"]]
    assert [name.split("-float")[0] for name in names] == ["graphs/abc", "states/letters-beef"]
    assert not open_store(root).folder.exists()  # nor its description
    assert ask(capsys, "prune", root, "--model", "states/*")[1]["bytes"] > 0
    assert [row["name"] for row in ask(capsys, "ls", root)[1]["holdings"]] == ["graphs/abc"]


def test_prune_takes_what_was_not_used_for_long(capsys, root):
    week = time.time() - 7 * 86400
    os.utime(root / "graphs" / "abc", (week, week))
    assert ask(capsys, "prune", root, "--older-than", 8)[1]["files"] == []
    assert len(ask(capsys, "prune", root, "--older-than", 6)[1]["files"]) == 1
    assert not (root / "graphs").exists()
    assert open_store(root).missing(WANTED) == []


def test_options_of_prune_narrow_each_other(capsys, root):
    hurt(root / "graphs" / "abc")
    path = hurt(open_store(root).folder / "layer_1")
    found = ask(capsys, "prune", root, "--damaged", "--model", LETTERS)[1]
    assert found["files"] == [str(path)]


def test_prune_all_takes_all_of_it_and_nothing_else(capsys, root):
    mine = root / "graphs" / "model.safetensors"
    mine.write_bytes(b"a model of mine")
    size = on_disk(root) - mine.stat().st_size
    done = call(capsys, "store", "prune", "--root", root, "--all")
    assert done.code == 0
    assert f"{size / 1e3:.2f} kB freed" in done.out
    assert [path for path in root.rglob("*") if path.is_file()] == [mine]


def test_a_dry_run_keeps_what_would_go(capsys, root):
    before = sorted(root.rglob("*"))
    code, found = ask(capsys, "prune", root, "--all", "--dry-run")
    assert (code, found["bytes"]) == (0, on_disk(root))
    assert sorted(root.rglob("*")) == before
    assert (
        "would be freed" in call(capsys, "store", "prune", "--root", root, "--all", "--dry-run").out
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("prune",), "--older-than DAYS"),
        (("prune", "--dry-run"), "Say what to remove"),
        (("prune", "--all", "--damaged"), "--all removes everything"),
        (("ls", "--all"), "only goes with `prune`"),
        (("verify", "--model", "x"), "only goes with `prune`"),
        (("list",), "Valid: ls, prune, verify"),
    ],
)
def test_a_wrong_command_is_an_error_and_removes_nothing(capsys, root, arguments, expected):
    before = on_disk(root)
    done = call(capsys, "store", *arguments, "--root", root)
    assert (done.code, on_disk(root)) == (2, before)
    assert expected in done.err


@pytest.mark.parametrize(
    ("size", "says"),
    [(0, "0.00 kB"), (773_870, "773.87 kB"), (1_690_000, "1.69 MB"), (2_500_000_000, "2.50 GB")],
)
def test_a_size_is_told_in_the_unit_that_shows_it(size, says):
    assert size_text(size) == says
