"""Sharing, with a hub on this machine: what is sent, that it predicts the same, what is refused."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from safetensors import safe_open

import zoo
from tests.conftest import REPOSITORY
from tests.played_hub import Hub, played
from tests.verbs import Result, call
from zoo.errors import CheckpointError, ConfigError
from zoo.models.runs import facts_hash, read_run
from zoo.pretrained import HOME
from zoo.pretrained.hub import LIMITS, fetch, pinned, shared
from zoo.sharing.card import hub_card
from zoo.sharing.packing import pack, portable, without_paths
from zoo.sharing.pushing import sizes

PROTEIN = REPOSITORY / "zoo/examples/1a8o.cif.gz"
REPO, PLACE = "lab/sites", "hf://lab/sites"
NOWHERE = "http://127.0.0.1:9"
FILES = {"README.md", "metrics.json", "run.json"} | {
    f"seed_{seed}/{name}" for seed in range(3)
    for name in ("calibration.json", "config.yaml", "model.safetensors")
}  # fmt: skip


@pytest.fixture
def hub() -> Iterator[Hub]:
    with played() as one:
        yield one


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A run as training leaves it on a machine: logs, checkpoints, predictions, paths, commands."""
    folder = tmp_path / "secret place" / "my run"
    shutil.copytree(HOME / "ppbs_local", folder)
    (folder / "predictions.csv").write_text("id\nsecret-1\n")
    for number in range(3):
        member = folder / f"seed_{number}"
        (member / "checkpoints").mkdir()
        (member / "checkpoints/last.ckpt").write_bytes(b"a pickle")
        (member / "train.log").write_text(f"secret {member}")
        (member / "README.md").write_text(f"secret {member}")
        (member / "splits.json").write_text(
            json.dumps({"train": ["secret-1"], "validation": [], "test": []})
        )
    for name in ("run.json", "metrics.json"):
        values = json.loads((folder / name).read_text())
        values |= {"data": str(folder / "data"), "command": f"python -m zoo.train {folder}",
                   "sum": {"reasons": {f"{folder}/a.pdb: secret": 1}}}  # fmt: skip
        (folder / name).write_text(json.dumps(values))
    return folder


Change = Callable[[Hub, dict[str, bytes]], object]
Machine = Callable[..., Result]
"""Runs a verb with a hub's cache of that name and the hub at that address."""


@pytest.fixture
def run(tmp_path: Path) -> Machine:
    """Runs a verb in a process of its own, as the hub's library reads its settings at import."""

    def runs(machine: str, address: str, *words: object) -> Result:
        clean = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
        env = {**clean, "HF_HOME": str(tmp_path / machine), "HF_ENDPOINT": address,
               "HF_HUB_DISABLE_XET": "1", "HF_TOKEN": "of-the-played-hub"}  # fmt: skip
        command = [sys.executable, "-m", "zoo", *map(str, words)]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
        return Result(done.returncode, done.stdout, " ".join(done.stderr.split()))

    return runs


