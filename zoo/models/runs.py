"""A run on disk: what was trained, on which data, and the trained models.

A run holds one model, or several members in folders of their own: one for each seed (an
ensemble), one for each fold (cross-validation), or both.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.errors import CheckpointError
from zoo.models.checksums import check_file, values_hash
from zoo.pretrained import CONFIG, hint
from zoo.system.files import read_json, write_json
from zoo.tasks import Target

FACTS, SPLITS, CALIBRATION = "run.json", "splits.json", "calibration.json"
ENSEMBLE = "ensemble_calibration.json"
"""Temperatures that the members of a run share, as their mean prediction is what counts."""
WEIGHTS = "model.safetensors"
KEYS = {"targets", "members"}
"""Keys that every run.json has."""
HAS_SPLITS = "splits"
"""The key of run.json by which a run that was shared says whether `splits.json` was sent."""
CHECKSUM, MUST_STAY = "checksum", ("task", "inputs", "targets", "members", "config")
"""The key of run.json that is the hash of those that must stay; `data` and others may be edited."""


@dataclass(frozen=True)
class Member:
    """One trained model.

    Attributes:
        folder: Folder with config.yaml and model.safetensors.
        name: What the member is called: "seed 0", "fold 2 seed 1".
        fold: Round of the cross-validation, counted from 0; None for data with splits.
        seed: Seed of the weights that were not pretrained.
        shared: Temperatures that it shares with the other members of its fold; None if it has
            its own.
    """

    folder: Path
    name: str
    fold: int | None
    seed: int
    shared: Mapping[str, float] | None = None

    def temperatures(self) -> dict[str, float]:
        """Return the calibrated temperature of each target; 1 where none was fitted.

        Raises:
            CheckpointError: If the file is damaged, or a temperature is not above 0. A model
                without it would say other probabilities, and nothing would tell.
        """
        if self.shared is not None:
            return dict(self.shared)
        path = self.folder / CALIBRATION
        check_file(path)
        return _temperatures(path, read_json(path)) if path.exists() else {}

    def splits(self) -> dict[str, list[str]]:
        """Return the keys of the samples in train, validation and test.

        Raises:
            CheckpointError: If the file is missing or damaged. Without it nothing could tell that
                data to score on were trained on.
        """
        path = self.folder / SPLITS
        check_file(path)
        found = read_json(path)
        if not _are_splits(found):
            raise CheckpointError(
                f"{path} is missing or damaged; copy the run's folder anew. A run that was shared "
                "has it only if it was pushed with --splits."
            )
        return dict(found)


def _temperatures(path: Path, values: Any) -> dict[str, float]:
    """Return the temperature of each target in the contents of a file, checked."""
    try:
        found = {name: float(x["temperature"]) for name, x in values.items()}
    except (AttributeError, KeyError, TypeError, ValueError):
        raise CheckpointError(f"{path} is damaged; copy the model's folder anew.") from None
    for name, value in found.items():
        if not 0 < value < math.inf:
            raise CheckpointError(f"{path}: the temperature of {name} is {value}, not above 0.")
    return found


def write_shared(folder: Path, groups: Sequence[Mapping[str, Any]]) -> None:
    """Write the temperatures that the members of each fold share, with their hash.

    Args:
        folder: Folder of the run.
        groups: For each fold its number, "fold", and its temperatures by target, "targets".
    """
    write_json(folder / ENSEMBLE, {"groups": groups, CHECKSUM: values_hash({"groups": groups})})


def _shared(folder: Path) -> dict[int | None, dict[str, float]]:
    """Return the temperatures that members share, by fold; {} for one model, or an older run."""
    path = folder / ENSEMBLE
    if not path.exists():
        return {}
    found = read_json(path)
    try:
        if found[CHECKSUM] != values_hash({"groups": found["groups"]}):
            raise ValueError
        return {one["fold"]: _temperatures(path, one["targets"]) for one in found["groups"]}
    except (KeyError, TypeError, ValueError):
        raise CheckpointError(
            f"{path} is damaged or was edited; copy the run's folder anew."
        ) from None


def _are_splits(found: Any) -> bool:
    """Return whether some content of a file is a list of names for each of the three splits."""
    return isinstance(found, dict) and all(
        isinstance(found.get(part), list) and all(isinstance(key, str) for key in found[part])
        for part in ("train", "validation", "test")
    )


@dataclass(frozen=True)
class Run:
    """What `zoo.train` wrote.

    Attributes:
        folder: Folder of the run.
        facts: Contents of its run.json.
        members: Its trained models, at least one.
    """

    folder: Path
    facts: dict[str, Any] = field(repr=False)
    members: tuple[Member, ...]

    @property
    def targets(self) -> tuple[Target, ...]:
        """What the run predicts."""
        return tuple(map(Target.from_dict, self.facts["targets"]))

    @property
    def names_samples(self) -> bool:
        """Whether it is known which samples the run was trained on; not so for some shared ones."""
        return bool(self.facts.get(HAS_SPLITS, True))

    @property
    def data(self) -> Path:
        """Folder of the prepared data that the run was trained on."""
        return Path(self.facts["data"])


def facts_hash(facts: Mapping[str, Any]) -> str:
    """Return the hash of the keys of run.json that must stay as they were written."""
    return values_hash({key: facts[key] for key in MUST_STAY if key in facts})


def read_facts(folder: Path) -> dict[str, Any] | None:
    """Return the contents of a folder's run.json; None if it has none.

    Raises:
        CheckpointError: if it is damaged.
    """
    if not (folder / FACTS).exists():
        return None
    facts = read_json(folder / FACTS)
    try:
        _check(facts)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{folder / FACTS} is damaged ({error}). Copy the run's folder again, or train anew, "
            "with another --out."
        ) from None
    return dict(facts)


def _check(facts: Any) -> None:
    """Check all that is read later: the keys, the targets, and that members lie in the folder."""
    if missing := KEYS - facts.keys() if isinstance(facts, dict) else KEYS:
        raise KeyError(*sorted(missing))
    if facts.get(CHECKSUM) not in (None, facts_hash(facts)):
        raise ValueError(f"{', '.join(MUST_STAY)} are not what was written")
    tuple(map(Target.from_dict, facts["targets"]))
    Path(facts["data"])
    for member in facts["members"]:
        inside = Path(member["folder"])
        if inside.is_absolute() or ".." in inside.parts:
            raise ValueError(f"member {member['folder']!r} is not in it")
        if missing := {"name", "fold", "seed"} - member.keys():
            raise KeyError(*sorted(missing))


def _check_inside(folder: Path, member: Member) -> None:
    """Refuse a member whose folder is a link to another place, which may hold any other model."""
    real = member.folder.resolve()
    if not real.is_relative_to(folder.resolve()):
        raise CheckpointError(
            f"{member.folder} is a link to {real}, which is not in {folder}. Copy that folder in "
            "the link's place, if it is the model of this run."
        )


def read_run(folder: Path) -> Run:
    """Return the run of a folder.

    Raises:
        CheckpointError: if it is none, or a member has not been trained to its end.
    """
    facts = read_facts(folder)
    if facts is None:
        raise CheckpointError(
            f"{folder} is no run: it has no {FACTS}. `python -m zoo.train CONFIG --data DIR --out "
            f"{folder}` makes one."
        )
    shared = _shared(folder)
    members = tuple(
        Member(folder / m["folder"], m["name"], m["fold"], m["seed"], shared.get(m["fold"]))
        for m in facts["members"]
    )
    for member in members:
        _check_inside(folder, member)
    unfinished = [m.name for m in members if not (m.folder / WEIGHTS).is_file()]
    if unfinished:
        raise CheckpointError(
            f"{folder}: training has not ended ({', '.join(unfinished)}). Go on with `python -m "
            f"zoo.train --resume --out {folder}`."
        )
    return Run(folder, facts, members)


def trained(folder: Path) -> tuple[tuple[Target, ...], tuple[Member, ...]]:
    """Return the targets and members of a folder, without loading a model.

    A saved model is one member; its targets are in its config, and not returned.

    Raises:
        CheckpointError: if the folder is neither, or a member has not been trained to its end.
    """
    if (folder / FACTS).is_file():
        run = read_run(folder)
        return run.targets, run.members
    if (folder / CONFIG).is_file():
        return (), (Member(folder, folder.name, None, 0),)
    raise CheckpointError(
        f"{folder} is not a trained model: it has neither {FACTS}, which `python -m zoo.train "
        f"CONFIG --data DIR --out {folder}` writes, nor the {CONFIG} of a saved "
        f"model.{hint(folder)}"
    )
