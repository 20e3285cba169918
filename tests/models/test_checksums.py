"""Every file of a saved model is held against what was saved, and a changed one is named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from safetensors.torch import load_file, save_file

import zoo
from tests.conftest import REPOSITORY
from zoo.errors import CheckpointError
from zoo.models.checksums import CHECKSUMS, MAY_EDIT
from zoo.models.runs import CHECKSUM, FACTS, MUST_STAY, Member, facts_hash, read_run
from zoo.prediction.ensemble import load_ensemble
from zoo.settings.config import load_config
from zoo.system.files import read_json, write_json

TARGETS = [{"name": "site", "kind": "binary", "level": "residue", "outputs": 1, "classes": []}]
SPLITS = {"train": ["a"], "validation": ["b"], "test": ["c"]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A saved model with the side files that a training writes before it saves."""
    folder = tmp_path / "model"
    write_json(folder / "calibration.json", {"site": {"temperature": 2.0}})
    write_json(folder / "splits.json", SPLITS)
    model = zoo.create_model(
        "none", "gat", fusion="none", weights="random", task="ppbs",
        values={"structure.args.num_layers": 1, "targets": TARGETS},
    )  # fmt: skip
    return zoo.save_model(model, folder)


def use(folder: Path) -> None:
    """Read every file of a saved model."""
    load_ensemble(folder, "cpu")
    Member(folder, "one", None, 0).splits()


def edit(folder: Path, key: str, value: object) -> None:
    data = yaml.safe_load((folder / "config.yaml").read_text())
    *parents, last = key.split(".")
    place = data
    for parent in parents:
        place = place[parent]
    place[last] = value
    (folder / "config.yaml").write_text(yaml.safe_dump(data))


def test_what_was_saved_is_used(folder: Path) -> None:
    use(folder)
    written = {path.name for path in folder.iterdir()} - {"README.md", "config.yaml", CHECKSUMS}
    assert set(read_json(folder / CHECKSUMS)["files"]) == written


@pytest.mark.parametrize("how", ["empty", "cut", "bit", "other", "gone"])
@pytest.mark.parametrize("name", ["calibration.json", "splits.json", "model.safetensors"])
def test_a_changed_file_is_named(folder: Path, name: str, how: str) -> None:
    path = folder / name
    data = path.read_bytes()
    if how == "gone":
        path.unlink()
    elif how == "other" and name == "model.safetensors":
        save_file({key: x + 1 for key, x in load_file(path).items()}, path)
    else:
        other = data.replace(b"2.0", b"3.0").replace(b'"a"', b'"d"')
        bit = data[:-4] + bytes([data[-4] ^ 1]) + data[-3:]
        changed = {"empty": b"", "cut": data[: len(data) // 2], "other": other, "bit": bit}
        path.write_bytes(changed[how])
    with pytest.raises(CheckpointError, match=rf"{folder}.*"):
        use(folder)


def test_a_file_changed_on_purpose_is_used_once_the_hashes_are_deleted(folder: Path) -> None:
    write_json(folder / "calibration.json", {"site": {"temperature": 3.0}})
    with pytest.raises(CheckpointError, match=rf"was edited.*delete .*{CHECKSUMS}"):
        use(folder)
    (folder / CHECKSUMS).unlink()
    assert load_ensemble(folder, "cpu").temperatures == ({"site": 3.0},)


def test_a_file_that_was_added_after_saving_is_used(folder: Path) -> None:
    held = read_json(folder / CHECKSUMS)
    del held["files"]["calibration.json"]
    write_json(folder / CHECKSUMS, held)
    write_json(folder / "calibration.json", {"site": {"temperature": 3.0}})
    assert load_ensemble(folder, "cpu").temperatures == ({"site": 3.0},)


@pytest.mark.parametrize(
    ("key", "value"),
    [("graph.k", 7), ("structure.args.dropout", 0.3), ("structure.args.num_heads", 2),
     ("graph.ligands", True), ("plm_fingerprint", "00")],
)  # fmt: skip
def test_an_edited_key_that_decides_the_numbers_is_named(
    folder: Path, key: str, value: object
) -> None:
    edit(folder, key, value)
    with pytest.raises(CheckpointError, match=rf"{key} was .* and is {value!r}"):
        use(folder)


@pytest.mark.parametrize(
    ("key", "value"), [("train.epochs", 3), ("train.lr.plm", 1e-4), ("seed", 7)]
)
def test_the_other_keys_may_be_edited(folder: Path, key: str, value: object) -> None:
    edit(folder, key, value)
    use(folder)
    assert key.startswith(MAY_EDIT)


def test_the_config_may_be_laid_out_anew(folder: Path) -> None:
    data = yaml.safe_load((folder / "config.yaml").read_text())
    text = yaml.safe_dump(dict(reversed(data.items())), default_flow_style=True)
    (folder / "config.yaml").write_text("# mine\r\n" + text)
    use(folder)
    load_config(folder / "config.yaml")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"files": 1, "config": {}}', '{"files": {}}'])
def test_damaged_hashes_are_told(folder: Path, text: str) -> None:
    (folder / CHECKSUMS).write_text(text)
    with pytest.raises(CheckpointError, match=rf"{CHECKSUMS} is damaged .* delete the file"):
        use(folder)


def test_a_model_without_hashes_is_used_and_its_files_have_a_schema(folder: Path) -> None:
    (folder / CHECKSUMS).unlink()
    use(folder)
    for name, value in (
        ("splits.json", {"train": ["a"]}), ("splits.json", SPLITS | {"test": "abc"}),
        ("calibration.json", {}), ("calibration.json", {"other": {"temperature": 1.0}}),
    ):  # fmt: skip
        before = (folder / name).read_bytes()
        write_json(folder / name, value)
        with pytest.raises(CheckpointError, match=name):
            use(folder)
        (folder / name).write_bytes(before)


@pytest.mark.parametrize("key", [*MUST_STAY, CHECKSUM])
def test_a_changed_key_of_the_run_is_damage_and_a_moved_folder_of_data_is_none(
    tmp_path: Path, key: str
) -> None:
    run = tmp_path / "run"
    shutil.copytree(REPOSITORY / "zoo/pretrained/mqa_made_decoys", run)
    facts = json.loads((run / FACTS).read_text())
    read_run(run)  # one of an earlier version
    facts[CHECKSUM] = facts_hash(facts)
    write_json(run / FACTS, facts | {"data": "moved"})
    assert read_run(run).data == Path("moved")
    changed = {"members": [facts["members"][0] | {"seed": 9}]}.get(key, "changed")
    write_json(run / FACTS, facts | {key: changed})
    with pytest.raises(CheckpointError, match=rf"{FACTS} is damaged"):
        read_run(run)
