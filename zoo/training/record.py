"""run.json: the facts that describe a run, and that are needed to resume it."""

from __future__ import annotations

import dataclasses
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from zoo.errors import CheckpointError, ConfigError
from zoo.models.branches import with_neighbours
from zoo.models.runs import CHECKSUM, FACTS, facts_hash, read_facts
from zoo.settings.checking import flat
from zoo.settings.config import Config
from zoo.settings.former import as_written
from zoo.system.files import write_json
from zoo.tasks import Target

PACKAGES = (
    "protein-model-zoo", "torch", "dgl", "transformers", "lightning", "peft", "numpy",
    "scikit-learn", "safetensors",
)  # fmt: skip
MAY_CHANGE = (
    "train.lr.", "train.clip", "train.patience", "train.workers", "train.checkpoint_minutes",
    "train.checkpoint_activations", "train.compile", "train.precision",
)  # fmt: skip
"""Config keys whose values may change when a run is resumed."""
NO_EFFECT = ("train.workers", "train.checkpoint_")
"""Config keys that change how a model is trained, but not what comes of it."""
OF_DATA = ("graph.pocket", "graph.cut", "scope")
"""Config keys that training sets by the data, if they are not given."""


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that affect the results."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def git_commit() -> str | None:
    """Return the git commit of this code, with "+" if files have changed; None outside git."""
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


def begin(
    folder: Path, config: Config, data: Path, manifest: Mapping[str, Any],
    targets: Sequence[Target], members: Sequence[Mapping[str, Any]],
) -> None:  # fmt: skip
    """Write run.json, which marks the folder as that of a run."""
    facts: dict[str, Any] = {
        "task": config.task, "data": str(data.resolve()), "inputs": manifest["inputs"],
        "targets": [dataclasses.asdict(target) for target in targets],
        "members": list(members), "config": config.to_dict(),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "versions": versions(), "git": git_commit(),
    }  # fmt: skip
    write_json(folder / FACTS, {**facts, CHECKSUM: facts_hash(facts)})


def resumed(folder: Path, given: Config | None) -> tuple[Config, dict[str, Any]]:
    """Return the config and the facts of the run to resume in a folder.

    Raises:
        ConfigError: if there is no run, or the given config differs in keys that must not change.
    """
    facts = read_facts(folder)
    if facts is None:
        raise ConfigError(f"{folder} holds no run to resume: it has no {FACTS}.")
    if not {"config", "data", "inputs"} <= facts.keys():
        raise CheckpointError(
            f"{folder / FACTS} does not say how the run was started. Train it again."
        )
    began = Config.from_dict(as_written(facts["config"]))
    if given is None:
        return began, facts
    given = dataclasses.replace(given, revision=began.revision)  # a run goes on as it began
    if differ := differing(began, given):
        raise ConfigError(
            f"{folder} was started with another config ({'; '.join(differ[:3])}). Resume it with "
            "the same, or choose another --out. These keys may change: "
            f"{', '.join(MAY_CHANGE)}."
        )
    graph = dataclasses.replace(given.graph, pocket=began.graph.pocket, cut=began.graph.cut)
    return dataclasses.replace(given, graph=graph, scope=began.scope), facts


def differing(began: Config, given: Config, may_change: tuple[str, ...] = MAY_CHANGE) -> list[str]:
    """Return the keys whose values are not those that a run began with, each with both values.

    Keys that training takes from the data do not count.

    Args:
        began: Config that the run has recorded.
        given: Config of today.
        may_change: Beginnings of keys that do not count either.
    """
    before, now = (flat(with_neighbours(config).to_dict()) for config in (began, given))
    unset = flat(Config().to_dict())
    return [
        f"{key}: {before.get(key)!r} then, {now[key]!r} now" for key in now
        if now[key] != before.get(key) and key != "targets" and not key.startswith(may_change)
        and not (key in OF_DATA and now[key] == unset[key])
    ]  # fmt: skip
