"""What comes trained with the package: language models, ProteinMPNN, a model for each task.

Each is a folder here: `plm_small` and `plm_mini` are Hugging Face's, `mpnn` holds published weights
of a graph network, and the others are runs of `zoo.train`. Models that people share are in `hub`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from zoo.errors import nearest

HOME = Path(__file__).parent
OUR_LICENCE = "Apache-2.0"
"""Of the package, and so of the weights that this project trained."""
LANGUAGE_MODEL, RUN, CONFIG, SOURCE = "vocab.txt", "run.json", "config.yaml", "source.json"
"""The files by which a folder is known: a language model, a run, a saved model, a graph network's
published weights."""
WARNING = "warning.txt"
"""What a user of a model must know before its predictions, in one sentence; most have none."""


def language_models() -> list[str]:
    """Return the names of the language models."""
    return sorted(path.parent.name for path in HOME.glob(f"*/{LANGUAGE_MODEL}"))


def task_models() -> list[str]:
    """Return the names of the models that predict."""
    return sorted(path.parent.name for path in HOME.glob(f"*/{RUN}"))


def source(name: str) -> dict[str, Any]:
    """Return where a graph network's published weights are from; nothing for one without any.

    Returns:
        What `source.json` in the network's folder says: `weights` (the file that they were read
        from), `sha256` of that file, `licence` and `parameters`.
    """
    path = HOME / name / SOURCE
    found: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return found


def folder_of(name: str | Path) -> Path:
    """Return the folder that a name stands for: the user's own model first, then the package's.

    A folder of the user's that holds no model, such as data named "mqa", hides none. A name such
    as `hf://user/name@commit` stands for a folder in the hub's cache, where it is fetched to.

    Raises:
        ConfigError: If the name begins with `hf:` and names no repository.
        WeightsError: If a shared model is not here and cannot be fetched.
        CheckpointError: If a shared model has files that are not to be loaded.
    """
    if str(name).startswith("hf:"):
        from zoo.pretrained.hub import fetch, shared

        if one := shared(name):
            return fetch(one)
    own = any((Path(name) / file).is_file() for file in (RUN, CONFIG))
    if not own and str(name) in task_models():
        return HOME / str(name)
    return Path(name)


def warning(folder: Path) -> str:
    """Return what a user of a shipped model must know; nothing for most, and for a user's own."""
    path = folder / WARNING
    there = folder.parent == HOME and path.is_file()
    return path.read_text("utf-8").strip() if there else ""


def hint(name: str | Path) -> str:
    """Return what to add to an error about a folder that is no model: the names there are."""
    names = task_models()
    return f" {nearest(str(name), names)}The package has: {', '.join(names)}." if names else ""
