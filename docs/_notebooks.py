"""Run the notebooks, and keep in them what they print and draw: `make notebooks`, some minutes.

    python docs/_notebooks.py [1_one_protein | ...]

Each runs in an empty folder, on one thread, without a GPU and without internet, so that the outputs
are the same wherever that can be. Paths of the machine are taken out. What differs from one run to
the next though nothing has changed (seconds, dates, free memory) stays as it was, so that only what
has changed is a difference for git. The tests compare a new run with what is shipped.
"""

from __future__ import annotations

import base64
import io
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from PIL import Image

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "notebooks"
SETTINGS = {
    "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "",
    "HF_HUB_OFFLINE": "1", "FORCE_COLOR": "", "TERM": "dumb",
    "PYTHONWARNINGS": "ignore:IProgress not found",  # told where ipywidgets are not installed
}  # fmt: skip
OWN = ("ZOO_STORE", "ZOO_DATA", "ZOO_PLUGINS", "ZOO_OFFLINE", "COLUMNS", "LINES")
"""Variables of the person or program that runs this, which the notebooks are not to see."""
PASSING = re.compile(
    r"\d+(\.\d+)? (s|ms|min|h)\b|\d+(\.\d+)?/s|\d+:\d\d(:\d\d)?|\d{4}-\d\d-\d\d"
    r"|\d+(\.\d+)? (of \d+(\.\d+)? )?GB free|0x[0-9a-f]+"
)
"""What differs from run to run: how long, when, how much is free, where in memory."""
MACHINE, TRAINED = "machine", "trained"
"""Tags of cells whose output tells of the machine, or comes from a training: its numbers differ
between processors."""
VERDICTS = {"better", "worse", "not", "clear", "pruned", "best", "score", "yes", "no"}
"""Words of an output that depend on its numbers."""


def executed(path: Path, folder: Path) -> Any:
    """Return a notebook with the outputs of a run in a folder; the first error ends it.

    Raises:
        CellExecutionError: if a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)
    folder = folder.resolve()
    inherited = {key: value for key, value in os.environ.items() if key not in OWN}
    client = NotebookClient(
        notebook, timeout=600, record_timing=False, extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(folder)}},
    )  # fmt: skip
    client.execute(env=inherited | SETTINGS | {"ZOO_STORE": str(folder / "store")})
    for count, cell in enumerate(code_cells(notebook), 1):
        cell.outputs = [_plain(one, folder) for one in _joined(cell.outputs)]
        cell.execution_count = count
    notebook.metadata = {
        "kernelspec": notebook.metadata["kernelspec"], "language_info": {"name": "python"}
    }  # fmt: skip
    return notebook


def code_cells(notebook: Any) -> list[Any]:
    """Return the cells that are run."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _plain(output: Any, folder: Path) -> Any:
    """Return an output without paths of the machine, and with a small picture."""
    if output.output_type == "stream":
        output.text = _of_any_machine(output.text, folder)
        return output
    output.pop("execution_count", None)
    output.output_type, output.metadata = "display_data", {}
    if "image/png" in output.data:
        output.data = {"image/png": _small(output.data["image/png"])}
    else:
        output.data = {"text/plain": _of_any_machine(output.data["text/plain"], folder)}
    return output


def _of_any_machine(text: str, folder: Path) -> str:
    """Return a text as a terminal shows it in the end, with paths relative to the folder."""
    lines = [line.rstrip("\r").rpartition("\r")[2].rstrip() for line in text.split("\n")]
    text = "\n".join(lines).replace(f"{folder}/", "").replace(str(folder), ".")
    return text.replace(f"{ROOT}/", "").replace(f"{Path.home()}/", "~/")


def _small(picture: str) -> str:
    """Return a PNG picture without transparency, and well compressed; both in base64."""
    seen = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")
    with io.BytesIO() as file:
        seen.save(file, "PNG", optimize=True)
        return base64.b64encode(file.getvalue()).decode()


def _joined(outputs: Sequence[Any]) -> list[Any]:
    """Return outputs with a text that came in several parts as one."""
    found: list[Any] = []
    for one in outputs:
        before = found[-1] if found else None
        if before and one.output_type == before.output_type == "stream" and one.name == before.name:
            before.text += one.text
        else:
            found.append(one)
    return found


def told(cell: Any) -> list[str]:
    """Return what the outputs of a cell say in every run, by kind; pictures are there or not.

    Of a cell that is tagged as `TRAINED` these are its words, and of one as `MACHINE` none.
    """
    tags = cell.metadata.get("tags", ())
    found = []
    for one in cell.outputs:
        text = one.text if one.output_type == "stream" else one.data.get("text/plain", "picture")
        text = PASSING.sub("~", text)
        if TRAINED in tags:
            text = " ".join(sorted(set(re.findall(r"\b[^\W\d_]{2,}\b", text)) - VERDICTS))
        found.append("" if MACHINE in tags else text)
    return found


def renewed(path: Path) -> None:
    """Run a notebook and write it; a cell whose outputs say the same keeps those it had."""
    before = {cell.id: cell for cell in code_cells(nbformat.read(path, as_version=4))}
    with tempfile.TemporaryDirectory() as folder:
        notebook = executed(path, Path(folder))
    for cell in code_cells(notebook):
        if _alike(cell, before[cell.id]):
            cell.outputs = before[cell.id].outputs
    nbformat.write(notebook, path)


def _alike(cell: Any, before: Any) -> bool:
    """Return whether outputs differ only by what passes; numbers of a training count here."""
    kinds = [PASSING.sub("~", json.dumps(each.outputs, sort_keys=True)) for each in (cell, before)]
    return kinds[0] == kinds[1]


def main(asked: Sequence[str]) -> None:
    """Run the notebooks that are asked for, or all."""
    paths = {path.stem: path for path in sorted(FOLDER.glob("*.ipynb"))}
    if wrong := set(asked) - set(paths):
        raise SystemExit(f"There is no notebook {min(wrong)!r}. Valid: {', '.join(paths)}.")
    for name in asked or paths:
        began = time.monotonic()
        renewed(paths[name])
        print(f"{paths[name]}: {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
