"""What of a run is sent to the hub, without what is private: paths, commands, names of samples."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any

import yaml

from zoo.backbones.plm import DIRECTION, STATES, resolve
from zoo.backbones.states_file import LAYER, split_name
from zoo.errors import CheckpointError, ConfigError
from zoo.models.checkpoint import check_saved
from zoo.models.checksums import CHECKSUMS
from zoo.models.runs import (
    CALIBRATION,
    CHECKSUM,
    ENSEMBLE,
    FACTS,
    HAS_SPLITS,
    SPLITS,
    WEIGHTS,
    Member,
    facts_hash,
    trained,
)
from zoo.models.thresholds import METRICS, THRESHOLDS
from zoo.pretrained import CONFIG
from zoo.pretrained.hub import is_place
from zoo.settings.safe_yaml import read_yaml
from zoo.system.files import read_json, write_json, write_whole
from zoo.system.reading import text

KEPT_FACTS = ("task", "inputs", "targets", "members", "config", "versions", CHECKSUM)
KEPT_METRICS = (
    "task", "split", "samples", "split_hash", "inputs", "members", "temperatures", "random_plm",
    "bootstrap", "config", "versions", "created", "listed", "targets",
)  # fmt: skip
"""Keys that are sent; commands, folders and reasons that name files stay here."""


def pack(folder: Path, target: Path, *, splits: bool, language_model: str | None) -> None:
    """Write what is sent of a run, or of a saved model with a task, into an empty folder.

    Args:
        folder: Folder of the run.
        target: Folder to write.
        splits: Whether to send which samples were in train, validation and test.
        language_model: Name or hub id of the language model, for a run that names a folder.

    Raises:
        CheckpointError: If the folder is no trained model, or is damaged.
        ConfigError: If its language model is a folder of this machine and no name is given.
    """
    _, members = trained(folder)
    for member in members:
        place = target / member.folder.relative_to(folder)
        place.mkdir(parents=True, exist_ok=True)
        _pack_member(member, place, splits, language_model)
    for name in (ENSEMBLE, THRESHOLDS):
        if (folder / name).is_file() and not (target / name).exists():
            shutil.copyfile(folder / name, target / name)
    if (folder / FACTS).is_file():
        _pack_facts(folder, target, splits, language_model)
    metrics = read_json(folder / METRICS)
    if isinstance(metrics, dict) and not metrics.get("new_data"):
        kept = _kept(metrics, KEPT_METRICS, language_model)
        write_json(target / METRICS, {**kept, "data": kept.get("task")})
    trained(target)  # what is sent can be read again
    for member in members:
        check_saved(target / member.folder.relative_to(folder))


def _pack_member(member: Member, place: Path, splits: bool, language_model: str | None) -> None:
    source = member.folder
    config = portable(read_yaml(text(source / CONFIG)), language_model)
    if not config.get("task"):
        raise CheckpointError(
            f"{source} has no head and predicts nothing, so there is nothing to share. Train a "
            "model with `python -m zoo.train`."
        )
    write_whole(place / CONFIG, yaml.safe_dump(config, sort_keys=False))
    names = [WEIGHTS, CALIBRATION, *([SPLITS] if splits else [])]
    for name in names:
        if (source / name).is_file():
            shutil.copyfile(source / name, place / name)
    sums = read_json(source / CHECKSUMS)
    if sums:
        files = {name: value for name, value in sums["files"].items() if name in names}
        write_json(place / CHECKSUMS, {**sums, "files": files})


def _pack_facts(folder: Path, target: Path, splits: bool, language_model: str | None) -> None:
    facts = read_json(folder / FACTS)
    kept = _kept(facts, KEPT_FACTS, language_model)
    kept |= {"data": kept.get("task"), HAS_SPLITS: splits}
    if CHECKSUM in kept:
        kept[CHECKSUM] = facts_hash(kept)
    write_json(target / FACTS, kept)


def _kept(
    values: Mapping[str, Any], keys: tuple[str, ...], language_model: str | None
) -> dict[str, Any]:
    found = {key: without_paths(values[key]) for key in keys if key in values}
    if isinstance(values.get("config"), dict):
        found["config"] = portable(values["config"], language_model)
    return found


def portable(config: Mapping[str, Any], language_model: str | None = None) -> dict[str, Any]:
    """Return a config as it is on any machine: no path is left in it.

    Args:
        config: Contents of a config.yaml, or of the config in a run.json.
        language_model: Name or hub id that takes the place of a folder.

    Raises:
        ConfigError: If the language model is a folder and no name is given, or the name given is
            that of a folder.
    """
    sequence = dict(config["sequence"])
    sequence["name"] = _language_model(str(sequence["name"]), language_model)
    training = dict(config.get("train") or {})
    if training.get("start"):
        training["start"] = PurePath(training["start"]).name
    found = {**without_paths(config), "sequence": {**without_paths(sequence)}}
    return found | ({"train": without_paths(training)} if "train" in config else {})


def _language_model(name: str, given: str | None) -> str:
    if name.startswith(STATES):
        path, layer = split_name(name)
        return f"{STATES}{path.name}" + (f"{LAYER}{layer}" if layer else "")
    if not is_place(name.rpartition(DIRECTION)[0] or name):
        return name
    if given is None:
        raise ConfigError(
            f"The run's language model is {name}, a folder of this machine. Say with --seq what it "
            "is on others: a short name, such as esm2_650m, or its hub id. Its fingerprint is "
            "compared wherever the model is loaded."
        )
    if is_place(given):
        raise ConfigError(f"--seq {given}: give a short name or a hub id, and no folder.")
    return resolve(given).name


def without_paths(value: Any) -> Any:
    """Return plain values in which each absolute path is its last part."""
    if isinstance(value, dict):
        return {key: without_paths(one) for key, one in value.items()}
    if isinstance(value, list):
        return list(map(without_paths, value))
    if not isinstance(value, str):
        return value
    if value.startswith("~") or PurePosixPath(value).is_absolute():
        return PurePosixPath(value).name
    return PureWindowsPath(value).name if PureWindowsPath(value).is_absolute() else value