@pytest.fixture
def here(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[Machine]:
    """Runs a verb in this process, which is quicker, where no file is sent or fetched."""

    def runs(machine: str, address: str, *words: object) -> Result:
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        monkeypatch.setenv("HF_ENDPOINT", address)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / machine))
        fetch.cache_clear()
        done = call(capsys, *words)
        return Result(done.code, done.out, " ".join(done.err.split()))

    yield runs
    fetch.cache_clear()


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a shipped model as they are sent."""
    folder = tmp_path_factory.mktemp("sent")
    pack(HOME / "ppbs_local", folder, splits=False, language_model=None)
    (folder / "README.md").write_text(hub_card(folder, REPO, None))
    return {name: (folder / name).read_bytes() for name in sizes(folder)}


def rows(folder: Path) -> list[list[str]]:
    with (folder / "predictions.csv").open() as file:
        return list(csv.reader(file))


def test_what_is_pushed_predicts_the_same_to_the_last_digit(
    hub: Hub,
    run: Machine,
    mine: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done = run("one", hub.address, "push", mine, REPO, "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    commit = hub.branches[REPO]["main"]
    assert told["model"] == f"{PLACE}@{commit}"
    assert set(told["files"]) == FILES == hub.files(REPO).keys() - {".gitattributes"}
    words = ("predict", PROTEIN, "--model", PLACE, "--out", tmp_path / "theirs")
    theirs = run("other", hub.address, *words)
    assert theirs.code == 0, theirs.err
    assert f"{PLACE}@{commit}" in theirs.err
    assert call(capsys, "predict", PROTEIN, "--model", mine, "--out", tmp_path / "own").code == 0
    assert rows(tmp_path / "theirs") == rows(tmp_path / "own")

    asked = len(hub.asked)  # the commit is in the cache now, so the hub is not asked again
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "other/hub"))
    name = f"{PLACE}@{commit}"
    values = zoo.predict(PROTEIN, name)["binding_site"]
    assert list(values) == list(zoo.predict(PROTEIN, mine)["binding_site"])
    assert zoo.load_model(name).recipe.config.task == "ppbs"
    assert len(hub.asked) == asked


def test_nothing_private_is_sent(hub: Hub, run: Machine, mine: Path, tmp_path: Path) -> None:
    done = run("one", hub.address, "push", mine, REPO)
    assert done.code == 0, done.err
    for name, data in hub.files(REPO).items():
        assert b"secret" not in data and str(tmp_path).encode() not in data, name
        assert b"zoo.train" not in data or name == "README.md", name
    with_splits = run("one", hub.address, "push", mine, REPO, "--splits")
    assert with_splits.code == 0, with_splits.err
    assert b"secret-1" in hub.files(REPO)["seed_0/splits.json"]
    without = run("one", hub.address, "push", mine, REPO)
    assert without.code == 0, without.err
    assert "seed_0/splits.json" not in hub.files(REPO)  # what an earlier push sent is taken away


def test_a_dry_run_lists_sizes_and_asks_no_hub(
    mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = call(capsys, "push", mine, REPO, "--dry-run")
    assert done.code == 0 and "nothing was sent" in done.out
    found = dict(reversed(line.split()) for line in done.out.splitlines()[:-1])
    assert found.keys() == FILES
    size = (mine / "seed_0/model.safetensors").stat().st_size
    assert found["seed_0/model.safetensors"] == f"{size:,}"


def test_no_weight_of_the_frozen_language_model_is_sent(tmp_path: Path) -> None:
    pack(HOME / "ppbs_local", tmp_path, splits=False, language_model=None)
    for path in tmp_path.rglob("*.safetensors"):
        with safe_open(path, "pt") as file:
            assert not [name for name in file.keys() if name.startswith("seq.")]  # noqa: SIM118


def test_the_card_has_what_the_hub_reads(sent: dict[str, bytes]) -> None:
    from huggingface_hub import ModelCard

    data = ModelCard(sent["README.md"].decode()).data
    assert (data.to_dict()["library_name"], data.pipeline_tag) == ("protein-model-zoo", "graph-ml")
    assert {"protein", "ppbs", "gearnet", "local"} <= {*data.tags}
    metrics = json.loads((HOME / "ppbs_local/metrics.json").read_text())
    parts = metrics["targets"]["binding_site"]["parts"]
    own = next(p["values"] for p in parts if (p["model"], p["subset"]) == ("model", "all"))
    found = {one.metric_type: one for one in data.eval_results}
    assert found.keys() == own.keys()
    for name, values in own.items():
        assert found[name].metric_value == values["value"]
        assert found[name].metric_args["low"] == values["low"]
        assert found[name].metric_args["high"] == values["high"]


def test_the_language_model_of_the_hub_is_the_base_model(tmp_path: Path) -> None:
    from huggingface_hub import ModelCard

    shutil.copytree(HOME / "ppbs_local", tmp_path / "run")
    path = tmp_path / "run/seed_0/config.yaml"
    config = yaml.safe_load(path.read_text())
    config["sequence"] |= {"name": "esm2_8m", "tuning": "lora"}
    path.write_text(yaml.safe_dump(config))
    data = ModelCard(hub_card(tmp_path / "run", REPO, "mit")).data
    assert data.base_model == "facebook/esm2_t6_8M_UR50D"
    assert (data["base_model_relation"], data.license) == ("adapter", "mit")


def test_a_path_of_this_machine_needs_a_name() -> None:
    config = {"sequence": {"name": "/home/me/esm2"}, "train": {"start": "runs/first"}}
    with pytest.raises(
        ConfigError, match="/home/me/esm2, a folder of this machine. Say with --seq"
    ):
        portable(config)
    with pytest.raises(ConfigError, match="and no folder"):
        portable(config, "/home/me/other")
    found = portable(config, "facebook/esm2_t6_8M_UR50D")
    assert found["sequence"]["name"] == "esm2_8m" and found["train"]["start"] == "first"
    states = portable({"sequence": {"name": "states:/home/me/mine.h5::12"}})
    assert states == {"sequence": {"name": "states:mine.h5::12"}}
    values = {"a": ["/home/me/x", {"b": "~/y"}], "c": "C:\\me\\z", "d": "facebook/esm2", "e": 1}
    assert without_paths(values) == {"a": ["x", {"b": "y"}], "c": "z", "d": "facebook/esm2", "e": 1}


def test_a_damaged_run_is_not_packed(tmp_path: Path) -> None:
    shutil.copytree(HOME / "ppbs", tmp_path / "run")
    path = tmp_path / "run/seed_1/model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    with pytest.raises(CheckpointError, match="not what was saved"):
        pack(tmp_path / "run", tmp_path / "out", splits=False, language_model=None)


def test_the_facts_that_are_sent_have_their_hash(tmp_path: Path) -> None:
    pack(HOME / "ppbs", tmp_path, splits=False, language_model=None)
    facts = read_run(tmp_path).facts
    assert facts["checksum"] == facts_hash(facts) and facts["splits"] is False
    sums = json.loads((tmp_path / "seed_0/checksums.json").read_text())
    assert sums["files"].keys() == {"model.safetensors", "calibration.json"}
    assert max(sizes(tmp_path).values()) < 2**20


def test_a_private_push_to_a_public_repository_sends_nothing(
    hub: Hub, run: Machine, tmp_path: Path
) -> None:
    hub.commit(REPO, {".gitattributes": b""})
    done = run("one", hub.address, "push", "ppbs", REPO, "--private")
    assert done.code == 2 and "everybody can read it" in done.err
    assert hub.files(REPO).keys() == {".gitattributes"}
    other = run("one", hub.address, "push", "ppbs", "lab/own", "--private")
    assert other.code == 0 and "lab/own" in hub.private, other.err


def test_a_branch_is_made_and_loaded(hub: Hub, run: Machine, tmp_path: Path) -> None:
    done = run("one", hub.address, "push", "ppbs", REPO, "--revision", "second")
    assert done.code == 0, done.err
    assert hub.files(REPO).keys() == {".gitattributes"} != hub.files(REPO, "second").keys()
    place = f"{PLACE}@second"
    words = ("predict", PROTEIN, "--model", place, "--out", tmp_path / "out")
    assert run("one", hub.address, *words).code == 0
    offline = run("one", NOWHERE, *words[:-1], tmp_path / "again")
    assert offline.code == 0, offline.err  # what it was when it was last fetched
    assert rows(tmp_path / "out") == rows(tmp_path / "again")


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (lambda hub, files: files.update({"seed_0/pytorch_model.bin": b"x"}), 5, "can run code"),
        (lambda hub, files: files.update({"extra/last.ckpt": b"x"}), 5, "extra/last.ckpt"),
        (lambda hub, files: hub.said_sizes.update({"run.json": LIMITS["run.json"] + 1}), 5,
         "its run.json has 33,554,433 bytes"),
        (lambda hub, files: files.pop("run.json"), 5, "no model of this library"),
        (lambda hub, files: files.update({".git/config.yaml": b"x"}), 5, "name of its file"),
        (lambda hub, files: files.update({"seed_0/config.yaml": files["seed_0/config.yaml"].replace(
            b"name: plm_mini", b"name: /etc/model")}), 5, "a place on the machine"),
        (lambda hub, files: files.update({"run.json": files["run.json"].replace(
            b'"folder": "seed_0"', b'"folder": "../x"')}), 5, "is damaged"),
    ],
    ids=["pickle", "checkpoint", "large", "other", "hidden", "path", "outside"],
)  # fmt: skip
def test_a_repository_that_is_not_to_be_loaded_is_refused(
    hub: Hub, run: Machine, here: Machine, sent: dict[str, bytes], tmp_path: Path,
    change: Change, code: int, said: str,
) -> None:  # fmt: skip
    files = dict(sent)
    change(hub, files)
    hub.commit(REPO, files)
    fetched = files.keys() == sent.keys() and not hub.said_sizes
    done = (run if fetched else here)("one", hub.address, "predict", PROTEIN, "--model", PLACE,
               "--out", tmp_path / "out")  # fmt: skip
    assert done.code == code, done.err
    assert said in done.err
    assert not list(tmp_path.rglob("*.bin")) + list(tmp_path.rglob("*.ckpt"))


def test_another_language_model_is_refused(
    hub: Hub, run: Machine, sent: dict[str, bytes], tmp_path: Path
) -> None:
    files = dict(sent)
    name = "seed_0/config.yaml"
    start = files[name].index(b"plm_fingerprint: ")
    files[name] = files[name][:start] + b"plm_fingerprint: '0000'\n"
    hub.commit(REPO, files)
    done = run("one", hub.address, "predict", PROTEIN, "--model", PLACE,
               "--out", tmp_path / "out")  # fmt: skip
    assert done.code == 5 and "another language model" in done.err


@pytest.mark.parametrize("name", ["hf://lab", "hf://lab/sites/more", "hf://lab/sites@", "hf:x/y"])
def test_a_wrong_name_gets_a_sentence(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    done = call(capsys, "predict", PROTEIN, "--model", name, "--out", "out")
    assert done.code == 2 and "Write hf://USER/NAME" in done.err


def test_a_path_object_of_a_name_means_the_same() -> None:
    found = shared(Path("hf://lab/sites@v1"))
    assert found == shared("hf://lab/sites@v1") and str(found) == "hf://lab/sites@v1"
    assert shared("ppbs") is None and pinned("ppbs") is None


def test_what_the_hub_does_not_have_gets_a_sentence(
    hub: Hub, here: Machine, tmp_path: Path
) -> None:
    words = ("embed", PROTEIN, "--out", tmp_path / "out.h5", "--model")
    absent = here("one", hub.address, *words, PLACE)
    assert absent.code == 3 and "has no model 'lab/sites'" in absent.err
    hub.commit(REPO, {".gitattributes": b""})
    revision = here("one", hub.address, *words, f"{PLACE}@v9")
    assert revision.code == 3
    assert "has no branch, tag or commit 'v9'" in revision.err


def test_without_a_network_the_command_to_run_elsewhere_comes_at_once(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    words = ("--model", f"{PLACE}@v1", "--out", tmp_path / "out")
    for reason, verb in (("HF_HUB_OFFLINE is set", "predict"), ("cannot be reached", "explain")):
        start = time.perf_counter()
        done = call(capsys, verb, PROTEIN, *words)
        assert done.code == 3 and reason in done.err
        assert "\n    python -m zoo.download hf://lab/sites@v1 --out DIR\n" in done.err
        assert time.perf_counter() - start < 2
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        monkeypatch.setenv("HF_ENDPOINT", NOWHERE)
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.example")
    assert "only https" in call(capsys, "predict", PROTEIN, *words).err
    sent = call(capsys, "push", "ppbs", REPO)
    assert sent.code == 3 and "Nothing was sent" in sent.err
    fetch.cache_clear()


def test_a_download_for_a_machine_without_internet_serves_there(
    hub: Hub, run: Machine, sent: dict[str, bytes], tmp_path: Path
) -> None:
    commit = hub.commit(REPO, sent)
    place = tmp_path / "model"
    done = run("one", hub.address, "download", PLACE, "--out", place, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)[0]["name"] == f"{PLACE}@{commit}"
    there = run("two", NOWHERE, "predict", PROTEIN, "--model", place,
                "--out", tmp_path / "out")  # fmt: skip
    assert there.code == 0, there.err


def test_scores_are_not_written_into_the_cache(
    hub: Hub, run: Machine, sent: dict[str, bytes], tmp_path: Path
) -> None:
    hub.commit(REPO, sent)
    done = run("one", hub.address, "evaluate", PLACE, "--data", tmp_path)
    assert done.code == 2 and "--out is missing" in done.err
    other = run("one", hub.address, "evaluate", PLACE, "--out", tmp_path / "scores")
    assert other.code == 4 and "--data DIR" in other.err
