"""Check that a training can start, before anything that takes seconds is imported or computed."""

from __future__ import annotations

from pathlib import Path

from zoo.data.layouts.base import find_layout
from zoo.data.preparing import read_manifest
from zoo.data.rounds import check_parts
from zoo.errors import ConfigError, DataError
from zoo.models.runs import FACTS, WEIGHTS

LAST = "last.ckpt"


def check_free(folder: Path) -> None:
    """Check that a new run can start in a folder.

    Raises:
        ConfigError: if the folder holds a run already, or cannot be written to.
    """
    # Without a checkpoint nothing is lost, so a run that failed before its first one may restart.
    if any(any(folder.rglob(name)) for name in (LAST, WEIGHTS)):
        raise ConfigError(
            f"{folder} holds a run already. Continue it with --resume, or choose another --out."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FACTS).with_suffix(".part").touch()
        (folder / FACTS).with_suffix(".part").unlink()
    except OSError as error:
        raise ConfigError(
            f"{folder} cannot be written to: {error.strerror}. Choose another --out."
        ) from error


def check_data(task: str | None, folder: Path) -> None:
    """Check that a folder holds data to train on: prepared with splits, or a benchmark's files.

    Raises:
        ConfigError: if there is no task, so that there is nothing to learn.
        DataError: if the folder holds no such data, or is for another task.
    """
    if task is None:
        raise ConfigError("The config has no task, so there is nothing to learn: --task ppbs.")
    manifest = read_manifest(folder)
    if not manifest.get("complete"):
        find_layout(task, folder)
        return
    if manifest["task"] != task:
        raise DataError(f"{folder} holds data for {manifest['task']!r}, and the config's task is "
                        f"{task!r}. For these data: --task {manifest['task']}.")  # fmt: skip
    if "parts" in manifest:
        check_parts(manifest["parts"])
