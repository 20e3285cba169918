"""Nothing but a plain file is read, and none that cannot fit: size and type are looked at first."""

from __future__ import annotations

import ast
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import zoo
from hpo.space import load_space
from tests.conftest import REPOSITORY
from zoo.data.layouts.cdconv import CDConvReact
from zoo.data.reading.atom3d import Container
from zoo.data.reading.columns import read_options
from zoo.data.reading.csv_files import lines
from zoo.data.reading.ieconv import read_ieconv
from zoo.data.reading.ligands import read_ligand
from zoo.data.samples import DroppedSample
from zoo.data.store import Store
from zoo.errors import ZooError
from zoo.metrics.predictions import read_predictions
from zoo.models.checkpoint import is_whole
from zoo.models.runs import read_run
from zoo.prediction.paths import find_inputs
from zoo.pretraining.corpus import read_fasta
from zoo.settings.config import load_config
from zoo.states.shard import StoreError, open_shard
from zoo.system import reading
from zoo.system.files import read_json
from zoo.system.reading import LARGE, UnfitFileError, content, plain_file, text
from zoo.training.callbacks import read_checkpoint

REFUSED = (ZooError, DroppedSample, StoreError, OSError)
SOURCES = [p for part in ("zoo", "hpo") for p in sorted((REPOSITORY / part).rglob("*.py"))]


@pytest.fixture(autouse=True)
def in_time() -> Iterator[None]:
    """End a test that waits for a pipe or for the end of a device."""

    def late(*_: object) -> None:
        raise AssertionError("it waits")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _socket(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # the path of a socket has at most 108 characters
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
    finally:
        os.chdir(here)


def _giant(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**40)


def _of_model(name: str) -> Callable[[Path], object]:
    """Return a reader of a saved model one of whose files is the given one."""

    def read(path: Path) -> object:
        folder = path.parent / "model"
        if not folder.exists():
            model = zoo.create_model("none", "gat", fusion="none", weights="random",
                                     values={"structure.args.num_layers": 1})  # fmt: skip
            zoo.save_model(model, folder)
            (folder / name).unlink(missing_ok=True)
            path.rename(folder / name)
        return zoo.load_model(folder)

    return read


def _in_folder(name: str, read: Callable[[Path], object]) -> Callable[[Path], object]:
    """Return a reader of a folder in which the given file has a name."""

    def moved(path: Path) -> object:
        folder = path.parent / "folder"
        folder.mkdir()
        path.rename(folder / name)
        return read(folder)

    return moved


def _cdconv(path: Path) -> object:
    layout = CDConvReact.__new__(CDConvReact)
    layout.sequences = {"a": ("test", "MKT")}
    layout._coordinates = lambda key, part: path  # type: ignore[method-assign]
    return layout.protein("a")


def _language_model(folder: Path) -> object:
    (folder / "config.json").write_text('{"model_type": "esm"}')
    (folder / "model.safetensors").touch()
    return zoo.create_model(str(folder), "none", fusion="none")


READERS: dict[str, Callable[[Path], object]] = {
    "structure": zoo.read_structure,
    "proteins": lambda path: list(zoo.read_proteins(path)),
    "table of proteins": lambda path: list(zoo.read_proteins(path)),
    "list of inputs": lambda path: find_inputs([f"@{path}"]),
    "config": load_config,
    "space": load_space,
    "table": lambda path: list(lines(path)),
    "targets.yaml": lambda path: read_options(path, []),
    "ligand": read_ligand,
    "ieconv": lambda path: read_ieconv(path, "a"),
    "cdconv": _cdconv,
    "predictions": read_predictions,
    "shard": open_shard,
    "checkpoint": read_checkpoint,
    "corpus": lambda path: list(read_fasta(path)),
    "model config": _of_model("config.yaml"),
    "model weights": _of_model("model.safetensors"),
    "language model": _in_folder("vocab.txt", _language_model),
    "run.json": _in_folder("run.json", read_run),
    "prepared": _in_folder("data.mdb", Store),
    "atom3d": _in_folder("data.mdb", lambda folder: Container(folder).format),
}
SUFFIX = {"table of proteins": ".csv", "config": ".yaml", "space": ".yaml", "ligand": ".sdf"}


# The vocabulary of a language model is read by transformers, which does not ask for its size.
CASES = [
    pytest.param(name, make, id=f"{name}-{make.__name__[1:]}")
    for name in READERS
    for make in (_pipe, _device, _socket, _giant)
    if (name, make) != ("language model", _giant)
]


@pytest.mark.parametrize("name, make", CASES)
def test_no_reader_waits_for_what_is_no_plain_file(
    tmp_path: Path, name: str, make: Callable[[Path], None]
) -> None:
    path = tmp_path / f"file{SUFFIX.get(name, '')}"
    make(path)
    with pytest.raises(REFUSED) as caught:
        READERS[name](path)
    assert not isinstance(caught.value, MemoryError)


@pytest.mark.parametrize("make", [_pipe, _device, _socket, _giant], ids=lambda f: f.__name__[1:])
def test_side_files_that_may_be_missing_are_not_waited_for(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "file")
    assert read_json(tmp_path / "file") is None
    assert not is_whole(tmp_path / "file")


def test_a_file_that_would_fill_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * (LARGE + 1))
    assert len(content(path)) == LARGE + 1
    assert plain_file(path, whole=True) == path
    monkeypatch.setattr(reading, "free_memory", lambda: LARGE)
    for read in (content, lambda path: plain_file(path, whole=True)):
        with pytest.raises(UnfitFileError, match="0.1 GB of memory are free"):
            read(path)
    assert plain_file(path) == path  # it is mapped, not read


