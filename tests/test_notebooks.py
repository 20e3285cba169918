"""Every notebook lies in git with the outputs of a run, and a new run says the same."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.conftest import REPOSITORY

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("nbclient")
NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
LONG = ("2_swap_the_parts", "3_train_and_read_the_report", "4_tune_the_fusion", "9_which_fusion")
"""Notebooks of 40 s each, whose verbs other tests run: `make notebooks` alone runs them again."""
LARGEST = 400_000
"""Bytes of a notebook."""
OF_A_MACHINE = re.compile(r"(?<![\w.])(?:/(?:root|home|Users|tmp|private|var|usr|opt|work)/|C:\\)")
GARBAGE = re.compile(r"\r|\x1b|\bit/s\b|\d%\|")
"""What a progress bar or a colour leaves behind in a text."""
for_every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script that runs the notebooks."""
    monkeypatch.syspath_prepend(str(REPOSITORY / "docs"))
    return importlib.import_module("_notebooks")


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


@for_every_notebook
def test_it_begins_with_a_title_and_an_install_cell(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    assert cells[0].source.startswith("# ") and "pip" in cells[1].source
    assert len({cell.id for cell in cells}) == len(cells)


@for_every_notebook
def test_it_ships_what_a_run_printed_and_drew(path: Path, running: ModuleType) -> None:
    """Else: make notebooks."""
    assert path.stat().st_size < LARGEST
    code = running.code_cells(nbformat.read(path, as_version=4))
    assert [cell.execution_count for cell in code] == [*range(1, len(code) + 1)]
    outputs = [one for cell in code for one in cell.outputs]
    assert {one.output_type for one in outputs} <= {"stream", "display_data"}  # no error
    assert all(one.name == "stdout" for one in outputs if one.output_type == "stream")
    assert len(outputs) >= len(code) / 2
    drawn = sum("image/png" in one.get("data", ()) for one in outputs)
    assert drawn >= sum("figure" in cell.source for cell in code) / 2
    for text in map(_text, outputs):
        assert not OF_A_MACHINE.search(text) and not GARBAGE.search(text), text


def _text(output: Any) -> str:
    plain = {kind: text for kind, text in output.get("data", {}).items() if kind != "image/png"}
    return output.get("text", "") + "".join(plain.values())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize(
    "path", [one for one in NOTEBOOKS if one.stem not in LONG], ids=lambda path: path.stem
)
def test_it_runs_and_says_what_it_ships(path: Path, tmp_path: Path, running: ModuleType) -> None:
    """Else: make notebooks."""
    shipped = running.code_cells(nbformat.read(path, as_version=4))
    for cell, before in zip(
        running.code_cells(running.executed(path, tmp_path)), shipped, strict=True
    ):
        assert running.told(cell) == running.told(before), cell.source


def _cell(text: str, *tags: str) -> Any:
    output = nbformat.v4.new_output("stream", text=text)
    return nbformat.v4.new_code_cell(outputs=[output], metadata={"tags": list(tags)})


@pytest.mark.parametrize(
    ("one", "other", "tags", "same"),
    [
        ("epoch 1 in 0.2 s", "epoch 1 in 13.4 s", (), True),
        ("epoch 1 in 0.2 s", "epoch 2 in 0.2 s", (), False),
        ("4 of 20 left out", "5 of 20 left out", (), False),
        ("score 0.91 (0.8, 1.0) *", "score 0.9 (0.7, 1.0)", ("trained",), True),
        ("score 0.91, baseline", "score 0.91", ("trained",), False),
        ("DGL ok 1.1.3", "DGL missing", ("machine",), True),
    ],
)
def test_only_what_differs_between_runs_is_not_compared(
    one: str, other: str, tags: tuple[str, ...], same: bool, running: ModuleType
) -> None:
    assert (running.told(_cell(one, *tags)) == running.told(_cell(other, *tags))) is same


def test_a_run_is_written_once_and_without_the_machine(
    running: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "one.ipynb"
    source = (
        "import os, sys, time, warnings\n"
        "print('half', end='')\nprint('\\rwhole')\nprint(os.getcwd() + '/store', time.time(), 's')"
    )
    cells = [nbformat.v4.new_code_cell(source), nbformat.v4.new_code_cell("object()")]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), path)
    monkeypatch.setattr(running, "FOLDER", tmp_path)
    running.main(["one"])
    first = path.read_text()
    shown, made = (cell["outputs"] for cell in json.loads(first)["cells"])
    assert re.fullmatch(r"whole\nstore [\d.]+ s\n", "".join(shown[0]["text"]))
    assert made[0]["output_type"] == "display_data"
    running.main(["one"])
    assert path.read_text() == first  # though time went on, and the object is another one
    with pytest.raises(SystemExit, match="no notebook 'two'. Valid: one"):
        running.main(["two"])
