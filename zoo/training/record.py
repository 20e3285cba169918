"""What a run writes down of itself: enough to know what it was, and to go on with it."""

from __future__ import annotations

import dataclasses
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from zoo.checkpoint import WEIGHTS
from zoo.config import Config, flat
from zoo.errors import CheckpointError, ConfigError
from zoo.runs import FACTS, read_facts, write_json
from zoo.tasks.samples import Target
from zoo.training.job import LAST

PACKAGES = (
    "protein-model-zoo", "torch", "dgl", "transformers", "lightning", "peft", "numpy",
    "scikit-learn", "safetensors",
)  # fmt: skip
MAY_CHANGE = (
    "train.lr.", "train.clip", "train.patience", "train.workers", "train.checkpoint_minutes",
    "train.checkpoint_activations", "train.precision",
)  # fmt: skip
"""Keys that may be given another value when a run goes on."""


def versions() -> dict[str, str]:
    """Return the versions of what numbers depend on; packages that are absent are left out."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def git_commit() -> str | None:
    """Return the commit of the code that runs, "+" where files have changed; None outside git."""
    here = Path(__file__).parent
    try:
        commit, changes = (
            subprocess.run(
                ["git", "-C", str(here), *words], capture_output=True, text=True, check=True,
                timeout=10,
            ).stdout.strip()
            for words in (["rev-parse", "HEAD"], ["status", "--porcelain", "--", str(here)])
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + ("+" if changes else "")


def check_free(folder: Path) -> None:
    """Check that a run can be begun in a folder.

    Raises:
        ConfigError: if it holds a run already, or cannot be written to.
    """
    # Without a checkpoint nothing is lost: a run that failed before its first is begun anew.
    if any(any(folder.rglob(name)) for name in (LAST, WEIGHTS)):
        raise ConfigError(
            f"{folder} holds a run already. Go on with it by --resume, or choose another --out."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FACTS).with_suffix(".part").touch()
        (folder / FACTS).with_suffix(".part").unlink()
    except OSError as error:
        raise ConfigError(
            f"{folder} cannot be written to: {error.strerror}. Choose another --out."
        ) from error


def begin(
    folder: Path, config: Config, data: Path, manifest: Mapping[str, Any],
    targets: Sequence[Target], members: Sequence[Mapping[str, Any]],
) -> None:  # fmt: skip
    """Write run.json: the folder holds a run from now on."""
    write_json(
        folder / FACTS,
        {
            "task": config.task, "data": str(data.resolve()), "inputs": manifest["inputs"],
            "targets": [dataclasses.asdict(target) for target in targets],
            "members": list(members), "config": config.to_dict(),
            "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
            "versions": versions(), "git": git_commit(),
        },
    )  # fmt: skip


def resumed(folder: Path, given: Config | None) -> tuple[Config, dict[str, Any]]:
    """Return the config and the facts of the run in a folder, to go on with it.

    Raises:
        ConfigError: if there is none, or the config given now differs in what must not change.
    """
    facts = read_facts(folder)
    if facts is None:
        raise ConfigError(f"{folder} holds no run to go on with: it has no {FACTS}.")
    if not {"config", "data", "inputs"} <= facts.keys():
        raise CheckpointError(f"{folder / FACTS} does not say how the run was begun. Train anew.")
    began = Config.from_dict(facts["config"])
    if given is None:
        return began, facts
    before, now = flat(began.to_dict()), flat(given.to_dict())
    # What the data hold was written down when the run began.
    differ = [key for key in now if now[key] != before.get(key) and key != "targets"]
    fixed = [key for key in differ if not key.startswith(MAY_CHANGE)]
    if fixed:
        shown = "; ".join(f"{key}: {before.get(key)!r} then, {now[key]!r} now" for key in fixed[:3])
        raise ConfigError(
            f"{folder} was begun with another config ({shown}). Resume it with the same, or "
            f"choose another --out. What may change: {', '.join(MAY_CHANGE)}."
        )
    return given, facts