def test_a_file_that_is_mostly_holes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.write(b"x" * 4096)
        file.truncate(4 * LARGE)
    if path.stat().st_blocks * 512 > LARGE:
        pytest.skip("this file system has no holes")
    with pytest.raises(UnfitFileError, match="of which 4,096 were written"):
        content(path)


def test_a_file_above_the_limit_and_an_endless_pipe_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 11)
    assert content(path, most=11) == b"x" * 11
    with pytest.raises(UnfitFileError, match="has 11 bytes, and at most 10 are read"):
        content(path, most=10)
    reader, writer = os.pipe()
    os.write(writer, b"x" * 11)
    os.close(writer)
    with pytest.raises(UnfitFileError, match="has more than 10 bytes"):
        content(f"/dev/fd/{reader}", most=10)
    os.close(reader)


def test_text_has_one_kind_of_line_end(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes("é\r\nb\rc\n".encode())
    assert text(tmp_path / "file") == "é\nb\nc\n"


#: Calls that open a path to read it.
OPENING = {"read_text", "read_bytes", "open", "File", "load", "load_file", "safe_open", "read_csv"}
#: Functions that open files without a check, and why they may.
FREE = {
    "zoo/system/reading.py": "the check itself",
    "zoo/system/files.py": "opens what it writes",
    "zoo/reporting/viewer.py": "files of the package",
    "zoo/models/catalogue.py": "files of the package",
    "zoo/backbones/published.py": "files of the package",
    "zoo/pretrained/__init__.py": "files of the package",
    "zoo/examples/made_up.py": "writes",
    "zoo/training/running.py": "appends to its own log",
    "zoo/pretraining/homology.py": "output of a program that it started",
    "zoo/data/folds.py": "output of a program that it started",
    "zoo/data/similarity.py": "output of a program that it started",
    "zoo/command/cli.py": "the null device",
    "zoo/serving/answers.py": "files that it wrote",
    "zoo/serving/window.py": "opens no file: a part of Gradio that is called open",
    "zoo/system/hub.py": "files that it fetched",
    "zoo/system/network.py": "an address, whose answer is bounded as it comes",
    "zoo/data/reading/lmdb_walk.py": "a process of its own, after its caller's check",
    "zoo/prediction/feature_check.py": "a process of its own, after its caller's check",
    "zoo/prediction/embedding_file.py:_opened": "what TransactionFile opened, which checks",
    "zoo/proteins/files/archive.py:_infos": "what its caller opened by `opened`",
    "zoo/prediction/journal.py:keep": "the file that it has open already",
    "zoo/prediction/score_files.py": "a table that it wrote",
    "zoo/settings/config.py:load_config": "files of the package, and others by `_bytes_of`",
    "hpo/retrain.py:_check": "its own log",
    "hpo/supervisor.py": "its own logs",
    "hpo/queue.py": "a file of the kernel",
}


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def _opens(call: ast.Call) -> bool:
    name = ast.unparse(call.func)
    owner, _, last = name.rpartition(".")
    if last == "read_bytes" and not owner:
        return False  # that of zoo.proteins.files.formats, which checks
    if last == "load":
        return name in ("np.load", "torch.load")
    words = [ast.unparse(x) for x in (*call.args, *(k.value for k in call.keywords))]
    return last in OPENING and not any(x.strip("'\"") in ("w", "wb", "a", "ab") for x in words)


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.relative_to(REPOSITORY).as_posix())
def test_every_function_that_opens_a_file_checks_it_first(path: Path) -> None:
    file = path.relative_to(REPOSITORY).as_posix()
    if file in FREE:
        return
    for function in _functions(ast.parse(path.read_text())):
        calls: list[Any] = [x for x in ast.walk(function) if isinstance(x, ast.Call)]
        names = {ast.unparse(call.func).rpartition(".")[2] for call in calls}
        if any(map(_opens, calls)) and f"{file}:{function.name}" not in FREE:
            assert names & {"plain_file", "content", "text"}, f"{path.name}: {function.name}"
