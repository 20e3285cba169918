"""Files are data: nothing in one runs, leaves its folder, or fills the memory."""

from __future__ import annotations

import ast
import gzip
import io
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

import zoo
from tests import shelf
from tests.conftest import REPOSITORY
from tests.data.benchmarks import backbone, ieconv_fields, write_container, write_hdf5
from zoo.backbones.plm import resolve
from zoo.data.layouts.base import find_layout
from zoo.data.reading.ieconv import read_ieconv
from zoo.data.samples import DroppedSample
from zoo.errors import ZooError
from zoo.models.runs import read_run
from zoo.prediction.ensemble import load_ensemble
from zoo.proteins.files.unpack import RATIO, gunzip
from zoo.settings.config import load_config
from zoo.training.callbacks import read_checkpoint

SOURCES = [p for part in ("zoo", "hpo") for p in sorted((REPOSITORY / part).rglob("*.py"))]


class Payload:
    """Unpickled, it writes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.mark,))


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """The file that a payload would write; it works."""
    path = tmp_path / "executed"
    pickle.loads(pickle.dumps(Payload(path)))
    assert path.exists()
    path.unlink()
    return path


def saved(folder: Path) -> Path:
    model = zoo.create_model("none", "gat", fusion="none", weights="random",
                             values={"structure.args.num_layers": 1})  # fmt: skip
    return zoo.save_model(model, folder)


def _weights(folder: Path, mark: Path) -> Callable[[], object]:
    torch.save({"x": Payload(mark)}, saved(folder / "model") / "model.safetensors")
    return lambda: zoo.load_model(folder / "model")


def _checkpoint(folder: Path, mark: Path) -> Callable[[], object]:
    torch.save({"state_dict": Payload(mark)}, folder / "last.ckpt")
    return lambda: read_checkpoint(folder / "last.ckpt")


def _language_model(folder: Path, mark: Path) -> Callable[[], object]:
    plm = Path(shelf.save_plm("esm", folder / "plm"))
    for path in plm.glob("*.safetensors"):
        path.unlink()
    torch.save({"x": Payload(mark)}, plm / "pytorch_model.bin")
    return lambda: zoo.create_model(str(plm), "none", fusion="none")


def _language_model_code(folder: Path, mark: Path) -> Callable[[], object]:
    plm = Path(shelf.save_plm("esm", folder / "plm"))
    config = json.loads((plm / "config.json").read_text())
    config |= {"model_type": "mine", "auto_map": {"AutoConfig": "mine.C", "AutoModel": "mine.M"}}
    (plm / "config.json").write_text(json.dumps(config))
    (plm / "mine.py").write_text(f"open({str(mark)!r}, 'w')\n")
    return lambda: zoo.create_model(str(plm), "none", fusion="none")


def _yaml(folder: Path, mark: Path) -> Callable[[], object]:
    path = folder / "config.yaml"
    path.write_text(f"seed: !!python/object/apply:os.system ['touch {mark}']\n")
    return lambda: load_config(path)


def _model_yaml(folder: Path, mark: Path) -> Callable[[], object]:
    model = saved(folder / "model")
    with (model / "config.yaml").open("a") as file:
        file.write(f"x: !!python/object/apply:os.system ['touch {mark}']\n")
    return lambda: zoo.load_model(model)


def _lmdb(folder: Path, mark: Path) -> Callable[[], object]:
    packed = gzip.compress(pickle.dumps({"atoms": Payload(mark)}))
    write_container(folder / "train", [{"id": "a"}], kind="pkl", packed={0: packed})
    layout = find_layout("mqa", folder)
    return lambda: [layout.read(key) for key in layout.keys()]


def _array(folder: Path, mark: Path) -> Callable[[], object]:
    np.save(folder / "a.npy", np.array([Payload(mark)], dtype=object), allow_pickle=True)
    return lambda: zoo.read_structure(folder / "a.npy")


@pytest.mark.parametrize(
    "hostile",
    [_weights, _checkpoint, _language_model, _language_model_code, _yaml, _model_yaml, _lmdb,
     _array],
    ids=lambda function: function.__name__.strip("_"),
)  # fmt: skip
def test_a_payload_does_not_run(
    hostile: Callable[[Path, Path], Callable[[], object]], tmp_path: Path, mark: Path
) -> None:
    read = hostile(tmp_path, mark)
    mark.unlink(missing_ok=True)
    with pytest.raises((ZooError, DroppedSample)):
        read()
    assert not mark.exists()


@pytest.mark.parametrize("member", ["../elsewhere", "/elsewhere", "a/../../elsewhere"])
def test_a_member_of_a_run_lies_in_its_folder(tmp_path: Path, member: str) -> None:
    folder = tmp_path / "run"
    shutil.copytree(REPOSITORY / "zoo/pretrained/ppbs_local", folder)
    facts = json.loads((folder / "run.json").read_text())
    facts["members"][0]["folder"] = member
    (folder / "run.json").write_text(json.dumps(facts))
    with pytest.raises(ZooError, match="damaged"):
        read_run(folder)


def test_a_member_that_is_a_link_out_of_the_run_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(REPOSITORY / "zoo/pretrained/ppbs_local", folder)
    (folder / "seed_1").rename(tmp_path / "elsewhere")
    (folder / "seed_1").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ZooError, match=r"seed_1 is a link to .*elsewhere, which is not in"):
        read_run(folder)
    (tmp_path / "link").symlink_to(folder)  # the folder of the run itself may be a link
    (folder / "seed_1").unlink()
    (tmp_path / "elsewhere").rename(folder / "seed_1")
    assert len(read_run(tmp_path / "link").members) == 3


@pytest.mark.parametrize("name", ["run.json", "config.yaml"])
def test_settings_nested_without_end_are_damaged(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "run"
    shutil.copytree(REPOSITORY / "zoo/pretrained/ppbs_local", folder)
    for path in folder.rglob(name):
        path.write_text("[" * 100_000)
    with pytest.raises(ZooError, match=r"damaged|nested too deeply"):
        load_ensemble(folder, "cpu")


def limited(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run Python with 1 GB of memory beside what importing torch takes."""
    start = (
        "import resource, sys, zoo, zoo.models.model, zoo.data.reading.ieconv\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 10**9, used + 10**9))\n"
    )
    return subprocess.run(
        [sys.executable, "-c", start + script, *map(str, arguments)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_a_gzip_bomb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pdb.gz"
    with gzip.open(path, "wb", 9) as file:
        for _ in range(1000):
            file.write(b"ATOM  " + b" " * 999_994)
    assert path.stat().st_size < 1.1e6
    done = limited("zoo.read_structure(sys.argv[1])", path)
    assert f"unpacks to more than {RATIO} times its size" in done.stderr
    assert "MemoryError" not in done.stderr


def test_an_hdf5_bomb_is_refused(tmp_path: Path) -> None:
    fields = ieconv_fields(backbone())
    path = write_hdf5(tmp_path / "a.hdf5", fields)
    with h5py.File(path, "a") as file:
        del file["atom_pos"]
        file.create_dataset("atom_pos", (1, 10**9, 3), "f8", chunks=(1, 10**6, 3), compression=9)
    assert path.stat().st_size < 1e6
    with pytest.raises(DroppedSample, match="larger than any protein"):
        read_ieconv(path, "a")


def test_gzip_files_are_read_whole() -> None:
    parts = [os.urandom(1000) * 50, b"", b"x" * 1_000_000]
    stream = io.BytesIO()
    for part in parts:
        stream.write(gzip.compress(part))
    assert gunzip(stream.getvalue() + b"\0\0") == b"".join(parts)
    for damaged in (stream.getvalue()[:-5], b"\x1f\x8b\x08", b"none"):
        with pytest.raises(ValueError, match=r"cut short|damaged"):
            gunzip(damaged)


YAML = ("safe_dump", "SafeLoader", "YAMLError")  # reading goes through zoo.settings.safe_yaml


def calls(path: Path) -> list[ast.Call]:
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.relative_to(REPOSITORY).as_posix())
def test_no_source_runs_what_it_reads(path: Path) -> None:
    for call in calls(path):
        name = ast.unparse(call.func)
        given = {word.arg: ast.unparse(word.value) for word in call.keywords}
        assert name not in ("eval", "exec")
        assert not name.startswith("yaml.") or name.removeprefix("yaml.") in YAML
        assert name != "torch.load" or given.get("weights_only") == "True"
        assert given.get("trust_remote_code", "False") == "False"
        assert not name.endswith("np.load") or given.get("allow_pickle") == "False"
        assert given.get("shell", "False") == "False"


def test_nothing_is_fetched_without_encryption() -> None:
    for path in SOURCES:
        own = path.parent.name == "serving"  # the address of the server on this machine
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                plain = node.value.startswith("http://")
                assert not plain or "registration" in node.value or (own and node.value[7:] == "")


def test_resolving_a_name_never_leaves_the_hub() -> None:
    for name in ("http://example.org/model", "https://example.org/model"):
        with pytest.raises(ZooError):
            resolve(name)
